/** The signer's database behind one small interface: Postgres, or the embedded PGlite with the same SQL. */

/** Runs SQL with `$1` parameters. int8 comes as string or number: read it with `Number` or `BigInt`. */
export interface Queries {
  query<Row extends object>(sql: string, parameters?: unknown[]): Promise<Row[]>;
}

export interface Store extends Queries {
  readonly kind: 'postgres' | 'embedded';
  /**
   * Runs `work` in one transaction. Rolls back when it throws. When the connection is lost at COMMIT the outcome is not
   * known: that is a CommitUnknownError.
   */
  transaction<T>(work: (queries: Queries) => Promise<T>): Promise<T>;
  /** Connected and migrated at the last look. */
  ready(): boolean;
  lastError(): string | undefined;
  /** Resolves once ready() was true; rejects when the store is closed first. */
  whenReady(): Promise<void>;
  close(): Promise<void>;
}

/** The database cannot be used now; nothing of this piece of work was stored. */
export class StoreUnavailableError extends Error {
  override name = 'StoreUnavailableError';
}

/** COMMIT was sent and not answered: all or nothing of this piece of work was stored, and which is not known. */
export class CommitUnknownError extends Error {
  override name = 'CommitUnknownError';
}
