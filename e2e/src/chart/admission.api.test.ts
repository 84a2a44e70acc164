import { afterAll, beforeAll, describe, expect, inject, test, vi } from 'vitest';
import { ApiClient, type Call, type Manifest, objectPath } from './api-client.ts';
import { findHelm, render } from './helm.ts';

const unique = Date.now().toString(36);
const system = `quorum-system-${unique}`;
const organization = `org-${unique}`;
const elsewhere = `elsewhere-${unique}`;
const node = `host-${unique}`;
const labels = { 'quorum-operator.io/consortium': 'demo', 'quorum-operator.io/organization': 'alpha' };

const admins = `admins-${unique}`;
/** A cluster administrator by RBAC. */
const alice = { user: 'alice', groups: [admins] };
const inEmergency = { user: 'alice', groups: [admins, 'quorum-operator:break-glass'] };
const operator = {
  user: `system:serviceaccount:${system}:quorum-operator`,
  groups: ['system:serviceaccounts', `system:serviceaccounts:${system}`],
};

let api: ApiClient;
let manifests: Manifest[];

describe.skipIf(findHelm() === undefined)('the chart on a real API server, with helm', () => {
  beforeAll(async () => {
    api = new ApiClient(inject('kubeconfig'));
    const restricted = { 'pod-security.kubernetes.io/enforce': 'restricted' };
    await created(namespace(system, restricted));
    await created(namespace(organization, labels));
    await created(namespace(elsewhere));
    manifests = await render({ namespace: system, args: ['--set', 'replicas=2'] });
    for (const manifest of manifests) {
      const reply = await api.apply(manifest);
      expect(reply.status, `${manifest.kind} ${manifest.metadata.name}: ${reply.text}`).toBeLessThan(300);
    }
    await created({
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'ClusterRoleBinding',
      metadata: { name: admins },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'cluster-admin' },
      subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'Group', name: admins }],
    });
    await makePods();
    await policiesInForce();
  });
  afterAll(() => api?.close());

  test('the operator itself is admitted under Pod Security restricted', async () => {
    const deployment = manifests.find(({ kind }) => kind === 'Deployment');
    const { metadata, spec } = deployment.spec.template;
    const pod = {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'operator', namespace: system, labels: metadata.labels },
      spec,
    };
    const reply = await api.create(pod, { query: { dryRun: 'All' } });
    expect(reply.status, reply.text).toBe(201);
  });

  describe('remote management', () => {
    const connects = [
      'exec?command=id&stdout=true',
      'attach?stdout=true',
      'portforward?ports=8443',
      'proxy/metrics',
    ] as const;

    test.each(connects)('%s into a ledger pod is refused to administrators', async (verb) => {
      for (const as of [alice, undefined]) {
        const reply = await connect(organization, `pods/one/${verb}`, as);
        expect(reply.status).toBe(403);
        expect(message(reply)).toMatch(
          /is refused in the namespace of an organization .* group quorum-operator:break-glass may/,
        );
      }
    });

    test.each(connects)('%s gets past admission in an emergency, and in other namespaces', async (verb) => {
      expect(message(await connect(organization, `pods/one/${verb}`, inEmergency))).not.toContain('is refused');
      expect(message(await connect(elsewhere, `pods/one/${verb}`, alice))).not.toContain('is refused');
    });

    test('a proxy to a Service is refused', async () => {
      const reply = await connect(organization, 'services/https:door:8443/proxy/', alice);
      expect(reply.status).toBe(403);
      expect(message(reply)).toContain('services/proxy is refused');
    });

    test('a debug container beside geth is refused, except in an emergency', async () => {
      const debug = { spec: { ephemeralContainers: [{ name: 'debug', image: 'busybox', command: ['sh'] }] } };
      const path = (place: string) => `/api/v1/namespaces/${place}/pods/one/ephemeralcontainers`;
      const patch = { body: debug, contentType: 'application/strategic-merge-patch+json', query: { dryRun: 'All' } };
      const refused = await api.request('PATCH', path(organization), { ...patch, as: alice });
      expect(refused.status).toBe(403);
      expect(message(refused)).toContain('pods/ephemeralcontainers is refused');
      expect((await api.request('PATCH', path(organization), { ...patch, as: inEmergency })).status).toBe(200);
      expect((await api.request('PATCH', path(elsewhere), { ...patch, as: alice })).status).toBe(200);
    });

    test('the label by which these rules hold stays, except in an emergency', async () => {
      const path = `/api/v1/namespaces/${organization}`;
      const patch = (value: string | null): Call => ({
        body: { metadata: { labels: { 'quorum-operator.io/organization': value } } },
        contentType: 'application/merge-patch+json',
        query: { dryRun: 'All' },
      });
      for (const value of [null, 'bravo']) {
        const reply = await api.request('PATCH', path, { ...patch(value), as: alice });
        expect(reply.status).toBe(403);
        expect(message(reply)).toContain('label quorum-operator.io/organization cannot be changed or removed');
        expect((await api.request('PATCH', path, { ...patch(value), as: inEmergency })).status).toBe(200);
      }
      expect((await api.request('PATCH', path, { ...patch('alpha'), as: alice })).status).toBe(200);
    });

    test('the way around by nodes/proxy is refused, except in an emergency', async () => {
      const path = `/api/v1/nodes/${node}/proxy/pods`;
      for (const as of [alice, undefined]) {
        const reply = await api.request('GET', path, { as });
        expect(reply.status).toBe(403);
        expect(message(reply)).toContain('nodes/proxy is refused');
      }
      expect(message(await api.request('GET', path, { as: inEmergency }))).not.toContain('is refused');
    });
  });

  describe("the operator's rights", () => {
    const asOperator: Call = { as: operator, query: { dryRun: 'All' } };
    const binding = (place: string, roleRef: object, subject: object): Manifest => ({
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'RoleBinding',
      metadata: { name: `binding-${unique}`, namespace: place },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', ...roleRef },
      subjects: [{ kind: 'ServiceAccount', ...subject }],
    });
    const role = { kind: 'ClusterRole', name: 'quorum-operator-organization' };
    const self = { name: 'quorum-operator', namespace: system };

    test('it binds its role in an organization namespace, and only that gives it Secrets there', async () => {
      const secrets = `/api/v1/namespaces/${organization}/secrets`;
      expect((await api.request('GET', secrets, { as: operator })).status).toBe(403);
      expect((await api.apply(binding(organization, role, self), { as: operator })).status).toBe(201);
      await expect.poll(async () => (await api.request('GET', secrets, { as: operator })).status).toBe(200);
      expect((await api.request('GET', '/api/v1/secrets', { as: operator })).status).toBe(403);
      expect((await api.request('GET', `/api/v1/namespaces/${system}/secrets`, { as: operator })).status).toBe(403);
    });

    test.each(['kube-system', elsewhere, system])('it cannot bind its role elsewhere (%#)', async (place) => {
      const reply = await api.create(binding(place, role, self), asOperator);
      expect(reply.status).toBe(403);
      expect(message(reply)).toMatch(/only in namespaces of organizations; .* does not carry the label/);
    });

    test('it cannot give its role to anybody else', async () => {
      const reply = await api.create(
        binding(organization, role, { name: 'default', namespace: organization }),
        asOperator,
      );
      expect(reply.status).toBe(403);
      expect(message(reply)).toContain('to its own ServiceAccount');
    });

    test('it cannot bind another role', async () => {
      const reply = await api.create(
        binding(organization, { kind: 'ClusterRole', name: 'cluster-admin' }, self),
        asOperator,
      );
      expect(reply.status).toBe(403);
    });

    test('it gives a token Job its one Secret', async () => {
      await expect
        .poll(
          async () => (await api.request('GET', `/api/v1/namespaces/${organization}/pods`, { as: operator })).status,
        )
        .toBe(200);
      const jobRole = {
        apiVersion: 'rbac.authorization.k8s.io/v1',
        kind: 'Role',
        metadata: { name: 'alpha-signer-token', namespace: organization },
        rules: [
          { apiGroups: [''], resources: ['secrets'], resourceNames: ['alpha-signer-token'], verbs: ['get', 'patch'] },
        ],
      };
      const made = await api.apply(jobRole, { as: operator });
      expect(made.status, made.text).toBe(201);
      const subject = { name: 'alpha-signer-token', namespace: organization };
      const fresh = binding(organization, { kind: 'Role', name: 'alpha-signer-token' }, subject);
      fresh.metadata.name = 'alpha-signer-token';
      const reply = await api.create(fresh, asOperator);
      expect(reply.status, reply.text).toBe(201);
    });

    test('it makes namespaces of organizations and no others', async () => {
      expect((await api.create(namespace(`new-${unique}`, labels), asOperator)).status).toBe(201);
      const plain = await api.create(namespace(`new-${unique}`), asOperator);
      expect(plain.status).toBe(403);
      expect(message(plain)).toContain('must carry the labels');
    });

    test('it relabels an organization namespace and adopts no other', async () => {
      const relabel = (name: string) => ({
        ...namespace(name, { ...labels, 'pod-security.kubernetes.io/enforce': 'restricted' }),
      });
      expect((await api.apply(relabel(organization), asOperator)).status).toBe(200);
      for (const name of ['kube-system', 'default', elsewhere]) {
        const reply = await api.apply(relabel(name), asOperator);
        expect(reply.status).toBe(403);
        expect(message(reply)).toContain(`may not adopt namespace ${name}`);
      }
    });

    test('it writes status and never spec', async () => {
      const consortium = {
        apiVersion: 'quorum-operator.io/v1alpha1',
        kind: 'Consortium',
        metadata: { name: `c${unique}` },
        spec: {
          environment: 'Development',
          chainId: 7,
          genesis: { create: {} },
          validators: [{ organization: 'alpha', node: 'one' }],
          organizations: [{ name: 'alpha' }],
        },
      };
      await expect.poll(async () => (await api.apply(consortium)).status).toBeLessThan(300);
      const { spec: _, ...identity } = consortium;
      const status = { ...identity, status: { observedGeneration: 1 } };
      const written = await api.request('PATCH', `${objectPath(consortium)}/status`, {
        as: operator,
        body: status,
        contentType: 'application/apply-patch+yaml',
        query: { fieldManager: 'quorum-operator-status', force: 'true' },
      });
      expect(written.status, written.text).toBe(200);
      expect((await api.apply(consortium, { as: operator })).status).toBe(403);
      expect((await api.request('DELETE', objectPath(consortium), { as: operator })).status).toBe(403);
      expect((await api.request('DELETE', objectPath(consortium))).status).toBe(200);
    });

    test('of a QuorumNode it sets and removes its own finalizer, and changes nothing else', async () => {
      const finalizer = 'quorum-operator.io/vote-out';
      const quorumNode = {
        apiVersion: 'quorum-operator.io/v1alpha1',
        kind: 'QuorumNode',
        metadata: { name: `n${unique}`, namespace: organization, finalizers: ['example.com/backup'] },
        spec: { consortiumRef: { name: 'demo' }, organization: 'alpha', environment: 'Development', role: 'Validator' },
      };
      await expect.poll(async () => (await api.apply(quorumNode)).status).toBeLessThan(300);
      const patch = (body: object) =>
        api.request('PATCH', objectPath(quorumNode), {
          as: operator,
          body,
          contentType: 'application/merge-patch+json',
        });
      const guarded = await patch({ metadata: { finalizers: ['example.com/backup', finalizer] } });
      expect(guarded.status, guarded.text).toBe(200);
      for (const [change, words] of [
        [{ spec: { suspend: true } }, 'never changes spec'],
        [{ metadata: { annotations: { 'quorum-operator.io/confirm-removal': 'force' } } }, 'labels or annotations'],
        [{ metadata: { labels: { team: 'x' } } }, 'labels or annotations'],
        [{ metadata: { finalizers: [finalizer] } }, 'only its own finalizer'],
      ] as const) {
        const reply = await patch(change);
        expect(reply.status, reply.text).toBe(403);
        expect(message(reply)).toContain(words);
      }
      expect((await patch({ metadata: { finalizers: ['example.com/backup'] } })).status).toBe(200);
      const consortiums = `/apis/quorum-operator.io/v1alpha1/consortiums/c${unique}`;
      const merge = { as: operator, body: { metadata: {} }, contentType: 'application/merge-patch+json' };
      expect((await api.request('PATCH', consortiums, merge)).status).toBe(403);
      await api.request('PATCH', objectPath(quorumNode), {
        body: { metadata: { finalizers: null } },
        contentType: 'application/merge-patch+json',
      });
      expect((await api.request('DELETE', objectPath(quorumNode))).status).toBe(200);
    });

    test('in its own namespace it reads its own two Secrets and its lease', async () => {
      const secret = (name: string) => ({ apiVersion: 'v1', kind: 'Secret', metadata: { name, namespace: system } });
      for (const name of ['quorum-operator-ca', 'quorum-operator-client-tls']) {
        expect((await api.apply(secret(name), { as: operator })).status).toBe(201);
        expect((await api.request('GET', objectPath(secret(name)), { as: operator })).status).toBe(200);
      }
      await created(secret('of-somebody-else'));
      expect((await api.request('GET', objectPath(secret('of-somebody-else')), { as: operator })).status).toBe(403);
      const lease = {
        apiVersion: 'coordination.k8s.io/v1',
        kind: 'Lease',
        metadata: { name: 'quorum-operator', namespace: system },
        spec: { holderIdentity: 'one' },
      };
      expect((await api.create(lease, { as: operator })).status).toBe(201);
      expect((await api.apply(lease, { as: operator })).status).toBe(200);
    });
  });
});

function namespace(name: string, withLabels: Record<string, string> = {}): Manifest {
  return { apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels: withLabels } };
}

async function created(manifest: Manifest): Promise<void> {
  const reply = await api.create(manifest);
  expect(reply.status, reply.text).toBe(201);
}

function message(reply: { text: string }): string {
  try {
    return JSON.parse(reply.text).message ?? reply.text;
  } catch {
    return reply.text;
  }
}

/** What kubectl asks first; the API server decides on admission before it looks at the upgrade or dials a kubelet. */
function connect(place: string, path: string, as: Call['as']) {
  return api.request('GET', `/api/v1/namespaces/${place}/${path}`, { as });
}

/** Pods bound to a host whose kubelet nobody answers for. */
async function makePods(): Promise<void> {
  await created({ apiVersion: 'v1', kind: 'Node', metadata: { name: node } });
  const address = {
    addresses: [{ type: 'InternalIP', address: '127.0.0.1' }],
    daemonEndpoints: { kubeletEndpoint: { Port: 1 } },
  };
  await api.request('PATCH', `/api/v1/nodes/${node}/status`, {
    body: { status: address },
    contentType: 'application/merge-patch+json',
  });
  for (const place of [organization, elsewhere, system]) {
    await api.create({ apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'default', namespace: place } });
    if (place === system) continue;
    await created({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'one', namespace: place },
      spec: {
        nodeName: node,
        automountServiceAccountToken: false,
        tolerations: [{ operator: 'Exists' }],
        containers: [{ name: 'geth', image: 'registry.example/geth:1' }],
      },
    });
  }
}

/** The API server takes up new policies within a second or so. */
async function policiesInForce(): Promise<void> {
  const dryRun: Call = { as: operator, query: { dryRun: 'All' } };
  const binding = {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'RoleBinding',
    metadata: { name: 'probe', namespace: elsewhere },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'quorum-operator-organization' },
    subjects: [{ kind: 'ServiceAccount', name: 'quorum-operator', namespace: system }],
  };
  await vi.waitFor(
    async () => {
      const refusals = await Promise.all([
        connect(organization, 'pods/one/attach', alice),
        api.request('GET', `/api/v1/nodes/${node}/proxy/pods`, { as: alice }),
        api.create(namespace(`probe-${unique}`), dryRun),
        api.create(binding, dryRun),
        api.request('PATCH', `/api/v1/namespaces/${organization}`, {
          as: alice,
          body: { metadata: { labels: null } },
          contentType: 'application/merge-patch+json',
          query: { dryRun: 'All' },
        }),
      ]);
      for (const reply of refusals) expect(message(reply)).toContain('ValidatingAdmissionPolicy');
    },
    { timeout: 20_000, interval: 100 },
  );
}
