/** What goes wrong between a stored transaction and a block, on a real EVM. */
import { pino } from 'pino';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { MemoryHsm } from '../accounts/memory-hsm-fixture.ts';
import { CHAIN_ID, TestChain, until } from '../gateway/door-fixture.ts';
import type { Identity } from '../gateway/identity.ts';
import { Scopes } from '../gateway/scopes.ts';
import { type ChainClient, Upstream, type UpstreamAnswer } from '../gateway/upstream.ts';
import { EmbeddedStore } from '../store/embedded.ts';
import { signTransaction } from './sign.ts';
import { Signer } from './signer.ts';

const log = pino({ level: 'silent' });
const receiver = `0x${'22'.repeat(20)}`;
const identity: Identity = { kind: 'token', issuer: 'i', subject: 's', scopes: new Scopes([]), expiresAt: 1e15 };
const chainConfig = { chainId: CHAIN_ID, genesisSha256: 'a', configHash: 'b' };

/** The node, with faults in what is sent to it. */
class FaultyChain implements ChainClient {
  readonly #upstream: Upstream;
  /** Answers a raw transaction in place of the node; undefined lets it through. */
  fault: (raw: string) => UpstreamAnswer | undefined = () => undefined;
  sent: string[] = [];

  constructor(upstream: Upstream) {
    this.#upstream = upstream;
  }

  call(method: string, params: unknown[]): Promise<unknown> {
    return this.#upstream.call(method, params);
  }

  async batch(calls: { method: string; params: unknown[] }[]): Promise<UpstreamAnswer[]> {
    if (calls[0]?.method !== 'eth_sendRawTransaction') return this.#upstream.batch(calls);
    const answers: UpstreamAnswer[] = [];
    for (const call of calls) {
      const fault = this.fault(call.params[0] as string);
      if (fault === undefined) this.sent.push(call.params[0] as string);
      answers.push(fault ?? (await this.#upstream.batch([call]))[0]!);
    }
    return answers;
  }
}

let evm: TestChain;
let store: EmbeddedStore;
let upstream: Upstream;
let chain: FaultyChain;
let hsm: MemoryHsm;
let signer: Signer;
let seed = 1000;

beforeAll(async () => {
  evm = await TestChain.start('istanbul');
  store = new EmbeddedStore('memory://', log);
  upstream = new Upstream(evm.url);
  await store.whenReady();
}, 60_000);
afterAll(async () => {
  await signer?.stop();
  await upstream.close();
  await store.close();
  await evm.stop();
});

const start = (node = 'n1') => {
  const { name, address, keyId } = hsm.account;
  const config = { accounts: [{ name, address, keyId }] } as never;
  const repair = { intervalMs: 100, graceSeconds: 0.3, resendSeconds: 1, giveUpSeconds: 2 };
  const started = new Signer({ config, chainConfig, node, organization: 'alpha', hsm, store, chain, log, repair });
  started.start();
  return started;
};

beforeEach(async () => {
  await signer?.stop();
  seed += 1;
  hsm = new MemoryHsm(seed);
  chain = new FaultyChain(upstream);
  signer = start();
  await until(() => signer.status().databaseReady);
});

const send = (fields: object = {}, key?: string) =>
  signer.handle(
    'eth_sendTransaction',
    [{ from: hsm.account.address, to: receiver, ...fields }],
    identity,
    key,
  ) as Promise<string>;

const mined = async (hash: string) => {
  await until(async () => (await evm.rpc('eth_getTransactionReceipt', [hash])) !== null);
  return evm.rpc('eth_getTransactionByHash', [hash]) as Promise<{ nonce: string }>;
};
const statusOf = async (hash: string) =>
  (await store.query<{ status: string }>('SELECT status FROM transactions WHERE hash = $1', [hash]))[0]?.status;
const count = async (block: string) => Number(await evm.rpc('eth_getTransactionCount', [hsm.account.address, block]));

test('a node that is away: the hash is given, and the transaction is sent when the node is back', async () => {
  chain.fault = () => ({ error: { code: -32603, message: 'the node did not answer this call' } });
  const hashes = [await send(), await send()];
  expect(await count('pending')).toBe(0);
  chain.fault = () => undefined;
  for (const hash of hashes) await mined(hash);
  await until(async () => (await statusOf(hashes[1]!)) === 'mined');
  expect(await count('latest')).toBe(2);
});

test('a transaction that the pool drops silently is sent again, byte for byte', async () => {
  chain.fault = (raw) => {
    chain.sent.push(raw);
    return { result: '0x' };
  };
  const hash = await send();
  const [first] = chain.sent;
  chain.fault = () => undefined;
  await mined(hash);
  expect(new Set(chain.sent)).toEqual(new Set([first]));
});

test('one that was taken, dropped, and cannot be paid any more does not hold up those behind it', async () => {
  const doomed = new Set<string>();
  chain.fault = (raw) => {
    if (doomed.has(raw)) return { error: { code: -32000, message: 'insufficient funds for gas * price + value' } };
    if (!raw.includes('dead')) return undefined;
    doomed.add(raw);
    return { result: '0x' };
  };
  const dropped = await send({ data: '0xdead', gas: '0xffff' });
  await mined(await send());
  expect(await statusOf(dropped)).toBe('failed');
});

test('a refusal gives the nonce back, and the idempotency key with it', async () => {
  await mined(await send());
  chain.fault = () => ({ error: { code: -32000, message: 'Gas price not 0' } });
  await expect(send({}, 'key')).rejects.toThrow('Gas price not 0');
  chain.fault = () => undefined;
  const transaction = await mined(await send({}, 'key'));
  expect(Number(transaction.nonce)).toBe(1);
});

test('refusals in the middle: what is behind them is mined all the same', async () => {
  chain.fault = (raw) => (raw.includes('dead') ? { error: { code: -32000, message: 'oversized data' } } : undefined);
  const results = await Promise.allSettled(
    Array.from({ length: 12 }, (_, index) =>
      send(index % 3 === 1 ? { data: '0xdead', gas: '0xffff' } : { gas: '0xffff' }),
    ),
  );
  const good = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
  expect(good).toHaveLength(8);
  for (const hash of good) await mined(hash);
  await mined(await send());
});

test('another writer on the account: our transaction takes the next nonce', async () => {
  await mined(await send());
  const body = { type: 0 as const, chainId: CHAIN_ID, gas: 21_000n, to: receiver, value: 0n, data: '0x', gasPrice: 0n };
  const other = await signTransaction(hsm, hsm.account, body, 1);
  const [ours] = await Promise.all([send(), evm.rpc('eth_sendRawTransaction', [other.raw]).catch(() => undefined)]);
  await mined(ours);
  await mined(await send());
});

test('a nonce that was lost from the database is filled, so that those behind it are mined', async () => {
  await mined(await send());
  chain.fault = () => ({ error: { code: -32603, message: 'the node did not answer this call' } });
  const lost = await send();
  const behind = await send();
  await store.query('DELETE FROM transactions WHERE hash = $1', [lost]);
  chain.fault = () => undefined;
  await mined(behind);
  expect(await count('latest')).toBe(3);
  const fillers = await store.query("SELECT id FROM transactions WHERE purpose = 'filler' AND address = $1", [
    hsm.account.address,
  ]);
  expect(fillers).toHaveLength(1);
});

test('an HSM that fails is a clear error that can be retried; nothing is stored', async () => {
  hsm.before = async () => {
    throw Object.assign(new Error('lost'), { code: 'SESSION_LOST', retryable: true });
  };
  await expect(send()).rejects.toMatchObject({ code: -32603, data: { hsmCode: 'SESSION_LOST', retryable: true } });
  hsm.before = undefined;
  expect(Number((await mined(await send())).nonce)).toBe(0);
});

test('a key of the HSM that is not the one of the account signs nothing', async () => {
  const stranger = new MemoryHsm(999_999);
  hsm.sign = (keyId, digest) => stranger.sign(keyId, digest);
  await expect(send()).rejects.toMatchObject({ data: { hsmCode: 'KEY_MISMATCH', retryable: false } });
});
