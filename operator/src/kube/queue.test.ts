import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Clock, LOW_PRIORITY, type Taken, WorkQueue } from './queue.ts';

class ManualClock implements Clock {
  time = 0;
  readonly #timers = new Set<{ at: number; callback: () => void }>();

  now(): number {
    return this.time;
  }

  after(milliseconds: number, callback: () => void): () => void {
    const timer = { at: this.time + milliseconds, callback };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  advance(milliseconds: number): void {
    const end = this.time + milliseconds;
    for (;;) {
      const due = [...this.#timers].filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0];
      if (due === undefined) {
        break;
      }
      this.#timers.delete(due);
      this.time = Math.max(this.time, due.at);
      due.callback();
    }
    this.time = end;
  }
}

function setup() {
  const clock = new ManualClock();
  const queue = new WorkQueue({ clock });
  const taken: Taken[] = [];
  /** Takes everything that is due now, without giving it back. */
  const drain = async () => {
    const keys: string[] = [];
    while ([...queue.depths().values()].some((depth) => depth > 0)) {
      const next = await queue.take();
      taken.push(next!);
      keys.push(next!.key);
    }
    return keys;
  };
  return { clock, queue, drain, taken };
}

describe('WorkQueue', () => {
  it('holds a key once however often it is added', async () => {
    const { queue, drain } = setup();
    for (const key of ['a', 'b', 'a', 'a']) {
      queue.add(key);
    }
    expect(await drain()).toEqual(['a', 'b']);
  });

  it('does not hand out a key that is being processed, but runs it once more afterwards', async () => {
    const { queue, drain } = setup();
    queue.add('a');
    await drain();
    queue.add('a');
    queue.add('a');
    expect(await drain()).toEqual([]);
    queue.done('a');
    expect(await drain()).toEqual(['a']);
    queue.done('a');
    expect(await drain()).toEqual([]);
  });

  it('merges delayed adds to the earliest', async () => {
    const { queue, clock, drain } = setup();
    queue.add('a', { afterMs: 1000 });
    queue.add('a', { afterMs: 100 });
    queue.add('a', { afterMs: 5000 });
    clock.advance(99);
    expect(await drain()).toEqual([]);
    clock.advance(1);
    expect(await drain()).toEqual(['a']);
    queue.done('a');
    clock.advance(10_000);
    expect(await drain()).toEqual([]);
  });

  it('lets an immediate add overtake a delayed one, and a key queued already make a delayed add void', async () => {
    const { queue, clock, drain } = setup();
    queue.add('a', { afterMs: 1000 });
    queue.add('a');
    queue.add('a', { afterMs: 500 });
    expect(await drain()).toEqual(['a']);
    queue.done('a');
    clock.advance(2000);
    expect(await drain()).toEqual([]);
  });

  it('lets what changes now overtake what was known at start-up', async () => {
    const { queue, drain } = setup();
    for (const key of ['a', 'b', 'c']) {
      queue.add(key, { priority: LOW_PRIORITY });
    }
    queue.add('c');
    queue.add('d');
    expect(await drain()).toEqual(['c', 'd', 'a', 'b']);
  });

  it('keeps the higher priority when a key is added again with a lower', async () => {
    const { queue, drain } = setup();
    queue.add('x');
    queue.add('a');
    queue.add('a', { priority: LOW_PRIORITY });
    queue.add('b');
    expect(await drain()).toEqual(['x', 'a', 'b']);
  });

  it('doubles the delay of a key from 5 ms to 1000 s until it is forgotten', () => {
    const { queue } = setup();
    const delays = Array.from({ length: 20 }, () => queue.addRateLimited('a'));
    expect(delays.slice(0, 4)).toEqual([5, 10, 20, 40]);
    expect(delays.at(-1)).toBe(1_000_000);
    expect(queue.addRateLimited('b')).toBe(5);
    queue.forget('a');
    expect(queue.addRateLimited('a')).toBe(5);
  });

  it('lets those who wait go when it is closed, and takes in nothing more', async () => {
    const { queue } = setup();
    const waiting = queue.take();
    queue.close();
    expect(await waiting).toBeUndefined();
    queue.add('a');
    expect(await queue.take()).toBeUndefined();
    expect(queue.size).toBe(0);
  });

  it('tells how long a key waited after it was due', async () => {
    const { queue, clock, drain, taken } = setup();
    queue.add('a', { afterMs: 100 });
    clock.advance(250);
    await drain();
    expect(taken[0]!.waitedMs).toBe(150);
  });

  it('does not grow with keys that are delayed again and again', () => {
    const { queue, clock } = setup();
    for (let round = 0; round < 5_000; round += 1) {
      queue.add('a', { afterMs: 1_000_000 - round });
      clock.advance(0);
    }
    expect(queue.size).toBe(1);
  });
});

/** What the queue should do, said in the simplest way: each key's earliest time and highest priority. */
type Model = Map<string, { at: number; priority: number }>;

describe('WorkQueue under any sequence of calls', () => {
  const keys = fc.constantFrom('a', 'b', 'c', 'd', 'e');
  const command = fc.oneof(
    fc.record({
      do: fc.constant('add' as const),
      key: keys,
      afterMs: fc.constantFrom(0, 0, 1, 10, 50),
      priority: fc.constantFrom(LOW_PRIORITY, 0, 10),
    }),
    fc.record({ do: fc.constant('take' as const) }),
    fc.record({ do: fc.constant('done' as const), key: keys }),
    fc.record({ do: fc.constant('advance' as const), ms: fc.integer({ min: 0, max: 30 }) }),
  );

  it('hands out each added key once, in time, by priority, and never twice at a time', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(command, { maxLength: 80 }), async (commands) => {
        const clock = new ManualClock();
        const queue = new WorkQueue({ clock });
        const wanted: Model = new Map();
        const processing = new Set<string>();

        const isDue = (key: string) => !processing.has(key) && wanted.get(key)!.at <= clock.time;
        const depth = () => [...queue.depths().values()].reduce((sum, size) => sum + size, 0);
        const takeOne = async () => {
          const due = [...wanted.keys()].filter(isDue);
          expect(depth()).toBe(due.length);
          if (due.length === 0) {
            return;
          }
          const next = (await queue.take())!;
          expect(due).toContain(next.key);
          expect(next.priority).toBe(Math.max(...due.map((key) => wanted.get(key)!.priority)));
          expect(next.priority).toBe(wanted.get(next.key)!.priority);
          wanted.delete(next.key);
          processing.add(next.key);
        };
        const finish = (key: string) => {
          processing.delete(key);
          queue.done(key);
        };

        for (const step of commands) {
          switch (step.do) {
            case 'add': {
              queue.add(step.key, { afterMs: step.afterMs, priority: step.priority });
              const before = wanted.get(step.key);
              wanted.set(step.key, {
                at: Math.min(clock.time + step.afterMs, before?.at ?? Number.POSITIVE_INFINITY),
                priority: Math.max(step.priority, before?.priority ?? step.priority),
              });
              break;
            }
            case 'take':
              await takeOne();
              break;
            case 'done':
              finish(step.key);
              break;
            case 'advance':
              clock.advance(step.ms);
          }
          expect(queue.size).toBe(wanted.size);
          expect(depth()).toBe([...wanted.keys()].filter(isDue).length);
        }

        // Nothing is lost: with time and free workers every key comes out.
        clock.advance(1_000);
        for (let rounds = 0; wanted.size > 0 && rounds < 100; rounds += 1) {
          for (const key of [...processing]) {
            finish(key);
          }
          await takeOne();
        }
        expect([...wanted.keys()]).toEqual([]);
        for (const key of [...processing]) {
          finish(key);
        }
        expect(queue.size).toBe(0);
      }),
      { numRuns: 500 },
    );
  });

  it('serves workers that wait in the order of keys and never gives one key to two of them', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(keys, { minLength: 1, maxLength: 40 }),
        fc.integer({ min: 1, max: 4 }),
        async (added, workers) => {
          const queue = new WorkQueue({ clock: new ManualClock() });
          const processing = new Set<string>();
          const seen = new Set<string>();
          const work = async () => {
            for (let taken = await queue.take(); taken !== undefined; taken = await queue.take()) {
              expect(processing.has(taken.key)).toBe(false);
              processing.add(taken.key);
              await Promise.resolve();
              seen.add(taken.key);
              processing.delete(taken.key);
              queue.done(taken.key);
            }
          };
          const running = Array.from({ length: workers }, work);
          for (const key of added) {
            queue.add(key);
            await Promise.resolve();
          }
          while (queue.size > 0 || processing.size > 0) {
            await Promise.resolve();
          }
          queue.close();
          await Promise.all(running);
          expect(seen).toEqual(new Set(added));
        },
      ),
    );
  });
});
