import { readFile } from 'node:fs/promises';
import { expect, inject, test } from 'vitest';
import { parse } from 'yaml';
import { readAuditLog, writes } from './audit.ts';
import { Rest } from './rest.ts';

async function connect(): Promise<Rest> {
  const config = parse(await readFile(inject('kubeconfig'), 'utf8'));
  const text = (base64: string) => Buffer.from(base64, 'base64').toString();
  return new Rest({
    server: config.clusters[0].cluster.server,
    ca: text(config.clusters[0].cluster['certificate-authority-data']),
    user: {
      certificate: text(config.users[0].user['client-certificate-data']),
      key: text(config.users[0].user['client-key-data']),
    },
  });
}

test('an administrator writes and reads objects, and each write is in the audit log once', async () => {
  const rest = await connect();
  const name = `t-${Date.now().toString(36)}`;
  const namespace = { apiVersion: 'v1', kind: 'Namespace', metadata: { name } };
  expect((await rest.request('POST', '/api/v1/namespaces', { body: namespace })).status).toBe(201);
  await rest.apply(`/api/v1/namespaces/${name}/configmaps/one`, {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'one' },
    data: { key: 'value' },
  });
  const read = await rest.request('GET', `/api/v1/namespaces/${name}/configmaps/one`);
  expect(read.json().data).toEqual({ key: 'value' });

  const entries = (await readAuditLog(inject('auditLog'))).filter(
    (entry) => entry.namespace === name || entry.name === name,
  );
  expect(writes(entries).map(({ verb, resource, user, code }) => [verb, resource, user, code])).toEqual([
    ['create', 'namespaces', 'admin', 201],
    ['patch', 'configmaps', 'admin', 201],
  ]);
  expect(entries.some((entry) => entry.verb === 'get' && entry.resource === 'configmaps')).toBe(true);
});

test('admission and validation are the real ones', async () => {
  const rest = await connect();
  const missing = await rest.request('POST', '/api/v1/namespaces/no-such-namespace/configmaps', {
    body: { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'one' } },
  });
  expect(missing.status).toBe(404);
  const invalid = await rest.request('POST', '/api/v1/namespaces', {
    body: { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'Not_a_name' } },
  });
  expect(invalid.status).toBe(422);
});

test('a client certificate of another authority is refused', async () => {
  const { createAuthority } = await import('./certificates.ts');
  const config = parse(await readFile(inject('kubeconfig'), 'utf8'));
  const stranger = createAuthority('stranger').issue({
    subject: { commonName: 'admin', organizations: ['system:masters'] },
    usage: 'client',
  });
  const ca = Buffer.from(config.clusters[0].cluster['certificate-authority-data'], 'base64').toString();
  const rest = new Rest({ server: config.clusters[0].cluster.server, ca, user: stranger });
  expect((await rest.request('GET', '/api/v1/namespaces')).status).toBe(401);
});
