import type { KubeObject } from '../../kube/types.ts';
import { ports } from '../../names.ts';
import { manifest } from '../../workload/manifest.ts';
import { frameLabels, frameSelector, type NodeFrame } from '../frame.ts';

/** Service `<node>`: the door for applications and the ops port for monitoring. Ready pods only. */
export function doorService(frame: NodeFrame): KubeObject {
  return manifest(
    {
      apiVersion: 'v1',
      kind: 'Service',
      name: frame.name,
      namespace: frame.namespace,
      labels: frameLabels(frame),
      owner: frame.owner,
    },
    {
      spec: {
        type: 'ClusterIP',
        selector: frameSelector(frame),
        ports: [
          { name: 'door', port: ports.door, targetPort: ports.door, protocol: 'TCP' },
          { name: 'ops', port: ports.ops, targetPort: ports.ops, protocol: 'TCP' },
        ],
      },
    },
  );
}
