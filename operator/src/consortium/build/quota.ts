import type { KubeObject } from '../../kube/types.ts';
import { manifest } from '../../workload/manifest.ts';
import { organizationLabels, type Place } from './labels.ts';

/**
 * Bounds what one organization can take from the cluster by mistake or malice: room for dozens of nodes, none for thousands. It counts objects
 * and leaves CPU and memory to the platform team, who know their machines (a second ResourceQuota adds to this one).
 */
export function quota(place: Place): KubeObject {
  return manifest(
    {
      apiVersion: 'v1',
      kind: 'ResourceQuota',
      name: 'organization',
      namespace: place.namespace,
      labels: organizationLabels(place.consortium, place.organization),
    },
    {
      spec: {
        hard: {
          pods: '100',
          'count/jobs.batch': '100',
          persistentvolumeclaims: '100',
          services: '200',
          'services.loadbalancers': '20',
          secrets: '1000',
          configmaps: '500',
        },
      },
    },
  );
}
