import { expect, inject, test } from 'vitest';
import { openCluster } from './provider.ts';

const log = (line: string) => process.stderr.write(`${line}\n`);

test('a given cluster is used as it is, and is left when everything goes', async () => {
  const cluster = await openCluster({ name: 'given', kubeconfig: inject('kubeconfig'), context: 'vitest', log });
  expect(cluster.kind).toBe('given');
  expect((await cluster.kubectl(['get', 'namespaces', '-o', 'name'])).stdout).toContain('namespace/kube-system');
  await cluster.loadImages([]);
  await expect(cluster.loadImages([{ name: 'a/b:1', file: '/nowhere' }])).rejects.toThrow(
    /a\/b:1.*name a registry.*--registry/,
  );
  await cluster.down();
  expect((await cluster.kubectl(['get', '--raw', '/readyz'])).stdout).toBe('ok');
});

test('a context or file that does not exist is named', async () => {
  const wrong = { name: 'given', kubeconfig: inject('kubeconfig'), context: 'no-such-context', log };
  await expect(openCluster(wrong)).rejects.toThrow(/no-such-context/);
  await expect(openCluster({ name: 'given', kubeconfig: '/no/such/file', log })).rejects.toThrow(
    'kubeconfig /no/such/file cannot be read',
  );
});
