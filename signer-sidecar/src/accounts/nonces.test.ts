import { copyFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { Transaction } from 'ethers';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { sha256 } from '../audit/chain.ts';
import { auditEntry, transactionPurpose } from '../audit/entry.ts';
import { AuditLog } from '../audit/log.ts';
import type { ChainClient, UpstreamAnswer } from '../gateway/upstream.ts';
import { EmbeddedStore } from '../store/embedded.ts';
import { PostgresStore } from '../store/postgres.ts';
import { postgresBinaries, TestPostgres } from '../store/postgres-fixture.ts';
import type { Store } from '../store/store.ts';
import { signUnsigned, unsignedTransaction } from '../transactions/sign.ts';
import { Accounts, bindAccounts } from './accounts.ts';
import { MemoryHsm } from './memory-hsm-fixture.ts';
import { NonceAllocator, type NonceRequest } from './nonces.ts';

const log = pino({ level: 'silent' });
const chainConfig = { chainId: 83210, genesisSha256: 'a', configHash: 'b' };
const body = {
  type: 0 as const,
  chainId: 83210,
  gas: 21_000n,
  to: `0x${'11'.repeat(20)}`,
  value: 0n,
  data: '0x',
  gasPrice: 0n,
};

class CountingChain implements ChainClient {
  count = 0;
  async call(): Promise<unknown> {
    return `0x${this.count.toString(16)}`;
  }
  async batch(): Promise<UpstreamAnswer[]> {
    return [];
  }
}

const request = (hsm: MemoryHsm, changes: Partial<NonceRequest> = {}): NonceRequest => ({
  issuer: 'i',
  subject: 's',
  requestHash: 'h',
  prepare: (nonce) => {
    const unsigned = unsignedTransaction(body, nonce);
    const origin = {
      who: { issuer: 'i', subject: 's' },
      method: 'test',
      verdict: { result: 'allowed' as const, rules: [] },
    };
    return {
      entry: auditEntry(origin, hsm.account, unsigned.digest, transactionPurpose(body, nonce)),
      sign: () => signUnsigned(hsm, hsm.account, unsigned),
    };
  },
  ...changes,
});

const allocatorAt = (store: Store, chain: ChainClient, node: string) =>
  new NonceAllocator(store, chain, new AuditLog({ store, node, organization: 'alpha' }), log);

async function bound(store: Store, hsm: MemoryHsm): Promise<void> {
  await store.whenReady();
  const accounts = new Accounts([{ name: 'default', address: hsm.account.address, keyId: hsm.account.keyId }]);
  await bindAccounts(store, accounts, chainConfig);
}

async function nonces(store: Store, hsm: MemoryHsm): Promise<number[]> {
  const rows = await store.query<{ nonce: string }>(
    "SELECT nonce FROM transactions WHERE address = $1 AND status <> 'failed' ORDER BY nonce",
    [hsm.account.address],
  );
  return rows.map((row) => Number(row.nonce));
}

const upTo = (count: number, first = 0) => Array.from({ length: count }, (_, index) => first + index);

/** Every chain of a node: no gap, each entry names the one before. */
async function expectAuditHolds(store: Store, node: string): Promise<void> {
  const rows = await store.query<{ writer: string; sequence: string; previous: string; hash: string; entry: string }>(
    'SELECT writer, sequence, previous, hash, entry FROM audit WHERE writer LIKE $1 ORDER BY writer, sequence',
    [`${node}/%`],
  );
  expect(rows.length).toBeGreaterThan(0);
  for (const [index, row] of rows.entries()) {
    const before = rows[index - 1]?.writer === row.writer ? rows[index - 1] : undefined;
    expect(Number(row.sequence)).toBe(Number(before?.sequence ?? 0) + 1);
    expect(row.previous).toBe(before?.hash ?? '0'.repeat(64));
    expect(row.hash).toBe(sha256(row.entry));
    expect(JSON.parse(row.entry)).toMatchObject({ writer: row.writer, sequence: Number(row.sequence) });
  }
}

let seed = 0;
const newHsm = () => {
  seed += 1;
  return new MemoryHsm(seed);
};

/** The same behaviour on both databases. */
function behaviour(open: () => Store): void {
  let store: Store;
  const chain = new CountingChain();
  beforeAll(async () => {
    store = open();
    await store.whenReady();
  }, 60_000);
  afterAll(() => store.close());
  const allocator = (at: Store = store, node = 'n1') => allocatorAt(at, chain, node);

  test('nonces follow each other; what is stored is what was signed', async () => {
    const hsm = newHsm();
    await bound(store, hsm);
    const nonceAllocator = allocator();
    const stored = await Promise.all(upTo(100).map(() => nonceAllocator.allocate(hsm.account.address, request(hsm))));
    expect(stored.map(({ nonce }) => nonce)).toEqual(upTo(100));
    for (const { raw, hash, nonce } of stored.slice(0, 3)) {
      const transaction = Transaction.from(raw);
      expect(transaction.nonce).toBe(nonce);
      expect(transaction.hash).toBe(hash);
      expect(transaction.from?.toLowerCase()).toBe(hsm.account.address);
    }
    await expectAuditHolds(store, 'n1');
  });

  test('a failed signature uses no nonce and leaves no gap', async () => {
    const hsm = newHsm();
    await bound(store, hsm);
    const nonceAllocator = allocator();
    let count = 0;
    hsm.before = async () => {
      count += 1;
      if (count % 4 === 0) throw Object.assign(new Error('device error'), { code: 'HSM_FAILURE', retryable: true });
    };
    const results = await Promise.allSettled(
      upTo(40).map(async (index) => {
        await sleep(index);
        return nonceAllocator.allocate(hsm.account.address, request(hsm));
      }),
    );
    const failed = results.filter((result) => result.status === 'rejected');
    expect(failed.length).toBeGreaterThan(0);
    expect(String((failed[0] as PromiseRejectedResult).reason)).toContain('no nonce was used');
    expect(await nonces(store, hsm)).toEqual(upTo(40 - failed.length));
  });

  test('seeded from the chain, and moved on when somebody else used the account', async () => {
    const hsm = newHsm();
    await bound(store, hsm);
    chain.count = 7;
    expect((await allocator().allocate(hsm.account.address, request(hsm))).nonce).toBe(7);
    chain.count = 20;
    expect((await allocator().allocate(hsm.account.address, request(hsm))).nonce).toBe(20);
    chain.count = 0;
    expect((await allocator().allocate(hsm.account.address, request(hsm))).nonce).toBe(21);
  });

  test("a client's nonce must be the next one", async () => {
    const hsm = newHsm();
    await bound(store, hsm);
    const nonceAllocator = allocator();
    const results = await Promise.allSettled(
      [0, 5, undefined, 2, 1].map((nonce) => nonceAllocator.allocate(hsm.account.address, request(hsm, { nonce }))),
    );
    expect(results.map((result) => result.status)).toEqual([
      'fulfilled',
      'rejected',
      'fulfilled',
      'fulfilled',
      'rejected',
    ]);
    expect(String((results[1] as PromiseRejectedResult).reason)).toContain('nonce too high');
    expect(String((results[4] as PromiseRejectedResult).reason)).toContain('nonce too low');
    expect(await nonces(store, hsm)).toEqual([0, 1, 2]);
  });

  test('the same idempotency key is one transaction; with another request it is an error; another user has his own', async () => {
    const hsm = newHsm();
    await bound(store, hsm);
    const nonceAllocator = allocator();
    const ask = (changes: Partial<NonceRequest>) => nonceAllocator.allocate(hsm.account.address, request(hsm, changes));
    const same = await Promise.all(upTo(5).map(() => ask({ idempotencyKey: 'k' })));
    same.push(await ask({ idempotencyKey: 'k' }));
    expect(new Set(same.map(({ hash }) => hash)).size).toBe(1);
    expect(same.filter(({ fresh }) => fresh)).toHaveLength(1);
    await expect(ask({ idempotencyKey: 'k', requestHash: 'other' })).rejects.toThrow('used with another request');
    expect((await ask({ idempotencyKey: 'k', subject: 'bob' })).fresh).toBe(true);
    expect(await nonces(store, hsm)).toEqual([0, 1]);
  });

  test('an idempotency key of a failed signature can be used again', async () => {
    const hsm = newHsm();
    await bound(store, hsm);
    const nonceAllocator = allocator();
    hsm.before = async () => {
      throw new Error('device error');
    };
    const again = () => nonceAllocator.allocate(hsm.account.address, request(hsm, { idempotencyKey: 'again' }));
    await expect(again()).rejects.toThrow();
    hsm.before = undefined;
    expect((await again()).fresh).toBe(true);
  });

  test('an account of another chain is refused', async () => {
    const hsm = newHsm();
    await bound(store, hsm);
    const accounts = new Accounts([{ name: 'default', address: hsm.account.address, keyId: '01' }]);
    await expect(bindAccounts(store, accounts, { ...chainConfig, configHash: 'c' })).rejects.toThrow(
      'Use a new key for a new chain',
    );
  });
}

describe('embedded', () => behaviour(() => new EmbeddedStore('memory://', log)));

describe.skipIf(postgresBinaries() === undefined)('Postgres', () => {
  let postgres: TestPostgres;
  beforeAll(async () => {
    postgres = await TestPostgres.start();
  }, 60_000);
  afterAll(() => postgres.stop());

  const open = () => new PostgresStore(postgres.config, log, { checkMs: 100 });
  describe('one sidecar', () => behaviour(open));

  test('8 users at 2 sidecars: contiguous nonces, each hash once', async () => {
    const hsm = newHsm();
    const stores = [open(), open()];
    for (const store of stores) await bound(store, hsm);
    const chain = new CountingChain();
    const allocators = stores.map((store, index) => allocatorAt(store, chain, `two-${index}`));
    const each = await Promise.all(
      upTo(8).map(async (user) => {
        const hashes: string[] = [];
        for (const _ of upTo(25)) {
          const stored = await allocators[user % 2]!.allocate(
            hsm.account.address,
            request(hsm, { subject: `${user}` }),
          );
          hashes.push(stored.hash);
        }
        return hashes;
      }),
    );
    expect(new Set(each.flat()).size).toBe(200);
    expect(await nonces(stores[0]!, hsm)).toEqual(upTo(200));
    for (const writer of ['two-0', 'two-1']) await expectAuditHolds(stores[0]!, writer);
    await Promise.all(stores.map((store) => store.close()));
  });

  test('the server dies in the middle: clear errors, then on without gap or double', async () => {
    const hsm = newHsm();
    const store = open();
    await bound(store, hsm);
    const allocator = allocatorAt(store, new CountingChain(), 'crash');
    const hashes: string[] = [];
    const errors: unknown[] = [];
    let stop = false;
    const user = async () => {
      while (!stop) {
        await allocator.allocate(hsm.account.address, request(hsm)).then(
          ({ hash }) => hashes.push(hash),
          (error) => errors.push(error),
        );
        await sleep(2);
      }
    };
    const users = upTo(4).map(user);
    await sleep(200);
    await postgres.kill();
    await sleep(200);
    const before = hashes.length;
    await postgres.run();
    while (hashes.length < before + 20) await sleep(20);
    stop = true;
    await Promise.all(users);
    expect(errors.length).toBeGreaterThan(0);
    for (const error of errors) expect(error).toMatchObject({ code: -32603, data: { retryable: true } });
    const stored = await nonces(store, hsm);
    expect(stored).toEqual(upTo(stored.length));
    expect(stored.length).toBe(hashes.length);
    await store.close();
  });

  test('a server whose certificate is not of the CA is not used; certificate files are read at each connection', async () => {
    const wrong = new PostgresStore({ ...postgres.config, host: '127.0.0.1' }, log, { checkMs: 50 });
    while (wrong.lastError() === undefined) await sleep(10);
    expect(wrong.ready()).toBe(false);
    expect(wrong.lastError()).toContain('IP');
    await wrong.close();
    const later = new PostgresStore({ ...postgres.config, certFile: `${postgres.directory}/later.crt` }, log, {
      checkMs: 50,
    });
    while (later.lastError() === undefined) await sleep(10);
    expect(later.lastError()).toContain('ENOENT');
    copyFileSync(postgres.config.certFile, `${postgres.directory}/later.crt`);
    await later.whenReady();
    await later.close();
  });
});
