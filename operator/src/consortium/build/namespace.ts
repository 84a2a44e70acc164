import type { KubeObject } from '../../kube/types.ts';
import { labels, MANAGED_BY } from '../../names.ts';
import type { Place } from './labels.ts';

const POD_SECURITY = ['enforce', 'audit', 'warn'] as const;

/**
 * The labels of an organization's namespace: whose it is, and Pod Security `restricted`. Of an adopted namespace only these labels become ours. It has
 * no owner: keys and data live in it, and no deletion of a Consortium may reach them.
 */
export function namespace({ consortium, organization, namespace: name }: Place): KubeObject {
  return {
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: {
      name,
      labels: {
        [labels.managedBy]: MANAGED_BY,
        [labels.consortium]: consortium,
        [labels.organization]: organization,
        ...Object.fromEntries(POD_SECURITY.map((mode) => [`pod-security.kubernetes.io/${mode}`, 'restricted'])),
      },
    },
  };
}
