import type { Logger } from 'pino';
import type { QuorumNode } from '../api/quorum-node.ts';
import { QUORUMNODES } from '../api/resources.ts';
import type { ControllerDeps } from '../deps.ts';
import type { DoorTarget } from '../door/client.ts';
import type { Verdict } from '../kube/conditions.ts';
import { getCondition, isTrue } from '../kube/conditions.ts';
import type { Outcome, ReconcileContext } from '../kube/controller.ts';
import { CONFIGMAPS, PODS } from '../kube/resources.ts';
import { type Condition, type Key, type KubeObject, keyString } from '../kube/types.ts';
import { objectNames } from '../names.ts';
import { AuthorityMissingError } from '../pki/certificate.ts';
import { secondsUntil } from '../pki/inspect.ts';
import { removeOldConfigurations } from '../workload/config-garbage.ts';
import { followNamespace } from '../workload/follow.ts';
import { shortHash } from '../workload/hash.ts';
import { podIsReady, podName, podRevision } from '../workload/pod.ts';
import { RolloutLock } from '../workload/rollout-lock.ts';
import { DOOR_CONFIG_LABEL } from './build/door-config.ts';
import { applyGround, applyPeers, applyWorkload, createNodeKey, ensureCertificates } from './children.ts';
import { decide, type Finding } from './decide.ts';
import { Deletion } from './deletion.ts';
import { DoorWatch, POLL_MS } from './door-watch.ts';
import { gather } from './gather.ts';
import { isFresh } from './health.ts';
import type { DoorReading, NodeObservation } from './observation.ts';
import { PeerReminder } from './peer-reminder.ts';
import { reasons } from './reasons.ts';
import { type Rollout, rollout, rolloutInput } from './rollout.ts';
import { SEAT_LOOK_AGAIN, Seat } from './seat.ts';
import { status, suspendedStatus, verdict } from './status.ts';

/** Seconds until a node is looked at again although nothing was told about it. */
const LOOK_AGAIN = { ready: 30, notReady: 10, starting: 2, missingKeys: 2 } as const;
/** A pod younger than this, in milliseconds, is starting. */
const STARTING_MS = 120_000;

/** Annotation of a pod that is written to make the kubelet bring its mounted peer lists up to date at once. */
const PEERS_ANNOTATION = 'quorum-operator.io/peers';

/** One node's way from what is declared to what runs: gather, decide, apply, restart when its turn has come, say how it stands. */
export class QuorumNodeReconciler {
  readonly #deps: ControllerDeps;
  readonly #doors: DoorWatch;
  readonly #lock: RolloutLock;
  readonly #peers: PeerReminder;
  readonly #deletion: Deletion;
  readonly #seat: Seat;

  constructor(deps: ControllerDeps) {
    this.#deps = deps;
    this.#doors = new DoorWatch(deps.doors, deps.now);
    this.#lock = new RolloutLock(deps.now);
    this.#peers = new PeerReminder(deps.doors, deps.now);
    this.#deletion = new Deletion(deps);
    this.#seat = new Seat(deps);
  }

  async reconcile(key: Key, { log }: ReconcileContext): Promise<Outcome> {
    const id = keyString(key);
    const node = this.#deps.informers.of<KubeObject>(QUORUMNODES).get(key) as QuorumNode | undefined;
    if (!node) {
      this.#doors.forget(id);
      this.#lock.forget(id);
      this.#peers.forget(id);
      this.#deletion.forget(id);
      return { kind: 'done' };
    }
    // Children go with the garbage collector once the node is voted out; keys and volumes stay.
    if (node.metadata.deletionTimestamp) return this.#deletion.reconcile(node, log);
    if (node.spec.suspend) {
      await this.#deps.status.write(QUORUMNODES, node, suspendedStatus(node, this.#deps.now()));
      return { kind: 'done' };
    }

    await this.#deletion.guard(node);
    const prepared = await followNamespace(this.#deps, node.metadata.namespace!);
    let observation = await gather(this.#deps, node, { door: await this.#readDoor(node), prepared });
    let findings = decide(observation);
    let renewSeconds = Number.POSITIVE_INFINITY;
    if (!findings.some((finding) => finding.blocks === 'children')) {
      ({ observation, findings, renewSeconds } = await this.#apply(observation, log));
    }
    observation = await this.#lookAgainBeforeRestart(observation);
    const decision = await this.#rollOut(id, observation, findings);
    const serves = verdict(observation, findings, decision);
    const seat = serves.kind === 'ready' ? await this.#seat.claim(observation, log) : undefined;
    const result = seat ?? serves;
    await this.#tell(observation, result, decision);
    await this.#afterwards(observation, result, decision, log);
    if (seat) return { kind: 'requeue', afterSeconds: SEAT_LOOK_AGAIN };
    return this.#next(observation, findings, result, renewSeconds);
  }

  async #apply(
    before: NodeObservation,
    log: Logger,
  ): Promise<{ observation: NodeObservation; findings: Finding[]; renewSeconds: number }> {
    const deps = this.#deps;
    let observation = before;
    let renewSeconds = Number.POSITIVE_INFINITY;
    const identity = await createNodeKey(deps, observation);
    if (identity) observation = { ...observation, identity };
    await applyGround(deps, observation);
    const findings = decide(observation);
    try {
      const certificates = await ensureCertificates(deps, observation);
      observation = { ...observation, certificates };
      renewSeconds = Math.min(...certificates.map((certificate) => secondsUntil(certificate.renewAt, deps.now())));
    } catch (error) {
      if (!(error instanceof AuthorityMissingError)) throw error;
      findings.push({
        kind: 'waiting',
        reason: reasons.CertificateNotReady,
        message: `${error.message}.`,
        blocks: 'template',
      });
    }
    if (await applyPeers(deps, observation)) await this.#showPeers(observation, log);
    const blocked = findings.some(
      (finding) => finding.blocks === 'template' || (finding.blocks === 'start' && !observation.statefulSet),
    );
    if (!blocked) observation = { ...observation, statefulSet: await applyWorkload(deps, observation) };
    return { observation, findings, renewSeconds };
  }

  /** The kubelet looks at mounted ConfigMaps once a minute, and at once when its pod changes. */
  async #showPeers({ pod, directory }: NodeObservation, log: Logger): Promise<void> {
    const { name, namespace } = pod!.metadata;
    const annotations = { [PEERS_ANNOTATION]: shortHash(JSON.stringify(directory)) };
    try {
      await this.#deps.client.patch(PODS, { name, namespace: namespace! }, { metadata: { annotations } });
    } catch (error) {
      log.debug(
        { err: error },
        'The pod could not be told about its new peers; the kubelet finds them within a minute',
      );
    }
  }

  /** Asks the door of a pod whose sidecar runs. */
  async #readDoor(node: QuorumNode, maxAgeMs?: number): Promise<DoorReading | undefined> {
    const { name, namespace } = node.metadata;
    const pod = this.#deps.informers.of(PODS).get({ namespace: namespace!, name: podName(name) });
    const target = this.#target(node, pod);
    if (!pod || !target || !doorRuns(pod)) return undefined;
    const ready = isTrue(node.status?.conditions as Condition[] | undefined, 'Ready') && podIsReady(pod);
    const oldest = maxAgeMs ?? (ready ? POLL_MS.ready : POLL_MS.notReady);
    return this.#doors.read(`${namespace}/${name}`, pod.metadata.uid!, target, oldest);
  }

  #target(node: QuorumNode, pod: KubeObject | undefined): DoorTarget | undefined {
    const { name, namespace } = node.metadata;
    const authority = this.#deps.informers
      .of(CONFIGMAPS)
      .get({ namespace: namespace!, name: objectNames.organizationCa });
    const caBundle: unknown = authority?.data?.['ca.crt'];
    const address: unknown = pod?.status?.podIP;
    if (typeof caBundle !== 'string' || typeof address !== 'string') return undefined;
    return { address, servername: `${name}.${namespace}.svc`, caBundle };
  }

  /** A restart is decided by what the network is now, not by what it was at the last look. */
  async #lookAgainBeforeRestart(observation: NodeObservation): Promise<NodeObservation> {
    const { node, pod, statefulSet } = observation;
    if (!pod || !statefulSet || podRevision(statefulSet, pod) !== 'outdated') return observation;
    return { ...observation, door: await this.#readDoor(node, 0) };
  }

  /** Restarts an outdated pod when its turn has come. */
  async #rollOut(id: string, observation: NodeObservation, findings: readonly Finding[]): Promise<Rollout> {
    const consortium = observation.node.spec.consortiumRef.name;
    const { pod } = observation;
    if (pod && podIsReady(pod) && isFresh(observation)) this.#lock.release(consortium, id, pod.metadata.uid);
    const fresh = isFresh(observation);
    const decision = rollout(rolloutInput(observation, fresh, this.#lock.heldByOther(consortium, id)));
    // What is missing for the new template would be missing for the new pod, too.
    if (decision.kind !== 'restart' || findings.length > 0)
      return decision.kind === 'restart' ? { kind: 'none' } : decision;
    if (!this.#lock.take(consortium, id, decision.uid))
      return { kind: 'wait', message: 'another node is being restarted.' };
    const { name, namespace } = pod!.metadata;
    await this.#deps.client.delete(PODS, { name, namespace: namespace! }, { uid: decision.uid });
    return decision;
  }

  /** Status and events, written when they say something new. */
  async #tell(observation: NodeObservation, result: Verdict, decision: Rollout): Promise<void> {
    const { node } = observation;
    const before = getCondition(node.status?.conditions as Condition[] | undefined, 'Ready');
    const next = status(observation, result, this.#deps.now());
    await this.#deps.status.write(QUORUMNODES, node, next);
    const reason = result.reason ?? reasons.Serving;
    if (before?.reason !== reason || (before.status === 'True') !== (result.kind === 'ready')) {
      const type = result.kind === 'stalled' || result.kind === 'failing' ? 'Warning' : 'Normal';
      this.#deps.events.event(node, { type, reason, message: result.message });
    }
    if (decision.kind === 'restart') {
      const message = `Restarting pod ${observation.pod?.metadata.name}: ${decision.why}.`;
      this.#deps.events.event(node, { type: 'Normal', reason: reasons.RolloutUnderway, message, action: 'Restart' });
    }
  }

  /** What is worth doing once the node runs: old configurations, peers that are not connected. */
  async #afterwards(observation: NodeObservation, result: Verdict, decision: Rollout, log: Logger): Promise<void> {
    const { node, pod } = observation;
    const { name, namespace } = node.metadata;
    if (result.kind === 'ready' && decision.kind === 'none') {
      await removeOldConfigurations(this.#deps, {
        namespace: namespace!,
        name,
        label: DOOR_CONFIG_LABEL,
        value: 'door',
      });
    }
    const target = this.#target(node, pod);
    if (target) await this.#peers.remind(`${namespace}/${name}`, observation, target, log);
  }

  #next(observation: NodeObservation, findings: readonly Finding[], result: Verdict, renewSeconds: number): Outcome {
    if (findings.some(({ reason }) => reason === reasons.JwksNotFound || reason === reasons.JwksInvalid)) {
      // Users' ConfigMaps are not watched: reading all of them would need rights over all of them.
      return { kind: 'requeue', afterSeconds: LOOK_AGAIN.missingKeys };
    }
    // A key that comes back from a backup may come without our labels, so no watch tells of it.
    if (findings.some(({ reason }) => reason === reasons.KeyLost))
      return { kind: 'requeue', afterSeconds: LOOK_AGAIN.notReady };
    if (result.kind === 'stalled') return { kind: 'stalled', reason: result.reason, message: result.message };
    if (result.kind === 'ready') return { kind: 'requeue', afterSeconds: Math.min(LOOK_AGAIN.ready, renewSeconds) };
    if (!observation.pod) return { kind: 'requeue', afterSeconds: LOOK_AGAIN.ready };
    const created = Date.parse(observation.pod.metadata.creationTimestamp ?? '');
    const starting = this.#deps.now().getTime() - created < STARTING_MS;
    return { kind: 'requeue', afterSeconds: starting ? LOOK_AGAIN.starting : LOOK_AGAIN.notReady };
  }
}

function doorRuns(pod: KubeObject): boolean {
  const statuses = (pod.status?.initContainerStatuses ?? []) as { name: string; state?: { running?: object } }[];
  return statuses.some((container) => container.name === 'door' && container.state?.running !== undefined);
}
