/** The real program as a process of its own: killed in the worst moment, stopped politely, searched for secrets. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { freePort, postgresBinaries, TestPostgres } from '../store/postgres-fixture.ts';
import { makeTestToken, type TestToken } from '../token/softhsm-fixture.ts';
import { makeIssuer, post, provider, rpc, TestChain, TestPki, testConfig, until } from './door-fixture.ts';

const main = fileURLToPath(new URL('../main.ts', import.meta.url));

/** A node that takes eth_sendRawTransaction and never answers, until it is told to pass everything on. */
class HoldingNode {
  readonly server: Server;
  readonly seen: string[] = [];
  holding = true;

  constructor(target: string) {
    this.server = createServer(async (request, response) => {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk as Buffer);
      const body = Buffer.concat(chunks).toString();
      for (const [, raw] of body.matchAll(/"eth_sendRawTransaction","params":\["(0x[0-9a-f]+)"/g)) this.seen.push(raw!);
      if (this.holding && body.includes('eth_sendRawTransaction')) return;
      const answer = await fetch(target, { method: 'POST', headers: { 'content-type': 'application/json' }, body });
      response.writeHead(200, { 'content-type': 'application/json' }).end(await answer.text());
    });
  }
}

describe.skipIf(postgresBinaries() === undefined)('the door as a process', () => {
  let pki: TestPki;
  let postgres: TestPostgres;
  let chain: TestChain;
  let token: TestToken;
  let node: HoldingNode;
  let bearer: string;
  let configFile: string;
  let port: number;
  let probes: number;
  let child: ChildProcess | undefined;
  let output = '';

  beforeAll(async () => {
    let issuer: Awaited<ReturnType<typeof makeIssuer>>;
    [pki, postgres, chain, token, issuer] = await Promise.all([
      TestPki.create(),
      TestPostgres.start(),
      TestChain.start('istanbul'),
      makeTestToken(),
      makeIssuer(),
    ]);
    bearer = await issuer.token('alice', 'rpc://eth_*');
    node = new HoldingNode(chain.url);
    node.server.listen(0, '127.0.0.1');
    await once(node.server, 'listening');
    [port, probes] = [await freePort(), await freePort()];
    const key = token.record.keys[0]!;
    const host = '127.0.0.1';
    const http = `http://${host}:${(node.server.address() as { port: number }).port}`;
    const config = testConfig(pki, {
      issuers: issuer.config,
      listen: { door: { host, port }, ops: { host, port: 0 }, probes: { host, port: probes } },
      upstream: { http },
      logging: { level: 'debug' },
      signer: {
        name: 'alpha-signer',
        accounts: [{ name: 'default', address: key.address, keyId: key.id }],
        hsm: token.options,
        database: postgres.config,
      },
    });
    configFile = pki.file('door.json');
    writeFileSync(configFile, JSON.stringify(config));
  }, 90_000);

  afterAll(async () => {
    child?.kill('SIGKILL');
    node.server.closeAllConnections();
    node.server.close();
    await Promise.all([chain.stop(), postgres.stop()]);
    pki.remove();
    rmSync(token.directory, { recursive: true, force: true });
  });

  async function run(): Promise<void> {
    child = spawn(process.execPath, [main, 'door', '--config', configFile], { stdio: ['ignore', 'pipe', 'pipe'] });
    for (const stream of [child.stdout!, child.stderr!]) stream.on('data', (chunk) => (output += chunk));
    const fields = { from: token.record.keys[0]!.address, to: `0x${'33'.repeat(20)}`, nonce: '0x0', gas: '0x5208' };
    await until(async () => {
      const reply = await post(port, pki, rpc('eth_signTransaction', [fields]), { token: bearer }).catch(
        () => undefined,
      );
      return reply?.body.result !== undefined;
    }, 60_000);
  }

  test('killed between storing and sending: sent after the restart, mined once', async () => {
    await run();
    const fields = { from: token.record.keys[0]!.address, to: `0x${'33'.repeat(20)}` };
    const lost = post(port, pki, rpc('eth_sendTransaction', [fields]), { token: bearer }).catch(() => 'cut off');
    await until(() => node.seen.length > 0);
    child!.kill('SIGKILL');
    await once(child!, 'exit');
    expect(await lost).toBe('cut off');
    expect(await chain.rpc('eth_getTransactionCount', [fields.from, 'pending'])).toBe('0x0');
    node.holding = false;
    await run();
    await until(async () => (await chain.rpc('eth_getTransactionCount', [fields.from, 'latest'])) === '0x1', 30_000);
    expect(new Set(node.seen).size).toBe(1);
    const user = provider(port, pki, bearer);
    const response = await (await user.getSigner()).sendTransaction({ to: fields.to });
    expect((await response.wait())?.status).toBe(1);
    expect(response.nonce).toBe(1);
    user.destroy();
  }, 120_000);

  test('probes answer with status codes alone; SIGTERM ends it with 0; no secret is in its output or arguments', async () => {
    for (const [path, status] of [
      ['/livez', 200],
      ['/readyz', 200],
      ['/livez/geth', 200],
      ['/metrics', 404],
    ] as const) {
      const response = await fetch(`http://127.0.0.1:${probes}${path}`);
      expect(response.status).toBe(status);
      expect(await response.text()).toBe('');
    }
    const pin = readFileSync(token.pinFile, 'utf8').trim();
    const seen = [`/proc/${child!.pid}/cmdline`, `/proc/${child!.pid}/environ`].map((file) =>
      readFileSync(file, 'utf8'),
    );
    child!.kill('SIGTERM');
    const [code] = (await once(child!, 'exit')) as [number];
    expect(code).toBe(0);
    expect(output).toContain('"stopped"');
    for (const text of [output, ...seen]) {
      expect(text).not.toContain(pin);
      expect(text).not.toContain(bearer);
    }
  }, 60_000);

  test('a configuration that cannot be used ends it with 1 and says why', async () => {
    for (const [args, why] of [
      [['door', '--config', '/nowhere/door.json'], 'cannot read the door configuration /nowhere/door.json: ENOENT'],
      [['door'], '--config FILE is missing'],
      [['window', '--config', 'x'], 'unknown subcommand window'],
    ] as const) {
      const bad = spawn(process.execPath, [main, ...args], { stdio: ['ignore', 'ignore', 'pipe'] });
      let said = '';
      bad.stderr.on('data', (chunk) => (said += chunk));
      const [code] = (await once(bad, 'close')) as [number];
      expect(code).toBe(1);
      expect(said).toContain(why);
    }
  });
});
