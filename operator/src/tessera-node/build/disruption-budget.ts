import type { KubeObject } from '../../kube/types.ts';
import { manifest } from '../../workload/manifest.ts';
import { frameLabels, frameSelector, type TesseraFrame } from '../frame.ts';

/** Nobody evicts a transaction manager: the nodes that use it end when it is away. */
export function disruptionBudget(frame: TesseraFrame): KubeObject {
  const { name, namespace, owner } = frame;
  return manifest(
    { apiVersion: 'policy/v1', kind: 'PodDisruptionBudget', name, namespace, labels: frameLabels(frame), owner },
    { spec: { maxUnavailable: 0, selector: { matchLabels: frameSelector(frame) } } },
  );
}
