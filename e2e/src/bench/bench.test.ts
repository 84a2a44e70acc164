import { expect, it } from 'vitest';
import { type Bench, selectBenches } from './bench.ts';

const bench = (...figures: string[]): Bench => ({ figures, missing: async () => undefined, run: async () => [] });
const [one, two] = [
  bench('operator.bringup_wall_ratio', 'operator.bringup_cpu_ratio'),
  bench('signer.https_cpu_ratio'),
];

it.each([
  [[], [one, two]],
  [['signer'], [two]],
  [['operator.bringup_cpu_ratio'], [one]],
  [['nonsense'], []],
])('names %j choose', (names, expected) => {
  expect(selectBenches([one, two], names)).toEqual(expected);
});
