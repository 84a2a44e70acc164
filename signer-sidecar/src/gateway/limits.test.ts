import { expect, test } from 'vitest';
import { InFlight, RateLimiter } from './limits.ts';

test('a burst, then the sustained rate, each subject for itself', () => {
  let now = 0;
  const limiter = new RateLimiter({ perSecond: 10, burst: 3, now: () => now });
  expect([1, 2, 3, 4].map(() => limiter.take('a'))).toEqual([0, 0, 0, 1]);
  expect(limiter.take('b')).toBe(0);
  now += 100;
  expect(limiter.take('a')).toBe(0);
  expect(limiter.take('a')).toBe(1);
  now += 60_000;
  expect([1, 2, 3, 4].map(() => limiter.take('a'))).toEqual([0, 0, 0, 1]);
});

test('a batch costs its length; one above the burst needs a full bucket', () => {
  let now = 0;
  const limiter = new RateLimiter({ perSecond: 1, burst: 5, now: () => now });
  expect(limiter.take('a', 4)).toBe(0);
  expect(limiter.take('a', 4)).toBe(3);
  now += 5000;
  expect(limiter.take('a', 100)).toBe(0);
  expect(limiter.take('a')).toBe(1);
});

test('memory is bounded; a refund is not more than the burst', () => {
  const limiter = new RateLimiter({ perSecond: 1, burst: 1, maxKeys: 100, now: () => 0 });
  for (let key = 0; key < 1000; key += 1) limiter.take(`${key}`);
  expect(limiter.size).toBe(100);
  limiter.refund('999');
  limiter.refund('999');
  expect(limiter.take('999')).toBe(0);
  expect(limiter.take('999')).toBe(1);
});

test('in flight: full, left, idle', async () => {
  const inFlight = new InFlight(1);
  expect(inFlight.enter()).toBe(true);
  expect(inFlight.enter()).toBe(false);
  let idle = false;
  const waited = inFlight.idle().then(() => {
    idle = true;
  });
  expect(idle).toBe(false);
  inFlight.leave();
  await waited;
  expect(inFlight.enter()).toBe(true);
});
