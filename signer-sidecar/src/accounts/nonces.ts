/**
 * Gives out nonces. One database transaction takes the account's row lock, writes the audit entries, signs, stores the
 * signed bytes and moves the nonce on; so a nonce is used up exactly when a transaction that uses it is stored, whatever crashes. Requests that wait
 * while one such transaction runs go together into the next: one lock and one commit for up to 64 signatures.
 */
import { randomUUID } from 'node:crypto';
import type { Logger } from 'pino';
import type { AuditEntry } from '../audit/entry.ts';
import type { Appended, AuditLog } from '../audit/log.ts';
import {
  databaseError,
  databaseUnavailable,
  idempotencyConflict,
  outcomeUnknown,
  type RpcError,
  transactionRejected,
} from '../errors.ts';
import type { ChainClient } from '../gateway/upstream.ts';
import { CommitUnknownError, type Queries, type Store } from '../store/store.ts';
import { insertTransactions, lockNonce, type NewTransaction, setNextNonce } from '../store/transactions.ts';
import type { SignedTransaction } from '../transactions/sign.ts';

const MAX_BATCH = 64;
const FLOOR_TTL_MS = 1_000;
const COMMIT_LOOKUP_MS = 8_000;

export interface NonceRequest {
  issuer: string;
  subject: string;
  /** sha256 of what was asked for, so that a key's second use can be compared. */
  requestHash: string;
  idempotencyKey?: string | undefined;
  /** The client gave a nonce: it must be the next one. */
  nonce?: number | undefined;
  prepare(nonce: number): PreparedTransaction;
}

/** A transaction whose nonce is known: its audit entry is written before `sign` is called. */
export interface PreparedTransaction {
  entry: AuditEntry;
  sign(): Promise<SignedTransaction>;
}

export interface StoredTransaction {
  id: string;
  nonce: number;
  raw: string;
  hash: string;
  /** False: an earlier request with the same idempotency key made it. */
  fresh: boolean;
}

interface Waiting {
  id: string;
  request: NonceRequest;
  resolve(stored: StoredTransaction): void;
  reject(error: unknown): void;
}

interface Queue {
  waiting: Waiting[];
  running: boolean;
  floor?: { at: number; value: Promise<number> } | undefined;
}

/** What one database transaction decided for each request. */
type Decision = { stored: StoredTransaction } | { error: unknown };

export class NonceAllocator {
  readonly #store: Store;
  readonly #chain: ChainClient;
  readonly #audit: AuditLog;
  readonly #log: Logger;
  readonly #queues = new Map<string, Queue>();

  constructor(store: Store, chain: ChainClient, audit: AuditLog, log: Logger) {
    this.#store = store;
    this.#chain = chain;
    this.#audit = audit;
    this.#log = log;
  }

  /**
   * Signs with the account's next nonce and stores the result.
   * @returns after COMMIT; in the order of nonces
   * @throws RpcError with nothing stored, except outcome_unknown
   */
  allocate(address: string, request: NonceRequest): Promise<StoredTransaction> {
    const queue = this.#queue(address);
    return new Promise((resolve, reject) => {
      queue.waiting.push({ id: randomUUID(), request, resolve, reject });
      if (!queue.running) void this.#run(address, queue);
    });
  }

  /** Forgets what the node said: somebody else used a nonce of this account. */
  forgetFloor(address: string): void {
    this.#queue(address).floor = undefined;
  }

  #queue(address: string): Queue {
    const known = this.#queues.get(address);
    if (known !== undefined) return known;
    const queue: Queue = { waiting: [], running: false };
    this.#queues.set(address, queue);
    return queue;
  }

  async #run(address: string, queue: Queue): Promise<void> {
    queue.running = true;
    while (queue.waiting.length > 0) {
      const batch = queue.waiting.splice(0, MAX_BATCH);
      try {
        await this.#settle(address, batch, await this.#floor(address, queue));
      } catch (error) {
        for (const { reject } of batch) reject(error);
      }
    }
    queue.running = false;
  }

  /** No nonce below this is free, says the node. */
  #floor(address: string, queue: Queue): Promise<number> {
    const now = performance.now();
    if (queue.floor === undefined || now - queue.floor.at > FLOOR_TTL_MS) {
      const value = chainNonce(this.#chain, address);
      queue.floor = { at: now, value };
      value.catch(() => {
        queue.floor = undefined;
      });
    }
    return queue.floor.value;
  }

  async #settle(address: string, batch: Waiting[], floor: number): Promise<void> {
    let decisions: Map<Waiting, Decision>;
    try {
      const decided = await this.#store.transaction((queries) => this.#decide(queries, address, batch, floor));
      this.#audit.committed(decided.appended);
      decisions = decided.decisions;
    } catch (error) {
      if (!(error instanceof CommitUnknownError)) throw databaseError(error);
      decisions = await this.#afterUnknownCommit(address, batch, error);
    }
    for (const waiting of batch) {
      const decision = decisions.get(waiting) ?? { error: databaseUnavailable(new Error('no decision')) };
      if ('stored' in decision) waiting.resolve(decision.stored);
      else waiting.reject(decision.error);
    }
  }

  async #decide(
    queries: Queries,
    address: string,
    batch: Waiting[],
    floor: number,
  ): Promise<{ decisions: Map<Waiting, Decision>; appended: Appended }> {
    const first = Math.max(await lockNonce(queries, address, floor), floor);
    const { decisions, repeats } = await this.#claimKeys(queries, batch);
    const fresh = batch.filter((waiting) => !decisions.has(waiting) && !repeats.has(waiting));
    const prepared = prepareInOrder(fresh, first, decisions);
    const appended = await this.#audit.append(
      queries,
      prepared.map(({ transaction }) => transaction.entry),
      address,
    );
    const signed = await signInOrder(prepared, decisions);
    await this.#releaseKeys(queries, fresh, decisions);
    await insertTransactions(
      queries,
      signed.map(({ waiting, nonce, transaction }) => this.#row(address, waiting, nonce, transaction)),
    );
    if (signed.length > 0) await setNextNonce(queries, address, first + signed.length);
    for (const { waiting, nonce, transaction } of signed) {
      decisions.set(waiting, { stored: { id: waiting.id, nonce, ...transaction, fresh: true } });
    }
    for (const [waiting, id] of repeats) decisions.set(waiting, await repeated(queries, id, decisions, batch));
    return { decisions, appended };
  }

  #row(address: string, { id, request }: Waiting, nonce: number, transaction: SignedTransaction): NewTransaction {
    const { issuer, subject, requestHash } = request;
    const { raw, hash } = transaction;
    return { id, address, nonce, purpose: 'request', requestHash, raw, hash, issuer, subject, node: this.#audit.node };
  }

  /** Takes the idempotency keys of a batch; finds those that were used before. */
  async #claimKeys(
    queries: Queries,
    batch: Waiting[],
  ): Promise<{ decisions: Map<Waiting, Decision>; repeats: Map<Waiting, string> }> {
    const decisions = new Map<Waiting, Decision>();
    const repeats = new Map<Waiting, string>();
    for (const waiting of batch) {
      const { issuer, subject, idempotencyKey, requestHash } = waiting.request;
      if (idempotencyKey === undefined) continue;
      const claimed = await queries.query(
        `INSERT INTO idempotency_keys (issuer, subject, key, request_hash, transaction_id)
         VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING RETURNING key`,
        [issuer, subject, idempotencyKey, requestHash, waiting.id],
      );
      if (claimed.length > 0) continue;
      const [known] = await queries.query<{ request_hash: string; transaction_id: string }>(
        'SELECT request_hash, transaction_id FROM idempotency_keys WHERE issuer = $1 AND subject = $2 AND key = $3',
        [issuer, subject, idempotencyKey],
      );
      if (known?.request_hash === requestHash) repeats.set(waiting, known.transaction_id);
      else decisions.set(waiting, { error: idempotencyConflict() });
    }
    return { decisions, repeats };
  }

  async #releaseKeys(queries: Queries, fresh: Waiting[], decisions: Map<Waiting, Decision>): Promise<void> {
    for (const waiting of fresh) {
      if (decisions.has(waiting) && waiting.request.idempotencyKey !== undefined) {
        await queries.query('DELETE FROM idempotency_keys WHERE transaction_id = $1', [waiting.id]);
      }
    }
  }

  /**
   * The row lock is the witness: once we hold it, the transaction whose COMMIT was not answered has ended one way or the
   * other, and its rows are there or not.
   */
  async #afterUnknownCommit(address: string, batch: Waiting[], cause: unknown): Promise<Map<Waiting, Decision>> {
    const deadline = performance.now() + COMMIT_LOOKUP_MS;
    while (performance.now() < deadline) {
      try {
        return await this.#store.transaction(async (queries) => {
          await queries.query('SELECT next FROM nonces WHERE address = $1 FOR UPDATE', [address]);
          return lookUp(queries, batch, cause);
        });
      } catch (error) {
        this.#log.warn({ err: error }, 'looking for the outcome of a commit');
        await new Promise((resolve) => setTimeout(resolve, 250));
      }
    }
    return new Map(batch.map((waiting) => [waiting, { error: outcomeUnknown(waiting.id, cause) }]));
  }
}

/** The lowest nonce that the chain and the node's pool leave free. */
export async function chainNonce(chain: ChainClient, address: string): Promise<number> {
  const [pending, latest] = await Promise.all([
    chain.call('eth_getTransactionCount', [address, 'pending']),
    chain.call('eth_getTransactionCount', [address, 'latest']),
  ]);
  return Math.max(Number(BigInt(pending as string)), Number(BigInt(latest as string)));
}

interface AtNonce<Transaction> {
  waiting: Waiting;
  nonce: number;
  transaction: Transaction;
}

/** Gives rising nonces to those who ask for none, or for the one that is next; a wrong nonce fails alone. */
function prepareInOrder(
  fresh: Waiting[],
  first: number,
  decisions: Map<Waiting, Decision>,
): AtNonce<PreparedTransaction>[] {
  const prepared: AtNonce<PreparedTransaction>[] = [];
  for (const waiting of fresh) {
    const nonce = first + prepared.length;
    const wrong = wrongNonce(waiting.request.nonce, nonce);
    if (wrong === undefined) prepared.push({ waiting, nonce, transaction: waiting.request.prepare(nonce) });
    else decisions.set(waiting, { error: wrong });
  }
  return prepared;
}

/** Signs all at once. When the HSM fails at one, those behind it fail with it: they would leave a gap. */
async function signInOrder(
  prepared: AtNonce<PreparedTransaction>[],
  decisions: Map<Waiting, Decision>,
): Promise<AtNonce<SignedTransaction>[]> {
  const signed: AtNonce<SignedTransaction>[] = [];
  const results = await Promise.allSettled(prepared.map(({ transaction }) => transaction.sign()));
  for (const [index, result] of results.entries()) {
    const { waiting, nonce } = prepared[index]!;
    if (result.status === 'rejected') {
      for (const rest of prepared.slice(index)) decisions.set(rest.waiting, { error: result.reason });
      break;
    }
    signed.push({ waiting, nonce, transaction: result.value });
  }
  return signed;
}

function wrongNonce(given: number | undefined, next: number): RpcError | undefined {
  if (given === undefined || given === next) return undefined;
  return transactionRejected(
    given < next ? 'nonce too low' : 'nonce too high',
    `The next nonce is ${next}. Leave the nonce out: the signer chooses it, since all users of the account share it.`,
  );
}

async function repeated(
  queries: Queries,
  id: string,
  decisions: Map<Waiting, Decision>,
  batch: Waiting[],
): Promise<Decision> {
  const sibling = batch.find((waiting) => waiting.id === id);
  if (sibling !== undefined) {
    const decision = decisions.get(sibling)!;
    return 'stored' in decision ? { stored: { ...decision.stored, fresh: false } } : decision;
  }
  const [row] = await queries.query<{ nonce: string | number; raw: string; hash: string }>(
    'SELECT nonce, raw, hash FROM transactions WHERE id = $1',
    [id],
  );
  if (row === undefined) return { error: databaseUnavailable(new Error(`transaction ${id} is missing`)) };
  return { stored: { id, nonce: Number(row.nonce), raw: row.raw, hash: row.hash, fresh: false } };
}

async function lookUp(queries: Queries, batch: Waiting[], cause: unknown): Promise<Map<Waiting, Decision>> {
  const rows = await queries.query<{ id: string; nonce: string | number; raw: string; hash: string }>(
    'SELECT id, nonce, raw, hash FROM transactions WHERE id = ANY($1::uuid[])',
    [batch.map(({ id }) => id)],
  );
  const byId = new Map(rows.map((row) => [row.id, row]));
  const decisions = new Map<Waiting, Decision>();
  for (const waiting of batch) {
    const row = byId.get(waiting.id);
    if (row === undefined) decisions.set(waiting, { error: databaseUnavailable(cause) });
    else decisions.set(waiting, { stored: { ...row, nonce: Number(row.nonce), fresh: true } });
  }
  return decisions;
}
