import { describe, expect, it } from 'vitest';
import { type Figure, figureLine, isMet, summaryLines } from './figures.ts';

const figure = (value: number, goal?: Figure['goal']): Figure => ({ name: 'part.thing_ratio', value, goal });

describe('a figure', () => {
  it.each([
    [{ comparison: '<=', value: 1 }, 1, 1.01],
    [{ comparison: '<', value: 60 }, 59.9, 60],
    [{ comparison: '>=', value: 0.5 }, 0.5, 0.49],
    [{ comparison: '==', value: 0 }, 0, 1],
  ] as const)('with goal %o is met by %d and missed by %d', (goal, good, bad) => {
    expect(isMet(figure(good, goal))).toBe(true);
    expect(isMet(figure(bad, goal))).toBe(false);
    expect(isMet(figure(Number.NaN, goal))).toBe(false);
  });

  it.each([
    [figure(0.8333, { comparison: '<=', value: 1 }), 'figure part.thing_ratio 0.833 goal <= 1.0'],
    [figure(0.5, { comparison: '>=', value: 0.5 }), 'figure part.thing_ratio 0.500 goal >= 0.50'],
    [figure(0, { comparison: '==', value: 0 }), 'figure part.thing_ratio 0 goal == 0'],
    [figure(1234.5, { comparison: '<', value: 1000 }), 'figure part.thing_ratio 1235 goal < 1000'],
    [figure(12.345), 'figure part.thing_ratio 12.3'],
  ])('is one line', (given, line) => {
    expect(figureLine(given)).toBe(line);
  });

  it('that rounds to its goal without reaching it shows that it does not', () => {
    expect(figureLine(figure(0.49996, { comparison: '>=', value: 0.5 }))).not.toContain('0.500 goal');
  });
});

describe('the summary', () => {
  it('names what was missed and what was not measured', () => {
    const figures = [
      figure(1, { comparison: '<=', value: 1 }),
      { ...figure(2, { comparison: '<=', value: 1 }), name: 'part.slow_ratio' },
      figure(7),
    ];
    expect(summaryLines(figures, [{ name: 'signer.x', why: 'gcc is not installed' }])).toEqual([
      'missed: part.slow_ratio 2 goal <= 1.0',
      'skipped: signer.x: gcc is not installed',
      '1 of 2 goals met, 1 missed, 1 skipped',
    ]);
  });
});
