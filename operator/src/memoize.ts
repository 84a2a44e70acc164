import { hash } from 'node:crypto';

/**
 * Remembers the results of a pure function of a text, the latest `limit` of them. Only a hash of the text is kept, so that
 * a key does not live on in memory. What throws is computed again each time. Callers must not change a result.
 */
export function memoize<T>(compute: (text: string) => T, limit = 10_000): (text: string) => T {
  const results = new Map<string, T>();
  return (text) => {
    const key = hash('sha256', text, 'base64');
    if (results.has(key)) return results.get(key)!;
    const result = compute(text);
    if (results.size >= limit) results.delete(results.keys().next().value!);
    results.set(key, result);
    return result;
  };
}
