import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { getCondition, isTrue, readyFrom, removeCondition, setCondition, type Verdict } from './conditions.ts';
import type { Condition } from './types.ts';

const T0 = new Date('2026-01-01T00:00:00.900Z');
const T1 = new Date('2026-01-01T00:01:00Z');

const base = { type: 'PeersConnected', status: 'True', reason: 'Enough', message: 'm', observedGeneration: 1 } as const;

describe('setCondition', () => {
  it('adds a condition with the time in whole seconds', () => {
    expect(setCondition(undefined, base, T0)).toEqual([{ ...base, lastTransitionTime: '2026-01-01T00:00:00Z' }]);
  });

  it('moves lastTransitionTime only when the status changes', () => {
    const first = setCondition([], base, T0);
    const same = setCondition(first, { ...base, reason: 'Many', message: 'n', observedGeneration: 2 }, T1);
    expect(same[0]).toMatchObject({
      reason: 'Many',
      observedGeneration: 2,
      lastTransitionTime: '2026-01-01T00:00:00Z',
    });
    const changed = setCondition(same, { ...base, status: 'False' }, T1);
    expect(changed[0]!.lastTransitionTime).toBe('2026-01-01T00:01:00Z');
  });

  it('keeps the order and does not touch the list it was given', () => {
    const list = Object.freeze(setCondition(setCondition([], base, T0), { ...base, type: 'Sealing' }, T0));
    const next = setCondition(list, { ...base, status: 'Unknown' }, T1);
    expect(next.map(({ type }) => type)).toEqual(['PeersConnected', 'Sealing']);
    expect(removeCondition(next, 'PeersConnected').map(({ type }) => type)).toEqual(['Sealing']);
  });
});

describe('readyFrom', () => {
  it('marks a new generation Reconciling until a verdict on it is final', () => {
    const waiting = readyFrom(
      { observedGeneration: -1 },
      { kind: 'progressing', reason: 'Waits', message: 'm' },
      1,
      T0,
    );
    expect(isTrue(waiting.conditions, 'Reconciling')).toBe(true);
    expect(getCondition(waiting.conditions, 'Ready')).toMatchObject({ status: 'False', reason: 'Waits' });
    expect(waiting.observedGeneration).toBe(-1);

    const ready = readyFrom(waiting, { kind: 'ready', message: 'm' }, 1, T1);
    expect(ready.conditions.map(({ type }) => type)).toEqual(['Ready']);
    expect(ready.observedGeneration).toBe(1);
  });

  it('tells a retried failure from waiting', () => {
    const failing = readyFrom(undefined, { kind: 'failing', reason: 'ApiError', message: 'm' }, 1, T0);
    expect(getCondition(failing.conditions, 'Reconciling')?.reason).toBe('ProgressingWithRetry');
  });

  it('is Ready=False alone when a ready resource loses it at the same generation', () => {
    const ready = readyFrom(undefined, { kind: 'ready', message: 'm' }, 3, T0);
    const lost = readyFrom(ready, { kind: 'progressing', reason: 'PodStarting', message: 'm' }, 3, T1);
    expect(lost.conditions.map(({ type, status }) => `${type}=${status}`)).toEqual(['Ready=False']);
    expect(lost.observedGeneration).toBe(3);
  });

  it('is Ready=False alone when it is suspended, and says so of the newest generation', () => {
    const ready = readyFrom(undefined, { kind: 'ready', message: 'm' }, 1, T0);
    const suspended = readyFrom(ready, { kind: 'suspended', reason: 'Suspended', message: 'm' }, 2, T1);
    expect(suspended.conditions.map(({ type, status }) => `${type}=${status}`)).toEqual(['Ready=False']);
    expect(suspended.observedGeneration).toBe(2);
  });

  it('forgets that it stalled when it only fails', () => {
    const stalled = readyFrom(undefined, { kind: 'stalled', reason: 'KeyLost', message: 'm' }, 1, T0);
    expect(isTrue(stalled.conditions, 'Stalled')).toBe(true);
    const failing = readyFrom(stalled, { kind: 'failing', reason: 'ApiError', message: 'm' }, 2, T1);
    expect(getCondition(failing.conditions, 'Stalled')).toBeUndefined();
  });
});

/** The checks of fluxcd/pkg runtime/conditions/check/fail.go, said anew. Empty when all hold. */
function violations(
  conditions: readonly Condition[],
  observedGeneration: number,
  generation: number,
  negative = ['Reconciling', 'Stalled'],
): string[] {
  const ready = getCondition(conditions, 'Ready');
  const reconciling = getCondition(conditions, 'Reconciling');
  const stalled = getCondition(conditions, 'Stalled');
  const isReady = ready?.status === 'True';
  const broken: [string, boolean][] = [
    ['FAIL0001', isReady && conditions.some(({ type, status }) => negative.includes(type) && status === 'True')],
    ['FAIL0002', ready === undefined],
    ['FAIL0003', reconciling?.status === 'True' && ready?.status !== 'False'],
    ['FAIL0004', stalled?.status === 'True' && ready?.status !== 'False'],
    ['FAIL0005', reconciling !== undefined && stalled !== undefined],
    ['FAIL0006', observedGeneration > generation],
    ['FAIL0007', observedGeneration < generation && isReady],
    ['FAIL0008', isReady && conditions.some((condition) => condition.observedGeneration < generation)],
    ['FAIL0009', isReady && conditions.some((condition) => condition.observedGeneration !== observedGeneration)],
    ['FAIL0010', reconciling?.status === 'True' && observedGeneration >= reconciling.observedGeneration],
    ['unknown without Reconciling', ready?.status === 'Unknown' && reconciling?.status !== 'True'],
    ['abnormal-true kept while not True', [reconciling, stalled].some((c) => c !== undefined && c.status !== 'True')],
    ['condition twice', new Set(conditions.map(({ type }) => type)).size !== conditions.length],
  ];
  return broken.filter(([, violated]) => violated).map(([name]) => name);
}

describe("Flux's invariants", () => {
  const verdict: fc.Arbitrary<Verdict> = fc
    .tuple(fc.constantFrom('ready', 'progressing', 'failing', 'stalled', 'suspended'), fc.constantFrom('A', 'B'))
    .map(([kind, reason]) => ({ kind, reason, message: 'm' }) as Verdict);

  it('hold after each step of any history of specs, verdicts and other conditions', () => {
    const step = fc.record({
      verdict,
      newGeneration: fc.boolean(),
      /** Conditions that the controller looked at in this pass. */
      looked: fc.subarray(['PeersConnected', 'Sealing', 'TesseraReachable']),
      status: fc.constantFrom('True', 'False', 'Unknown' as const),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 20 }), (steps) => {
        let status: { conditions?: Condition[]; observedGeneration?: number } = { observedGeneration: -1 };
        let generation = 1;
        let now = T0.getTime();
        for (const { newGeneration, looked, status: value, verdict } of steps) {
          generation += newGeneration ? 1 : 0;
          now += 1_000;
          const before = status;
          let conditions = status.conditions;
          for (const type of looked) {
            const condition = {
              type,
              status: value as 'True',
              reason: 'R',
              message: '',
              observedGeneration: generation,
            };
            conditions = setCondition(conditions, condition, new Date(now));
          }
          const next = readyFrom({ ...status, conditions }, verdict, generation, new Date(now));
          status = next;
          expect(violations(next.conditions, next.observedGeneration, generation)).toEqual([]);
          for (const condition of next.conditions) {
            const old = getCondition(before.conditions, condition.type);
            if (old?.status === condition.status) {
              expect(condition.lastTransitionTime).toBe(old.lastTransitionTime);
            } else if (old !== undefined) {
              expect(condition.lastTransitionTime).not.toBe(old.lastTransitionTime);
            }
          }
        }
      }),
    );
  });

  it('hold from any status that another program left behind', () => {
    const condition = fc.record({
      type: fc.constantFrom('Ready', 'Reconciling', 'Stalled', 'Other'),
      status: fc.constantFrom<Condition['status'][]>('True', 'False', 'Unknown'),
      reason: fc.constant('R'),
      message: fc.constant(''),
      observedGeneration: fc.integer({ min: 0, max: 6 }),
      lastTransitionTime: fc.constant('2025-01-01T00:00:00Z'),
    }) as fc.Arbitrary<Condition>;
    const status = fc.record({
      conditions: fc.uniqueArray(condition, { selector: ({ type }) => type }),
      observedGeneration: fc.option(fc.integer({ min: -1, max: 6 }), { nil: undefined }),
    });
    fc.assert(
      fc.property(status, verdict, fc.integer({ min: 1, max: 5 }), (before, found, generation) => {
        const { conditions, observedGeneration } = readyFrom(
          before as { conditions: Condition[] },
          found,
          generation,
          T0,
        );
        expect(violations(conditions, observedGeneration, generation)).toEqual([]);
      }),
    );
  });
});
