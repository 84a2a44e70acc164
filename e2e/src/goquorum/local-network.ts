import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createGenesis } from '@quorum-operator/operator/consensus/genesis.ts';
import { generateNodeKey, type NodeKey } from '@quorum-operator/operator/consensus/node-key.ts';
import { gethFlags } from '@quorum-operator/operator/quorum-node/build/geth-flags.ts';

const CHAIN_ID = 83210;

/** One real GoQuorum on loopback. */
export interface LocalNode {
  readonly key: NodeKey;
  readonly folder: string;
  readonly peerPort: number;
  readonly httpPort: number;
  process?: ChildProcess;
}

export interface LocalNetworkOptions {
  readonly validators: number;
  /** Default 30000. */
  readonly epochLength?: number;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/**
 * The genesis and the arguments that the operator makes, given to a real GoQuorum without a cluster in between:
 * validators as processes on loopback. Only ports and paths are replaced.
 */
export class LocalNetwork {
  readonly nodes: readonly LocalNode[];
  readonly #binary: string;
  readonly #folder: string;

  private constructor(binary: string, folder: string, nodes: readonly LocalNode[]) {
    this.#binary = binary;
    this.#folder = folder;
    this.nodes = nodes;
  }

  /** Makes keys and genesis, initialises and starts all validators. */
  static async start(binary: string, { validators, epochLength = 30000 }: LocalNetworkOptions): Promise<LocalNetwork> {
    const folder = mkdtempSync(join(tmpdir(), 'goquorum-network-'));
    const nodes: LocalNode[] = [];
    for (let index = 0; index < validators; index++) {
      const own = join(folder, `validator-${index}`);
      mkdirSync(join(own, 'empty-keystore'), { recursive: true });
      nodes.push({ key: generateNodeKey(), folder: own, peerPort: await freePort(), httpPort: await freePort() });
    }
    const network = new LocalNetwork(binary, folder, nodes);
    const genesis = createGenesis({
      chainId: CHAIN_ID,
      algorithm: 'QBFT',
      blockPeriodSeconds: 2,
      requestTimeoutSeconds: 4,
      maxRequestTimeoutSeconds: 30,
      epochLength,
      gasLimit: '60000000',
      alloc: {},
      privacy: true,
      validators: nodes.map(({ key }) => key.address),
      createdAt: '2026-01-01T00:00:00Z',
    });
    for (const node of nodes) {
      network.#initialise(node, genesis.json);
      await network.run(node);
    }
    return network;
  }

  #initialise(node: LocalNode, genesis: string): void {
    const enodes = this.nodes.map(({ key, peerPort }) => `enode://${key.publicKey}@127.0.0.1:${peerPort}?discport=0`);
    writeFileSync(join(node.folder, 'genesis.json'), genesis);
    writeFileSync(join(node.folder, 'nodekey'), node.key.nodekey, { mode: 0o400 });
    writeFileSync(join(node.folder, 'static-nodes.json'), JSON.stringify(enodes));
    writeFileSync(join(node.folder, 'permissioned-nodes.json'), JSON.stringify(enodes));
    const init = spawnSync(this.#binary, ['--datadir', node.folder, 'init', join(node.folder, 'genesis.json')], {
      env: { PRIVATE_CONFIG: 'ignore', PATH: process.env.PATH },
      encoding: 'utf8',
    });
    if (init.status !== 0) throw new Error(`geth init ended with ${init.status}: ${init.stderr}`);
  }

  /** Starts a node that does not run. */
  async run(node: LocalNode): Promise<void> {
    const log = openSync(join(node.folder, 'geth.log'), 'a');
    node.process = spawn(this.#binary, await localFlags(node), {
      stdio: ['ignore', log, log],
      env: { PRIVATE_CONFIG: 'ignore', PATH: process.env.PATH },
    });
  }

  /** @returns the exit code, null when the signal ended it. */
  async stop(node: LocalNode, signal: NodeJS.Signals): Promise<number | null> {
    const child = node.process;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return child?.exitCode ?? null;
    const ended = new Promise<number | null>((resolve) => child.once('exit', (code) => resolve(code)));
    child.kill(signal);
    return ended;
  }

  async call<T>(node: LocalNode, method: string, params: readonly unknown[] = []): Promise<T> {
    const response = await fetch(`http://127.0.0.1:${node.httpPort}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }),
    });
    const { result, error } = (await response.json()) as { result: T; error?: { message: string } };
    if (error !== undefined) throw new Error(`${method}: ${error.message}`);
    return result;
  }

  async blockNumber(node: LocalNode): Promise<number> {
    return Number(await this.call<string>(node, 'eth_blockNumber'));
  }

  /** Waits until something holds; errors of a node that is not up yet count as "not yet". */
  async until(what: string, seconds: number, holds: () => Promise<boolean>): Promise<void> {
    const deadline = Date.now() + seconds * 1000;
    while (Date.now() < deadline) {
      if (await holds().catch(() => false)) return;
      await sleep(250);
    }
    const log = readFileSync(join(this.nodes[0]!.folder, 'geth.log'), 'utf8').split('\n').slice(-15);
    throw new Error(`not within ${seconds} s: ${what}\n${await this.standing()}\n${log.join('\n')}`);
  }

  /** Head, peers and proposals of each node, for the message of a test that failed. */
  async standing(): Promise<string> {
    const lines = this.nodes.map(async (node, index) => {
      try {
        const calls = ['eth_blockNumber', 'net_peerCount', 'istanbul_candidates', 'istanbul_getValidators'];
        const answers = await Promise.all(calls.map((method) => this.call(node, method)));
        return `${index} ${node.key.address}: ${answers.map((answer) => JSON.stringify(answer)).join(' ')}`;
      } catch {
        return `${index} ${node.key.address}: does not answer`;
      }
    });
    return (await Promise.all(lines)).join('\n');
  }

  /** Ends all processes and removes their files. */
  async remove(): Promise<void> {
    await Promise.all(this.nodes.map((node) => this.stop(node, 'SIGKILL')));
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** Replaces what is the same in every pod but must differ between processes of one machine. */
async function localFlags(node: LocalNode): Promise<string[]> {
  const replaced: Record<string, string> = {
    '--datadir': node.folder,
    '--keystore': join(node.folder, 'empty-keystore'),
    '--nodekey': join(node.folder, 'nodekey'),
    '--port': String(node.peerPort),
    '--http.port': String(node.httpPort),
    '--ws.port': String(await freePort()),
    '--metrics.port': String(await freePort()),
  };
  const flags = gethFlags({ chainId: CHAIN_ID, gasLimit: '60000000', verbosity: 3 });
  return flags.map((flag, index) => replaced[flags[index - 1] ?? ''] ?? flag);
}
