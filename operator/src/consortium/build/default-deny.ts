import type { KubeObject } from '../../kube/types.ts';
import { manifest } from '../../workload/manifest.ts';
import { organizationLabels, type Place } from './labels.ts';

/**
 * Denies every pod of the namespace all connections that no other policy allows, both ways.
 *
 * No owner: were it garbage-collected with the Consortium, nodes that go on running would be open to the whole cluster. So policies, quota
 * and limits stay until the namespace goes; whoever wants them gone without it deletes them by hand.
 */
export function defaultDeny(place: Place): KubeObject {
  return manifest(
    {
      apiVersion: 'networking.k8s.io/v1',
      kind: 'NetworkPolicy',
      name: 'default-deny',
      namespace: place.namespace,
      labels: organizationLabels(place.consortium, place.organization),
    },
    { spec: { podSelector: {}, policyTypes: ['Ingress', 'Egress'] } },
  );
}
