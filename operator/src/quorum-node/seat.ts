import type { Logger } from 'pino';
import { QUORUMNODES } from '../api/resources.ts';
import type { ControllerDeps } from '../deps.ts';
import { getCondition, type Verdict } from '../kube/conditions.ts';
import type { Condition, KubeObject } from '../kube/types.ts';
import { takeVote } from '../validators/ballot.ts';
import type { Ballot, Decision } from '../validators/decide.ts';
import { votingNodes } from '../validators/voters.ts';
import { progressText } from '../validators/words.ts';
import { organizationsByAddress } from './deletion.ts';
import { nodesOf } from './gather.ts';
import { isDeclaredValidator, type NodeObservation } from './observation.ts';
import { type Reason, reasons } from './reasons.ts';

/** Seconds until a vote that is under way is looked at again. */
export const SEAT_LOOK_AGAIN = 3;

/** Reasons of a node whose vote is under way; they tell the next process that there are proposals to take back. */
const UNDER_WAY: readonly string[] = [reasons.VotingIn, reasons.VotesMissing, reasons.VotersUnreachable];

/**
 * What the declaration asks of the chain for a node that serves.
 * @returns undefined when nothing is to be voted about.
 */
export function seatGoal(
  observation: Pick<NodeObservation, 'node' | 'consortium' | 'door'>,
): Ballot['goal'] | undefined {
  const { node, door } = observation;
  const seated = door?.status?.isValidator;
  if (seated === undefined || !node.status?.address) return undefined;
  const before = getCondition(node.status.conditions as Condition[] | undefined, 'Ready')?.reason;
  const underWay = UNDER_WAY.includes(before ?? '');
  const declared = isDeclaredValidator(observation) && node.spec.role === 'Validator';
  if (declared && (!seated || underWay)) return 'in';
  return underWay ? 'withdrawn' : undefined;
}

/** How it stands with the vote, for the node's Ready condition; undefined once there is nothing left to do. */
export function seatVerdict(
  decision: Decision,
  goal: Ballot['goal'],
  organizations: ReadonlyMap<string, string>,
): Verdict | undefined {
  const progressing = (reason: Reason, message: string): Verdict => ({ kind: 'progressing', reason, message });
  if (decision.kind === 'done') return undefined;
  if (decision.kind === 'unknown') {
    return progressing(reasons.VotersUnreachable, 'No validator answers, so nobody can vote this node in.');
  }
  if (decision.kind !== 'vote') {
    const what = goal === 'in' ? 'It is voted in' : 'It is not wanted as a validator any more';
    return progressing(reasons.VotingIn, `${what}; the proposals are taken back.`);
  }
  const progress = progressText(decision.progress, organizations);
  return decision.progress.given.length >= decision.progress.needed
    ? progressing(reasons.VotingIn, `The Consortium declares it a validator, and it is being voted in: ${progress}.`)
    : progressing(
        reasons.VotesMissing,
        `The Consortium declares it a validator, and it is not voted in yet: ${progress}.`,
      );
}

/** Votes a declared validator in that the chain does not count yet. Joining takes nothing from anybody, so no lock is needed. */
export class Seat {
  readonly #deps: ControllerDeps;

  constructor(deps: ControllerDeps) {
    this.#deps = deps;
  }

  /** @param observation of a node that serves: it is connected, and has recent blocks. */
  async claim({ node, consortium, door }: NodeObservation, log: Logger): Promise<Verdict | undefined> {
    const goal = seatGoal({ node, consortium, door });
    const subject = node.status?.address;
    if (!goal || !subject) return undefined;
    const { informers, doors } = this.#deps;
    const nodes = nodesOf(informers.of<KubeObject>(QUORUMNODES), node.spec.consortiumRef.name);
    const voters = votingNodes(informers, nodes);
    const decision = await takeVote(doors, { subject, goal, confirmed: false, voters }, log);
    if (decision.kind === 'done' && goal === 'in') {
      const message = `The chain counts it among its ${decision.set.length} validators.`;
      this.#deps.events.event(node, { type: 'Normal', reason: reasons.VotedIn, message, action: 'Vote' });
    }
    return seatVerdict(decision, goal, organizationsByAddress(this.#deps, node));
  }
}
