import { sql as signer } from './migrations/0001-signer.ts';
import { sql as audit } from './migrations/0002-audit.ts';
import type { Queries } from './store.ts';

/** In order. One that was released is never changed: what it got wrong, a later one puts right. */
const migrations: { version: number; name: string; sql: string }[] = [
  { version: 1, name: 'signer', sql: signer },
  { version: 2, name: 'audit', sql: audit },
];

/** Any number; the same at every sidecar, so that only one migrates at a time. */
const LOCK = 7_202_611;

/**
 * Brings the schema to this program's version; call it inside a transaction. A database that is newer is left alone:
 * migrations only add, so that sidecars of two versions can work during a roll-out.
 * @param exec runs SQL of several statements without parameters
 * @returns names of the migrations that were applied
 */
export async function migrate(queries: Queries, exec: (sql: string) => Promise<unknown>): Promise<string[]> {
  await queries.query('SELECT pg_advisory_xact_lock($1)', [LOCK]);
  await exec(`CREATE TABLE IF NOT EXISTS schema_migrations (
    version integer PRIMARY KEY, name text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())`);
  const rows = await queries.query<{ version: number }>('SELECT version FROM schema_migrations');
  const done = new Set(rows.map((row) => row.version));
  const applied: string[] = [];
  for (const migration of migrations.filter(({ version }) => !done.has(version))) {
    await exec(migration.sql);
    await queries.query('INSERT INTO schema_migrations (version, name) VALUES ($1, $2)', [
      migration.version,
      migration.name,
    ]);
    applied.push(migration.name);
  }
  return applied;
}
