import type { Condition } from './types.ts';

export interface NewCondition {
  type: string;
  status: 'True' | 'False' | 'Unknown';
  /** CamelCase. */
  reason: string;
  message: string;
  /** Generation of the resource that was looked at. */
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
  | { kind: 'stalled'; reason: string; message: string }
  /** Nothing is done, because the resource asks for that; how it is, nobody looks at. */
  | { kind: 'suspended'; reason: string; message: string };

/** The part of a status that says how a resource is. */
export interface Readiness {
  conditions: Condition[];
  observedGeneration: number;
}

const READY = 'Ready';
const RECONCILING = 'Reconciling';
const STALLED = 'Stalled';

/** Longest message that metav1.Condition admits. */
const MAX_MESSAGE = 32_768;

/**
 * Returns the list with the condition set, new ones at the end. lastTransitionTime moves only when the status changes.
 * @param now cut to whole seconds, as metav1.Time is
 */
export function setCondition(
  conditions: readonly Condition[] | undefined,
  condition: NewCondition,
  now: Date,
): Condition[] {
  const previous = getCondition(conditions, condition.type);
  const next: Condition = {
    type: condition.type,
    status: condition.status,
    observedGeneration: condition.observedGeneration,
    lastTransitionTime: previous?.status === condition.status ? previous.lastTransitionTime : wholeSeconds(now),
    reason: condition.reason,
    message: condition.message.slice(0, MAX_MESSAGE),
  };
  if (previous === undefined) {
    return [...(conditions ?? []), next];
  }
  return (conditions ?? []).map((existing) => (existing.type === condition.type ? next : existing));
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

/**
 * Sets Ready, sets or removes Reconciling and Stalled, and tells the status' observedGeneration, so that kstatus (Flux,
 * Helm's waiting), `kubectl wait` and Flux's published invariants FAIL0001 to FAIL0010 agree about the resource.
 *
 * - observedGeneration advances only when the verdict on that generation is final: ready, stalled or suspended.
 * - Reconciling stands only while the generation has not been observed (FAIL0010). A resource that was ready and lost it
 *   at the same generation is Ready=False alone, which kstatus also calls in progress.
 * - Of a ready resource, conditions that were not looked at for this generation are left out (FAIL0008, FAIL0009).
 *
 * Source: fluxcd/pkg runtime/conditions/check/fail.go, cli-utils pkg/kstatus/status/generic.go.
 * @param status the resource's status, with the other conditions already set for this generation
 */
export function readyFrom(
  status: { conditions?: readonly Condition[]; observedGeneration?: number } | undefined,
  verdict: Verdict,
  generation: number,
  now: Date,
): Readiness {
  const observed = observedGeneration(verdict, generation, status?.observedGeneration);
  const reason = verdict.reason ?? 'Succeeded';
  const common = { reason, message: verdict.message, observedGeneration: generation };
  let conditions = setCondition(
    status?.conditions,
    { type: READY, status: verdict.kind === 'ready' ? 'True' : 'False', ...common },
    now,
  );
  conditions =
    verdict.kind === 'stalled'
      ? setCondition(conditions, { type: STALLED, status: 'True', ...common }, now)
      : removeCondition(conditions, STALLED);
  const reconciling = (verdict.kind === 'progressing' || verdict.kind === 'failing') && observed < generation;
  if (reconciling) {
    const word = verdict.kind === 'failing' ? 'ProgressingWithRetry' : 'Progressing';
    conditions = setCondition(conditions, { type: RECONCILING, status: 'True', ...common, reason: word }, now);
  } else {
    conditions = removeCondition(conditions, RECONCILING);
  }
  if (verdict.kind === 'ready') {
    conditions = conditions.filter((condition) => condition.observedGeneration === generation);
  }
  return { conditions, observedGeneration: observed };
}

function observedGeneration(verdict: Verdict, generation: number, previous: number | undefined): number {
  if (verdict.kind === 'ready' || verdict.kind === 'stalled' || verdict.kind === 'suspended') {
    return generation;
  }
  // A resource restored from a backup starts again at generation 1 and must not claim to have seen later ones.
  return Math.min(previous ?? -1, generation);
}

function wholeSeconds(time: Date): string {
  return time.toISOString().replace(/\.\d{3}Z$/, 'Z');
}
