import type { Cluster } from '../cluster/provider.ts';

const KINDS = [
  'statefulsets',
  'services',
  'networkpolicies',
  'poddisruptionbudgets',
  'configmaps',
  'secrets',
  'persistentvolumeclaims',
  'jobs',
  'roles',
  'rolebindings',
  'serviceaccounts',
  'resourcequotas',
  'limitranges',
].join(',');

interface Child {
  kind: string;
  metadata: { name: string; namespace: string; labels?: Record<string, string> };
  spec?: { template?: unknown };
  data?: Record<string, unknown>;
}

/** Digests in names and annotations, cluster IPs and times differ between two networks that are otherwise the same. */
function withoutIdentity(text: string, consortium: string): string {
  return text
    .replaceAll(consortium, 'CONSORTIUM')
    .replaceAll(/-[0-9a-f]{8}(?=["\\])/g, '-HASH')
    .replaceAll(/\b[0-9a-f]{16,128}\b/g, 'DIGEST')
    .replaceAll(/\b10\.\d+\.\d+\.\d+\b/g, 'IP');
}

/**
 * All that the operator made for a consortium, in a form in which two networks can be compared: kind, namespace, name,
 * labels, keys of the data, and the pod template of each StatefulSet.
 */
export async function childrenOf(cluster: Cluster, consortium: string): Promise<string[]> {
  const { stdout } = await cluster.kubectl([
    'get',
    KINDS,
    '--all-namespaces',
    '-l',
    `quorum-operator.io/consortium=${consortium},app.kubernetes.io/managed-by=quorum-operator`,
    '-o',
    'json',
  ]);
  const { items } = JSON.parse(stdout) as { items: Child[] };
  return items
    .map(({ kind, metadata, spec, data }) => {
      const { name, namespace, labels } = metadata;
      const child = { kind, namespace, name, labels, keys: Object.keys(data ?? {}), template: spec?.template };
      return withoutIdentity(JSON.stringify(child), consortium);
    })
    .sort();
}
