import type { KubeObject } from '../../kube/types.ts';
import { manifest } from '../../workload/manifest.ts';
import { frameLabels, frameSelector, type NodeFrame } from '../frame.ts';

/** Nobody evicts a node: a drain waits until the roll-out lock restarts it at a moment that is safe for the whole network. */
export function disruptionBudget(frame: NodeFrame): KubeObject {
  return manifest(
    {
      apiVersion: 'policy/v1',
      kind: 'PodDisruptionBudget',
      name: frame.name,
      namespace: frame.namespace,
      labels: frameLabels(frame),
      owner: frame.owner,
    },
    { spec: { maxUnavailable: 0, selector: { matchLabels: frameSelector(frame) } } },
  );
}
