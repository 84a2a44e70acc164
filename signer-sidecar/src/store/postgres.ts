/** Postgres over TLS (verify-full, client certificate). Connects in the background and again after every loss. */
import { readFileSync } from 'node:fs';
import pg from 'pg';
import type { Logger } from 'pino';
import type { DatabaseConfig } from '../config.ts';
import { migrate } from './migrate.ts';
import { CommitUnknownError, type Queries, type Store, StoreUnavailableError } from './store.ts';

type PostgresConfig = Extract<DatabaseConfig, { kind: 'postgres' }>;

export interface PostgresOptions {
  /** Connections of this sidecar at most. */
  connections?: number;
  /** How often an idle or lost database is looked at, milliseconds. */
  checkMs?: number;
}

export class PostgresStore implements Store {
  readonly kind = 'postgres';
  readonly #pool: pg.Pool;
  readonly #log: Logger;
  readonly #checkMs: number;
  readonly #waiting: { resolve: () => void; reject: (error: Error) => void }[] = [];
  #migrated = false;
  #ready = false;
  #lastError: string | undefined;
  #closed = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(config: PostgresConfig, log: Logger, options: PostgresOptions = {}) {
    this.#log = log;
    this.#checkMs = options.checkMs ?? 2_000;
    this.#pool = new pg.Pool({
      Client: clientWithFreshFiles(config),
      host: config.host,
      port: config.port,
      database: config.database,
      user: config.user,
      max: options.connections ?? 8,
      application_name: 'quorum-operator-signer',
      connectionTimeoutMillis: 5_000,
      idleTimeoutMillis: 60_000,
      keepAlive: true,
      // a sidecar that hangs with an account's row locked must not stop the others for good
      statement_timeout: 15_000,
      idle_in_transaction_session_timeout: 15_000,
      query_timeout: 20_000,
    });
    this.#pool.on('error', (error) => this.#lost(error));
    void this.#check();
  }

  ready(): boolean {
    return this.#ready;
  }

  lastError(): string | undefined {
    return this.#lastError;
  }

  whenReady(): Promise<void> {
    if (this.#ready) return Promise.resolve();
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
  }

  async query<Row extends object>(sql: string, parameters: unknown[] = []): Promise<Row[]> {
    this.#assertMigrated();
    try {
      return (await this.#pool.query<Row>(sql, parameters)).rows;
    } catch (error) {
      throw this.#explain(error);
    }
  }

  async transaction<T>(work: (queries: Queries) => Promise<T>): Promise<T> {
    this.#assertMigrated();
    return this.#inTransaction(work);
  }

  async #inTransaction<T>(work: (queries: Queries, client: pg.PoolClient) => Promise<T>): Promise<T> {
    let client: pg.PoolClient;
    try {
      client = await this.#pool.connect();
    } catch (error) {
      throw this.#explain(error);
    }
    let broken: Error | undefined;
    const onError = (error: Error) => {
      broken = error;
    };
    client.on('error', onError);
    try {
      return await this.#run(client, work);
    } catch (error) {
      if (error instanceof CommitUnknownError || error instanceof StoreUnavailableError) broken ??= error;
      throw error;
    } finally {
      client.removeListener('error', onError);
      client.release(broken);
    }
  }

  async #run<T>(client: pg.PoolClient, work: (queries: Queries, client: pg.PoolClient) => Promise<T>): Promise<T> {
    const query = async <Row extends object>(sql: string, parameters: unknown[] = []): Promise<Row[]> => {
      try {
        return (await client.query<Row>(sql, parameters)).rows;
      } catch (error) {
        throw this.#explain(error);
      }
    };
    await query('BEGIN');
    let result: T;
    try {
      result = await work({ query }, client);
    } catch (error) {
      await client.query('ROLLBACK').catch(() => undefined);
      throw error;
    }
    try {
      await client.query('COMMIT');
    } catch (error) {
      if (isConnectionLoss(error)) {
        this.#lost(error as Error);
        throw new CommitUnknownError('the connection was lost at COMMIT', { cause: error });
      }
      throw this.#explain(error);
    }
    return result;
  }

  async #check(): Promise<void> {
    if (this.#closed) return;
    try {
      if (this.#migrated) await this.#pool.query('SELECT 1');
      else await this.#migrate();
      this.#up();
    } catch (error) {
      this.#lost(error as Error);
    }
    if (!this.#closed) this.#timer = setTimeout(() => void this.#check(), this.#checkMs).unref();
  }

  async #migrate(): Promise<void> {
    const applied = await this.#inTransaction((queries, client) => migrate(queries, (sql) => client.query(sql)));
    this.#migrated = true;
    if (applied.length > 0) this.#log.info({ applied }, 'database migrated');
  }

  #up(): void {
    if (!this.#ready) this.#log.info('database connected');
    this.#ready = true;
    this.#lastError = undefined;
    for (const { resolve } of this.#waiting.splice(0)) resolve();
  }

  #lost(error: Error): void {
    const message = describe(error);
    if (this.#ready || this.#lastError !== message) this.#log.warn({ reason: message }, 'database not available');
    this.#ready = false;
    this.#lastError = message;
  }

  #assertMigrated(): void {
    if (!this.#migrated) throw new StoreUnavailableError(this.#lastError ?? 'the database is not connected yet');
  }

  #explain(error: unknown): unknown {
    if (!isConnectionLoss(error)) return error;
    this.#lost(error as Error);
    return new StoreUnavailableError(describe(error as Error), { cause: error });
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    for (const { reject } of this.#waiting.splice(0)) reject(new StoreUnavailableError('the store was closed'));
    await this.#pool.end();
  }
}

/** A client that reads its certificate files when it is made, so that renewed ones are used at the next connection. */
function clientWithFreshFiles(config: PostgresConfig): typeof pg.Client {
  return class extends pg.Client {
    constructor(options?: pg.ClientConfig) {
      super({
        ...options,
        ssl: {
          host: config.host, // what the server's certificate must name
          ca: readFileSync(config.caFile, 'utf8'),
          cert: readFileSync(config.certFile, 'utf8'),
          key: readFileSync(config.keyFile, 'utf8'),
          rejectUnauthorized: true,
          minVersion: 'TLSv1.2',
        },
      });
    }
  } as typeof pg.Client;
}

/** SQLSTATE classes that mean "the server went away or is not there yet", and errors below SQL. */
function isConnectionLoss(error: unknown): boolean {
  const code = (error as { code?: unknown }).code;
  if (typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code)) {
    return code.startsWith('08') || code.startsWith('57P') || code === '53300' || code === '25P03' || code === '25006';
  }
  return !(error instanceof pg.DatabaseError) && error instanceof Error;
}

function describe(error: Error): string {
  const { code } = error as NodeJS.ErrnoException;
  const first = error instanceof AggregateError ? (error.errors[0] as Error | undefined)?.message : error.message;
  return code === undefined ? (first ?? error.name) : `${code}: ${first}`;
}
