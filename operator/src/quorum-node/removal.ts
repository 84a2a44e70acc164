import { type Decision, SMALLEST_TOLERANT_SET } from '../validators/decide.ts';
import { progressText } from '../validators/words.ts';
import { type Reason, reasons } from './reasons.ts';

/** Keeps a validator's QuorumNode, and with it the running node, until the network has voted it out. */
export const VOTE_OUT_FINALIZER = 'quorum-operator.io/vote-out';

/** A person's word about a removal: the node's name permits a set below four, `force` a removal without a vote. */
export const CONFIRM_REMOVAL_ANNOTATION = 'quorum-operator.io/confirm-removal';
const FORCE = 'force';

export type Confirmation = 'none' | 'below-four' | 'without-vote';

/** What the annotation says about this node; another node's name says nothing. */
export function confirmationOf(node: {
  readonly metadata: { readonly name: string; readonly annotations?: Readonly<Record<string, string>> };
}): Confirmation {
  const word = node.metadata.annotations?.[CONFIRM_REMOVAL_ANNOTATION];
  if (word === FORCE) return 'without-vote';
  return word === node.metadata.name ? 'below-four' : 'none';
}

export interface RemovalInput {
  readonly name: string;
  readonly namespace: string;
  /** The Consortium exists and is not being deleted. */
  readonly consortiumLives: boolean;
  /** The node was seen running, so the chain may count on it. */
  readonly ran: boolean;
  readonly confirmation: Confirmation;
  /** What the validators said; absent when they were not asked. */
  readonly ballot?: Decision | undefined;
  /** Another node of the consortium that is being voted out by this process. */
  readonly lockedOut: boolean;
  /** Organization of each known validator by lower-case address. */
  readonly organizations: ReadonlyMap<string, string>;
}

export type Removal =
  /** The resource may go. */
  | { readonly kind: 'release'; readonly reason: Reason; readonly message: string; readonly warning: boolean }
  /** `stalled`: only a person can help. */
  | { readonly kind: 'wait' | 'stalled'; readonly reason: Reason; readonly message: string };

/** What is known without asking anybody; undefined: ask the validators. */
export function removalUnasked(
  input: Pick<RemovalInput, 'consortiumLives' | 'ran' | 'confirmation'>,
): Extract<Removal, { kind: 'release' }> | undefined {
  const release = (reason: Reason, message: string, warning = false) =>
    ({ kind: 'release', reason, message, warning }) as const;
  if (!input.consortiumLives) return release(reasons.RemovalWithoutVote, 'Its Consortium is gone, so nobody votes.');
  if (!input.ran) return release(reasons.RemovalWithoutVote, 'It never ran, so the chain does not count on it.');
  if (input.confirmation === 'without-vote') {
    return release(
      reasons.RemovedWithoutVote,
      `Annotation ${CONFIRM_REMOVAL_ANNOTATION}: ${FORCE} lets it go without a vote. The other validators may still count on it: vote it out there, or bring it back with the same key.`,
      true,
    );
  }
  return undefined;
}

/** Whether a deleted validator may go, and if not yet, what it waits for. */
export function removal(input: RemovalInput): Removal {
  const { ballot } = input;
  const without = removalUnasked(input);
  if (without) return without;
  const wait = (reason: Reason, message: string): Removal => ({ kind: 'wait', reason, message });
  if (input.lockedOut) {
    return wait(reasons.RemovalWaiting, 'Another validator is being voted out; one after the other.');
  }
  const annotate = (word: string) =>
    `kubectl annotate quorumnode ${input.name} -n ${input.namespace} ${CONFIRM_REMOVAL_ANNOTATION}=${word} --overwrite`;
  if (!ballot || ballot.kind === 'unknown') {
    return wait(
      reasons.VotersUnreachable,
      `No other validator of this cluster answers, so nobody can vote. It goes when they do; to let it go without a vote: ${annotate(FORCE)}`,
    );
  }
  if (ballot.kind === 'done') {
    const rest = `${ballot.set.length} validators remain`;
    return {
      kind: 'release',
      reason: reasons.VotedOut,
      message: `The chain does not count it any more: ${rest}.`,
      warning: false,
    };
  }
  if (ballot.kind === 'settle') {
    return wait(
      reasons.VotingOut,
      `It is voted out; the proposals of ${ballot.discard.length} validators are taken back.`,
    );
  }
  if (ballot.kind === 'blocked') return blocked(input, ballot, annotate);
  const { given, needed } = ballot.progress;
  const progress = progressText(ballot.progress, input.organizations);
  if (given.length >= needed) return wait(reasons.VotingOut, `It is being voted out: ${progress}.`);
  return wait(
    reasons.VotesMissing,
    `It cannot be voted out yet: ${progress}. It goes when enough vote; to let it go without a vote: ${annotate(FORCE)}`,
  );
}

function blocked(
  { name }: RemovalInput,
  ballot: Extract<Decision, { kind: 'blocked' }>,
  annotate: (word: string) => string,
): Removal {
  const left = ballot.set.length - 1;
  switch (ballot.why) {
    case 'other-removal':
      return {
        kind: 'wait',
        reason: reasons.RemovalWaiting,
        message: 'Another validator is being voted out; one after the other.',
      };
    case 'would-halt':
      return {
        kind: 'wait',
        reason: reasons.RemovalWouldHalt,
        message: `Without it the chain would stand still: too many of the other ${left} validators do not seal. Bring them back first; to let it go without a vote: ${annotate(FORCE)}`,
      };
    case 'below-four':
      return {
        kind: 'stalled',
        reason: reasons.RemovalNeedsConfirmation,
        message: `Only ${left} of ${ballot.set.length} validators would remain; with fewer than ${SMALLEST_TOLERANT_SET} no fault is tolerated. Add a validator first, or confirm: ${annotate(name)}`,
      };
  }
}
