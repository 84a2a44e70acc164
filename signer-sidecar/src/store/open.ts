import type { Logger } from 'pino';
import type { DatabaseConfig } from '../config.ts';
import { EmbeddedStore } from './embedded.ts';
import { PostgresStore } from './postgres.ts';
import type { Store } from './store.ts';

/** Starts opening the database and returns at once; see Store.ready. */
export function openStore(config: DatabaseConfig, log: Logger): Store {
  return config.kind === 'postgres' ? new PostgresStore(config, log) : new EmbeddedStore(config.directory, log);
}
