import type { QuorumNode, QuorumNodeStatus } from '../api/quorum-node.ts';
import { enodeUrl } from '../consensus/node-key.ts';
import { isTrue, type NewCondition, readyFrom, setCondition, type Verdict } from '../kube/conditions.ts';
import type { Condition } from '../kube/types.ts';
import { certificateStatuses } from '../pki/status.ts';
import { podIsReady, podTrouble, runningImage } from '../workload/pod.ts';
import { type Finding, headline } from './decide.ts';
import { externalEndpoint } from './exposure.ts';
import { expectedPeers, freshBlockLimit, isFresh } from './health.ts';
import type { NodeObservation } from './observation.ts';
import { type Reason, reasons } from './reasons.ts';
import type { Rollout } from './rollout.ts';

/** Seconds between two rewrites of the last block: status is no place for fast values, metrics are. */
export const LAST_BLOCK_SECONDS = 60;

/** Exit code of geth when its transaction manager is away. */
const TRANSACTION_MANAGER_LOST = 112;

/** The status of a node that nobody looks at: all that was recorded, and Ready=False with the word of why. */
export function suspendedStatus(node: QuorumNode, now: Date): QuorumNodeStatus {
  const message = 'spec.suspend is true: nothing is looked at or changed until it is removed; the node keeps running.';
  const previous = { ...node.status, conditions: (node.status?.conditions ?? []) as Condition[] };
  const result: Verdict = { kind: 'suspended', reason: reasons.Suspended, message };
  return { ...node.status, ...readyFrom(previous, result, node.metadata.generation ?? 0, now) };
}

/** How it stands with the node, in the terms of kstatus. */
export function verdict(observation: NodeObservation, findings: readonly Finding[], rollout: Rollout): Verdict {
  const first = headline(findings);
  if (first) {
    const kept =
      observation.statefulSet && first.blocks !== 'start' ? ' The running node keeps its last configuration.' : '';
    const kind = first.kind === 'stalled' ? 'stalled' : 'progressing';
    return { kind, reason: first.reason, message: first.message + kept };
  }
  return podVerdict(observation) ?? doorVerdict(observation) ?? rolloutVerdict(rollout) ?? serving(observation);
}

const progressing = (reason: Reason, message: string): Verdict => ({ kind: 'progressing', reason, message });
const failing = (reason: Reason, message: string): Verdict => ({ kind: 'failing', reason, message });

function podVerdict({ node, pod }: NodeObservation): Verdict | undefined {
  if (!pod) return progressing(reasons.PodStarting, `Pod ${node.metadata.name}-0 is being made.`);
  if (pod.metadata.deletionTimestamp) {
    return progressing(
      reasons.RolloutUnderway,
      `Pod ${pod.metadata.name} is stopping; the node gets up to three minutes to write what it holds.`,
    );
  }
  const trouble = podTrouble(pod);
  if (trouble?.kind === 'unschedulable') {
    return failing(reasons.PodUnschedulable, `Pod ${pod.metadata.name} fits no machine: ${trouble.message}`);
  }
  if (trouble?.container === 'geth' && trouble.exitCode === TRANSACTION_MANAGER_LOST) {
    return failing(
      reasons.TransactionManagerLost,
      `geth ended with code 112: its transaction manager ${node.spec.tesseraRef?.name ?? ''} did not answer; see that TesseraNode.`,
    );
  }
  if (trouble)
    return failing(
      reasons.ContainerFailing,
      `Pod ${pod.metadata.name}, ${trouble.message}; see the logs of that container.`,
    );
  return undefined;
}

function doorVerdict(observation: NodeObservation): Verdict | undefined {
  const { pod, door, consortium } = observation;
  const status = door?.status;
  if (!status) {
    if (!podIsReady(pod!)) return progressing(reasons.PodStarting, `Pod ${pod!.metadata.name} is starting.`);
    return progressing(reasons.DoorUnreachable, door?.error ?? 'The door was not asked yet.');
  }
  if (!status.reachable) {
    return progressing(
      reasons.NodeUnreachable,
      `geth does not answer its door: ${status.upstreamError ?? 'no reason given'}.`,
    );
  }
  const expected = expectedPeers(observation).length;
  if (expected > 0 && (status.peers ?? 0) === 0) {
    return progressing(reasons.NoPeers, `None of the ${expected} other nodes in the member directory is connected.`);
  }
  if (!isFresh(observation)) {
    const limit = consortium ? freshBlockLimit(consortium) : 0;
    return progressing(
      reasons.BlocksStale,
      // No age here: a message that changes with each look would be a write each time.
      `The last block, ${status.blockNumber ?? 'none'}, is older than ${limit} s: the network does not seal, or this node does not follow it.`,
    );
  }
  if (!podIsReady(pod!)) return progressing(reasons.PodStarting, `Pod ${pod!.metadata.name} is not Ready yet.`);
  return undefined;
}

/** A node that waits for its turn still serves; Ready says that it is also what was asked for. */
function rolloutVerdict(rollout: Rollout): Verdict | undefined {
  if (rollout.kind === 'wait')
    return progressing(reasons.RolloutWaiting, `The pod runs the previous configuration and waits: ${rollout.message}`);
  if (rollout.kind === 'restart') return progressing(reasons.RolloutUnderway, `The pod is replaced: ${rollout.why}.`);
  return rollout.kind === 'underway' ? progressing(reasons.RolloutUnderway, 'The pod is being replaced.') : undefined;
}

function serving({ node, door }: NodeObservation): Verdict {
  const peers = door?.status?.peers ?? 0;
  return {
    kind: 'ready',
    reason: reasons.Serving,
    message: `${node.spec.role} serves with ${peers} ${peers === 1 ? 'peer' : 'peers'}.`,
  };
}

/** The whole status of the node. */
export function status(observation: NodeObservation, result: Verdict, now: Date): QuorumNodeStatus {
  const { node, identity, peerService, door, pod } = observation;
  const generation = node.metadata.generation ?? 0;
  const previous = node.status;
  const address = peerService?.spec?.clusterIP as string | undefined;
  const external = externalEndpoint(observation);
  const seen = door?.status?.reachable ? door.status : undefined;
  let conditions = (previous?.conditions ?? []) as Condition[];
  for (const condition of domainConditions(observation)) {
    conditions = setCondition(conditions, { ...condition, observedGeneration: generation }, now);
  }
  const readiness = readyFrom({ ...previous, conditions }, result, generation, now);
  const running = runningImage(pod, 'geth');
  return {
    ...readiness,
    ...certificateStatuses(observation.certificates, previous?.certificates),
    ...defined({
      // A key that is lost keeps its address here: that is how the loss is known.
      address: previous?.address ?? identity?.address,
      nodeId: identity?.publicKey ?? previous?.nodeId,
      enode: identity && address ? enodeUrl(identity.publicKey, address) : previous?.enode,
      externalEnode:
        identity && external.kind === 'known' ? enodeUrl(identity.publicKey, external.host, external.port) : undefined,
      peers: seen?.peers ?? previous?.peers,
      validator: seen?.isValidator ?? previous?.validator,
      lastBlock: lastBlock(observation, result.kind === 'ready'),
      image: running.image ?? previous?.image,
      digest: running.digest ?? previous?.digest,
      clientVersion: seen?.clientVersion ?? previous?.clientVersion,
    }),
  };
}

/** The last block seen; the one of before while that is younger than a minute and readiness did not change. */
function lastBlock(observation: NodeObservation, ready: boolean): QuorumNodeStatus['lastBlock'] {
  const { node, door } = observation;
  const previous = node.status?.lastBlock;
  const seen = door?.status;
  if (seen?.blockNumber === undefined || seen.blockTime === undefined) return previous;
  const wasReady = isTrue(node.status?.conditions as Condition[] | undefined, 'Ready');
  const age = previous ? seen.blockTime - Date.parse(previous.time) / 1000 : Number.POSITIVE_INFINITY;
  if (previous && ready === wasReady && age < LAST_BLOCK_SECONDS && age >= 0) return previous;
  return { number: seen.blockNumber, time: new Date(seen.blockTime * 1000).toISOString().replace('.000Z', 'Z') };
}

type Domain = Omit<NewCondition, 'observedGeneration'>;

function domainConditions(observation: NodeObservation): Domain[] {
  const seen = observation.door?.status?.reachable ? observation.door.status : undefined;
  const conditions: Domain[] = [];
  const known = (type: string) =>
    (observation.node.status?.conditions ?? []).some((condition) => condition.type === type);
  const add = (type: string, holds: boolean | undefined, yes: [Reason, string], no: [Reason, string]) => {
    if (holds === undefined && !known(type)) return;
    const [reason, message] =
      holds === undefined ? ([reasons.NotObserved, 'The node does not answer.'] as const) : holds ? yes : no;
    conditions.push({ type, status: holds === undefined ? 'Unknown' : holds ? 'True' : 'False', reason, message });
  };
  const expected = expectedPeers(observation).length;
  add(
    'PeersConnected',
    seen && (expected === 0 || (seen.peers ?? 0) > 0),
    [
      reasons.Connected,
      expected === 0 ? 'No other node is known.' : `At least one of ${expected} other nodes is connected.`,
    ],
    [reasons.NoPeers, `None of ${expected} other nodes is connected.`],
  );
  add(
    'InValidatorSet',
    seen?.isValidator,
    [reasons.InSet, 'The chain counts this node among its validators.'],
    [reasons.NotInSet, 'The chain does not count this node among its validators.'],
  );
  add(
    'Sealing',
    seen && isFresh(observation),
    [reasons.RecentBlocks, 'New blocks arrive.'],
    [reasons.BlocksStale, 'No new block has arrived for too long.'],
  );
  if (observation.node.spec.tesseraRef) {
    const tessera = observation.tessera;
    add(
      'TesseraReachable',
      tessera ? isTrue(tessera.status?.conditions as Condition[] | undefined, 'Ready') : false,
      [reasons.Reachable, `TesseraNode ${tessera?.metadata.name} is Ready.`],
      [
        tessera ? reasons.TesseraNotReady : reasons.TesseraNotFound,
        `TesseraNode ${observation.node.spec.tesseraRef.name} ${tessera ? 'is not Ready' : 'does not exist'}.`,
      ],
    );
  }
  return conditions;
}

function defined<T extends object>(fields: T): T {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as T;
}
