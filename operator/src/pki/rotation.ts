import type { AuthorityState } from './authority.ts';
import { inspect, needsRenewal, renewalTime } from './inspect.ts';

/** What a decision about the change of an authority rests on. */
export interface RotationView {
  readonly state: AuthorityState;
  readonly now: Date;
  /** Milliseconds for which a bundle is given time to reach every process: the kubelet's sync, and a good deal more. */
  readonly spreadMs: number;
  /** Who does not trust the next authority yet: "ConfigMap demo-alpha/members-ca". Looked for while there is a next one. */
  readonly untrusting: readonly string[];
  /** Who still shows a certificate of the previous authority. Looked for while there is a previous one. */
  readonly holding: readonly string[];
  /** Members in other clusters, who put the new authority into their bundles themselves, and have not said so yet. */
  readonly awaited: readonly string[];
}

export type RotationDecision =
  /** Nothing is under way; `at` is when the authority is due. */
  | { readonly kind: 'rest'; readonly at: Date }
  | { readonly kind: 'begin'; readonly why: 'age' | 'request' }
  | {
      readonly kind: 'wait';
      readonly phase: RotationPhase;
      readonly reason: WaitReason;
      readonly at?: Date | undefined;
    }
  | { readonly kind: 'markTrusted' | 'unmarkTrusted' | 'switch' | 'markUnused' | 'unmarkUnused' | 'finish' };

/** `spreading`: the new one is made known. `reissuing`: the new one issues; the old one is trusted until nothing shows it. */
export type RotationPhase = 'spreading' | 'reissuing';

export type WaitReason =
  | { readonly kind: 'untrusting' | 'holding' | 'awaited'; readonly who: readonly string[] }
  | { readonly kind: 'time' };

/**
 * The next step of replacing a certificate authority without a moment in which two sides that should trust each other do not.
 *
 * A new authority is trusted everywhere before it issues, and the old one until nothing of it is in use. The old one is due at 60 % of its life,
 * or when a person asks.
 */
export function decideRotation(view: RotationView): RotationDecision {
  if (view.state.next !== undefined) return spreading(view);
  if (view.state.previous !== undefined) return reissuing(view);
  const { state, now } = view;
  const facts = inspect(state.current);
  if (state.request !== undefined && state.request !== state.handled) return { kind: 'begin', why: 'request' };
  return needsRenewal(facts, now) ? { kind: 'begin', why: 'age' } : { kind: 'rest', at: renewalTime(facts) };
}

function spreading({ state, now, spreadMs, untrusting, awaited }: RotationView): RotationDecision {
  const phase = 'spreading';
  const { trustedSince } = state;
  if (untrusting.length > 0) {
    // Somebody forgot it again: the time begins anew once he knows.
    if (trustedSince) return { kind: 'unmarkTrusted' };
    return { kind: 'wait', phase, reason: { kind: 'untrusting', who: untrusting } };
  }
  if (!trustedSince) return { kind: 'markTrusted' };
  const at = new Date(trustedSince.getTime() + spreadMs);
  if (now < at) return { kind: 'wait', phase, reason: { kind: 'time' }, at };
  if (awaited.length > 0) return { kind: 'wait', phase, reason: { kind: 'awaited', who: awaited } };
  return { kind: 'switch' };
}

function reissuing({ state, now, spreadMs, holding }: RotationView): RotationDecision {
  const phase = 'reissuing';
  const { unusedSince } = state;
  if (holding.length > 0) {
    if (unusedSince) return { kind: 'unmarkUnused' };
    return { kind: 'wait', phase, reason: { kind: 'holding', who: holding } };
  }
  if (!unusedSince) return { kind: 'markUnused' };
  const at = new Date(unusedSince.getTime() + spreadMs);
  return now < at ? { kind: 'wait', phase, reason: { kind: 'time' }, at } : { kind: 'finish' };
}
