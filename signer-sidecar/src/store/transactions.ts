/** SQL about transactions and nonces, in one place. */
import type { Queries } from './store.ts';

export type TransactionStatus = 'signed' | 'sent' | 'mined' | 'failed' | 'replaced';

export interface NewTransaction {
  id: string;
  address: string;
  nonce: number;
  purpose: 'request' | 'filler';
  requestHash: string;
  /** 0x and hex. */
  raw: string;
  hash: string;
  issuer: string;
  subject: string;
  /** The node whose sidecar signed. */
  node: string;
}

export interface OpenTransaction {
  id: string;
  nonce: number;
  status: 'signed' | 'sent';
  purpose: 'request' | 'filler';
  raw: string;
  hash: string;
  /** Seconds since it was stored, and since a node last took it. */
  ageSeconds: number;
  sentSecondsAgo: number | undefined;
}

/** Locks the account's row until the end of the transaction, and says the next nonce; seeds it when there is none. */
export async function lockNonce(queries: Queries, address: string, seed: number): Promise<number> {
  const read = () =>
    queries.query<{ next: string | number }>('SELECT next FROM nonces WHERE address = $1 FOR UPDATE', [address]);
  let [row] = await read();
  if (row === undefined) {
    await queries.query('INSERT INTO nonces (address, next) VALUES ($1, $2) ON CONFLICT DO NOTHING', [address, seed]);
    [row] = await read();
  }
  return Number(row!.next);
}

export async function setNextNonce(queries: Queries, address: string, next: number): Promise<void> {
  await queries.query('UPDATE nonces SET next = $2 WHERE address = $1', [address, next]);
}

export async function insertTransactions(queries: Queries, rows: NewTransaction[]): Promise<void> {
  if (rows.length === 0) return;
  const column = <Name extends keyof NewTransaction>(name: Name) => rows.map((row) => row[name]);
  await queries.query(
    `INSERT INTO transactions (id, address, nonce, status, purpose, request_hash, raw, hash, issuer, subject, node)
     SELECT id, address, nonce, 'signed', purpose, request_hash, raw, hash, issuer, subject, node
     FROM unnest($1::uuid[], $2::text[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
       $9::text[], $10::text[]) AS new (id, address, nonce, purpose, request_hash, raw, hash, issuer, subject, node)`,
    [
      column('id'),
      column('address'),
      column('nonce'),
      column('purpose'),
      column('requestHash'),
      column('raw'),
      column('hash'),
      column('issuer'),
      column('subject'),
      column('node'),
    ],
  );
}

/** Marks transactions that a node took. */
export async function markSent(queries: Queries, ids: string[]): Promise<void> {
  await queries.query(
    "UPDATE transactions SET status = 'sent', sent_at = now() WHERE id = ANY($1::uuid[]) AND status IN ('signed', 'sent')",
    [ids],
  );
}

export async function markMined(queries: Queries, mined: { id: string; blockNumber: number }[]): Promise<void> {
  if (mined.length === 0) return;
  await queries.query(
    `UPDATE transactions SET status = 'mined', block_number = found.block_number, error = NULL
     FROM unnest($1::uuid[], $2::bigint[]) AS found (id, block_number) WHERE transactions.id = found.id`,
    [mined.map(({ id }) => id), mined.map(({ blockNumber }) => blockNumber)],
  );
}

/** Ends a transaction that will not be mined, and lets its idempotency key be used again. */
export async function endTransaction(
  queries: Queries,
  id: string,
  status: 'failed' | 'replaced',
  error: string,
): Promise<boolean> {
  const ended = await queries.query(
    "UPDATE transactions SET status = $2, error = $3 WHERE id = $1 AND status IN ('signed', 'sent') RETURNING id",
    [id, status, error.slice(0, 500)],
  );
  if (ended.length > 0) await queries.query('DELETE FROM idempotency_keys WHERE transaction_id = $1', [id]);
  return ended.length > 0;
}

/** The account's transactions that are not known to be mined, in nonce order, with the next nonce of the same moment. */
export async function openTransactions(
  queries: Queries,
  address: string,
  limit: number,
): Promise<{ next: number | undefined; open: OpenTransaction[] }> {
  const rows = await queries.query<Record<string, unknown>>(
    `SELECT n.next, t.id, t.nonce, t.status, t.purpose, t.raw, t.hash,
       extract(epoch FROM now() - t.created_at) AS age, extract(epoch FROM now() - t.sent_at) AS sent
     FROM nonces n LEFT JOIN transactions t ON t.address = n.address AND t.status IN ('signed', 'sent')
     WHERE n.address = $1 ORDER BY t.nonce LIMIT $2`,
    [address, limit],
  );
  const open = rows.flatMap((row) =>
    row.id === null
      ? []
      : [
          {
            id: row.id as string,
            nonce: Number(row.nonce),
            status: row.status as 'signed' | 'sent',
            purpose: row.purpose as 'request' | 'filler',
            raw: row.raw as string,
            hash: row.hash as string,
            ageSeconds: Number(row.age),
            sentSecondsAgo: row.sent === null ? undefined : Number(row.sent),
          },
        ],
  );
  return { next: rows[0] === undefined ? undefined : Number(rows[0].next), open };
}

/** Nonces from `from` up to (not including) `to` that no live transaction has. */
export async function missingNonces(queries: Queries, address: string, from: number, to: number): Promise<number[]> {
  if (from >= to) return [];
  const rows = await queries.query<{ nonce: string | number }>(
    `SELECT g AS nonce FROM generate_series($2::bigint, $3::bigint) AS g
     WHERE NOT EXISTS (SELECT 1 FROM transactions t
       WHERE t.address = $1 AND t.nonce = g AND t.status IN ('signed', 'sent', 'mined')) ORDER BY g LIMIT 64`,
    [address, from, to - 1],
  );
  return rows.map((row) => Number(row.nonce));
}
