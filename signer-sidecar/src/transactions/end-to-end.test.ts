/** Users with unmodified clients, over HTTPS with tokens, a key in SoftHSM, a real EVM. */
import { rmSync } from 'node:fs';
import { ContractFactory, getAddress, Transaction, TypedDataEncoder, verifyMessage, verifyTypedData } from 'ethers';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import {
  CHAIN_ID,
  makeIssuer,
  post,
  provider,
  rpc,
  TestChain,
  TestPki,
  type TokenMaker,
  testConfig,
  until,
} from '../gateway/door-fixture.ts';
import { type RunningDoor, startDoor } from '../gateway/run.ts';
import { makeTestToken, type TestToken } from '../token/softhsm-fixture.ts';

/** Stores 42 at slot 0 when created; returns slot 0; a call with any data reverts. */
const CONTRACT = '0x602a6000556014601160003960146000f336600f5760005460005260206000f35b600080fd';

const log = pino({ level: 'silent' });
const receiver = `0x${'11'.repeat(20)}`;
let pki: TestPki;
let issuer: Awaited<ReturnType<typeof makeIssuer>>;
let token: TokenMaker;
let hsmToken: TestToken;

beforeAll(async () => {
  [pki, issuer, hsmToken] = await Promise.all([TestPki.create(), makeIssuer(), makeTestToken()]);
  token = issuer.token;
}, 60_000);
afterAll(() => {
  pki.remove();
  rmSync(hsmToken.directory, { recursive: true, force: true });
});

async function open(chain: TestChain): Promise<{ door: RunningDoor; address: string }> {
  const key = hsmToken.record.keys[0]!;
  const config = testConfig(pki, {
    issuers: issuer.config,
    upstream: { http: chain.url, ws: chain.url.replace('http', 'ws') },
    signer: {
      name: 'alpha-signer',
      accounts: [{ name: 'default', address: key.address, keyId: key.id }],
      hsm: hsmToken.options,
      database: { kind: 'embedded', directory: 'memory://' },
    },
  });
  const door = await startDoor(config, log);
  const operator = await pki.issue(pki.operator, 'quorum-operator://operator/operator/operator/quorum-operator');
  await until(async () => {
    const status = await post(door.ports.ops, pki, '', { method: 'GET', path: '/status', client: operator });
    return status.body.signer.ready;
  }, 60_000); // the embedded database takes seconds of CPU to open
  return { door, address: key.address };
}

describe.each(['istanbul', 'london'] as const)('on a chain with the rules of %s', (hardfork) => {
  let chain: TestChain;
  let door: RunningDoor;
  let address: string;
  beforeAll(async () => {
    chain = await TestChain.start(hardfork);
    ({ door, address } = await open(chain));
  }, 90_000);
  afterAll(async () => {
    await door?.stop();
    await chain?.stop();
  }, 30_000);

  const connect = async (subject: string, scope = 'rpc://eth_* rpc://net_*') =>
    provider(door.ports.door, pki, await token(subject, scope));

  test('three users of one account send at once with ethers; all are mined, nonces in a row', async () => {
    const users = await Promise.all(['alice', 'bob', 'carol'].map((name) => connect(name)));
    const sent = await Promise.all(
      users.flatMap((user) =>
        [1, 2, 3, 4].map(async () => {
          const signer = await user.getSigner();
          expect(signer.address).toBe(getAddress(address));
          const response = await signer.sendTransaction({ to: receiver, value: 0 });
          return (await response.wait())!;
        }),
      ),
    );
    expect(sent.every((receipt) => receipt.status === 1)).toBe(true);
    const nonces = await Promise.all(sent.map(async ({ hash }) => (await users[0]!.getTransaction(hash))!.nonce));
    expect(nonces.sort((a, b) => a - b)).toEqual(Array.from({ length: 12 }, (_, index) => index));
    const types = await Promise.all(sent.map(async ({ hash }) => (await users[0]!.getTransaction(hash))!.type));
    expect(new Set(types)).toEqual(new Set([hardfork === 'london' ? 2 : 0]));
    for (const user of users) user.destroy();
  });

  test('a contract is deployed and read; a call that reverts is an error before anything is signed', async () => {
    const user = await connect('alice');
    const signer = await user.getSigner();
    const contract = await new ContractFactory([], CONTRACT, signer).deploy();
    await contract.waitForDeployment();
    const deployed = await contract.getAddress();
    expect(BigInt(await user.call({ to: deployed }))).toBe(42n);
    const before = await user.getTransactionCount(address);
    await expect(signer.sendTransaction({ to: deployed, data: '0x01' })).rejects.toThrow(/revert/i);
    expect(await user.getTransactionCount(address, 'pending')).toBe(before);
    user.destroy();
  });

  test('eth_signTransaction gives the raw transaction and sends nothing', async () => {
    const user = await connect('alice');
    const fields = { from: address, to: receiver, nonce: '0x64', gas: '0x5208', gasPrice: '0x0', value: '0x0' };
    const raw = (await user.send('eth_signTransaction', [fields])) as string;
    expect(Transaction.from(raw)).toMatchObject({
      nonce: 100,
      from: getAddress(address),
      chainId: BigInt(CHAIN_ID),
      type: 0,
    });
    const { nonce: _, ...without } = fields;
    await expect(user.send('eth_signTransaction', [without])).rejects.toThrow('nonce: must be given');
    user.destroy();
  });

  test('messages and typed data have scopes of their own', async () => {
    const user = await connect('alice', 'rpc://eth_* rpc://personal_sign rpc://eth_signTypedData_v4');
    const signer = await user.getSigner();
    expect(verifyMessage('hello', await signer.signMessage('hello'))).toBe(getAddress(address));
    const domain = { name: 'test', chainId: CHAIN_ID };
    const types = { Mail: [{ name: 'to', type: 'address' }] };
    const signature = await signer.signTypedData(domain, types, { to: receiver });
    expect(verifyTypedData(domain, types, { to: receiver }, signature)).toBe(getAddress(address));
    const other = TypedDataEncoder.getPayload({ ...domain, chainId: 1 }, types, { to: receiver });
    await expect(user.send('eth_signTypedData_v4', [address, JSON.stringify(other)])).rejects.toThrow('this chain is');
    user.destroy();
    const plain = await connect('bob');
    await expect((await plain.getSigner()).signMessage('hello')).rejects.toThrow('403');
    plain.destroy();
  });

  test.each([
    [{ from: receiver, to: receiver }, -32602, 'is not an account of this signer'],
    [{ to: receiver, privateFor: [] }, -32602, 'private transactions are not available'],
    [{ to: receiver, input: '0x01', PrivateFor: ['x'] }, -32602, 'private transactions are not available'],
    [{ to: receiver, value: '0x01' }, -32602, 'leading zeros'],
    [{ to: receiver, chainId: '0x1' }, -32602, 'this chain is 83210'],
    [{ to: receiver, gas: '0x5207' }, -32000, 'intrinsic gas too low'],
    [{ to: receiver, gas: '0xffffffffff' }, -32000, 'exceeds block gas limit'],
    [{ to: receiver, gas: '0x5208', value: '0xde0b6b3a7640000' }, -32000, 'insufficient funds'],
    [{ to: receiver, nonce: '0xffff' }, -32000, 'nonce too high'],
    [{ to: receiver, gasPrice: '0x0', maxFeePerGas: '0x0' }, -32602, 'both given'],
  ])('%j is refused with %i, and no nonce is used', async (fields, code, message) => {
    const user = await connect('alice');
    const before = await user.getTransactionCount(address, 'pending');
    const bearer = await token('alice', 'rpc://eth_*');
    const { body } = await post(door.ports.door, pki, rpc('eth_sendTransaction', [{ from: address, ...fields }]), {
      token: bearer,
    });
    expect(body.error.code).toBe(code);
    expect(body.error.message).toContain(message);
    expect(body.error.data.action).toBeTypeOf('string');
    expect(await user.getTransactionCount(address, 'pending')).toBe(before);
    user.destroy();
  });

  test('after all those refusals the next transaction is mined', async () => {
    const user = await connect('alice');
    const response = await (await user.getSigner()).sendTransaction({ to: receiver });
    expect((await response.wait())?.status).toBe(1);
    user.destroy();
  });

  test('the same Idempotency-Key is one transaction', async () => {
    const bearer = await token('alice', 'rpc://eth_*');
    const send = (fields: object) =>
      post(door.ports.door, pki, rpc('eth_sendTransaction', [{ from: address, to: receiver, ...fields }]), {
        token: bearer,
        headers: { 'idempotency-key': `order-1-${hardfork}` },
      });
    const [one, two] = await Promise.all([send({}), send({})]);
    expect(one.body.result).toMatch(/^0x[0-9a-f]{64}$/);
    expect(two.body.result).toBe(one.body.result);
    expect((await send({ data: '0x01' })).body.error.data.reason).toBe('idempotency_conflict');
  });

  test('a batch is answered in order, each call for itself', async () => {
    const bearer = await token('alice', 'rpc://eth_*');
    const transaction = { from: address, to: receiver };
    const calls = [
      rpc('eth_chainId', [], 'a'),
      rpc('eth_sendTransaction', [transaction], 2),
      rpc('net_version', [], 3),
      rpc('admin_peers', [], 4),
      rpc('eth_sendTransaction', [transaction], 5),
      rpc('eth_blockNumber', [], 6),
      {},
    ];
    const { status, body } = await post(door.ports.door, pki, calls, { token: bearer });
    expect(status).toBe(200);
    expect(body.map(({ id }: { id: unknown }) => id)).toEqual(['a', 2, 3, 4, 5, 6, null]);
    expect(body[0].result).toBe(`0x${CHAIN_ID.toString(16)}`);
    expect(body[1].result).not.toBe(body[4].result);
    expect(body[2].error).toMatchObject({
      code: -32001,
      message: 'access denied: token needs scope rpc://net_version',
    });
    expect(body[3].error.code).toBe(-32601);
    expect(body[5].result).toMatch(/^0x/);
    expect(body[6].error.code).toBe(-32600);
  });

  test('a WebSocket: calls, subscriptions, scopes, the end of the token', async () => {
    const options = { ca: pki.organization.certificatePem };
    const url = `wss://localhost:${door.ports.door}/`;
    const exp = Math.floor(Date.now() / 1000) + 5;
    const bearer = await token('alice', 'rpc://eth_*', { exp });
    const socket = new WebSocket(url, { ...options, headers: { authorization: `Bearer ${bearer}` } });
    const messages: { id?: number; method?: string; result?: unknown; error?: { code: number } }[] = [];
    socket.on('message', (text) => messages.push(JSON.parse(text.toString())));
    const closed = new Promise<number>((resolve) => socket.on('close', resolve));
    await new Promise((resolve) => socket.on('open', resolve));
    socket.send(JSON.stringify(rpc('eth_subscribe', ['newHeads'], 1)));
    socket.send(JSON.stringify(rpc('eth_sendTransaction', [{ from: address, to: receiver }], 2)));
    socket.send(JSON.stringify(rpc('net_version', [], 3)));
    socket.send('{');
    await until(() => messages.filter(({ method }) => method === 'eth_subscription').length >= 2);
    expect(messages.find(({ id }) => id === 1)?.result).toMatch(/^0x/);
    expect(messages.find(({ id }) => id === 2)?.result).toMatch(/^0x[0-9a-f]{64}$/);
    expect(messages.find(({ id }) => id === 3)?.error?.code).toBe(-32001);
    expect(messages.find(({ id }) => id === null)?.error?.code).toBe(-32700);
    expect(await closed).toBe(1008);
    const refused = new WebSocket(url, options);
    expect(
      await new Promise((resolve) => refused.on('unexpected-response', (_, reply) => resolve(reply.statusCode))),
    ).toBe(401);
  });
});
