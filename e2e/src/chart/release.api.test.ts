import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type ApiServer, startApiServer } from '../cluster/api-server.ts';
import { ApiClient, collectionPath, type Manifest, objectPath } from './api-client.ts';
import { CHART, findHelm, helm, REQUIRED, render, set } from './helm.ts';

const namespace = 'quorum-system';
const crds = { apiVersion: 'apiextensions.k8s.io/v1', kind: 'CustomResourceDefinition', metadata: {} };

let server: ApiServer;
let api: ApiClient;

/** A release owns names in the whole cluster, so this has an API server of its own. */
describe.skipIf(findHelm() === undefined)('a release on a real API server, with helm', () => {
  beforeAll(async () => {
    server = await startApiServer({ name: 'release', auditReads: false });
    api = new ApiClient(server.kubeconfig);
  });
  afterAll(async () => {
    api?.close();
    await server?.stop();
  });

  const release = (...args: string[]) => helm([...args, '--namespace', namespace, '--kubeconfig', server.kubeconfig]);
  const upgrade = (values: Record<string, string> = {}) =>
    release('upgrade', '--install', 'quorum-operator', CHART, '--create-namespace', ...set({ ...REQUIRED, ...values }));
  const crdCount = async () => JSON.parse((await api.request('GET', collectionPath(crds))).text).items.length;

  test('installs everything that it renders', async () => {
    const result = await upgrade();
    expect(result.code, result.stderr).toBe(0);
    for (const manifest of await render({ namespace })) {
      const reply = await api.request('GET', objectPath(manifest));
      expect(reply.status, `${manifest.kind} ${manifest.metadata.name}`).toBe(200);
    }
  });

  test('an upgrade brings a new image to the operator', async () => {
    const result = await upgrade({ 'images.operator': 'registry.example/operator:2' });
    expect(result.code, result.stderr).toBe(0);
    expect((await deployment()).spec.template.spec.containers[0].image).toBe('registry.example/operator:2');
  });

  test('resources outlive the release, and a new release takes their definitions over', async () => {
    const consortium: Manifest = {
      apiVersion: 'quorum-operator.io/v1alpha1',
      kind: 'Consortium',
      metadata: { name: 'kept' },
      spec: {
        environment: 'Development',
        chainId: 7,
        genesis: { create: {} },
        validators: [{ organization: 'alpha', node: 'one' }],
        organizations: [{ name: 'alpha' }],
      },
    };
    expect((await api.create(consortium)).status).toBe(201);
    const removed = await release('uninstall', 'quorum-operator');
    expect(removed.code, removed.stderr).toBe(0);
    expect(await crdCount()).toBe(4);
    expect((await api.request('GET', objectPath(consortium))).status).toBe(200);

    const again = await upgrade();
    expect(again.code, again.stderr).toBe(0);
    expect((await deployment()).metadata.name).toBe('quorum-operator');
  });

  async function deployment(): Promise<Manifest> {
    const metadata = { name: 'quorum-operator', namespace };
    const reply = await api.request('GET', objectPath({ apiVersion: 'apps/v1', kind: 'Deployment', metadata }));
    return JSON.parse(reply.text);
  }
});
