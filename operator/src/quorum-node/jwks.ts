import type { JwksReading } from './observation.ts';

const ASYMMETRIC = new Set(['EC', 'RSA', 'OKP']);
/** Members that only private or symmetric keys have (RFC 7518, section 6). */
const PRIVATE_MEMBERS = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k'];

/**
 * Reads the text of a JWK Set (RFC 7517). Problems are named by entry and never quote a value: somebody may have put a
 * private key there.
 */
export function readJwks(text: string, source: string): JwksReading {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return { kind: 'invalid', source, problem: 'it is not JSON' };
  }
  const keys = (value as { keys?: unknown } | null)?.keys;
  if (!Array.isArray(keys)) return { kind: 'invalid', source, problem: 'it has no list "keys"' };
  if (keys.length === 0) return { kind: 'invalid', source, problem: 'its list "keys" is empty' };
  for (const [index, key] of keys.entries()) {
    const problem = keyProblem(key);
    if (problem) return { kind: 'invalid', source, problem: `keys[${index}] ${problem}` };
  }
  return { kind: 'ok', jwks: { keys } };
}

function keyProblem(key: unknown): string | undefined {
  if (typeof key !== 'object' || key === null) return 'is no object';
  const members = key as Record<string, unknown>;
  if (typeof members.kty !== 'string' || !ASYMMETRIC.has(members.kty)) {
    return 'must have kty EC, RSA or OKP: a symmetric key would let whoever checks tokens also make them';
  }
  if (PRIVATE_MEMBERS.some((name) => name in members)) {
    return 'holds a private key: publish the public part only, and replace this key, which is now known';
  }
  return undefined;
}
