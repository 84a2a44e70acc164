import type { TesseraNodeStatus } from '../api/tessera-node.ts';
import { readyFrom, type Verdict } from '../kube/conditions.ts';
import type { Condition } from '../kube/types.ts';
import { certificateStatuses } from '../pki/status.ts';
import { podIsReady, podTrouble, runningImage } from '../workload/pod.ts';
import { type Finding, headline } from './decide.ts';
import { peerUrl } from './frame.ts';
import type { TesseraObservation } from './observation.ts';
import { frameOf } from './plan.ts';
import { type Reason, reasons } from './reasons.ts';
import type { Rollout } from './rollout.ts';

const progressing = (reason: Reason, message: string): Verdict => ({ kind: 'progressing', reason, message });
const failing = (reason: Reason, message: string): Verdict => ({ kind: 'failing', reason, message });

/** How it stands with the transaction manager, in the terms of kstatus. */
export function verdict(observation: TesseraObservation, findings: readonly Finding[], rollout: Rollout): Verdict {
  const first = headline(findings);
  if (first) {
    const kept =
      observation.statefulSet && first.blocks === 'template' ? ' The running pod keeps its last configuration.' : '';
    return {
      kind: first.kind === 'stalled' ? 'stalled' : 'progressing',
      reason: first.reason,
      message: first.message + kept,
    };
  }
  const { tessera, pod } = observation;
  const name = `${tessera.metadata.name}-0`;
  if (!pod) return progressing(reasons.PodStarting, `Pod ${name} is being made.`);
  if (pod.metadata.deletionTimestamp) return progressing(reasons.RolloutUnderway, `Pod ${name} is stopping.`);
  const trouble = podTrouble(pod);
  if (trouble?.kind === 'unschedulable')
    return failing(reasons.PodUnschedulable, `Pod ${name} fits no machine: ${trouble.message}`);
  if (trouble)
    return failing(reasons.ContainerFailing, `Pod ${name}, ${trouble.message}; see the logs of that container.`);
  if (!podIsReady(pod)) return progressing(reasons.PodStarting, `Pod ${name} is starting.`);
  if (rollout.kind === 'wait') {
    return progressing(reasons.RolloutWaiting, `The pod runs the previous configuration and waits: ${rollout.message}`);
  }
  if (rollout.kind !== 'none') return progressing(reasons.RolloutUnderway, `Pod ${name} is being replaced.`);
  const peers = observation.directory?.organizations.reduce((sum, { tesseras }) => sum + tesseras.length, -1) ?? 0;
  return {
    kind: 'ready',
    reason: reasons.Serving,
    message: `Serves with ${observation.keys.length} ${observation.keys.length === 1 ? 'key' : 'keys'}; knows ${Math.max(0, peers)} other transaction managers.`,
  };
}

/** The whole status. Public keys that were known once stay, so that the loss of a key shows. */
export function status(observation: TesseraObservation, result: Verdict, now: Date): TesseraNodeStatus {
  const { tessera, keys, pod } = observation;
  const previous = tessera.status;
  const conditions = (previous?.conditions ?? []) as Condition[];
  const readiness = readyFrom({ ...previous, conditions }, result, tessera.metadata.generation ?? 0, now);
  const publicKeys = keys.flatMap((key) => (key.kind === 'ok' ? [key.publicKey] : []));
  const complete = publicKeys.length === tessera.spec.keys.length;
  const running = runningImage(pod, 'tessera');
  const fields = {
    url: peerUrl(frameOf(observation)),
    publicKeys: complete ? publicKeys : previous?.publicKeys,
    image: running.image ?? previous?.image,
    digest: running.digest ?? previous?.digest,
  };
  const known = Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
  const certificates = certificateStatuses(observation.certificates, previous?.certificates);
  return { ...readiness, ...certificates, ...known } as TesseraNodeStatus;
}
