import { podIsReady, podRevision } from '../workload/pod.ts';
import type { TesseraObservation } from './observation.ts';

export type Rollout =
  | { readonly kind: 'none' }
  | { readonly kind: 'underway' }
  | { readonly kind: 'restart'; readonly uid: string; readonly why: string }
  | { readonly kind: 'wait'; readonly message: string };

/**
 * Whether an outdated pod may be restarted now: at any time when it does not serve, else while no other manager of the
 * consortium restarts. The nodes that use it may end meanwhile and are started again; validators use none.
 */
export function rollout(
  observation: Pick<TesseraObservation, 'pod' | 'statefulSet' | 'restartingElsewhere'>,
  lockedBy: string | undefined,
): Rollout {
  const { pod, statefulSet, restartingElsewhere } = observation;
  if (!pod || !statefulSet) return { kind: 'none' };
  if (pod.metadata.deletionTimestamp) return { kind: 'underway' };
  const revision = podRevision(statefulSet, pod);
  const ready = podIsReady(pod);
  if (revision === 'current') return ready ? { kind: 'none' } : { kind: 'underway' };
  if (revision === 'unknown') return { kind: 'underway' };
  const uid = pod.metadata.uid!;
  if (!ready) return { kind: 'restart', uid, why: 'it is not Ready, so nothing is lost' };
  const busy = restartingElsewhere ?? lockedBy;
  if (busy) return { kind: 'wait', message: `transaction manager ${busy} is restarting; one at a time.` };
  return { kind: 'restart', uid, why: 'no other transaction manager is restarting' };
}
