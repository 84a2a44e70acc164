import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createGenesis } from '@quorum-operator/operator/consensus/genesis.ts';
import { generateNodeKey, type NodeKey } from '@quorum-operator/operator/consensus/node-key.ts';
import { gethFlags } from '@quorum-operator/operator/quorum-node/build/geth-flags.ts';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

/**
 * The genesis and the arguments that the operator makes, given to a real GoQuorum without a cluster in between: four
 * validators as processes on loopback. Only ports and paths are replaced.
 */
const binary = process.env.GOQUORUM_BIN;

interface Validator {
  readonly key: NodeKey;
  readonly folder: string;
  readonly peerPort: number;
  readonly httpPort: number;
  process?: ChildProcess;
}

const CHAIN_ID = 83210;
const folder = mkdtempSync(join(tmpdir(), 'goquorum-network-'));
const validators: Validator[] = [];

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Replaces what is the same in every pod but must differ between processes of one machine. */
async function localFlags(node: Validator): Promise<string[]> {
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

async function start(node: Validator): Promise<void> {
  const log = openSync(join(node.folder, 'geth.log'), 'a');
  const child = spawn(binary as string, await localFlags(node), {
    stdio: ['ignore', log, log],
    env: { PRIVATE_CONFIG: 'ignore', PATH: process.env.PATH },
  });
  node.process = child;
}

async function stop(node: Validator, signal: NodeJS.Signals): Promise<number | null> {
  const child = node.process;
  if (child === undefined || child.exitCode !== null || child.signalCode !== null) return child?.exitCode ?? null;
  const ended = new Promise<number | null>((resolve) => child.once('exit', (code) => resolve(code)));
  child.kill(signal);
  return ended;
}

async function call<T>(node: Validator, method: string, params: unknown[] = []): Promise<T> {
  const response = await fetch(`http://127.0.0.1:${node.httpPort}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }),
  });
  const { result, error } = (await response.json()) as { result: T; error?: { message: string } };
  if (error !== undefined) throw new Error(`${method}: ${error.message}`);
  return result;
}

const blockNumber = async (node: Validator) => Number(await call<string>(node, 'eth_blockNumber'));

async function until(what: string, seconds: number, holds: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + seconds * 1000;
  while (Date.now() < deadline) {
    if (await holds().catch(() => false)) return;
    await sleep(250);
  }
  const tail = readFileSync(join(validators[0]?.folder ?? folder, 'geth.log'), 'utf8')
    .split('\n')
    .slice(-15);
  throw new Error(`not within ${seconds} s: ${what}\n${tail.join('\n')}`);
}

describe.skipIf(binary === undefined)('real GoQuorum (GOQUORUM_BIN) with our genesis and arguments', () => {
  beforeAll(async () => {
    for (let index = 0; index < 4; index++) {
      const own = join(folder, `validator-${index}`);
      mkdirSync(join(own, 'empty-keystore'), { recursive: true });
      validators.push({
        key: generateNodeKey(),
        folder: own,
        peerPort: await freePort(),
        httpPort: await freePort(),
      });
    }
    const genesis = createGenesis({
      chainId: CHAIN_ID,
      algorithm: 'QBFT',
      blockPeriodSeconds: 2,
      requestTimeoutSeconds: 4,
      maxRequestTimeoutSeconds: 30,
      epochLength: 30000,
      gasLimit: '60000000',
      alloc: {},
      privacy: true,
      validators: validators.map(({ key }) => key.address),
      createdAt: '2026-01-01T00:00:00Z',
    });
    const enodes = validators.map(({ key, peerPort }) => `enode://${key.publicKey}@127.0.0.1:${peerPort}?discport=0`);
    for (const node of validators) {
      writeFileSync(join(node.folder, 'genesis.json'), genesis.json);
      writeFileSync(join(node.folder, 'nodekey'), node.key.nodekey, { mode: 0o400 });
      writeFileSync(join(node.folder, 'static-nodes.json'), JSON.stringify(enodes));
      writeFileSync(join(node.folder, 'permissioned-nodes.json'), JSON.stringify(enodes));
      const init = spawnSync(binary as string, ['--datadir', node.folder, 'init', join(node.folder, 'genesis.json')], {
        env: { PRIVATE_CONFIG: 'ignore', PATH: process.env.PATH },
        encoding: 'utf8',
      });
      expect(init.status, init.stderr).toBe(0);
      await start(node);
    }
  }, 120_000);

  afterAll(async () => {
    await Promise.all(validators.map((node) => stop(node, 'SIGKILL')));
    rmSync(folder, { recursive: true, force: true });
  });

  test('four validators seal blocks, and agree on who they are', async () => {
    const [first] = validators as [Validator];
    await until('block 3 at every validator', 60, async () => {
      const heads = await Promise.all(validators.map(blockNumber));
      return heads.every((head) => head >= 3);
    });
    const expected = validators.map(({ key }) => key.address).sort();
    expect((await call<string[]>(first, 'istanbul_getValidators')).sort()).toEqual(expected);
    expect(await call(first, 'istanbul_nodeAddress')).toBe(first.key.address);
    const { id } = await call<{ id: string }>(first, 'admin_nodeInfo');
    expect(id).toBe(first.key.nodeId);
  }, 90_000);

  test('no account exists on loopback, and no way to make one', async () => {
    const [first] = validators as [Validator];
    expect(await call(first, 'eth_accounts')).toEqual([]);
    await expect(call(first, 'personal_newAccount', ['x'])).rejects.toThrow(/does not exist/);
  });

  test('with one validator killed the chain goes on, and it catches up after its return', async () => {
    const [first, , , last] = validators as [Validator, Validator, Validator, Validator];
    await stop(last, 'SIGKILL');
    const before = await blockNumber(first);
    await until('three blocks without the fourth validator', 90, async () => (await blockNumber(first)) >= before + 3);
    await start(last);
    await until('the killed validator at the head again', 90, async () => {
      const [head, own] = await Promise.all([blockNumber(first), blockNumber(last)]);
      return own >= head - 1 && own > before;
    });
  }, 200_000);

  test('a stop by SIGTERM is clean', async () => {
    expect(await stop(validators[3] as Validator, 'SIGTERM')).toBe(0);
  });
});
