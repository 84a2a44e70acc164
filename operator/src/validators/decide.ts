import { quorumSize } from '../consensus/quorum.ts';

/** Smallest set of validators that tolerates a fault: n ≥ 3f + 1 with f = 1. */
export const SMALLEST_TOLERANT_SET = 4;

/** Blocks that a validator may be behind the newest answer before it counts as silent. */
const LAGGING_BLOCKS = 8;

/** One vote as a snapshot of the consensus lists it: cast in a block, not yet decided. Addresses in lower case. */
export interface CastVote {
  readonly validator: string;
  readonly address: string;
  readonly authorize: boolean;
}

/** What a validator says of the set and of its own proposals. */
export interface VoterAnswer {
  /** Block that the answer is about. */
  readonly block: number;
  /** Lower-case addresses. */
  readonly validators: readonly string[];
  /** What it votes for in blocks that it proposes; in memory only, so a restart empties it. Lower-case address → authorize. */
  readonly proposals: Readonly<Record<string, boolean>>;
  readonly votes: readonly CastVote[];
}

/** A node of this cluster that may have a vote. */
export interface Voter {
  /** `namespace/name` of its QuorumNode. */
  readonly name: string;
  readonly organization: string;
  /** Lower case. */
  readonly address: string;
  /** Its organization gives no votes for now. */
  readonly withholds: boolean;
  /** Absent: its door did not answer. */
  readonly answer?: VoterAnswer | undefined;
}

/** A question to the validators: shall this node be one of them. */
export interface Ballot {
  /** Lower case. */
  readonly subject: string;
  /** `withdrawn`: nobody wants a change any more. */
  readonly goal: 'in' | 'out' | 'withdrawn';
  readonly voters: readonly Voter[];
  /** Validators of other clusters that proposed no block lately, lower case. */
  readonly idle: readonly string[];
  /** A person's word that the set may become smaller than four. */
  readonly confirmed: boolean;
}

export interface Progress {
  /** More than half of the set. */
  readonly needed: number;
  /** Addresses whose vote stands in a block or is on its way to one. */
  readonly given: readonly string[];
  /** Addresses in the set that have given none: unreachable, unwilling, or in other clusters. */
  readonly missing: readonly string[];
}

export type Decision =
  /** The set is as wanted, and nobody still votes about it. */
  | { readonly kind: 'done'; readonly set: readonly string[] }
  /** The set is as wanted: a proposal that stayed would vote again one day. */
  | { readonly kind: 'settle'; readonly set: readonly string[]; readonly discard: readonly Voter[] }
  | {
      readonly kind: 'vote';
      readonly set: readonly string[];
      readonly propose: readonly Voter[];
      readonly discard: readonly Voter[];
      readonly progress: Progress;
    }
  /** No door answers, so the set is not known. */
  | { readonly kind: 'unknown' }
  | {
      readonly kind: 'blocked';
      readonly why: 'below-four' | 'would-halt' | 'other-removal';
      readonly set: readonly string[];
      /** Proposals of before that must not stand while it is blocked. */
      readonly discard: readonly Voter[];
    };

/**
 * What to do next about one node's seat among the validators. Nothing is remembered between two calls: proposals that a restart or an
 * epoch block took away are missing in the next answers, and are made again.
 *
 * A removal is never proposed when the set, less all that is being voted out already, would have fewer than four members without a
 * person's word, nor when the members that seal would no longer be a quorum.
 */
export function decide(ballot: Ballot): Decision {
  const { subject, goal, voters } = ballot;
  const answered = voters.filter((voter) => voter.answer !== undefined);
  const set = agreedSet(answered);
  if (!set) return { kind: 'unknown' };
  const holders = answered.filter((voter) => voter.answer?.proposals[subject] !== undefined);
  if (goal === 'withdrawn' || set.includes(subject) === (goal === 'in')) {
    return holders.length > 0 ? { kind: 'settle', set, discard: holders } : { kind: 'done', set };
  }
  const why = goal === 'out' ? objection(ballot, set, answered, holders.length > 0) : undefined;
  if (why) return { kind: 'blocked', why, set, discard: why === 'other-removal' ? [] : holders };
  const authorize = goal === 'in';
  const able = answered.filter(
    ({ address, withholds }) => set.includes(address) && (!withholds || address === subject),
  );
  const cast = answered.flatMap(({ answer }) => answer?.votes ?? []);
  const given = new Set([
    ...able.map(({ address }) => address),
    ...cast
      .filter((vote) => vote.address === subject && vote.authorize === authorize && set.includes(vote.validator))
      .map(({ validator }) => validator),
  ]);
  return {
    kind: 'vote',
    set,
    propose: able.filter(({ answer }) => answer?.proposals[subject] !== authorize),
    discard: holders.filter((voter) => !able.includes(voter)),
    progress: {
      needed: Math.floor(set.length / 2) + 1,
      given: [...given].sort(),
      missing: set.filter((address) => !given.has(address)),
    },
  };
}

/** What speaks against a removal. */
function objection(
  { subject, voters, idle, confirmed }: Ballot,
  set: readonly string[],
  answered: readonly Voter[],
  underWay: boolean,
): Extract<Decision, { kind: 'blocked' }>['why'] | undefined {
  const leaving = new Set(
    answered.flatMap(({ answer }) =>
      Object.entries(answer?.proposals ?? {})
        .filter(([address, authorize]) => !authorize && address !== subject && set.includes(address))
        .map(([address]) => address),
    ),
  );
  // One removal after the other, so that each is judged by the set that the one before left.
  if (leaving.size > 0 && !underWay) return 'other-removal';
  if (set.length - 1 - leaving.size < SMALLEST_TOLERANT_SET && !confirmed) return 'below-four';
  const rest = set.filter((address) => address !== subject);
  const newest = Math.max(...answered.map(({ answer }) => answer?.block ?? 0));
  const silent = new Set([
    ...idle,
    ...voters
      .filter(({ answer }) => answer === undefined || answer.block < newest - LAGGING_BLOCKS)
      .map(({ address }) => address),
  ]);
  const sealing = rest.filter((address) => !silent.has(address)).length;
  return sealing < quorumSize(rest.length) ? 'would-halt' : undefined;
}

/** The set that most doors agree on; the one of the newest block when there is a tie. A single node may be behind, or lie. */
export function agreedSet(answered: readonly Voter[]): string[] | undefined {
  const sets = new Map<string, { set: string[]; count: number; block: number }>();
  for (const { answer } of answered) {
    if (!answer) continue;
    const set = [...answer.validators].sort();
    const known = sets.get(set.join()) ?? { set, count: 0, block: 0 };
    sets.set(set.join(), { set, count: known.count + 1, block: Math.max(known.block, answer.block) });
  }
  return [...sets.values()].sort((a, b) => b.count - a.count || b.block - a.block)[0]?.set;
}
