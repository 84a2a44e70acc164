import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { Agent } from 'node:https';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { keccak256 } from 'ethers';
import { makeIssuer, post, rpc, TestPki, testConfig } from '../../../../signer-sidecar/src/gateway/door-fixture.ts';
import { freePort, TestPostgres } from '../../../../signer-sidecar/src/store/postgres-fixture.ts';
import type { TestToken } from '../../../../signer-sidecar/src/token/softhsm-fixture.ts';
import { until } from '../../cluster/process.ts';
import { inParallel } from '../parallel.ts';
import { cpuSeconds, cpuSecondsOf, descendants } from '../processes.ts';
import { type Sample, sample } from './sample.ts';
import { DATA, GAS, TO } from './transactions.ts';
import { IN_FLIGHT, type Way } from './ways.ts';

const PROGRAM = fileURLToPath(new URL('../../../../signer-sidecar/src/main.ts', import.meta.url));

export interface DoorWays {
  /** eth_signTransaction */
  readonly https: Way;
  /** eth_sendTransaction, with a nonce from Postgres */
  readonly send: Way;
  /** CPU seconds of Postgres since its start; it is not among the door's processes. */
  databaseCpuSeconds(): number;
}

/**
 * The door as its own process, with TLS, tokens, limits and an audit entry a signature in Postgres. The load generator is
 * this process and is not counted, nor is the stand-in for the node or the database.
 */
export async function doorWays(token: TestToken): Promise<DoorWays> {
  const [pki, postgres, issuer, node] = await Promise.all([
    TestPki.create(),
    TestPostgres.start(),
    makeIssuer(),
    startNode(),
  ]);
  const [port, probes] = [await freePort(), await freePort()];
  const host = '127.0.0.1';
  const key = token.record.keys[0]!;
  const config = testConfig(pki, {
    issuers: issuer.config,
    listen: { door: { host, port }, ops: { host, port: 0 }, probes: { host, port: probes } },
    upstream: { http: `http://${host}:${(node.address() as AddressInfo).port}` },
    limits: { requestsPerSecond: 100_000, burst: 100_000 },
    logging: { level: 'warn' },
    signer: {
      name: 'alpha-signer',
      accounts: [{ name: 'default', address: key.address, keyId: key.id }],
      hsm: token.options,
      database: postgres.config,
    },
  });
  const configFile = pki.file('door.json');
  writeFileSync(configFile, JSON.stringify(config));
  const door = spawn(process.execPath, [PROGRAM, 'door', '--config', configFile], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const bearer = await issuer.token('alice', 'rpc://eth_*');
  const agent = new Agent({ keepAlive: true, maxSockets: IN_FLIGHT });
  const common = { from: key.address, to: TO, gas: `0x${GAS.toString(16)}`, gasPrice: '0x0', data: DATA };
  const call = async (method: string, fields: object) => {
    const reply = await post(port, pki, rpc(method, [{ ...common, ...fields }]), { token: bearer, agent });
    if (reply.body?.result === undefined) throw new Error(`${method} was refused: ${reply.status} ${reply.text}`);
  };
  const sign = (nonce: number) => call('eth_signTransaction', { nonce: `0x${nonce.toString(16)}` });
  const isUp = () => sign(0).then(() => true);
  await until(isUp, { timeoutMs: 60_000, what: 'the door' });
  const processes = [door.pid!, ...descendants(door.pid!)];
  const server = descendants(process.pid, 'postgres');

  const stop = async () => {
    agent.destroy();
    const ended = door.exitCode === null ? once(door, 'exit') : undefined;
    door.kill('SIGTERM');
    await ended;
    node.closeAllConnections();
    node.close();
    await postgres.stop();
    pki.remove();
  };
  const way = (one: (index: number) => Promise<void>): Way => ({
    measure: (signatures): Promise<Sample> =>
      sample(
        signatures,
        () => cpuSecondsOf(processes),
        () => inParallel(signatures, IN_FLIGHT, one),
      ),
    stop,
  });
  return {
    https: way(sign),
    send: way(() => call('eth_sendTransaction', {})),
    databaseCpuSeconds: () => server.reduce((sum, pid) => sum + cpuSeconds(pid), 0),
  };
}

/** A stand-in for the node: takes every transaction, at once, and knows of no block that holds them. */
async function startNode(): Promise<Server> {
  const block = { number: '0x1', gasLimit: '0x3938700', timestamp: '0x1' };
  const answer = (method: string, params: string[]): unknown => {
    if (method === 'eth_sendRawTransaction') return keccak256(params[0]!);
    if (method === 'eth_getBlockByNumber') return block;
    if (method === 'eth_getTransactionReceipt' || method === 'eth_getTransactionByHash') return null;
    return method === 'eth_chainId' ? '0x1450a' : '0x0';
  };
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    type Call = { id: unknown; method: string; params: string[] };
    const body = JSON.parse(Buffer.concat(chunks).toString()) as Call | Call[];
    const one = ({ id, method, params }: Call) => ({ jsonrpc: '2.0', id, result: answer(method, params) });
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(JSON.stringify(Array.isArray(body) ? body.map(one) : one(body)));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server;
}
