import type { Figure } from './figures.ts';

/** One run that yields several figures. */
export interface Bench {
  /** The figures it yields, all beginning with `<part>.`. */
  readonly figures: readonly string[];
  /** Why it cannot run here; undefined when it can. */
  missing(): Promise<string | undefined>;
  /** Measures, and takes down what it started also when it fails. */
  run(log: (line: string) => void): Promise<Figure[]>;
}

/** Benches whose figures have a name that is, or begins with, one of `names`; all when none is given. */
export function selectBenches(benches: readonly Bench[], names: readonly string[]): Bench[] {
  if (names.length === 0) return [...benches];
  return benches.filter(({ figures }) => figures.some((figure) => names.some((name) => figure.startsWith(name))));
}
