/** PGlite: Postgres inside this process, its files in a folder of the node's volume. For a single signing node. */
import type { PGlite } from '@electric-sql/pglite';
import type { Logger } from 'pino';
import { migrate } from './migrate.ts';
import { type Queries, type Store, StoreUnavailableError } from './store.ts';

export class EmbeddedStore implements Store {
  readonly kind = 'embedded';
  readonly #opened: Promise<PGlite>;
  #database: PGlite | undefined;
  #lastError: string | undefined = 'the embedded database is being opened';

  /** @param directory folder of the files, or `memory://` */
  constructor(directory: string, log: Logger) {
    this.#opened = this.#open(directory, log);
    this.#opened.catch((error: unknown) => {
      this.#lastError = error instanceof Error ? error.message : String(error);
      log.error({ err: error, directory }, 'the embedded database cannot be opened');
    });
  }

  async #open(directory: string, log: Logger): Promise<PGlite> {
    const { PGlite } = await import('@electric-sql/pglite');
    const database = await PGlite.create(directory);
    const applied = await database.transaction((tx) => {
      const query: Queries['query'] = async <Row>(sql: string, parameters: unknown[] = []) =>
        (await tx.query<Row>(sql, parameters)).rows;
      return migrate({ query }, (sql) => tx.exec(sql));
    });
    log.info({ applied }, 'embedded database opened');
    this.#database = database;
    this.#lastError = undefined;
    return database;
  }

  ready(): boolean {
    return this.#database !== undefined;
  }

  lastError(): string | undefined {
    return this.#lastError;
  }

  async whenReady(): Promise<void> {
    await this.#opened;
  }

  async query<Row extends object>(sql: string, parameters: unknown[] = []): Promise<Row[]> {
    return (await this.#use().query<Row>(sql, parameters)).rows;
  }

  async transaction<T>(work: (queries: Queries) => Promise<T>): Promise<T> {
    return this.#use().transaction((tx) =>
      work({
        query: async <Row>(sql: string, parameters: unknown[] = []) => (await tx.query<Row>(sql, parameters)).rows,
      }),
    );
  }

  #use(): PGlite {
    if (this.#database === undefined) throw new StoreUnavailableError(this.#lastError ?? 'the database is closed');
    return this.#database;
  }

  async close(): Promise<void> {
    await this.#opened.catch(() => undefined);
    const database = this.#database;
    this.#database = undefined;
    this.#lastError = 'the database is closed';
    await database?.close();
  }
}
