import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { median, percentile } from './statistics.ts';

describe('median', () => {
  it.each([
    [[3, 1, 2], 2],
    [[4, 1, 3, 2], 2.5],
    [[10, 9, 100], 10],
    [[], Number.NaN],
  ])('of %j is %d', (values, expected) => {
    expect(median(values)).toBe(expected);
  });
});

describe('percentile', () => {
  it.each([
    [50, 2],
    [75, 3],
    [99, 4],
    [0, 1],
  ])('%d of 1 to 4 is %d', (percent, expected) => {
    expect(percentile([4, 2, 3, 1], percent)).toBe(expected);
  });

  it('is a value that at least so many do not exceed', () => {
    const values = fc.array(fc.double({ noNaN: true }), { minLength: 1 });
    fc.assert(
      fc.property(values, fc.integer({ min: 1, max: 100 }), (all, percent) => {
        const value = percentile(all, percent);
        expect(all).toContain(value);
        expect(all.filter((each) => each <= value).length * 100).toBeGreaterThanOrEqual(percent * all.length);
      }),
    );
  });
});
