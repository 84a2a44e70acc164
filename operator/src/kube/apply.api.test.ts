import { describe, expect, inject, it } from 'vitest';
import { countRequests, testClient, testNamespace } from './api-testing.ts';
import { Applier } from './apply.ts';
import type { KubeClient } from './client.ts';
import {
  CONFIGMAPS,
  JOBS,
  LIMITRANGES,
  NETWORKPOLICIES,
  PODDISRUPTIONBUDGETS,
  RESOURCEQUOTAS,
  ROLEBINDINGS,
  ROLES,
  SECRETS,
  SERVICEACCOUNTS,
  SERVICES,
  STATEFULSETS,
} from './resources.ts';
import { type KubeObject, keyOf, type ResourceType } from './types.ts';

const meta = (namespace: string, name: string) => ({ namespace, name, labels: { app: name } });

const restricted = {
  allowPrivilegeEscalation: false,
  capabilities: { drop: ['ALL'] },
  readOnlyRootFilesystem: true,
  runAsNonRoot: true,
  runAsUser: 10001,
  runAsGroup: 10001,
  seccompProfile: { type: 'RuntimeDefault' },
};

function podSpec() {
  return {
    automountServiceAccountToken: false,
    enableServiceLinks: false,
    shareProcessNamespace: true,
    hostNetwork: false,
    terminationGracePeriodSeconds: 60,
    securityContext: { runAsNonRoot: true, fsGroup: 10001, fsGroupChangePolicy: 'OnRootMismatch' },
    initContainers: [
      {
        name: 'door',
        image: 'door',
        restartPolicy: 'Always',
        securityContext: restricted,
        ports: [{ name: 'door', containerPort: 8443 }],
        startupProbe: { httpGet: { path: '/livez', port: 8080 }, periodSeconds: 2 },
        volumeMounts: [{ name: 'config', mountPath: '/etc/door', readOnly: true }],
      },
    ],
    containers: [
      {
        name: 'geth',
        image: 'geth',
        command: ['/bin/sh', '-c', 'exec geth "$@"', 'geth'],
        args: ['--datadir', '/data'],
        env: [
          { name: 'PRIVATE_CONFIG', value: 'ignore' },
          { name: 'EMPTY', value: '' },
          { name: 'POD', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } },
        ],
        ports: [
          { name: 'peer', containerPort: 30303, protocol: 'TCP' },
          { name: 'peer-udp', containerPort: 30303, protocol: 'UDP' },
        ],
        resources: { requests: { cpu: '1000m', memory: '1Gi' }, limits: { memory: '2048Mi', cpu: 1.5 } },
        livenessProbe: { httpGet: { path: '/livez/geth', port: 'door' }, failureThreshold: 6 },
        securityContext: restricted,
        volumeMounts: [{ name: 'data', mountPath: '/data' }],
      },
    ],
    volumes: [
      { name: 'config', secret: { secretName: 'config', optional: false } },
      { name: 'data', persistentVolumeClaim: { claimName: 'data' } },
      { name: 'tmp', emptyDir: {} },
      { name: 'ram', emptyDir: { medium: 'Memory', sizeLimit: '16Mi' } },
      {
        name: 'all',
        projected: { sources: [{ configMap: { name: 'ca', items: [{ key: 'ca.crt', path: 'ca.crt' }] } }] },
      },
    ],
  };
}

/** One of each kind that an operator applies, with every construct that the API server adds defaults to. */
const samples: Record<string, (namespace: string) => [ResourceType, KubeObject]> = {
  StatefulSet: (namespace) => [
    STATEFULSETS,
    {
      apiVersion: 'apps/v1',
      kind: 'StatefulSet',
      metadata: meta(namespace, 'sample'),
      spec: {
        replicas: 1,
        serviceName: 'sample',
        podManagementPolicy: 'Parallel',
        updateStrategy: { type: 'OnDelete' },
        persistentVolumeClaimRetentionPolicy: { whenDeleted: 'Retain', whenScaled: 'Retain' },
        minReadySeconds: 0,
        selector: { matchLabels: { app: 'sample' } },
        template: { metadata: { labels: { app: 'sample' } }, spec: podSpec() },
        volumeClaimTemplates: [
          {
            apiVersion: 'v1',
            kind: 'PersistentVolumeClaim',
            metadata: { name: 'data', labels: { app: 'sample' } },
            spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '10240Mi' } } },
          },
        ],
      },
    },
  ],
  Service: (namespace) => [
    SERVICES,
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: meta(namespace, 'sample'),
      spec: {
        type: 'ClusterIP',
        publishNotReadyAddresses: false,
        selector: { app: 'sample' },
        ports: [
          { name: 'door', port: 8443, targetPort: 'door' },
          { name: 'peer', port: 30303, protocol: 'TCP' },
          { name: 'peer-udp', port: 30303, protocol: 'UDP', targetPort: 30303 },
        ],
      },
    },
  ],
  NetworkPolicy: (namespace) => [
    NETWORKPOLICIES,
    {
      apiVersion: 'networking.k8s.io/v1',
      kind: 'NetworkPolicy',
      metadata: meta(namespace, 'sample'),
      spec: {
        podSelector: { matchLabels: { app: 'sample' } },
        policyTypes: ['Ingress', 'Egress'],
        ingress: [
          { from: [{ namespaceSelector: {}, podSelector: { matchLabels: { app: 'x' } } }], ports: [{ port: 8443 }] },
          {
            from: [{ ipBlock: { cidr: '10.0.0.0/8', except: ['10.1.0.0/16'] } }],
            ports: [{ port: 30303, protocol: 'UDP' }],
          },
        ],
        egress: [],
      },
    },
  ],
  'NetworkPolicy default deny': (namespace) => [
    NETWORKPOLICIES,
    {
      apiVersion: 'networking.k8s.io/v1',
      kind: 'NetworkPolicy',
      metadata: meta(namespace, 'default-deny'),
      spec: { podSelector: {}, policyTypes: ['Ingress', 'Egress'] },
    },
  ],
  PodDisruptionBudget: (namespace) => [
    PODDISRUPTIONBUDGETS,
    {
      apiVersion: 'policy/v1',
      kind: 'PodDisruptionBudget',
      metadata: meta(namespace, 'sample'),
      spec: { maxUnavailable: 0, selector: { matchLabels: { app: 'sample' } } },
    },
  ],
  Role: (namespace) => [
    ROLES,
    {
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'Role',
      metadata: meta(namespace, 'sample'),
      rules: [{ apiGroups: [''], resources: ['secrets'], resourceNames: ['token'], verbs: ['get', 'patch'] }],
    },
  ],
  RoleBinding: (namespace) => [
    ROLEBINDINGS,
    {
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'RoleBinding',
      metadata: meta(namespace, 'sample'),
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'sample' },
      subjects: [{ kind: 'ServiceAccount', name: 'sample', namespace }],
    },
  ],
  ServiceAccount: (namespace) => [
    SERVICEACCOUNTS,
    {
      apiVersion: 'v1',
      kind: 'ServiceAccount',
      metadata: meta(namespace, 'sample'),
      automountServiceAccountToken: false,
    },
  ],
  Job: (namespace) => [
    JOBS,
    {
      apiVersion: 'batch/v1',
      kind: 'Job',
      metadata: meta(namespace, 'sample'),
      spec: {
        backoffLimit: 6,
        ttlSecondsAfterFinished: 600,
        template: {
          metadata: { labels: { app: 'sample' } },
          spec: { ...podSpec(), restartPolicy: 'OnFailure' },
        },
      },
    },
  ],
  'Secret with stringData': (namespace) => [
    SECRETS,
    {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: meta(namespace, 'sample'),
      type: 'Opaque',
      stringData: { 'door.json': '{"a":"ü"}' },
    },
  ],
  'Secret with data': (namespace) => [
    SECRETS,
    { apiVersion: 'v1', kind: 'Secret', metadata: meta(namespace, 'data'), data: { key: 'YQ==', empty: '' } },
  ],
  ConfigMap: (namespace) => [
    CONFIGMAPS,
    { apiVersion: 'v1', kind: 'ConfigMap', metadata: meta(namespace, 'sample'), data: { a: '1', empty: '' } },
  ],
  ResourceQuota: (namespace) => [
    RESOURCEQUOTAS,
    {
      apiVersion: 'v1',
      kind: 'ResourceQuota',
      metadata: meta(namespace, 'sample'),
      spec: { hard: { 'requests.cpu': '64', 'limits.memory': '0.5Ti', pods: 50 } },
    },
  ],
  LimitRange: (namespace) => [
    LIMITRANGES,
    {
      apiVersion: 'v1',
      kind: 'LimitRange',
      metadata: meta(namespace, 'sample'),
      spec: {
        limits: [
          { type: 'Container', default: { cpu: 1, memory: '1024Mi' }, defaultRequest: { cpu: '0.1', memory: '128Mi' } },
          { type: 'PersistentVolumeClaim', max: { storage: '2048Gi' } },
        ],
      },
    },
  ],
};

/** An Applier as after a restart of the operator. */
const freshApplier = (client: KubeClient) => new Applier(client, { fieldManager: 'test-operator' });

describe('Applier', () => {
  it.each(Object.entries(samples))('applies a %s once and, after a restart, makes no request', async (_, sample) => {
    const client = testClient(inject('kubeconfig'));
    const [type, desired] = sample(await testNamespace(client));
    const first = await freshApplier(client).apply(type, desired, null);
    expect(first.changed).toBe(true);
    const live = (await client.get(type, keyOf(desired)))!;

    const before = await countRequests(client);
    const again = await freshApplier(client).apply(type, structuredClone(desired), live);
    expect(await countRequests(client)).toBe(before);
    expect(again).toEqual({ object: live, changed: false });
  });

  it.each([
    ['a scalar', 'StatefulSet', { spec: { replicas: 3 } }, (live: KubeObject) => live.spec.replicas === 1],
    [
      'a label',
      'StatefulSet',
      { metadata: { labels: { app: 'other' } } },
      (live: KubeObject) => live.metadata.labels?.app === 'sample',
    ],
    [
      'a removed label',
      'Service',
      { metadata: { labels: null } },
      (live: KubeObject) => live.metadata.labels?.app === 'sample',
    ],
    [
      "the selector's extra label",
      'Service',
      { spec: { selector: { extra: 'x' } } },
      (live: KubeObject) => live.spec.selector.extra === undefined,
    ],
    [
      'a security setting',
      'StatefulSet',
      { spec: { template: { spec: { automountServiceAccountToken: null } } } },
      (live: KubeObject) => live.spec.template.spec.automountServiceAccountToken === false,
    ],
    [
      'a policy narrowed to some pods',
      'NetworkPolicy default deny',
      { spec: { podSelector: { matchLabels: { app: 'x' } } } },
      (live: KubeObject) => Object.keys(live.spec.podSelector).length === 0,
    ],
    [
      'a hole in a policy',
      'NetworkPolicy',
      { spec: { egress: [{}] } },
      (live: KubeObject) => (live.spec.egress ?? []).length === 0,
    ],
    [
      'a secret value',
      'Secret with stringData',
      { data: { 'door.json': 'e30=' } },
      (live: KubeObject) => live.data['door.json'] !== 'e30=',
    ],
    [
      'a right',
      'Role',
      { rules: [{ apiGroups: [''], resources: ['*'], verbs: ['*'] }] },
      (live: KubeObject) => live.rules[0].verbs.length === 2,
    ],
    [
      'a budget',
      'PodDisruptionBudget',
      { spec: { maxUnavailable: 1 } },
      (live: KubeObject) => live.spec.maxUnavailable === 0,
    ],
    [
      'a quota',
      'ResourceQuota',
      { spec: { hard: { pods: '51' } } },
      (live: KubeObject) => live.spec.hard.pods === '50',
    ],
  ])('puts back %s edited by hand (%s)', async (_, sample, edit, repaired) => {
    const client = testClient(inject('kubeconfig'));
    const [type, desired] = samples[sample]!(await testNamespace(client));
    await freshApplier(client).apply(type, desired);
    const edited = await client.patch(type, keyOf(desired), edit, { fieldManager: 'kubectl-edit' });
    expect(repaired(edited)).toBe(false);

    const { object, changed } = await freshApplier(client).apply(type, desired, edited);
    expect(changed).toBe(true);
    expect(repaired(object)).toBe(true);
    expect(repaired((await client.get(type, keyOf(desired)))!)).toBe(true);
  });

  it("leaves other managers' fields alone, without a write", async () => {
    const client = testClient(inject('kubeconfig'));
    const [type, desired] = samples.StatefulSet!(await testNamespace(client));
    await freshApplier(client).apply(type, desired);
    const theirs = {
      ...desired,
      metadata: { ...keyOf(desired), name: 'sample', labels: { mesh: 'on' } },
      spec: {
        selector: desired.spec.selector,
        serviceName: desired.spec.serviceName,
        template: {
          metadata: { labels: { app: 'sample' } },
          spec: { containers: [{ name: 'injected', image: 'mesh' }] },
        },
      },
    };
    const live = await client.apply(type, theirs, { fieldManager: 'mesh' });
    expect(live.spec.template.spec.containers).toHaveLength(2);

    const before = await countRequests(client);
    expect((await freshApplier(client).apply(type, desired, live)).changed).toBe(false);
    expect(await countRequests(client)).toBe(before);
  });

  it('removes a field that is no longer declared', async () => {
    const client = testClient(inject('kubeconfig'));
    const [type, desired] = samples.ConfigMap!(await testNamespace(client));
    await freshApplier(client).apply(type, { ...desired, data: { a: '1', b: '2' } });
    const { object, changed } = await freshApplier(client).apply(type, { ...desired, data: { a: '1' } });
    expect(changed).toBe(true);
    expect(object.data).toEqual({ a: '1' });
  });

  it('makes an object that was deleted again', async () => {
    const client = testClient(inject('kubeconfig'));
    const [type, desired] = samples.Role!(await testNamespace(client));
    await freshApplier(client).apply(type, desired);
    await client.delete(type, keyOf(desired));
    expect((await freshApplier(client).apply(type, desired)).changed).toBe(true);
    expect(await client.get(type, keyOf(desired))).toBeDefined();
  });

  it('asks once, not for ever, where it cannot see that the server holds what is desired', async () => {
    const client = testClient(inject('kubeconfig'));
    const [type, desired] = samples.Service!(await testNamespace(client));
    // As if the server kept this value in another form, which the comparison does not know.
    const odd = { ...desired, spec: { ...desired.spec, type: 'LoadBalancer', allocateLoadBalancerNodePorts: true } };
    const live = (await freshApplier(client).apply(type, odd)).object;
    const cached = { ...live, spec: { ...live.spec, allocateLoadBalancerNodePorts: 'said otherwise' } };
    const applier = freshApplier(client);
    const before = await countRequests(client);
    expect((await applier.apply(type, odd, cached)).changed).toBe(false);
    expect((await applier.apply(type, odd, cached)).changed).toBe(false);
    expect(await countRequests(client)).toBe(before + 1);
  });

  it('does not write the same again while the cache has not seen its last write', async () => {
    const client = testClient(inject('kubeconfig'));
    const [type, desired] = samples.ConfigMap!(await testNamespace(client));
    const applier = freshApplier(client);
    const stale = (await applier.apply(type, desired)).object;
    const next = { ...desired, data: { a: '2' } };
    expect((await applier.apply(type, next, stale)).changed).toBe(true);
    const before = await countRequests(client);
    expect((await applier.apply(type, next, stale)).changed).toBe(false);
    expect(await countRequests(client)).toBe(before);
    expect((await applier.apply(type, { ...desired, data: { a: '3' } }, stale)).changed).toBe(true);
    // Back to what the cache still shows: that is a change all the same.
    expect((await applier.apply(type, desired, stale)).changed).toBe(true);
    expect((await client.get(type, keyOf(desired)))?.data.a).toBe('1');
    expect((await applier.apply(type, { ...desired, data: { a: '3' } }, stale)).changed).toBe(true);
    // Not seen at all yet: the server is asked, and the answer is known to be our own.
    expect((await applier.apply(type, { ...desired, data: { a: '3' } }, null)).changed).toBe(false);
  });

  it('refuses a field that the API server does not know instead of losing it in silence', async () => {
    const client = testClient(inject('kubeconfig'));
    const [type, desired] = samples.ConfigMap!(await testNamespace(client));
    await expect(freshApplier(client).apply(type, { ...desired, dada: {} })).rejects.toThrow(/dada/);
  });
});

describe('Applier.createOnly', () => {
  it('creates once and never overwrites, whoever is first', async () => {
    const client = testClient(inject('kubeconfig'));
    const [type, desired] = samples['Secret with data']!(await testNamespace(client));
    const applier = freshApplier(client);
    expect((await applier.createOnly(type, desired)).created).toBe(true);
    const other = { ...desired, data: { key: 'Yg==' } };
    // null: the cache does not know it yet.
    for (const live of [undefined, null]) {
      const { object, created } = await applier.createOnly(type, other, live);
      expect(created).toBe(false);
      expect(object.data.key).toBe('YQ==');
    }
    const cached = (await client.get(type, keyOf(desired)))!;
    const before = await countRequests(client);
    expect(await applier.createOnly(type, other, cached)).toEqual({ object: cached, created: false });
    expect(await countRequests(client)).toBe(before);
  });
});
