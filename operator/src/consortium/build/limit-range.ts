import type { KubeObject } from '../../kube/types.ts';
import { manifest } from '../../workload/manifest.ts';
import { organizationLabels, type Place } from './labels.ts';

/**
 * What a container gets that asks for nothing: a share of CPU and a bound on memory, so that a stranger's pod cannot starve the nodes. No default limit
 * on CPU: it would throttle containers that ask for CPU and set no limit on purpose.
 */
export function limitRange(place: Place): KubeObject {
  return manifest(
    {
      apiVersion: 'v1',
      kind: 'LimitRange',
      name: 'organization',
      namespace: place.namespace,
      labels: organizationLabels(place.consortium, place.organization),
    },
    {
      spec: {
        limits: [{ type: 'Container', default: { memory: '512Mi' }, defaultRequest: { cpu: '20m', memory: '64Mi' } }],
      },
    },
  );
}
