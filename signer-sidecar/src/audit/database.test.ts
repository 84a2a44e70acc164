/** The audit log in a database: before every signature, in chains that verify, with checkpoints of the HSM. */

import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { PGlite } from '@electric-sql/pglite';
import pg from 'pg';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { MemoryHsm } from '../accounts/memory-hsm-fixture.ts';
import { until } from '../gateway/door-fixture.ts';
import type { Identity } from '../gateway/identity.ts';
import type { LocalMethod } from '../gateway/methods.ts';
import { Scopes } from '../gateway/scopes.ts';
import type { ChainClient, UpstreamAnswer } from '../gateway/upstream.ts';
import { startHsm } from '../hsm/client.ts';
import type { HsmClient } from '../hsm/types.ts';
import { EmbeddedStore } from '../store/embedded.ts';
import { sql as firstVersion } from '../store/migrations/0001-signer.ts';
import { PostgresStore } from '../store/postgres.ts';
import { postgresBinaries, TestPostgres } from '../store/postgres-fixture.ts';
import type { Store } from '../store/store.ts';
import { makeTestToken } from '../token/softhsm-fixture.ts';
import { Signer } from '../transactions/signer.ts';
import { formerHash, GENESIS, type SignedCheckpoint } from './chain.ts';
import { accountCheckpointKey, Checkpointer } from './checkpoints.ts';
import { exportAudit } from './export.ts';
import { AuditLog } from './log.ts';
import { verifyAudit } from './verify.ts';

const log = pino({ level: 'silent' });
const CHAIN_ID = 83210;
const receiver = `0x${'22'.repeat(20)}`;
const never = { everyEntries: 1e9, everySeconds: 1e9, lookMs: 1e6 };
const repair = { intervalMs: 1e6, graceSeconds: 1e6, resendSeconds: 1e6, giveUpSeconds: 1e6 };
const typed = {
  types: { EIP712Domain: [], Order: [{ name: 'amount', type: 'uint256' }] },
  primaryType: 'Order',
  domain: { name: 'Shop', version: '1', chainId: CHAIN_ID },
  message: { amount: '424242' },
};

/** A node that takes everything. */
const chain: ChainClient = {
  call: async (method) => (method === 'eth_getBlockByNumber' ? { gasLimit: '0x3938700' } : '0x0'),
  batch: async (calls): Promise<UpstreamAnswer[]> => calls.map(() => ({ result: null })),
};

const user = (subject: string): Identity => ({
  kind: 'token',
  issuer: 'https://login.alpha.example',
  subject,
  scopes: new Scopes([]),
  expiresAt: 1e15,
});

interface Sidecar {
  signer: Signer;
  ask(method: LocalMethod, params: unknown, subject?: string): Promise<unknown>;
  send(subject?: string): Promise<unknown>;
}

type Keyed = HsmClient & { account: { name: string; address: string; keyId: string } };

async function sidecar(store: Store, hsm: Keyed, node: string): Promise<Sidecar> {
  const config = { accounts: [hsm.account] } as never;
  const chainConfig = { chainId: CHAIN_ID, genesisSha256: 'a', configHash: 'b' };
  const parts = {
    config,
    chainConfig,
    node,
    organization: 'alpha',
    hsm,
    store,
    chain,
    log,
    repair,
    checkpoints: never,
  };
  const signer = new Signer(parts);
  signer.start();
  await until(() => signer.status().databaseReady);
  const ask: Sidecar['ask'] = (method, params, subject = 'alice') =>
    signer.handle(method, params, user(subject), undefined, ['scope rpc://eth_*']);
  const transaction = { from: hsm.account.address, to: receiver, data: '0xa9059cbb00', gas: '0xffff', value: '0x0' };
  return { signer, ask, send: (subject) => ask('eth_sendTransaction', [transaction], subject) };
}

function checkpointer(store: Store, hsm: Keyed, node = 'n1', changes: object = {}): Checkpointer {
  return new Checkpointer({
    store,
    audit: new AuditLog({ store, node, organization: 'alpha' }),
    key: accountCheckpointKey(hsm, hsm.account),
    organization: 'alpha',
    chainId: CHAIN_ID,
    log,
    options: { everyEntries: 1, everySeconds: 0, lookMs: 1e6 },
    ...changes,
  });
}

/** A look that is not turned away: the signer of the test's sidecar makes its first checkpoint by itself meanwhile. */
async function lookInTurn(maker: Checkpointer): ReturnType<Checkpointer['look']> {
  for (let attempt = 1; ; attempt++) {
    const look = await maker.look();
    if (look.kind !== 'busy' || attempt === 100) return look;
    await sleep(20);
  }
}

async function made(maker: Checkpointer): Promise<SignedCheckpoint> {
  const look = await lookInTurn(maker);
  if (look.kind !== 'made') throw new Error(`no checkpoint: ${look.kind}`);
  return look.signed;
}

async function lines(store: Store, options: Parameters<typeof exportAudit>[2] = { tail: true }): Promise<string[]> {
  const out: string[] = [];
  await exportAudit(store, (line) => out.push(line.slice(0, -1)), options);
  return out;
}

const entriesOf = (all: string[]) => all.map((line) => JSON.parse(line).entry).filter((entry) => entry !== undefined);
const count = async (store: Store) =>
  Number((await store.query<{ n: string }>('SELECT count(*) AS n FROM audit'))[0]!.n);

/** An entry in the form of the first version, as its sidecars go on writing it while they are replaced. */
async function formerEntry(
  query: (sql: string, parameters: unknown[]) => Promise<unknown>,
  sequence: number,
  previous: string,
) {
  const entry = JSON.stringify({ action: 'message', subject: 'alice', sequence });
  const hash = formerHash(previous, sequence, entry);
  const head =
    sequence === 1
      ? 'INSERT INTO audit_heads (sequence, hash, writer) VALUES ($1, $2, $3)'
      : 'UPDATE audit_heads SET sequence = $1, hash = $2 WHERE writer = $3';
  await query(head, [sequence, hash, 'former']);
  await query('INSERT INTO audit (writer, sequence, previous, hash, entry) VALUES ($1, $2, $3, $4, $5)', [
    'former',
    sequence,
    previous,
    hash,
    entry,
  ]);
  return hash;
}

/** The same on both databases. One log for all tests, as it is in life: every test adds to it, and at the end it verifies. */
function behaviour(open: () => Promise<{ store: Store; former: string }>): void {
  let store: Store;
  let former: string;
  const hsm = new MemoryHsm(77);
  const { publicKey } = hsm.keys()[0]!;
  let one: Sidecar;
  beforeAll(async () => {
    ({ store, former } = await open());
    await store.whenReady();
    one = await sidecar(store, hsm, 'n1');
  }, 90_000);
  afterAll(async () => {
    await one?.signer.stop();
    await store?.close();
  });

  test('a database of the version before is brought up: its chains go on, and verify with the new', async () => {
    expect(await store.query('SELECT sequence FROM audit WHERE format = 1')).toHaveLength(2);
    await formerEntry((sql, parameters) => store.query(sql, parameters), 3, former);
    await one.ask('personal_sign', ['0x68', hsm.account.address]);
    expect((await lookInTurn(checkpointer(store, hsm))).kind).not.toBe('busy');
    expect(await verifyAudit(await lines(store), { publicKey })).toMatchObject({
      ok: true,
      faults: [],
    });
  });

  test('entries say who, what for, with what right; neither message nor data', async () => {
    const before = new Set(await lines(store));
    const secret = Buffer.from('the secret message').toString('hex');
    await one.ask('personal_sign', [`0x${secret}`, hsm.account.address]);
    await one.ask('eth_signTypedData_v4', [hsm.account.address, typed]);
    await one.send('bob');
    const all = await lines(store);
    const [message, data, transaction] = entriesOf(all.filter((line) => !before.has(line)))
      .filter(({ method }) => method !== 'checkpoint')
      .sort((a, b) => (a.time < b.time ? -1 : 1));
    const common = { organization: 'alpha', node: 'n1', account: hsm.account.address, keyId: '01' };
    expect(message).toMatchObject({
      ...common,
      who: { issuer: 'https://login.alpha.example', subject: 'alice' },
      method: 'personal_sign',
      purpose: { kind: 'message', bytes: 18 },
      verdict: { result: 'allowed', rules: ['scope rpc://eth_*'] },
      digest: expect.stringMatching(/^0x[0-9a-f]{64}$/),
    });
    const domain = { name: 'Shop', version: '1', chainId: `${CHAIN_ID}` };
    expect(data.purpose).toEqual({ kind: 'typed-data', primaryType: 'Order', domain });
    expect(transaction).toMatchObject({ ...common, who: { subject: 'bob' }, writer: `n1/${hsm.account.address}` });
    expect(transaction.purpose).toEqual({
      kind: 'transaction',
      type: 0,
      chainId: CHAIN_ID,
      nonce: 0,
      to: receiver,
      value: '0',
      gas: '65535',
      selector: '0xa9059cbb',
      dataBytes: 5,
    });
    expect(all.join()).not.toMatch(new RegExp(`the secret|${secret}|424242|a9059cbb00`));
  });

  test('the entry is there before the signature is asked for', async () => {
    const seen: number[] = [];
    const before = await count(store);
    hsm.before = async (digest) => {
      const hex = `0x${Buffer.from(digest).toString('hex')}`;
      seen.push((await store.query('SELECT 1 AS one FROM audit WHERE entry LIKE $1', [`%${hex}%`])).length);
    };
    const sign = { from: hsm.account.address, to: receiver, nonce: '0x63', gas: '0x5208' };
    await one.ask('personal_sign', ['0x6869', hsm.account.address]);
    await one.ask('eth_signTransaction', [sign]);
    hsm.before = undefined;
    expect(seen).toEqual([1, 1]);
    expect(await count(store)).toBe(before + 2);
  });

  test('when the entry cannot be written, nothing is signed, and the error can be retried', async () => {
    const signed = hsm.signed;
    const before = await count(store);
    await store.query('ALTER TABLE audit ADD CONSTRAINT full_disk CHECK (sequence < 0) NOT VALID');
    const asked = [
      one.ask('personal_sign', ['0x68', hsm.account.address]),
      one.ask('eth_signTypedData_v4', [hsm.account.address, typed]),
      one.send(),
      one.send('bob'),
    ];
    for (const result of await Promise.allSettled(asked)) {
      expect((result as PromiseRejectedResult).reason).toMatchObject({
        code: -32603,
        httpStatus: 503,
        data: { reason: 'audit_unavailable', retryable: true },
      });
    }
    await store.query('ALTER TABLE audit DROP CONSTRAINT full_disk');
    expect(hsm.signed).toBe(signed);
    expect(await count(store)).toBe(before);
    await one.send();
    expect(hsm.signed).toBe(signed + 1);
  });

  test('a signature that the HSM refuses leaves its entry; nothing is signed without one', async () => {
    const before = await count(store);
    hsm.before = async () => {
      throw Object.assign(new Error('lost'), { code: 'SESSION_LOST', retryable: true });
    };
    await expect(one.send()).rejects.toMatchObject({ data: { hsmCode: 'SESSION_LOST' } });
    hsm.before = undefined;
    expect(await count(store)).toBe(before + 1);
  });

  test('two sidecars of one database, many users at once: all chains verify', async () => {
    const two = await sidecar(store, hsm, 'n2');
    const signed = hsm.signed;
    const before = await count(store);
    await Promise.all(
      Array.from({ length: 60 }, (_, index) => {
        const at = index % 2 === 0 ? one : two;
        return index % 3 === 0 ? at.send(`u${index}`) : at.ask('personal_sign', ['0x68', hsm.account.address]);
      }),
    );
    await two.signer.stop();
    expect(hsm.signed - signed).toBe(60);
    expect(await count(store)).toBe(before + 60);
    const last = await made(checkpointer(store, hsm));
    const report = await verifyAudit(await lines(store), { publicKey, lastCheckpoint: last });
    expect(report).toMatchObject({ ok: true, faults: [] });
    expect(report.heads.map(({ writer }) => writer)).toEqual(
      expect.arrayContaining(['n1', 'n2', 'former', 'n1/checkpoints']),
    );
  });

  test('two processes that write one chain by mistake wait for each other', async () => {
    const twin = await sidecar(store, hsm, 'n1');
    await Promise.all(
      Array.from({ length: 20 }, (_, index) =>
        (index % 2 ? one : twin).ask('personal_sign', ['0x68', hsm.account.address]),
      ),
    );
    await twin.signer.stop();
    await made(checkpointer(store, hsm));
    expect((await verifyAudit(await lines(store), { publicKey })).faults).toEqual([]);
  });

  test('checkpoints: by number of entries or by age, by one sidecar at a time, never without something new', async () => {
    const busy = checkpointer(store, hsm, 'n1');
    const other = checkpointer(store, hsm, 'n2');
    await one.send();
    const looks = await Promise.all([busy.look(), other.look()]);
    expect(looks.filter(({ kind }) => kind === 'made')).toHaveLength(1);
    expect((await busy.look()).kind).toBe('none');
    const after = (everyEntries: number, everySeconds: number) =>
      checkpointer(store, hsm, 'n1', { options: { everyEntries, everySeconds, lookMs: 1e6 } });
    await one.send();
    expect((await after(3, 1e6).look()).kind).toBe('none');
    await one.send();
    await one.send();
    expect((await after(3, 1e6).look()).kind).toBe('made');
    await one.send();
    expect((await after(1e6, 0).look()).kind).toBe('made');
  });

  test('an HSM that does not sign makes no checkpoint; the next look does', async () => {
    await one.send();
    const said: string[] = [];
    const spy = pino({ level: 'info' }, { write: (line: string) => void said.push(line) });
    const events: (number | string)[] = [];
    const maker = checkpointer(store, hsm, 'n1', {
      log: spy,
      options: { everyEntries: 1, everySeconds: 0, lookMs: 20 },
      onLast: (seconds: number) => events.push(seconds),
      onFailure: () => events.push('failed'),
    });
    hsm.before = async () => {
      throw new Error('device error');
    };
    maker.start();
    await until(() => events.includes('failed'));
    hsm.before = undefined;
    await until(() => said.some((line) => line.includes('"audit checkpoint"')));
    await maker.stop();
    // the line in the log is enough to find an end that was cut off
    const { checkpoint, hash, signature } = JSON.parse(said.find((line) => line.includes('"audit checkpoint"'))!);
    const report = await verifyAudit(await lines(store), {
      publicKey,
      lastCheckpoint: { checkpoint, hash, signature },
    });
    expect(report).toMatchObject({ ok: true, last: { number: checkpoint.number } });
    expect(events.at(-1)).toBeCloseTo(Date.now() / 1000, -2);
  });

  test('pages go on at a checkpoint, and joined they are the whole', async () => {
    const whole = await lines(store, {});
    const pages: string[] = [];
    for (let after = 0; ; ) {
      const page = await exportAudit(store, (line) => pages.push(line.slice(0, -1)), { after, limit: 2 });
      after = page.next;
      if (page.complete) break;
    }
    expect(pages).toEqual(whole);
    expect(JSON.parse(whole.at(-1)!).checkpoint).toBeDefined();
    await expect(lines(store, { after: 1e6 })).rejects.toThrow('there is no checkpoint 1000000');
  });

  test.each([
    "UPDATE audit SET entry = '{}'",
    'DELETE FROM audit WHERE sequence = 1',
    'TRUNCATE audit',
    "UPDATE audit_checkpoints SET signature = '0x'",
    'DELETE FROM audit_checkpoints',
    'TRUNCATE audit_checkpoints',
    'UPDATE audit_heads SET sequence = sequence - 1',
    "UPDATE audit_heads SET writer = 'x', sequence = sequence + 1",
    'DELETE FROM audit_heads',
    'TRUNCATE audit_heads',
  ])('%s is refused by the database', async (sql) => {
    const before = await lines(store);
    await expect(store.query(sql)).rejects.toThrow('is refused');
    const asReplica = store.transaction(async (queries) => {
      await queries.query('SET LOCAL session_replication_role = replica');
      await queries.query(sql);
    });
    await expect(asReplica).rejects.toThrow('is refused');
    expect(await lines(store)).toEqual(before);
  });

  test('what the owner of the database changes in spite of that is found', async () => {
    const before = await lines(store);
    const [row] = await store.query<{ sequence: string; entry: string }>(
      "SELECT sequence, entry FROM audit WHERE writer = 'n1' ORDER BY sequence LIMIT 1",
    );
    await store.query('ALTER TABLE audit DISABLE TRIGGER audit_only_added');
    await store.query(
      "UPDATE audit SET entry = replace(entry, 'alice', 'mallory') WHERE writer = 'n1' AND sequence = $1",
      [row!.sequence],
    );
    expect((await verifyAudit(await lines(store), { publicKey })).faults).toMatchObject([
      { writer: 'n1', sequence: Number(row!.sequence), what: 'changed: its hash is not the one of its text' },
    ]);
    await store.query("UPDATE audit SET entry = $2 WHERE writer = 'n1' AND sequence = $1", [row!.sequence, row!.entry]);
    await store.query('ALTER TABLE audit ENABLE ALWAYS TRIGGER audit_only_added');
    expect(await lines(store)).toEqual(before);
    expect((await verifyAudit(before, { publicKey })).ok).toBe(true);
  });
}

describe('embedded', () => {
  const directory = mkdtempSync(join(tmpdir(), 'quorum-audit-'));
  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  behaviour(async () => {
    const database = await PGlite.create(join(directory, 'db'));
    await database.exec(`${firstVersion}
      CREATE TABLE schema_migrations (version integer PRIMARY KEY, name text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now());
      INSERT INTO schema_migrations VALUES (1, 'signer')`);
    const query = (sql: string, parameters: unknown[]) => database.query(sql, parameters);
    const former = await formerEntry(query, 2, await formerEntry(query, 1, GENESIS));
    await database.close();
    return { store: new EmbeddedStore(join(directory, 'db'), log), former };
  });
});

describe.skipIf(postgresBinaries() === undefined)('Postgres', () => {
  let postgres: TestPostgres;
  beforeAll(async () => {
    postgres = await TestPostgres.start();
  }, 90_000);
  afterAll(() => postgres?.stop());

  behaviour(async () => {
    const { host, port, database, user: name, caFile, certFile, keyFile } = postgres.config;
    const [ca, cert, key] = [caFile, certFile, keyFile].map((file) => readFileSync(file, 'utf8'));
    const client = new pg.Client({ host, port, database, user: name, ssl: { ca, cert, key } });
    await client.connect();
    await client.query(`${firstVersion};
      CREATE TABLE schema_migrations (version integer PRIMARY KEY, name text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now());
      INSERT INTO schema_migrations VALUES (1, 'signer')`);
    const query = (sql: string, parameters: unknown[]) => client.query(sql, parameters);
    const former = await formerEntry(query, 2, await formerEntry(query, 1, GENESIS));
    await client.end();
    return { store: new PostgresStore(postgres.config, log, { checkMs: 100 }), former };
  });

  test('the server goes away: nothing is signed and the error can be retried; then it goes on, and verifies', async () => {
    const hsm = new MemoryHsm(78);
    const store = new PostgresStore(postgres.config, log, { checkMs: 100 });
    const { signer, ask, send } = await sidecar(store, hsm, 'lost');
    await Promise.all([send(), ask('personal_sign', ['0x68', hsm.account.address])]);
    const signed = hsm.signed;
    await postgres.kill();
    for (const attempt of [() => send(), () => ask('personal_sign', ['0x68', hsm.account.address]), () => send()]) {
      await expect(attempt()).rejects.toMatchObject({
        code: -32603,
        httpStatus: 503,
        data: { reason: 'database_unavailable', retryable: true },
      });
    }
    expect(hsm.signed).toBe(signed);
    await postgres.run();
    await until(() => store.ready());
    await Promise.all([send(), ask('personal_sign', ['0x68', hsm.account.address])]);
    expect(hsm.signed).toBe(signed + 2);
    await made(checkpointer(store, hsm, 'lost'));
    const keys = [new MemoryHsm(77), hsm].map((each) => each.keys()[0]!.publicKey);
    expect((await verifyAudit(await lines(store), { publicKey: keys })).faults).toEqual([]);
    await signer.stop();
    await store.close();
  }, 60_000);
});

test('a checkpoint signed in a real token verifies with the public key that its Job recorded', async () => {
  const token = await makeTestToken();
  const record = token.record.keys[0]!;
  const client = await startHsm(token.options, log);
  const account = { name: 'default', address: record.address.toLowerCase(), keyId: record.id };
  const hsm: Keyed = {
    account,
    keys: () => client.keys(),
    ready: () => client.ready(),
    lastError: () => client.lastError(),
    sign: (keyId, digest) => client.sign(keyId, digest),
    stop: () => client.stop(),
  };
  const store = new EmbeddedStore('memory://', log);
  try {
    await store.whenReady();
    await until(() => client.ready());
    const { signer, send } = await sidecar(store, hsm, 'n1');
    await Promise.all([send(), send('bob')]);
    const last = await made(checkpointer(store, hsm));
    const report = await verifyAudit(await lines(store), { publicKey: record.publicKey, lastCheckpoint: last });
    expect(report).toMatchObject({ ok: true, entries: 3, checkpoints: 1, uncovered: 1 });
    await signer.stop();
  } finally {
    await client.stop();
    await store.close();
    rmSync(token.directory, { recursive: true, force: true });
  }
}, 60_000);
