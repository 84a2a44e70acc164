import { hash } from 'node:crypto';
import type { Queries } from './store.ts';

/** What is known about a signature before it leaves the door. Never holds secrets, nor the payload itself. */
export interface AuditEntry {
  /** RFC 3339. */
  time: string;
  action: 'transaction' | 'filler' | 'sign-transaction' | 'message' | 'typed-data';
  issuer: string;
  subject: string;
  account: string;
  /** What the HSM signed, 32 bytes, 0x and hex. */
  digest: string;
  nonce?: number;
  /** The transaction's hash, when there is one. */
  hash?: string;
  to?: string;
  value?: string;
  requestHash?: string;
}

/** First `previous` of every writer's chain. */
export const GENESIS = '0'.repeat(64);

/** The hash of an entry: sha256 over the previous hash, the sequence number and the entry's text, line by line. */
export function auditHash(previous: string, sequence: number, entry: string): string {
  return hash('sha256', `${previous}\n${sequence}\n${entry}`, 'hex');
}

/**
 * Appends entries to the chain of one writer (a sidecar), inside the transaction of what they are about: when they
 * cannot be written, that is not stored either, and nothing leaves the door.
 */
export async function appendAudit(queries: Queries, writer: string, entries: AuditEntry[]): Promise<void> {
  if (entries.length === 0) return;
  await queries.query('INSERT INTO audit_heads (writer, sequence, hash) VALUES ($1, 0, $2) ON CONFLICT DO NOTHING', [
    writer,
    GENESIS,
  ]);
  const [head] = await queries.query<{ sequence: string | number; hash: string }>(
    'SELECT sequence, hash FROM audit_heads WHERE writer = $1 FOR UPDATE',
    [writer],
  );
  let sequence = Number(head!.sequence);
  let previous = head!.hash;
  const rows = entries.map((entry) => {
    const text = JSON.stringify(entry);
    sequence += 1;
    const row = { sequence, previous, hash: auditHash(previous, sequence, text), entry: text };
    previous = row.hash;
    return row;
  });
  await queries.query(
    `INSERT INTO audit (writer, sequence, previous, hash, entry)
     SELECT $1, * FROM unnest($2::bigint[], $3::text[], $4::text[], $5::text[])`,
    [
      writer,
      rows.map((row) => row.sequence),
      rows.map((row) => row.previous),
      rows.map((row) => row.hash),
      rows.map((row) => row.entry),
    ],
  );
  await queries.query('UPDATE audit_heads SET sequence = $2, hash = $3 WHERE writer = $1', [
    writer,
    sequence,
    previous,
  ]);
}
