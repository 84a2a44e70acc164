import type { Progress } from './decide.ts';

/** `2 votes of alpha, bravo where 3 are needed; none of delta`. Organizations by name, unknown validators by address. */
export function progressText({ needed, given, missing }: Progress, organizations: ReadonlyMap<string, string>): string {
  const named = (addresses: readonly string[]) =>
    addresses
      .map((address) => organizations.get(address) ?? address)
      .sort()
      .join(', ');
  const votes =
    given.length > 0 ? `${given.length} ${given.length === 1 ? 'vote' : 'votes'} of ${named(given)}` : 'no vote';
  const none = missing.length > 0 ? `; none of ${named(missing)}` : '';
  return `${votes} where ${needed} ${needed === 1 ? 'is' : 'are'} needed${none}`;
}
