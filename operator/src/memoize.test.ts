import { describe, expect, it } from 'vitest';
import { memoize } from './memoize.ts';

describe('memoize', () => {
  it('computes once for equal texts', () => {
    const seen: string[] = [];
    const length = memoize((text) => seen.push(text) && text.length);
    expect([length('ab'), length('ab'), length('abc')]).toEqual([2, 2, 3]);
    expect(seen).toEqual(['ab', 'abc']);
  });

  it('remembers undefined, and does not remember failures', () => {
    let calls = 0;
    const nothing = memoize(() => void calls++);
    nothing('a');
    nothing('a');
    expect(calls).toBe(1);
    const fails = memoize(() => {
      calls++;
      throw new Error('no');
    });
    expect(() => fails('a')).toThrow('no');
    expect(() => fails('a')).toThrow('no');
    expect(calls).toBe(3);
  });

  it('forgets the oldest beyond the limit', () => {
    const seen: string[] = [];
    const echo = memoize((text) => seen.push(text), 2);
    for (const text of ['a', 'b', 'c', 'b', 'a']) echo(text);
    expect(seen).toEqual(['a', 'b', 'c', 'a']);
  });
});
