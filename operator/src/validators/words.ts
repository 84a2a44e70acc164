import type { Progress } from './decide.ts';

/** `2 of 3 votes needed (alpha, bravo); without a vote: delta`. Organizations by name, unknown validators by address. */
export function progressText({ needed, given, missing }: Progress, organizations: ReadonlyMap<string, string>): string {
  const named = (addresses: readonly string[]) =>
    addresses.map((address) => organizations.get(address) ?? address).sort();
  const votes = `${given.length} of ${needed} votes needed${given.length > 0 ? ` (${named(given).join(', ')})` : ''}`;
  return missing.length > 0 ? `${votes}; without a vote: ${named(missing).join(', ')}` : votes;
}
