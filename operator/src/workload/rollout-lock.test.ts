import { describe, expect, it } from 'vitest';
import { RolloutLock } from './rollout-lock.ts';

describe('the roll-out lock', () => {
  let time = 0;
  const lock = () => new RolloutLock(() => new Date(time));

  it('has one holder a consortium', () => {
    const locks = lock();
    expect(locks.take('demo', 'a/one', 'pod-1')).toBe(true);
    expect(locks.take('demo', 'b/two', 'pod-2')).toBe(false);
    expect(locks.take('other', 'b/two', 'pod-2')).toBe(true);
    expect(locks.heldByOther('demo', 'b/two')).toBe('a/one');
    expect(locks.heldByOther('demo', 'a/one')).toBeUndefined();
  });

  it('is kept while the caches still show the deleted pod as Ready, and given back with the new one', () => {
    const locks = lock();
    locks.take('demo', 'a/one', 'pod-1');
    locks.release('demo', 'a/one', 'pod-1');
    expect(locks.heldByOther('demo', 'b/two')).toBe('a/one');
    locks.release('demo', 'a/one', 'pod-1b');
    expect(locks.heldByOther('demo', 'b/two')).toBeUndefined();
  });

  it('is lost by a node that is deleted, or does not come back for a quarter of an hour', () => {
    const locks = lock();
    locks.take('demo', 'a/one', 'pod-1');
    locks.forget('a/one');
    expect(locks.take('demo', 'b/two', 'pod-2')).toBe(true);
    time += 16 * 60_000;
    expect(locks.take('demo', 'a/one', 'pod-1')).toBe(true);
  });
});
