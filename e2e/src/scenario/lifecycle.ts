import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseAllDocuments } from 'yaml';
import type { Cluster } from '../cluster/provider.ts';
import { applyManifests, EXAMPLE } from '../demo/install.ts';
import { KINDS, ORGANIZATIONS, readiness } from '../demo/network.ts';
import type { Issuer } from '../demo/users.ts';

interface Manifest {
  kind: string;
  metadata: { name: string; namespace?: string };
}

/** What users own and a deletion must leave: namespaces, node keys, authorities, tokens, volumes. With their uids. */
export async function survivors(cluster: Cluster): Promise<string[]> {
  const { stdout } = await cluster.kubectl(['get', 'secrets,persistentvolumeclaims', '-A', '-o', 'json']);
  const { items } = JSON.parse(stdout) as {
    items: { kind: string; metadata: { name: string; namespace: string; uid: string } }[];
  };
  const lasting = items.filter(
    ({ kind, metadata: { name, namespace } }) =>
      namespace.startsWith('demo-') &&
      (kind === 'PersistentVolumeClaim' || /-nodekey$|^organization-ca$|-token$|-pin$/.test(name)),
  );
  return lasting.map(({ kind, metadata: { namespace, name, uid } }) => `${kind} ${namespace}/${name} ${uid}`).sort();
}

/**
 * Deletes all resources of the four kinds and waits until their pods are gone. The Consortium goes first: while it is
 * there, a deleted validator waits until the others have voted it out.
 */
export async function deleteConsortium(cluster: Cluster): Promise<void> {
  for (const kind of KINDS.split(',')) {
    await cluster.kubectl(['delete', kind, '--all', '--all-namespaces', '--wait=true', '--timeout=120s'], {
      timeoutMs: 150_000,
    });
  }
  await cluster.kubectl(
    ['wait', 'pod', '-A', '-l', 'quorum-operator.io/consortium', '--for=delete', '--timeout=300s'],
    { timeoutMs: 330_000, allowFailure: true },
  );
}

/** What only a person decides: removes the namespaces with all that is in them. */
export async function deleteNamespaces(cluster: Cluster, consortium: string): Promise<void> {
  await cluster.kubectl(
    ['delete', 'namespace', '-l', `quorum-operator.io/consortium=${consortium}`, '--wait=true', '--timeout=240s'],
    { timeoutMs: 270_000 },
  );
}

/**
 * Applies the example under another consortium's name, one manifest at a time, last first. Between two of them the
 * operator has a moment to look. Returns the reasons that the resources gave while something was missing.
 */
export async function applyInReverse(cluster: Cluster, from: string, to: string, issuer: Issuer): Promise<string> {
  const text = (await readFile(EXAMPLE, 'utf8')).replaceAll(new RegExp(`\\b${from}\\b`, 'g'), to);
  const manifests = parseAllDocuments(text)
    .map((document) => document.toJS() as Manifest | null)
    .filter((manifest): manifest is Manifest => manifest !== null);
  const namespaces = manifests.filter(({ kind }) => kind === 'Namespace');
  const others = manifests.filter(({ kind }) => kind !== 'Namespace').reverse();
  await applyManifests(cluster, namespaces); // objects cannot exist before their namespace, whatever the operator does
  const reasons = new Set<string>();
  for (const manifest of others) {
    await applyManifests(cluster, [manifest]);
    await sleep(1_000); // the order is the point: each one is seen alone before the next comes
    for (const { name, why } of await readiness(cluster)) reasons.add(`${name}: ${why}`);
  }
  for (const organization of ORGANIZATIONS) {
    const metadata = { name: 'users-jwks', namespace: `${to}-${organization}` };
    const data = { 'jwks.json': JSON.stringify(issuer.jwks) };
    await applyManifests(cluster, [{ apiVersion: 'v1', kind: 'ConfigMap', metadata, data }]);
  }
  return [...reasons].join('\n');
}
