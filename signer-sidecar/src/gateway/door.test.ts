import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer as createHttp, type Server } from 'node:http';
import { Agent } from 'node:https';
import { connect as tlsConnect } from 'node:tls';
import { Transaction, Wallet } from 'ethers';
import fc from 'fast-check';
import { UnsecuredJWT } from 'jose';
import { pino } from 'pino';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { MemoryHsm } from '../accounts/memory-hsm-fixture.ts';
import { verifyAudit } from '../audit/verify.ts';
import type { DoorConfigInput } from '../config.ts';
import { EmbeddedStore } from '../store/embedded.ts';
import {
  AUDIENCE,
  CHAIN_ID,
  ISSUER,
  makeIssuer,
  nodeUri,
  OPERATOR_URI,
  post,
  rpc,
  TestPki,
  type TokenMaker,
  testConfig,
  until,
} from './door-fixture.ts';
import { type RunningDoor, startDoor } from './run.ts';

const log = pino({ level: 'silent' });
const hsm = new MemoryHsm(4711);

/** Records what reaches the node; answers as geth would, as far as these tests need. */
class RecordingNode {
  readonly calls: { method: string; params: unknown }[] = [];
  readonly server: Server = createHttp(async (request, response) => {
    if (request.method === 'GET') {
      response.writeHead(200).end('chain_head_block 7\n');
      return;
    }
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = JSON.parse(Buffer.concat(chunks).toString());
    const answer = (call: { id: unknown; method: string; params: unknown }) => {
      this.calls.push({ method: call.method, params: call.params });
      return { jsonrpc: '2.0', id: call.id, ...this.answer(call.method) };
    };
    const reply = Array.isArray(body) ? body.map(answer) : answer(body);
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(reply));
  });

  answer(method: string): object {
    const enode = `enode://${'ab'.repeat(64)}@10.0.0.1:30303`;
    const results: Record<string, unknown> = {
      eth_blockNumber: '0x7',
      eth_getTransactionCount: '0x0',
      eth_gasPrice: '0x0',
      eth_getBlockByNumber: { number: '0x7', timestamp: '0x65', hash: '0xbeef', gasLimit: '0x1c9c380' },
      eth_estimateGas: '0x5208',
      eth_sendRawTransaction: '0x01',
      eth_chainId: '0x1450a',
      eth_syncing: false,
      admin_peers: [{ enode }],
      admin_nodeInfo: { enode },
      istanbul_getValidators: [`0x${'AA'.repeat(20)}`],
      istanbul_nodeAddress: `0x${'aa'.repeat(20)}`,
      istanbul_status: { numBlocks: 7, sealerActivity: { [`0x${'AA'.repeat(20)}`]: 7 } },
      istanbul_propose: null,
    };
    return method in results ? { result: results[method] } : { error: { code: -32601, message: `no ${method}` } };
  }
}

let pki: TestPki;
let token: TokenMaker;
let door: RunningDoor;
let node: RecordingNode;
let good: string;
let issuers: DoorConfigInput['issuers'];
let store: EmbeddedStore;

async function open(changes: Partial<DoorConfigInput> = {}, signing = true): Promise<RunningDoor> {
  const origin = `http://127.0.0.1:${(node.server.address() as { port: number }).port}`;
  const { name, address, keyId } = hsm.account;
  const options = { modulePath: 'x', tokenLabel: 'x', tokenSerial: 'x', pinFile: 'x' };
  const database = { kind: 'embedded' as const, directory: 'memory://' };
  const signer = { name: 'alpha-signer', accounts: [{ name, address, keyId }], hsm: options, database };
  const config = testConfig(pki, {
    issuers,
    upstream: { http: origin, metrics: `${origin}/debug/metrics/prometheus` },
    cors: { origins: ['https://app.example'] },
    limits: { requestsPerSecond: 100_000, burst: 100_000, maxBodyBytes: 20_000, maxBatch: 10 },
    ...(signing ? { signer } : {}),
    ...changes,
  });
  return startDoor(config, log, { hsm, store, tlsPollMs: 100 });
}

/** Without the audit log's own checkpoints, which come by the clock. */
const signedForUsers = async () => hsm.signed - (await store.query('SELECT number FROM audit_checkpoints')).length;

beforeAll(async () => {
  pki = await TestPki.create();
  const issuer = await makeIssuer();
  token = issuer.token;
  issuers = issuer.config;
  node = new RecordingNode();
  node.server.listen(0, '127.0.0.1');
  await once(node.server, 'listening');
  store = new EmbeddedStore('memory://', log);
  await store.whenReady();
  door = await open();
  good = await token('alice', 'rpc://eth_* rpc://net_* rpc://admin_* rpc://personal_* rpc://debug_* rpc://istanbul_*');
  await until(
    async () =>
      (await send(rpc('eth_sign', [hsm.account.address, '0x00']), { token: await token('a', 'rpc://eth_sign') }))
        .status === 200,
  );
}, 60_000);
afterAll(async () => {
  await door.stop();
  node.server.closeAllConnections();
  node.server.close();
  pki.remove();
});
beforeEach(() => {
  node.calls.length = 0;
});

const send = (body: unknown, options: Parameters<typeof post>[3] = {}) => post(door.ports.door, pki, body, options);

describe('who may come in', () => {
  test('without a token: 401, -32001, and how to get in', async () => {
    const reply = await send(rpc('eth_blockNumber'));
    expect(reply.status).toBe(401);
    expect(reply.headers['www-authenticate']).toBe('Bearer');
    expect(reply.body).toMatchObject({ id: null, error: { code: -32001, message: 'missing access token' } });
    expect(reply.body.error.data.action).toContain('Authorization');
  });

  test.each([
    [
      'alg none',
      () => new UnsecuredJWT({ iss: ISSUER, aud: AUDIENCE, sub: 'x', exp: 9e9, scope: 'rpc://eth_*' }).encode(),
    ],
    ['another organization', () => token('x', 'rpc://eth_*', { aud: 'quorum-operator:demo:bravo' })],
    ['another issuer', () => token('x', 'rpc://eth_*', { iss: 'https://login.bravo.example' })],
    ['expired', () => token('x', 'rpc://eth_*', { exp: 1 })],
    ['not yet valid', () => token('x', 'rpc://eth_*', { nbf: 9e9 })],
    ['garbage', () => 'a.b.c'],
  ])('%s: 401, and nothing reaches the node', async (_, make) => {
    const reply = await send(rpc('eth_blockNumber'), { token: await make() });
    expect(reply.status).toBe(401);
    expect(reply.body.error.code).toBe(-32001);
    expect(node.calls).toEqual([]);
  });

  test('a token without the scope: 403 that names it', async () => {
    const reply = await send(rpc('eth_blockNumber', [], 9), { token: await token('bob', 'rpc://eth_call') });
    expect(reply.status).toBe(403);
    expect(reply.body).toMatchObject({
      id: 9,
      error: { code: -32001, message: 'access denied: token needs scope rpc://eth_blockNumber' },
    });
  });

  test.each([
    'admin_addPeer',
    'admin_peers',
    'debug_setHead',
    'miner_stop',
    'personal_sendTransaction',
    'personal_unlockAccount',
    'istanbul_propose',
    'eth_fillTransaction',
    'eth_sendTransactionAsync',
    'eth_sendRawPrivateTransaction',
    'nonsense_method',
  ])('%s does not reach the node, whatever the token says', async (method) => {
    const reply = await send(rpc(method), { token: good });
    expect(reply.body.error.data.action).toBeTypeOf('string');
    expect(node.calls).toEqual([]);
  });

  test.each([
    ['node', { eth_blockNumber: 200, eth_sendTransaction: 403 }],
    ['monitoring', { eth_blockNumber: 200, eth_sendRawTransaction: 403 }],
    ['tessera', { eth_blockNumber: 403, eth_accounts: 403 }],
  ])('a certificate of the role %s: %j', async (role, expected) => {
    const client = await pki.issue(pki.organization, nodeUri(role));
    for (const [method, status] of Object.entries(expected)) {
      expect((await send(rpc(method), { client })).status).toBe(status);
    }
  });

  test('certificates that are not accepted', async () => {
    const stranger = await TestPki.create();
    for (const [authority, uri, why] of [
      [pki.organization, OPERATOR_URI, "needs the operator's CA"],
      [pki.organization, nodeUri('node', 'bravo'), 'another organization'],
      [pki.operator, nodeUri('node'), 'gives no such role'],
      [stranger.organization, nodeUri('node'), 'not trusted'],
    ] as const) {
      const reply = await send(rpc('eth_blockNumber'), { client: await pki.issue(authority, uri) });
      expect(reply.status).toBe(401);
      expect(reply.body.error.message).toContain(why);
    }
    stranger.remove();
  });
});

describe('what passes', () => {
  test('the answer of the node as it is, errors too', async () => {
    expect((await send(rpc('eth_blockNumber', [], 'x'), { token: good })).body).toEqual({
      jsonrpc: '2.0',
      id: 'x',
      result: '0x7',
    });
    const reply = await send(rpc('eth_getLogs', [{}]), { token: good });
    expect(reply.status).toBe(200);
    expect(reply.body.error).toEqual({ code: -32601, message: 'no eth_getLogs' });
  });

  test('what was checked is what is sent: a duplicate key cannot smuggle another method in', async () => {
    const body =
      '{"jsonrpc":"2.0","id":1,"method":"admin_addPeer","method":"eth_blockNumber","Method":"admin_addPeer"}';
    expect((await send(body, { token: good })).body.result).toBe('0x7');
    expect(node.calls).toEqual([{ method: 'eth_blockNumber', params: [] }]);
  });

  test.each([
    [rpc('eth_call', [{ input: '0x01', privateFor: ['x'] }, 'latest'])],
    [rpc('eth_estimateGas', [{ data: '0x01', PRIVATEFROM: 'x' }])],
    [rpc('eth_call', [[{ a: { mandatoryFor: [] } }]])],
    [rpc('eth_sendTransaction', [{ from: hsm.account.address, input: '0x01', privateFor: [] }])],
    [rpc('eth_sendTransaction', [{ from: hsm.account.address, input: '0x01', data: '0x01', privacyFlag: 0 }])],
    [rpc('eth_signTransaction', [{ from: hsm.account.address, data: '0x01', privateFrom: 'x' }])],
  ])('a private call never reaches the node: %j', async (call) => {
    const signed = await signedForUsers();
    expect((await send(call, { token: good })).body.error).toMatchObject({
      code: -32602,
      message: 'private transactions are not available yet at this door',
    });
    expect(node.calls).toEqual([]);
    expect(await signedForUsers()).toBe(signed);
  });

  test('a raw transaction that GoQuorum takes for private is refused, others pass', async () => {
    const wallet = new Wallet(`0x${'77'.repeat(32)}`);
    const fields = {
      to: hsm.account.address,
      gasLimit: 21000,
      gasPrice: 0,
      nonce: 0,
      type: 0,
      data: `0x${'ab'.repeat(99)}`,
    };
    const [privateRaw, raw, typed] = await Promise.all([
      wallet.signTransaction({ ...fields, chainId: 1 }),
      wallet.signTransaction({ ...fields, chainId: CHAIN_ID }),
      wallet.signTransaction({ ...fields, chainId: CHAIN_ID, type: 1 }),
    ]);
    expect(Transaction.from(privateRaw).signature?.networkV).toBeOneOf([37n, 38n]);
    expect((await send(rpc('eth_sendRawTransaction', [privateRaw]), { token: good })).body.error.code).toBe(-32602);
    expect((await send(rpc('eth_sendRawTransaction', ['nonsense']), { token: good })).body.error.code).toBe(-32602);
    expect(node.calls).toEqual([]);
    for (const fine of [raw, typed]) {
      expect((await send(rpc('eth_sendRawTransaction', [fine]), { token: good })).body.result).toBe('0x01');
    }
  });

  test('accounts are those of the signer; a door without signer has none and says so', async () => {
    expect((await send(rpc('eth_accounts'), { token: good })).body.result).toEqual([hsm.account.address]);
    const plain = await open({}, false);
    const ask = async (method: string) => (await post(plain.ports.door, pki, rpc(method), { token: good })).body;
    expect((await ask('eth_accounts')).result).toEqual([]);
    expect((await ask('eth_sendTransaction')).error).toMatchObject({ code: -32601 });
    await plain.stop();
  });
});

describe('limits', () => {
  test.each([
    ['a long body', rpc('eth_call', ['x'.repeat(20_000)]), 413, -32600],
    ['a long batch', Array.from({ length: 11 }, () => rpc('eth_chainId')), 413, -32600],
    ['malformed', '{', 400, -32700],
    ['not UTF-8', Buffer.from([0x22, 0xff, 0x22]), 400, -32700],
    ['invalid', {}, 400, -32600],
  ] as const)('%s', async (_, body, status, code) => {
    const reply = await send(body, { token: good });
    expect(reply.status).toBe(status);
    expect(reply.body.error.code).toBe(code);
  });

  test.each([
    [{ path: '/rpc' }, 404],
    [{ method: 'GET' }, 405],
    [{ method: 'PUT' }, 405],
    [{ headers: { 'content-type': 'text/plain' } }, 415],
    [{ headers: { 'content-encoding': 'gzip' } }, 415],
    [{ headers: { 'idempotency-key': 'two words' } }, 400],
  ])('%j: %i', async (options, status) => {
    expect((await send(rpc('eth_chainId'), { token: good, ...options })).status).toBe(status);
  });

  test('a body in chunks is cut off at the limit', async () => {
    const reply = await send('x'.repeat(3_000_000), { token: good, headers: { 'transfer-encoding': 'chunked' } }).catch(
      (error: Error) => ({ status: error.message, body: undefined }),
    );
    expect(reply.status === 413 || /EPIPE|ECONNRESET|hang up/.test(String(reply.status))).toBe(true);
    expect((await send(rpc('eth_chainId'), { token: good })).status).toBe(200);
  });

  test('a subject has its rate, another one his own; strangers are limited by address without harming users', async () => {
    const limited = await open({ limits: { requestsPerSecond: 1, burst: 3, maxBatch: 10 } }, false);
    const ask = (bearer: string | undefined, count = 1) =>
      post(
        limited.ports.door,
        pki,
        Array.from({ length: count }, (_, id) => rpc('eth_chainId', [], id)),
        {
          ...(bearer === undefined ? {} : { token: bearer }),
        },
      );
    const [alice, bob] = await Promise.all([token('alice', 'rpc://eth_*'), token('bob', 'rpc://eth_*')]);
    expect((await ask(alice, 3)).status).toBe(200);
    const refused = await ask(alice);
    expect(refused.status).toBe(429);
    expect(refused.body.error.code).toBe(-32005);
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0);
    const agent = new Agent({ keepAlive: true, maxSockets: 4 });
    const flood = Array.from({ length: 400 }, () => post(limited.ports.door, pki, rpc('eth_chainId'), { agent }));
    const statuses = (await Promise.all(flood)).map(({ status }) => status);
    agent.destroy();
    expect(new Set(statuses)).toEqual(new Set([401, 429]));
    // a token that was never seen before comes from the same address: its turn comes as the bucket fills
    await until(async () => (await ask(bob)).status === 200);
    await limited.stop();
  });

  test('origins: exact ones only', async () => {
    const ask = (origin: string, method = 'POST') =>
      send(rpc('eth_chainId'), { token: good, method, headers: { origin } });
    const allowed = await ask('https://app.example');
    expect(allowed.status).toBe(200);
    expect(allowed.headers['access-control-allow-origin']).toBe('https://app.example');
    expect((await ask('https://app.example', 'OPTIONS')).status).toBe(204);
    for (const origin of ['https://app.example.evil', 'http://app.example', 'null', '*']) {
      expect((await ask(origin)).status).toBe(403);
      expect((await ask(origin, 'OPTIONS')).headers['access-control-allow-origin']).toBeUndefined();
    }
  });

  test('a node that is away: a clear error that can be retried, and readiness says so', async () => {
    const away = await open({ upstream: { http: 'http://127.0.0.1:9' } }, false);
    const reply = await post(away.ports.door, pki, rpc('eth_blockNumber'), { token: good });
    expect(reply.status).toBe(502);
    expect(reply.body.error).toMatchObject({ code: -32603, data: { reason: 'node_unavailable', retryable: true } });
    const probe = async (path: string) => (await fetch(`http://127.0.0.1:${away.ports.probes}${path}`)).status;
    expect([await probe('/livez'), await probe('/readyz'), await probe('/livez/geth')]).toEqual([200, 503, 503]);
    await away.stop();
  });
});

describe('TLS', () => {
  test('a renewed certificate is used without a restart; a broken one is not', async () => {
    const serial = () =>
      new Promise<string>((resolve, reject) => {
        const socket = tlsConnect(
          { port: door.ports.door, host: '127.0.0.1', servername: 'localhost', ca: pki.organization.certificatePem },
          () => {
            resolve(socket.getPeerCertificate().serialNumber);
            socket.end();
          },
        );
        socket.on('error', reject);
      });
    const before = await serial();
    await pki.renewServer();
    await until(async () => (await serial()) !== before);
    const renewed = await serial();
    const intact = readFileSync(pki.file('tls.key'), 'utf8');
    writeFileSync(pki.file('tls.key'), 'nonsense');
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(await serial()).toBe(renewed);
    writeFileSync(pki.file('tls.key'), intact);
  });

  test('TLS 1.1 is refused', async () => {
    const options = {
      port: door.ports.door,
      host: '127.0.0.1',
      servername: 'localhost',
      ca: pki.organization.certificatePem,
    };
    const socket = tlsConnect({
      ...options,
      minVersion: 'TLSv1',
      maxVersion: 'TLSv1.1',
      ciphers: 'DEFAULT@SECLEVEL=0',
    });
    await expect(once(socket, 'secureConnect')).rejects.toThrow();
  });
});

describe('the ops port', () => {
  const ops = async (path: string, role: 'operator' | 'monitoring' | 'node', body?: unknown) => {
    const client = await (role === 'operator'
      ? pki.issue(pki.operator, OPERATOR_URI)
      : pki.issue(pki.organization, nodeUri(role)));
    return post(door.ports.ops, pki, body ?? '', { path, client, method: body === undefined ? 'GET' : 'POST' });
  };

  test('no certificate, no answer; a token does not help', async () => {
    await expect(post(door.ports.ops, pki, '', { method: 'GET', path: '/status', token: good })).rejects.toThrow();
    const forged = await pki.issue(pki.organization, OPERATOR_URI);
    expect((await post(door.ports.ops, pki, '', { method: 'GET', path: '/status', client: forged })).status).toBe(401);
    expect((await ops('/status', 'node')).status).toBe(403);
  });

  test('status', async () => {
    expect((await ops('/status', 'monitoring')).body).toMatchObject({
      reachable: true,
      blockNumber: 7,
      blockTime: 101,
      peers: 1,
      peerIds: ['ab'.repeat(64)],
      validators: [`0x${'aa'.repeat(20)}`],
      isValidator: true,
      address: `0x${'aa'.repeat(20)}`,
      enodeId: 'ab'.repeat(64),
      chainId: CHAIN_ID,
      syncing: false,
      configHash: 'config',
      sealers: { [`0x${'aa'.repeat(20)}`]: 7 },
      signer: { ready: true, accounts: [{ address: hsm.account.address, ready: true }] },
    });
  });

  test('metrics: ours and the ones of geth; clients cannot make labels', async () => {
    await send(rpc('eth_madeUp123'), { token: good });
    const { text } = await ops('/metrics', 'monitoring');
    expect(text).toContain('chain_head_block 7');
    expect(text).toMatch(/quorum_door_requests_total\{method="eth_chainId",result="ok"\} \d+/);
    expect(text).toContain('quorum_signer_hsm_ready 1');
    expect(text).not.toContain('madeUp');
  });

  test('consensus calls: the listed ones, for the operator alone', async () => {
    const propose = { method: 'istanbul_propose', params: ['0x1', true] };
    expect((await ops('/consensus', 'operator', propose)).body).toEqual({ result: null });
    expect(node.calls).toEqual([{ method: 'istanbul_propose', params: ['0x1', true] }]);
    expect((await ops('/consensus', 'monitoring', propose)).status).toBe(403);
    expect((await ops('/consensus', 'operator', { method: 'debug_setHead', params: [] })).status).toBe(400);
    expect((await ops('/consensus', 'operator', '{')).status).toBe(400);
  });

  test('the audit log: every signature, as lines that verify, for those who may look', async () => {
    const transaction = { from: hsm.account.address, to: `0x${'33'.repeat(20)}`, nonce: '0x0', gas: '0x5208' };
    const bearer = await token('audited', 'rpc://eth_*');
    expect((await send(rpc('eth_signTransaction', [transaction]), { token: bearer })).body.result).toMatch(/^0x/);
    const { status, headers, text } = await ops('/audit?tail=true', 'monitoring');
    expect([status, headers['content-type']]).toEqual([200, 'application/x-ndjson']);
    const lines = text.trimEnd().split('\n');
    const entries = lines.map((line) => JSON.parse(line).entry).filter((entry) => entry !== undefined);
    expect(entries.filter(({ who }) => who.subject === 'audited')).toMatchObject([
      {
        method: 'eth_signTransaction',
        verdict: { result: 'allowed', rules: ['scope rpc://eth_*'] },
        node: 'alpha-member',
      },
    ]);
    await until(async () => (await ops('/audit', 'operator')).text !== ''); // the first checkpoint
    const covered = (await ops('/audit?after=0&limit=1', 'operator')).text.trimEnd().split('\n');
    expect(await verifyAudit(covered, { publicKey: hsm.keys()[0]!.publicKey })).toMatchObject({ ok: true, faults: [] });
    expect((await ops('/metrics', 'operator')).text).toMatch(
      /quorum_signer_audit_entries_total\{kind="transaction"\} [1-9]/,
    );
    expect((await ops('/audit', 'node')).status).toBe(403);
    expect((await ops('/audit?after=-1', 'operator')).status).toBe(400);
    expect((await ops('/audit?after=1000', 'operator')).status).toBe(404);
  });

  test('evidence', async () => {
    expect((await ops('/evidence', 'operator')).body).toMatchObject({ own: { uid: process.getuid!() }, processes: [] });
  });
});

test('a thousand bad requests: always a clean JSON-RPC error, never a signature', async () => {
  const agent = new Agent({ keepAlive: true, maxSockets: 8 });
  const signed = await signedForUsers();
  const methods = fc.constantFrom(
    'eth_sendTransaction',
    'eth_signTransaction',
    'eth_sign',
    'personal_sign',
    'eth_signTypedData_v4',
  );
  const hexish = fc.stringMatching(/^(0x|0X|-0x)?[0-9a-fA-Fg]{0,70}$/);
  const odd = fc.oneof(
    hexish,
    fc.integer(),
    fc.double(),
    fc.boolean(),
    fc.constant(null),
    fc.jsonValue({ maxDepth: 2 }),
  );
  const names = fc.constantFrom(
    'to',
    'gas',
    'value',
    'nonce',
    'data',
    'input',
    'type',
    'accessList',
    'gasPrice',
    'x',
    '__proto__',
  );
  const transaction = fc.dictionary(names, odd, { minKeys: 1, noNullPrototype: true }).map((fields) => ({
    from: hsm.account.address,
    ...fields,
    chainId: '0x1', // never right, so that nothing random is ever signed
  }));
  const params = fc.oneof(fc.array(transaction, { maxLength: 2 }), fc.array(odd, { maxLength: 3 }), odd);
  const call = fc.record({ jsonrpc: fc.constant('2.0'), id: fc.oneof(fc.nat(), odd), method: methods, params });
  const text = fc.oneof(
    { weight: 6, arbitrary: call.map((value) => JSON.stringify(value)) },
    { weight: 2, arbitrary: fc.json() },
    { weight: 1, arbitrary: fc.string() },
    { weight: 1, arbitrary: fc.array(call, { maxLength: 12 }).map((value) => JSON.stringify(value)) },
    { weight: 1, arbitrary: call.map((value) => JSON.stringify(value).slice(0, -3)) },
  );
  const bearer = await token('mallory', 'rpc://eth_* rpc://eth_sign rpc://personal_sign rpc://eth_signTypedData_v4');
  await fc.assert(
    fc.asyncProperty(text, async (body) => {
      const reply = await send(body, { token: bearer, agent });
      for (const answer of Array.isArray(reply.body) ? reply.body : [reply.body]) {
        expect(answer.jsonrpc).toBe('2.0');
        expect(answer.error.code).toBeTypeOf('number');
        expect(answer.error.message).not.toBe('');
        expect(answer.error.data.reason).not.toBe('internal');
        expect(answer.error.data.action).not.toBe('');
      }
    }),
    { numRuns: 1000 },
  );
  expect(await signedForUsers()).toBe(signed);
  expect((await send(rpc('eth_chainId'), { token: good })).status).toBe(200);
  agent.destroy();
}, 120_000);
