import type { Cluster } from '../cluster/provider.ts';
import { applyExample, CONSORTIUM, waitReady } from '../demo/network.ts';
import { consoleOutput } from '../demo/output.ts';
import type { Issuer } from '../demo/users.ts';
import { deleteNamespaces } from './lifecycle.ts';

/**
 * The example and no other network, all of it Ready, whatever the scenario before left behind.
 * Another Consortium goes first and its namespaces after it, so that nobody votes on its validators one by one.
 */
export async function onlyExample(cluster: Cluster): Promise<Map<string, Issuer>> {
  const consortiums = await names(cluster, 'consortiums', '{.items[*].metadata.name}');
  const held = await names(cluster, 'namespaces', '{.items[*].metadata.labels.quorum-operator\\.io/consortium}');
  for (const name of new Set([...consortiums, ...held].filter((other) => other !== CONSORTIUM))) {
    await cluster.kubectl(['delete', 'consortium', name, '--ignore-not-found', '--wait=true', '--timeout=120s'], {
      timeoutMs: 150_000,
    });
    await deleteNamespaces(cluster, name);
  }
  const issuers = await applyExample(cluster);
  await waitReady(cluster, consoleOutput(), 420);
  return issuers;
}

async function names(cluster: Cluster, kind: string, path: string): Promise<string[]> {
  const { stdout } = await cluster.kubectl(['get', kind, '-o', `jsonpath=${path}`]);
  return stdout.split(' ').filter((name) => name !== '');
}
