import { createHash } from 'node:crypto';

/** JSON whose object members are sorted by name, so that equal values give equal text. Undefined members are left out. */
export function stableJson(value: unknown, indent?: number): string {
  return JSON.stringify(value, (_, member) => (isRecord(member) ? sortedMembers(member) : member), indent);
}

/** First 8 hex digits of the SHA-256 of texts: the suffix of immutable, hash-named objects. */
export function shortHash(...texts: readonly string[]): string {
  const hash = createHash('sha256');
  // The length in front keeps ('ab','c') and ('a','bc') apart.
  for (const text of texts) hash.update(`${text.length}:`).update(text);
  return hash.digest('hex').slice(0, 8);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function sortedMembers(record: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(record).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)));
}
