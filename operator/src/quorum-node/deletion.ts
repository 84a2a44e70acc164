import type { Logger } from 'pino';
import type { Consortium } from '../api/consortium.ts';
import type { QuorumNode } from '../api/quorum-node.ts';
import { CONSORTIUMS, QUORUMNODES } from '../api/resources.ts';
import { allNodes, MEMBERS_KEY, parseDirectory } from '../consortium/directory.ts';
import type { ControllerDeps } from '../deps.ts';
import { getCondition, readyFrom, setCondition } from '../kube/conditions.ts';
import type { Outcome } from '../kube/controller.ts';
import { KubeApiError } from '../kube/errors.ts';
import { CONFIGMAPS, SECRETS, SERVICES } from '../kube/resources.ts';
import { type Condition, type KubeObject, keyOf, keyString } from '../kube/types.ts';
import { objectNames } from '../names.ts';
import { takeVote } from '../validators/ballot.ts';
import type { Decision } from '../validators/decide.ts';
import { RemovalLock } from '../validators/removal-lock.ts';
import { doorTarget, votingNodes } from '../validators/voters.ts';
import { nodesOf } from './gather.ts';
import { isDeclaredValidator } from './observation.ts';
import { reasons } from './reasons.ts';
import { confirmationOf, type Removal, removal, removalUnasked, VOTE_OUT_FINALIZER } from './removal.ts';

/** Seconds until a removal is looked at again: votes travel in blocks; people take longer. */
const LOOK_AGAIN = { wait: 3, stalled: 15 } as const;

/** The way out of a validator's QuorumNode: voted out first, then peers, then the resource. Keys and volumes stay unless asked otherwise. */
export class Deletion {
  readonly #deps: ControllerDeps;
  readonly #lock = new RemovalLock();

  constructor(deps: ControllerDeps) {
    this.#deps = deps;
  }

  /** Puts the finalizer on a node that is or may become a validator. */
  async guard(node: QuorumNode): Promise<void> {
    const { finalizers = [] } = node.metadata;
    if (finalizers.includes(VOTE_OUT_FINALIZER) || !mayValidate(node, this.#consortium(node))) return;
    await this.#setFinalizers(node, [...finalizers, VOTE_OUT_FINALIZER]);
  }

  /** Forgets a node that is gone. */
  forget(id: string): void {
    this.#lock.release(id);
  }

  /** One step of the removal of a node that is being deleted. */
  async reconcile(node: QuorumNode, log: Logger): Promise<Outcome> {
    if (!node.metadata.finalizers?.includes(VOTE_OUT_FINALIZER)) return { kind: 'done' };
    const id = keyString(keyOf(node));
    const consortium = this.#consortium(node);
    const basics = {
      consortiumLives: consortium !== undefined && consortium.metadata.deletionTimestamp === undefined,
      ran: node.status?.lastBlock !== undefined || node.status?.validator !== undefined,
      confirmation: confirmationOf(node),
    };
    const asks = removalUnasked(basics) === undefined;
    const lockedOut = asks && !this.#lock.take(node.spec.consortiumRef.name, id);
    const ballot = asks && !lockedOut ? await this.#ask(node, basics.confirmation !== 'none', log) : undefined;
    const decision = removal({
      ...basics,
      lockedOut,
      ballot,
      name: node.metadata.name,
      namespace: node.metadata.namespace!,
      organizations: this.#organizations(node),
    });
    // Whoever votes, or cleans up, keeps its turn; whoever waits for a person gives it to others.
    if (ballot?.kind !== 'vote' && ballot?.kind !== 'settle') this.#lock.release(id);
    if (decision.kind === 'release') return this.#release(node, decision, log);
    await this.#tell(node, decision, ballot);
    return { kind: 'requeue', afterSeconds: LOOK_AGAIN[decision.kind] };
  }

  async #ask(node: QuorumNode, confirmed: boolean, log: Logger): Promise<Decision | undefined> {
    const subject = node.status?.address;
    if (!subject) return undefined;
    const voters = votingNodes(this.#deps.informers, this.#nodes(node));
    return takeVote(this.#deps.doors, { subject, goal: 'out', confirmed, voters }, log);
  }

  /** Peers, keys where that was asked for, and last the finalizer, so that an interruption repeats the rest. */
  async #release(node: QuorumNode, decision: Extract<Removal, { kind: 'release' }>, log: Logger): Promise<Outcome> {
    if (decision.reason !== reasons.RemovalWithoutVote) await this.#removePeer(node, log);
    if (decision.reason === reasons.RemovedWithoutVote) await this.#withdraw(node, log);
    await this.#destroyKey(node, log);
    const { reason, message, warning } = decision;
    this.#deps.events.event(node, { type: warning ? 'Warning' : 'Normal', reason, message, action: 'Delete' });
    const { finalizers = [] } = node.metadata;
    await this.#setFinalizers(
      node,
      finalizers.filter((finalizer) => finalizer !== VOTE_OUT_FINALIZER),
    );
    return { kind: 'done' };
  }

  /** Tells the other nodes to hang up; those that are away learn it from their list of peers. */
  async #removePeer(node: QuorumNode, log: Logger): Promise<void> {
    const enode = node.status?.enode;
    if (!enode) return;
    const others = this.#nodes(node).filter(({ metadata }) => metadata.uid !== node.metadata.uid);
    await Promise.all(
      others.map(async (other) => {
        const target = doorTarget(this.#deps.informers, other);
        if (!target) return;
        await this.#deps.doors.consensus(target, 'admin_removePeer', [enode]).catch((error: unknown) => {
          log.debug({ err: error, peer: other.metadata.name }, 'A peer was not told to hang up');
        });
      }),
    );
  }

  /** Of a vote that was given up no proposal stays behind. */
  async #withdraw(node: QuorumNode, log: Logger): Promise<void> {
    const subject = node.status?.address;
    if (!subject) return;
    const voters = votingNodes(this.#deps.informers, this.#nodes(node));
    await takeVote(this.#deps.doors, { subject, goal: 'withdrawn', confirmed: false, voters }, log);
  }

  /** `deletionPolicy: Delete` destroys the key, unless the Consortium still declares the validator that it belongs to. */
  async #destroyKey(node: QuorumNode, log: Logger): Promise<void> {
    if (node.spec.deletionPolicy !== 'Delete') return;
    const consortium = this.#consortium(node);
    if (consortium && !consortium.metadata.deletionTimestamp && isDeclaredValidator({ node, consortium })) {
      log.info('The key stays: the Consortium still declares this validator');
      return;
    }
    const { name, namespace } = node.metadata;
    try {
      await this.#deps.client.delete(SECRETS, { namespace: namespace!, name: objectNames.nodeKey(name) });
      await this.#deps.client.delete(SERVICES, { namespace: namespace!, name: objectNames.peerService(name) });
    } catch (error) {
      // Without rights in the namespace there is nothing left to destroy for us.
      if (!(error instanceof KubeApiError && error.isForbidden)) throw error;
    }
  }

  async #tell(
    node: QuorumNode,
    { kind, reason, message }: Extract<Removal, { kind: 'wait' | 'stalled' }>,
    ballot: Decision | undefined,
  ): Promise<void> {
    const generation = node.metadata.generation ?? 0;
    const now = this.#deps.now();
    const previous = node.status?.conditions as Condition[] | undefined;
    const before = getCondition(previous, 'Ready');
    const address = node.status?.address?.toLowerCase() ?? '';
    const seated = ballot && 'set' in ballot ? ballot.set.includes(address) : undefined;
    let conditions = previous ?? [];
    if (seated !== undefined) {
      const [status, why, text] = seated
        ? (['True', reasons.InSet, 'The chain counts this node among its validators.'] as const)
        : (['False', reasons.NotInSet, 'The chain does not count this node among its validators.'] as const);
      const condition = { type: 'InValidatorSet', status, reason: why, message: text, observedGeneration: generation };
      conditions = setCondition(conditions, condition, now);
    }
    const verdict = { kind: kind === 'stalled' ? 'stalled' : 'progressing', reason, message } as const;
    const readiness = readyFrom({ ...node.status, conditions }, verdict, generation, now);
    const validator = seated ?? node.status?.validator;
    await this.#deps.status.write(QUORUMNODES, node, {
      ...node.status,
      ...readiness,
      ...(validator === undefined ? {} : { validator }),
    });
    if (before?.reason === reason && before.message === message) return;
    const type = reason === reasons.VotingOut || reason === reasons.RemovalWaiting ? 'Normal' : 'Warning';
    this.#deps.events.event(node, { type, reason, message, action: 'Delete' });
  }

  async #setFinalizers(node: QuorumNode, finalizers: string[]): Promise<void> {
    const { resourceVersion } = node.metadata;
    try {
      await this.#deps.client.patch(QUORUMNODES, keyOf(node), { metadata: { resourceVersion, finalizers } });
    } catch (error) {
      // Gone is what was wanted; a conflict means that the cache is behind, and its next event leads here again.
      if (!(error instanceof KubeApiError && (error.isNotFound || error.isConflict))) throw error;
    }
  }

  #consortium(node: QuorumNode): Consortium | undefined {
    const { name } = node.spec.consortiumRef;
    return this.#deps.informers.of<KubeObject>(CONSORTIUMS).get({ name }) as Consortium | undefined;
  }

  #nodes(node: QuorumNode): QuorumNode[] {
    return nodesOf(this.#deps.informers.of<KubeObject>(QUORUMNODES), node.spec.consortiumRef.name);
  }

  #organizations(node: QuorumNode): Map<string, string> {
    return organizationsByAddress(this.#deps, node);
  }
}

/** Organization of each validator that the member directory knows, by lower-case address. */
export function organizationsByAddress(deps: Pick<ControllerDeps, 'informers'>, node: QuorumNode): Map<string, string> {
  const key = { namespace: node.metadata.namespace!, name: objectNames.members(node.spec.consortiumRef.name) };
  const text: unknown = deps.informers.of(CONFIGMAPS).get(key)?.data?.[MEMBERS_KEY];
  if (typeof text !== 'string') return new Map();
  return new Map(allNodes(parseDirectory(text)).map((entry) => [entry.address.toLowerCase(), entry.organization]));
}

function mayValidate(node: QuorumNode, consortium: Consortium | undefined): boolean {
  return node.spec.role === 'Validator' || node.status?.validator === true || isDeclaredValidator({ node, consortium });
}
