export type Comparison = '<=' | '>=' | '<' | '==';

export interface Goal {
  readonly comparison: Comparison;
  readonly value: number;
}

/** One measured number. Its unit is the end of its name: `_ratio`, `_s`, `_ms`, `_us`, `_mib`, `_per_s`, else a count. */
export interface Figure {
  /** e.g. `operator.idle_writes` */
  readonly name: string;
  readonly value: number;
  /** Absent: printed to be read beside the others. */
  readonly goal?: Goal | undefined;
}

export function isMet({ value, goal }: Figure): boolean {
  if (goal === undefined) return true;
  switch (goal.comparison) {
    case '<=':
      return value <= goal.value;
    case '>=':
      return value >= goal.value;
    case '<':
      return value < goal.value;
    case '==':
      return value === goal.value;
  }
}

/** `figure NAME VALUE goal OP GOAL`, or `figure NAME VALUE` when no goal is set for it. */
export function figureLine(figure: Figure): string {
  const { name, value, goal } = figure;
  const short = numberText(value);
  // Rounded away, a goal barely missed would look met.
  const exact = isMet({ ...figure, value: Number(short) }) === isMet(figure) ? short : String(value);
  const line = `figure ${name} ${exact}`;
  return goal === undefined ? line : `${line} goal ${goal.comparison} ${goalText(goal.value)}`;
}

/** What is printed at the end: how many goals are met, each missed one by name, and what was not measured and why. */
export function summaryLines(figures: readonly Figure[], skipped: readonly { name: string; why: string }[]): string[] {
  const withGoal = figures.filter(({ goal }) => goal !== undefined);
  const missed = withGoal.filter((figure) => !isMet(figure));
  return [
    ...missed.map((figure) => `missed: ${figureLine(figure).slice('figure '.length)}`),
    ...skipped.map(({ name, why }) => `skipped: ${name}: ${why}`),
    `${withGoal.length - missed.length} of ${withGoal.length} goals met, ${missed.length} missed, ${skipped.length} skipped`,
  ];
}

/** Three significant digits; whole numbers and large ones without a fraction. */
function numberText(value: number): string {
  if (Number.isInteger(value) || Math.abs(value) >= 100) return String(Math.round(value));
  return value.toPrecision(3);
}

/** Goals are ratios such as 1.0 and 0.50, or whole numbers. */
function goalText(value: number): string {
  return Number.isInteger(value) && value !== 1 ? String(value) : value.toFixed(value === 1 ? 1 : 2);
}
