import type { ResourceType } from './types.ts';

/** The built-in resources that an operator usually touches. */

function resource(group: string, version: string, plural: string, kind: string, namespaced = true): ResourceType {
  return Object.freeze({ group, version, plural, kind, namespaced });
}

export const NAMESPACES = resource('', 'v1', 'namespaces', 'Namespace', false);
export const NODES = resource('', 'v1', 'nodes', 'Node', false);
export const PODS = resource('', 'v1', 'pods', 'Pod');
export const SERVICES = resource('', 'v1', 'services', 'Service');
export const SECRETS = resource('', 'v1', 'secrets', 'Secret');
export const CONFIGMAPS = resource('', 'v1', 'configmaps', 'ConfigMap');
export const PERSISTENTVOLUMECLAIMS = resource('', 'v1', 'persistentvolumeclaims', 'PersistentVolumeClaim');
export const SERVICEACCOUNTS = resource('', 'v1', 'serviceaccounts', 'ServiceAccount');
export const RESOURCEQUOTAS = resource('', 'v1', 'resourcequotas', 'ResourceQuota');
export const LIMITRANGES = resource('', 'v1', 'limitranges', 'LimitRange');
export const ENDPOINTSLICES = resource('discovery.k8s.io', 'v1', 'endpointslices', 'EndpointSlice');
export const STATEFULSETS = resource('apps', 'v1', 'statefulsets', 'StatefulSet');
export const DEPLOYMENTS = resource('apps', 'v1', 'deployments', 'Deployment');
export const CONTROLLERREVISIONS = resource('apps', 'v1', 'controllerrevisions', 'ControllerRevision');
export const JOBS = resource('batch', 'v1', 'jobs', 'Job');
export const NETWORKPOLICIES = resource('networking.k8s.io', 'v1', 'networkpolicies', 'NetworkPolicy');
export const PODDISRUPTIONBUDGETS = resource('policy', 'v1', 'poddisruptionbudgets', 'PodDisruptionBudget');
export const ROLES = resource('rbac.authorization.k8s.io', 'v1', 'roles', 'Role');
export const ROLEBINDINGS = resource('rbac.authorization.k8s.io', 'v1', 'rolebindings', 'RoleBinding');
export const CLUSTERROLES = resource('rbac.authorization.k8s.io', 'v1', 'clusterroles', 'ClusterRole', false);
export const STORAGECLASSES = resource('storage.k8s.io', 'v1', 'storageclasses', 'StorageClass', false);
export const LEASES = resource('coordination.k8s.io', 'v1', 'leases', 'Lease');
export const EVENTS = resource('events.k8s.io', 'v1', 'events', 'Event');
export const CUSTOMRESOURCEDEFINITIONS = resource(
  'apiextensions.k8s.io',
  'v1',
  'customresourcedefinitions',
  'CustomResourceDefinition',
  false,
);
