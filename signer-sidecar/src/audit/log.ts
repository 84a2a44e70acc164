/**
 * Appends to the chains of one sidecar. It writes several chains, so that no two pieces of work wait for one row:
 * `<node>/<account>` in the database transactions that give out that account's nonces, `<node>` for what is signed by
 * itself, `<node>/checkpoints`. A chain goes on over restarts.
 */
import { auditUnavailable, databaseUnavailable } from '../errors.ts';
import { CommitUnknownError, type Queries, type Store, StoreUnavailableError } from '../store/store.ts';
import { canonicalJson } from './canonical.ts';
import { type ChainedEntry, GENESIS, type Head, sha256 } from './chain.ts';
import type { AuditEntry } from './entry.ts';

const MAX_GROUP = 256;
const MAX_TRIES = 5;

export interface AuditLogOptions {
  store: Store;
  node: string;
  organization: string;
  onEntries?: (entries: AuditEntry[]) => void;
  onFailure?: () => void;
}

/** What was appended in a database transaction that is not committed yet. */
export interface Appended {
  head: Head;
  entries: AuditEntry[];
}

interface Waiting {
  entry: AuditEntry;
  resolve(): void;
  reject(error: unknown): void;
}

export class AuditLog {
  readonly node: string;
  readonly #options: AuditLogOptions;
  /** The ends of the chains as they were committed last: a guess that the database checks, which saves asking it. */
  readonly #heads = new Map<string, Head>();
  readonly #waiting: Waiting[] = [];
  #running = false;
  #appendedTotal = 0;

  constructor(options: AuditLogOptions) {
    this.node = options.node;
    this.#options = options;
  }

  /** Entries that this sidecar committed since it started. */
  get appended(): number {
    return this.#appendedTotal;
  }

  /**
   * Commits an entry of its own chain, together with others that wait: one statement for up to 256.
   * @returns when it is committed: the signature may be made
   * @throws RpcError that can be retried; nothing may be signed
   */
  write(entry: AuditEntry): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ entry, resolve, reject });
      if (!this.#running) void this.#run();
    });
  }

  async #run(): Promise<void> {
    this.#running = true;
    await Promise.resolve(); // calls of the same batch go into the same group
    while (this.#waiting.length > 0) {
      const group = this.#waiting.splice(0, MAX_GROUP);
      try {
        const appended = await this.append(
          this.#options.store,
          group.map(({ entry }) => entry),
        );
        this.committed(appended);
        for (const { resolve } of group) resolve();
      } catch (error) {
        const lost = error instanceof StoreUnavailableError || error instanceof CommitUnknownError;
        for (const { reject } of group) reject(lost ? databaseUnavailable(error) : error);
      }
    }
    this.#running = false;
  }

  /**
   * Appends in the database transaction of the caller; one statement as long as nobody else writes this chain. Call
   * `committed` after COMMIT.
   * @param lane which of the sidecar's chains; undefined is its own
   * @throws StoreUnavailableError, or RpcError: nothing may be signed
   */
  async append(queries: Queries, entries: AuditEntry[], lane?: string): Promise<Appended> {
    const writer = lane === undefined ? this.node : `${this.node}/${lane}`;
    try {
      let head = this.#heads.get(writer) ?? { writer, sequence: 0, hash: GENESIS };
      for (let attempt = 1; attempt <= MAX_TRIES; attempt += 1) {
        const next = await this.#insert(queries, head, entries);
        if (next !== undefined) return { head: next, entries };
        head = await readHead(queries, writer);
      }
      throw new Error(`the chain ${writer} moved ${MAX_TRIES} times while it was appended to`);
    } catch (error) {
      this.#options.onFailure?.();
      throw error instanceof StoreUnavailableError ? error : auditUnavailable(error);
    }
  }

  /** The transaction of `append` was committed. */
  committed({ head, entries }: Appended): void {
    this.#heads.set(head.writer, head);
    this.#appendedTotal += entries.length;
    if (entries.length > 0) this.#options.onEntries?.(entries);
  }

  /** @returns the new end, or undefined when the chain does not end where it was thought to */
  async #insert(queries: Queries, from: Head, entries: AuditEntry[]): Promise<Head | undefined> {
    if (entries.length === 0) return from;
    const rows = chained(from, entries, this.#options);
    const last = rows.at(-1)!;
    const written = await queries.query(
      `WITH head AS (
         INSERT INTO audit_heads AS h (writer, sequence, hash) VALUES ($1, $2, $3)
         ON CONFLICT (writer) DO UPDATE SET sequence = excluded.sequence, hash = excluded.hash
           WHERE h.sequence = $4 AND h.hash = $5
         RETURNING h.writer)
       INSERT INTO audit (format, writer, sequence, previous, hash, entry)
       SELECT 2, head.writer, e.sequence, e.previous, e.hash, e.entry
       FROM head, unnest($6::bigint[], $7::text[], $8::text[], $9::text[]) AS e (sequence, previous, hash, entry)
       RETURNING sequence`,
      [
        from.writer,
        last.sequence,
        last.hash,
        from.sequence,
        from.hash,
        rows.map((row) => row.sequence),
        rows.map((row) => row.previous),
        rows.map((row) => row.hash),
        rows.map((row) => row.text),
      ],
    );
    return written.length === 0 ? undefined : { writer: from.writer, sequence: last.sequence, hash: last.hash };
  }
}

function chained(from: Head, entries: AuditEntry[], { node, organization }: AuditLogOptions) {
  let { sequence, hash } = from;
  return entries.map((entry) => {
    sequence += 1;
    const previous = hash;
    const full: ChainedEntry = { ...entry, format: 2, organization, node, writer: from.writer, sequence, previous };
    const text = canonicalJson(full);
    hash = sha256(text);
    return { sequence, previous, hash, text };
  });
}

async function readHead(queries: Queries, writer: string): Promise<Head> {
  const [row] = await queries.query<{ sequence: string | number; hash: string }>(
    'SELECT sequence, hash FROM audit_heads WHERE writer = $1 FOR UPDATE',
    [writer],
  );
  return row === undefined
    ? { writer, sequence: 0, hash: GENESIS }
    : { writer, sequence: Number(row.sequence), hash: row.hash };
}
