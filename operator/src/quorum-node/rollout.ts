import { faultTolerance } from '../consensus/quorum.ts';
import { podIsReady, podRevision } from '../workload/pod.ts';
import type { NodeObservation } from './observation.ts';

/** Word of a person that a restart may halt the chain: with fewer than four validators every one does. */
export const ALLOW_HALT_ANNOTATION = 'quorum-operator.io/allow-halt';

/** What the rule about restarts looks at. */
export interface RolloutInput {
  readonly role: 'Validator' | 'Member';
  /** Undefined: there is no pod, so nothing to restart. */
  readonly pod?:
    | {
        readonly uid: string;
        readonly revision: 'current' | 'outdated' | 'unknown';
        readonly ready: boolean;
        readonly terminating: boolean;
      }
    | undefined;
  /** The node is in the chain's validator set; unknown while its door does not answer. */
  readonly inValidatorSet?: boolean | undefined;
  /** The node's last block is fresh: the network seals. */
  readonly fresh: boolean;
  /** Addresses of the chain's validators, as the node sees them. */
  readonly validators: readonly string[];
  /** Blocks each validator proposed in the last blocks (istanbul_status), lower-case addresses. */
  readonly proposals: Readonly<Record<string, number>>;
  /** Other nodes of the consortium that this operator runs. */
  readonly others: readonly {
    readonly name: string;
    readonly role: 'Validator' | 'Member';
    readonly serving: boolean;
    readonly restarting: boolean;
  }[];
  /** Another node that holds the consortium's roll-out lock. */
  readonly lockedBy?: string | undefined;
  readonly allowHalt: boolean;
}

export type Rollout =
  /** The pod runs what it should. */
  | { readonly kind: 'none' }
  /** The pod is going or coming. */
  | { readonly kind: 'underway' }
  | { readonly kind: 'restart'; readonly uid: string; readonly why: string }
  | { readonly kind: 'wait'; readonly message: string };

const wait = (message: string): Rollout => ({ kind: 'wait', message });

/**
 * Whether an outdated pod may be restarted now.
 *
 * A node that does not serve may be restarted at any time. A validator that seals stops only while every validator of the chain has
 * proposed lately, those in other clusters included, so a roll-out elsewhere holds this one back; one at a time in the
 * consortium. A member waits for other members only. With fewer than four validators any stop halts the chain, which needs a
 * person's word.
 */
export function rollout(input: RolloutInput): Rollout {
  const { pod } = input;
  if (!pod) return { kind: 'none' };
  if (pod.terminating) return { kind: 'underway' };
  if (pod.revision === 'current') return pod.ready ? { kind: 'none' } : { kind: 'underway' };
  if (pod.revision === 'unknown') return { kind: 'underway' };
  const restart = (why: string): Rollout => ({ kind: 'restart', uid: pod.uid, why });
  if (!pod.ready) return restart('it is not Ready, so nothing is lost');
  if (input.lockedBy) return wait(`${input.lockedBy} of this consortium is being restarted; one at a time.`);
  const sealing = input.inValidatorSet ?? input.role === 'Validator';
  return sealing ? validatorRollout(input, restart) : memberRollout(input, restart);
}

function memberRollout(input: RolloutInput, restart: (why: string) => Rollout): Rollout {
  const busy = input.others.find((other) => other.role === 'Member' && other.restarting);
  return busy ? wait(`member ${busy.name} is restarting; one at a time.`) : restart('no other member is restarting');
}

function validatorRollout(input: RolloutInput, restart: (why: string) => Rollout): Rollout {
  // It does not follow the chain, or the chain stands still: a restart takes nothing away and may help.
  if (!input.fresh) return restart('it has no recent block');
  if (faultTolerance(input.validators.length) === 0) {
    return input.allowHalt
      ? restart(`annotation ${ALLOW_HALT_ANNOTATION} allows that the chain halts meanwhile`)
      : wait(
          `with ${input.validators.length} validators every restart halts the chain; allow it with annotation ${ALLOW_HALT_ANNOTATION}: "true" on this QuorumNode.`,
        );
  }
  const down = input.others.find((other) => other.role === 'Validator' && (other.restarting || !other.serving));
  if (down) return wait(`validator ${down.name} does not serve.`);
  const silent = input.validators.filter((address) => !input.proposals[address]);
  if (silent.length > 0) {
    return wait(
      `validators ${silent.join(', ')} have proposed no block lately; all of them must seal before one may stop.`,
    );
  }
  return restart(`all ${input.validators.length} validators seal`);
}

/** The rule's input from what was read. */
export function rolloutInput(observation: NodeObservation, fresh: boolean, lockedBy: string | undefined): RolloutInput {
  const { node, pod, statefulSet, door, others } = observation;
  const status = door?.status;
  return {
    role: node.spec.role,
    pod:
      pod && statefulSet
        ? {
            uid: pod.metadata.uid!,
            revision: podRevision(statefulSet, pod),
            ready: podIsReady(pod),
            terminating: pod.metadata.deletionTimestamp !== undefined,
          }
        : undefined,
    inValidatorSet: status?.isValidator,
    fresh,
    validators: (status?.validators ?? []).map((address) => address.toLowerCase()),
    proposals: status?.sealers ?? {},
    others,
    lockedBy,
    allowHalt: node.metadata.annotations?.[ALLOW_HALT_ANNOTATION] === 'true',
  };
}
