import type { Condition } from './types.ts';

export interface NewCondition {
  type: string;
  status: 'True' | 'False' | 'Unknown';
  reason: string;
  message: string;
  observedGeneration: number;
}

/** What a reconcile found, in the terms of kstatus. Reasons are CamelCase. */
export type Verdict =
  | { kind: 'ready'; reason?: string; message: string }
  /** On its way; waits for something that comes without a change of the resource. */
  | { kind: 'progressing'; reason: string; message: string }
  /** A failure that is tried again. */
  | { kind: 'failing'; reason: string; message: string }
  /** Only a change of the resource or its surroundings helps. */
  | { kind: 'stalled'; reason: string; message: string };

/** Returns the list with the condition set; lastTransitionTime moves only when the status changes. Order is kept. */
export function setCondition(
  _conditions: readonly Condition[] | undefined,
  _condition: NewCondition,
  _now: Date,
): Condition[] {
  throw new Error('not written yet');
}

export function removeCondition(conditions: readonly Condition[] | undefined, type: string): Condition[] {
  return (conditions ?? []).filter((condition) => condition.type !== type);
}

export function getCondition(conditions: readonly Condition[] | undefined, type: string): Condition | undefined {
  return conditions?.find((condition) => condition.type === type);
}

export function isTrue(conditions: readonly Condition[] | undefined, type: string): boolean {
  return getCondition(conditions, type)?.status === 'True';
}

/** Sets Ready and sets or removes Reconciling and Stalled by kstatus' rules. */
export function readyFrom(
  _conditions: readonly Condition[] | undefined,
  _verdict: Verdict,
  _generation: number,
  _now: Date,
): Condition[] {
  throw new Error('not written yet');
}

/** The value of status.observedGeneration: advances only when the verdict is final (ready or stalled). */
export function observedGeneration(verdict: Verdict, generation: number, previous: number | undefined): number {
  return verdict.kind === 'ready' || verdict.kind === 'stalled' ? generation : (previous ?? -1);
}
