import { expect, inject, it, onTestFinished } from 'vitest';
import { Informers } from './informers.ts';
import { countRequests, eventually, testClient, testNamespace } from './kube/api-testing.ts';
import { KubeClient } from './kube/client.ts';
import { kubeconfigAccess } from './kube/credentials.ts';
import type { ChangeEvent } from './kube/informer.ts';
import { CLUSTERROLES, CONFIGMAPS, NAMESPACES, PODS, ROLEBINDINGS, SECRETS } from './kube/resources.ts';
import type { KubeObject } from './kube/types.ts';

const OURS = { 'app.kubernetes.io/managed-by': 'quorum-operator' };

/** Informers with the rights of a user who may watch Namespaces everywhere, and the rest only where a RoleBinding says so. */
async function setup() {
  const admin = testClient(inject('kubeconfig'));
  const user = `operator-${crypto.randomUUID()}`;
  const rbac = 'rbac.authorization.k8s.io';
  const role = async (name: string, resources: string[]) => {
    await admin.create(CLUSTERROLES, {
      apiVersion: `${rbac}/v1`,
      kind: 'ClusterRole',
      metadata: { name },
      rules: [{ apiGroups: [''], resources, verbs: ['get', 'list', 'watch'] }],
    });
    return { apiGroup: rbac, kind: 'ClusterRole', name };
  };
  const subjects = [{ kind: 'User', name: user, apiGroup: rbac }];
  const everywhere = await role(`${user}-cluster`, ['namespaces']);
  const organization = await role(`${user}-organization`, ['secrets', 'configmaps']);
  await admin.send({
    method: 'POST',
    path: `/apis/${rbac}/v1/clusterrolebindings`,
    body: {
      apiVersion: `${rbac}/v1`,
      kind: 'ClusterRoleBinding',
      metadata: { name: user },
      roleRef: everywhere,
      subjects,
    },
  });
  const grant = (namespace: string) =>
    admin.create(ROLEBINDINGS, {
      apiVersion: `${rbac}/v1`,
      kind: 'RoleBinding',
      metadata: { namespace, name: 'operator' },
      roleRef: organization,
      subjects,
    });

  const access = kubeconfigAccess(inject('kubeconfig'));
  const client = new KubeClient({
    current: async () => {
      const { headers, ...rest } = await access.current();
      return { ...rest, headers: { ...headers, 'impersonate-user': user } };
    },
  });
  const informers = new Informers(client, {
    clusterWide: [NAMESPACES],
    perNamespace: [SECRETS, CONFIGMAPS],
    times: { backoffMs: 50, maxBackoffMs: 1_000 },
  });
  const stop = new AbortController();
  onTestFinished(async () => {
    stop.abort();
    await client.close();
  });
  const secret = (namespace: string, name: string, labels: Record<string, string> = OURS): KubeObject => ({
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { namespace, name, labels },
    data: { key: 'YQ==' },
  });
  const put = (namespace: string, name: string, labels?: Record<string, string>) =>
    admin.apply(SECRETS, secret(namespace, name, labels), { fieldManager: 'test' });
  return { admin, client, informers, stop, grant, put };
}

it('follows what is ours in a namespace as soon as a RoleBinding lets it', async () => {
  const { admin, informers, stop, grant, put } = await setup();
  const namespace = await testNamespace(admin);
  await put(namespace, 'ours');
  await put(namespace, 'theirs', { app: 'other' });
  const events: string[] = [];
  informers.secrets.onChange(({ type, object }) => events.push(`${type} ${object.metadata.name}`));
  informers.start(stop.signal);
  await informers.synced;
  expect(informers.namespaces.get({ name: namespace })).toBeDefined();
  expect(informers.hasSynced).toBe(true);

  const added = informers.addNamespace(namespace);
  await new Promise((resolve) => setTimeout(resolve, 300));
  expect(informers.isFollowing(namespace)).toBe(false);
  await grant(namespace);
  await added;
  expect(informers.isFollowing(namespace)).toBe(true);
  expect(informers.secrets.list().map(({ metadata }) => metadata.name)).toEqual(['ours']);
  expect(informers.secrets.get({ namespace, name: 'ours' })?.data).toEqual({ key: 'YQ==' });
  expect(events).toEqual(['added ours']);
});

it('is one view over all namespaces for handlers and indexes, also of namespaces added later', async () => {
  const { admin, informers, stop, grant, put } = await setup();
  const [one, two] = [await testNamespace(admin), await testNamespace(admin)];
  await Promise.all([grant(one), grant(two), put(one, 'a'), put(two, 'b')]);
  informers.start(stop.signal);
  const events: ChangeEvent[] = [];
  await informers.addNamespace(one);
  informers.secrets.onChange((event) => events.push(event));
  informers.secrets.addIndexer('name', (object) => [object.metadata.name]);
  await informers.addNamespace(two);
  expect(events.map(({ object }) => object.metadata.name).sort()).toEqual(['a', 'b']);
  expect(informers.secrets.list()).toHaveLength(2);
  expect(informers.secrets.list(two).map(({ metadata }) => metadata.name)).toEqual(['b']);
  expect(informers.secrets.byIndex('name', 'b')[0]?.metadata.namespace).toBe(two);
  expect(() => informers.secrets.byIndex('size', '1')).toThrow("no index 'size'");
  await informers.secrets.synced;

  await put(two, 'c');
  await eventually(() => informers.secrets.get({ namespace: two, name: 'c' }), 'the new secret');
  expect(informers.secrets.hasSynced).toBe(true);
});

it('costs nothing to add again, and forgets a namespace without telling its objects as deleted', async () => {
  const { admin, client, informers, stop, grant, put } = await setup();
  const namespace = await testNamespace(admin);
  await Promise.all([grant(namespace), put(namespace, 'a')]);
  informers.start(stop.signal);
  await informers.addNamespace(namespace);
  await eventually(async () => (await client.metrics.watchStarts.get()).values.length === 3, 'all watches');
  const before = await countRequests(client);
  await Promise.all([informers.addNamespace(namespace), informers.addNamespace(namespace)]);
  expect((await countRequests(client)) - before).toBeLessThanOrEqual(3);

  const events: string[] = [];
  informers.secrets.onChange(({ type }) => events.push(type));
  informers.removeNamespace(namespace);
  expect(informers.isFollowing(namespace)).toBe(false);
  expect(informers.secrets.list()).toEqual([]);
  await put(namespace, 'b');
  await new Promise((resolve) => setTimeout(resolve, 200));
  expect(events).toEqual(['added']);
  await informers.addNamespace(namespace);
  expect(informers.secrets.list()).toHaveLength(2);
});

it('stops following a namespace that is gone', async () => {
  const { admin, informers, stop, grant } = await setup();
  const namespace = await testNamespace(admin);
  await grant(namespace);
  informers.start(stop.signal);
  await informers.addNamespace(namespace);
  await admin.delete(NAMESPACES, { name: namespace });
  expect(informers.isFollowing(namespace)).toBe(true);
  // What the namespace controller of a whole cluster does when all content is gone.
  const path = `/api/v1/namespaces/${namespace}`;
  const live = await admin.get(NAMESPACES, { name: namespace });
  await admin.send({ method: 'PUT', path: `${path}/finalize`, body: { ...live, spec: { finalizers: [] } } });
  await eventually(async () => !informers.isFollowing(namespace), 'it is not followed any more');
});

it('says what fails when a namespace cannot be followed in time, and goes on trying', async () => {
  const { admin, informers, stop, grant } = await setup();
  const namespace = await testNamespace(admin);
  informers.start(stop.signal);
  await expect(informers.addNamespace(namespace, 300)).rejects.toThrow(
    /namespace t-.* are not filled after 0\.3 s \(secrets, configmaps\): GET .*Forbidden.*RoleBinding/s,
  );
  await grant(namespace);
  await informers.addNamespace(namespace);
  expect(informers.isFollowing(namespace)).toBe(true);
});

it('waits for start, and lets those who wait go when the namespace is removed', async () => {
  const { admin, informers, stop, grant } = await setup();
  const [one, two] = [await testNamespace(admin), await testNamespace(admin)];
  await grant(one);
  const early = informers.addNamespace(one);
  informers.start(stop.signal);
  await early;
  const never = informers.addNamespace(two);
  informers.removeNamespace(two);
  await never;
});

it('names what is cached when asked for what is not', async () => {
  const { informers } = await setup();
  expect(() => informers.of(PODS)).toThrow(
    'pods are not cached, read them by the client; cached are: namespaces, secrets',
  );
});
