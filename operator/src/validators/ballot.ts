import type { Logger } from 'pino';
import type { DoorClient, DoorTarget } from '../door/client.ts';
import { type Ballot, type CastVote, type Decision, decide, type Voter, type VoterAnswer } from './decide.ts';

/** A node of this cluster that may have a vote, and how to reach its door. */
export interface VotingNode extends Omit<Voter, 'answer'> {
  /** Absent while it has no pod with an address. */
  readonly target?: DoorTarget | undefined;
}

type Doors = Pick<DoorClient, 'consensus'>;

/** Snapshot as `istanbul_getSnapshot` gives it. */
interface Snapshot {
  readonly number: number;
  readonly validators: readonly string[];
  readonly votes?: readonly CastVote[] | null;
}

export interface BallotRequest extends Pick<Ballot, 'goal' | 'confirmed'> {
  /** Address of the node in question. */
  readonly subject: string;
  readonly voters: readonly VotingNode[];
}

/**
 * Asks all doors, decides, and gives or takes back votes where that is due.
 * @returns what was decided; proposals that could not be made are made by the next call.
 */
export async function takeVote(doors: Doors, request: BallotRequest, log: Logger): Promise<Decision> {
  const nodes = request.voters.map((voter) => ({ ...voter, address: voter.address.toLowerCase() }));
  const subject = request.subject.toLowerCase();
  const voters = await Promise.all(
    nodes.map(async ({ target, ...voter }): Promise<Voter> => ({ ...voter, answer: await ask(doors, target, log) })),
  );
  const { goal, confirmed } = request;
  const idle = goal === 'out' ? await idleElsewhere(doors, nodes, voters, log) : [];
  const decision = decide({ subject, goal, confirmed, voters, idle });
  const targetOf = (voter: Voter) => nodes.find(({ name }) => name === voter.name)?.target;
  const call = async (voter: Voter, method: 'istanbul_propose' | 'istanbul_discard', params: unknown[]) => {
    const target = targetOf(voter);
    if (!target) return;
    await doors.consensus(target, method, params).catch((error: unknown) => {
      log.debug({ err: error, voter: voter.name, method }, 'A vote was not taken; tried again');
    });
  };
  if (decision.kind === 'vote') {
    await Promise.all(decision.propose.map((voter) => call(voter, 'istanbul_propose', [subject, goal === 'in'])));
  }
  if (decision.kind !== 'done' && decision.kind !== 'unknown') {
    await Promise.all(decision.discard.map((voter) => call(voter, 'istanbul_discard', [subject])));
  }
  return decision;
}

async function ask(doors: Doors, target: DoorTarget | undefined, log: Logger): Promise<VoterAnswer | undefined> {
  if (!target) return undefined;
  try {
    const [snapshot, candidates] = await Promise.all([
      doors.consensus(target, 'istanbul_getSnapshot', ['latest']) as Promise<Snapshot>,
      doors.consensus(target, 'istanbul_candidates') as Promise<Record<string, boolean> | null>,
    ]);
    const lower = (address: string) => address.toLowerCase();
    return {
      block: snapshot.number,
      validators: snapshot.validators.map(lower),
      proposals: Object.fromEntries(Object.entries(candidates ?? {}).map(([address, vote]) => [lower(address), vote])),
      votes: (snapshot.votes ?? []).map(({ validator, address, authorize }) => ({
        validator: lower(validator),
        address: lower(address),
        authorize,
      })),
    };
  } catch (error) {
    log.debug({ err: error, door: target.servername }, 'A validator did not answer about the set');
    return undefined;
  }
}

/** Validators outside this cluster are only known by what they propose; one door tells for all. */
async function idleElsewhere(
  doors: Doors,
  nodes: readonly VotingNode[],
  voters: readonly Voter[],
  log: Logger,
): Promise<string[]> {
  const witness = voters.find(({ answer }) => answer !== undefined);
  const target = nodes.find(({ name }) => name === witness?.name)?.target;
  const here = new Set(voters.map(({ address }) => address));
  const elsewhere = (witness?.answer?.validators ?? []).filter((address) => !here.has(address));
  if (!target || elsewhere.length === 0) return [];
  try {
    const status = (await doors.consensus(target, 'istanbul_status')) as { sealerActivity?: Record<string, number> };
    const proposed = new Map(
      Object.entries(status.sealerActivity ?? {}).map(([address, blocks]) => [address.toLowerCase(), blocks]),
    );
    return elsewhere.filter((address) => !proposed.get(address));
  } catch (error) {
    log.debug({ err: error, door: target.servername }, 'Who proposed blocks lately is not known');
    return elsewhere;
  }
}
