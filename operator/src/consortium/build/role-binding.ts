import type { KubeObject } from '../../kube/types.ts';
import { ORGANIZATION_CLUSTER_ROLE } from '../../names.ts';
import { manifest } from '../../workload/manifest.ts';
import { organizationLabels, type Place } from './labels.ts';

/** Gives the operator its rights in one organization's namespace, and in no other: Secrets are never readable cluster-wide. */
export function roleBinding(place: Place, operator: { namespace: string; serviceAccount: string }): KubeObject {
  return manifest(
    {
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'RoleBinding',
      name: 'quorum-operator',
      namespace: place.namespace,
      labels: organizationLabels(place.consortium, place.organization),
    },
    {
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: ORGANIZATION_CLUSTER_ROLE },
      subjects: [{ kind: 'ServiceAccount', name: operator.serviceAccount, namespace: operator.namespace }],
    },
  );
}
