import type { KubeObject } from '../../kube/types.ts';
import { manifest } from '../../workload/manifest.ts';
import { podsIn } from '../../workload/network-policy.ts';
import { organizationLabels, type Place } from './labels.ts';

/** Lets every pod of the namespace ask the cluster's name server, and nothing else outside. Without owner, see default-deny. */
export function allowDns(place: Place): KubeObject {
  return manifest(
    {
      apiVersion: 'networking.k8s.io/v1',
      kind: 'NetworkPolicy',
      name: 'allow-dns',
      namespace: place.namespace,
      labels: organizationLabels(place.consortium, place.organization),
    },
    {
      spec: {
        podSelector: {},
        policyTypes: ['Egress'],
        egress: [
          {
            to: [podsIn('kube-system', { 'k8s-app': 'kube-dns' })],
            ports: [
              { port: 53, protocol: 'UDP' },
              { port: 53, protocol: 'TCP' },
            ],
          },
        ],
      },
    },
  );
}
