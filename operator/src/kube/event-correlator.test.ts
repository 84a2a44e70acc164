import { describe, expect, it } from 'vitest';
import { EventCorrelator } from './event-correlator.ts';

function setup() {
  let now = 0;
  const correlator = new EventCorrelator(() => new Date(now));
  const record = (message: string, name = 'a') =>
    correlator.record(
      { apiVersion: 'v1', kind: 'Thing', metadata: { namespace: 'n', name } },
      { type: 'Warning', reason: 'Failed', message },
    );
  const wait = (seconds: number) => {
    now += seconds * 1000;
  };
  return { record, wait };
}

describe('EventCorrelator', () => {
  it('admits a burst of 25 an object, then one in five minutes', () => {
    const { record, wait } = setup();
    const admitted = Array.from({ length: 40 }, () => record('same')).filter((event) => event !== undefined);
    expect(admitted).toHaveLength(25);
    expect(record('same', 'b')).toBeDefined();
    wait(299);
    expect(record('same')).toBeUndefined();
    wait(2);
    expect(record('same')).toMatchObject({ count: 26 });
    expect(record('same')).toBeUndefined();
  });

  it('forgets similar messages after ten quiet minutes', () => {
    const { record, wait } = setup();
    for (let time = 0; time < 11; time += 1) {
      record(`m${time}`);
    }
    expect(record('m11')?.message).toMatch(/^\(combined/);
    wait(601);
    expect(record('m12')?.message).toBe('m12');
  });
});
