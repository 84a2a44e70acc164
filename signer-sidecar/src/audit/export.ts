/**
 * The audit log as lines of canonical JSON (NDJSON). Checkpoint by checkpoint: first the entries that it covers and the
 * one before did not, sorted by writer and sequence, then the checkpoint. So the end of one export, a checkpoint's
 * number, is where the next goes on, and files of both can be joined.
 */
import type { Queries } from '../store/store.ts';
import { canonicalJson } from './canonical.ts';
import { byWriter, type Checkpoint, type ExportLine, type Head } from './chain.ts';

const ROWS_AT_ONCE = 1_000;

export interface ExportOptions {
  /** Number of the last checkpoint that the reader has; 0 is the beginning. */
  after?: number;
  /** Checkpoints at most. */
  limit?: number;
  /** Also the entries that no checkpoint covers yet, once the last checkpoint is reached. Such a file cannot be joined. */
  tail?: boolean;
}

/** The reader names a checkpoint that is not in the database. */
export class UnknownCheckpointError extends Error {
  override name = 'UnknownCheckpointError';
}

/**
 * @param write takes one line, newline included, and is waited for
 * @returns number of the last checkpoint written, to go on `after`, and whether it is the last one there is
 * @throws UnknownCheckpointError before anything is written
 */
export async function exportAudit(
  store: Queries,
  write: (line: string) => unknown,
  { after = 0, limit = Number.MAX_SAFE_INTEGER, tail = false }: ExportOptions = {},
): Promise<{ next: number; complete: boolean }> {
  let covered = await headsAt(store, after);
  const line = async (value: ExportLine) => write(`${canonicalJson(value)}\n`);
  let next = after;
  for (let count = 0; count < limit; count += 1) {
    const signed = await readCheckpoint(store, next + 1);
    if (signed === undefined) {
      if (tail) await writeTail(store, covered, line);
      return { next, complete: true };
    }
    for (const head of signed.checkpoint.heads) {
      await writeEntries(store, head.writer, covered.get(head.writer) ?? 0, head.sequence, line);
    }
    await line(signed);
    covered = sequences(signed.checkpoint.heads);
    next += 1;
  }
  return { next, complete: (await readCheckpoint(store, next + 1)) === undefined };
}

async function headsAt(store: Queries, number: number): Promise<Map<string, number>> {
  if (number === 0) return new Map();
  const signed = await readCheckpoint(store, number);
  if (signed === undefined) throw new UnknownCheckpointError(`there is no checkpoint ${number}`);
  return sequences(signed.checkpoint.heads);
}

function sequences(heads: Head[]): Map<string, number> {
  return new Map(heads.map(({ writer, sequence }) => [writer, sequence]));
}

async function readCheckpoint(store: Queries, number: number) {
  const [row] = await store.query<{ checkpoint: string; hash: string; signature: string }>(
    'SELECT checkpoint, hash, signature FROM audit_checkpoints WHERE number = $1',
    [number],
  );
  if (row === undefined) return undefined;
  const { hash, signature } = row;
  return { checkpoint: JSON.parse(row.checkpoint) as Checkpoint, hash, signature };
}

async function writeTail(
  store: Queries,
  covered: Map<string, number>,
  line: (value: ExportLine) => Promise<unknown>,
): Promise<void> {
  const rows = await store.query<{ writer: string; sequence: string | number }>(
    'SELECT writer, sequence FROM audit_heads',
  );
  for (const { writer, sequence } of rows.sort(byWriter)) {
    await writeEntries(store, writer, covered.get(writer) ?? 0, Number(sequence), line);
  }
}

interface Row {
  format: number;
  writer: string;
  sequence: string | number;
  previous: string;
  hash: string;
  entry: string;
}

/** Entries of one writer, those after `from` up to and with `to`. What is missing in the database is missing here. */
async function writeEntries(
  store: Queries,
  writer: string,
  from: number,
  to: number,
  line: (value: ExportLine) => Promise<unknown>,
): Promise<void> {
  for (let at = from; at < to; ) {
    const rows = await store.query<Row>(
      `SELECT format, writer, sequence, previous, hash, entry FROM audit
       WHERE writer = $1 AND sequence > $2 AND sequence <= $3 ORDER BY sequence LIMIT ${ROWS_AT_ONCE}`,
      [writer, at, to],
    );
    for (const row of rows) await line(toLine(row));
    if (rows.length < ROWS_AT_ONCE) return;
    at = Number(rows.at(-1)!.sequence);
  }
}

function toLine({ format, writer, sequence, previous, hash, entry }: Row): ExportLine {
  if (format === 1) return { entry, hash, previous, sequence: Number(sequence), writer };
  return { entry: JSON.parse(entry), hash };
}
