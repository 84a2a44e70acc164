import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { parse, parseAllDocuments } from 'yaml';
import { type ApiServer, startApiServer } from '../cluster/api-server.ts';
import { run } from '../cluster/process.ts';
import { ensurePrograms } from '../cluster/tools.ts';
import { ApiClient, type Manifest, objectPath } from './api-client.ts';
import { CHART, findHelm, helm, REQUIRED, render, set } from './helm.ts';
import { INSTALL_YAML, installYaml } from './install-yaml.ts';

/** The chart as it was released first: what an upgrade starts from. */
const FIRST = join(import.meta.dirname, 'releases', '0.1.0', 'quorum-operator-0.1.0.tgz');
const namespace = 'quorum-system';
const common = { consortiumRef: { name: 'kept' }, organization: 'alpha', environment: 'Development' };

const custom = (kind: string, name: string, spec: object): Manifest => ({
  apiVersion: 'quorum-operator.io/v1alpha1',
  kind,
  metadata: kind === 'Consortium' ? { name } : { name, namespace: 'kept-alpha' },
  spec,
});

/** One of each kind, with nothing but what the first release knew. */
const resources: Manifest[] = [
  custom('Consortium', 'kept', {
    environment: 'Development',
    chainId: 7,
    genesis: { create: {} },
    validators: [{ organization: 'alpha', node: 'one' }],
    organizations: [{ name: 'alpha' }],
  }),
  custom('QuorumNode', 'one', { ...common, role: 'Validator' }),
  custom('TesseraNode', 'one', {
    ...common,
    keys: [{ name: 'a', secretRef: { name: 'k' } }],
    database: { embedded: {} },
  }),
  custom('HsmSigner', 'one', common),
];

function server(name: string): { api: () => ApiClient; kubeconfig: () => string } {
  let started: ApiServer;
  let api: ApiClient;
  beforeAll(async () => {
    started = await startApiServer({ name, auditReads: false });
    api = new ApiClient(started.kubeconfig);
  });
  afterAll(async () => {
    api?.close();
    await started?.stop();
  });
  return { api: () => api, kubeconfig: () => started.kubeconfig };
}

async function live(api: ApiClient, manifest: Manifest): Promise<Manifest> {
  const reply = await api.request('GET', objectPath(manifest));
  expect(reply.status, `${manifest.kind} ${manifest.metadata.name}: ${reply.text}`).toBe(200);
  return JSON.parse(reply.text);
}

/** The API server keeps no empty map. */
function asStored(schema: object): object {
  const isEmpty = (value: unknown) => typeof value === 'object' && value !== null && Object.keys(value).length === 0;
  return JSON.parse(JSON.stringify(schema), (key, value) =>
    key === 'properties' && isEmpty(value) ? undefined : value,
  );
}

const identity = (manifest: Manifest) =>
  [manifest.kind, manifest.metadata.namespace ?? '', manifest.metadata.name].join('/');

async function uids(api: ApiClient, manifests: readonly Manifest[]): Promise<Record<string, string>> {
  const entries = manifests.map(async (manifest) => [identity(manifest), (await live(api, manifest)).metadata.uid]);
  return Object.fromEntries(await Promise.all(entries));
}

describe.skipIf(findHelm() === undefined)('an upgrade from release 0.1.0 on a real API server, with helm', () => {
  const { api, kubeconfig } = server('upgrade');
  const release = (chart: string) =>
    helm([
      ...['upgrade', '--install', 'quorum-operator', chart, '--create-namespace', '--namespace', namespace],
      ...['--kubeconfig', kubeconfig(), ...set(REQUIRED)],
    ]);
  const rendered = async (chart: string): Promise<Manifest[]> => {
    const { stdout } = await helm(['template', 'quorum-operator', chart, '--namespace', namespace, ...set(REQUIRED)]);
    return parseAllDocuments(stdout)
      .map((document) => document.toJS())
      .filter((manifest) => manifest !== null);
  };
  let before: Record<string, string>;
  let stored: Manifest[];

  beforeAll(async () => {
    const installed = await release(FIRST);
    expect(installed.code, installed.stderr).toBe(0);
    await api().create({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'kept-alpha' } });
    for (const resource of resources) {
      await vi.waitFor(async () => expect((await api().apply(resource)).status).toBeLessThan(300), 30_000);
    }
    stored = await Promise.all(resources.map((resource) => live(api(), resource)));
    before = await uids(api(), [...(await rendered(FIRST)), ...resources]);
    const upgraded = await release(CHART);
    expect(upgraded.code, upgraded.stderr).toBe(0);
  }, 240_000);

  test('is one to a later version', async () => {
    const version = async (chart: string) => parse((await helm(['show', 'chart', chart])).stdout).version;
    expect((await version(CHART)).localeCompare(await version(FIRST), 'en', { numeric: true })).toBe(1);
  });

  test('makes nothing anew that was there', async () => {
    const current = await rendered(CHART);
    const kept = [...current, ...resources].filter((manifest) => identity(manifest) in before);
    expect(kept.length).toBe(Object.keys(before).length);
    const after = await uids(api(), kept);
    expect(after).toEqual(before);
  });

  test('leaves resources as they were written, and they remain valid', async () => {
    for (const old of stored) {
      const now = await live(api(), old);
      expect(now.spec).toMatchObject(old.spec);
      const again = await api().apply(resources.find((resource) => identity(resource) === identity(old))!);
      expect(again.status, again.text).toBe(200);
    }
  });

  test('brings the definitions of this version', async () => {
    for (const crd of (await render()).filter(({ kind }) => kind === 'CustomResourceDefinition')) {
      const { spec, status } = await live(api(), crd);
      expect(asStored(spec.versions[0].schema), crd.metadata.name).toEqual(asStored(crd.spec.versions[0].schema));
      expect(status.storedVersions).toEqual(['v1alpha1']);
    }
  });

  test('brings the rights and the replicas of this version', async () => {
    for (const manifest of (await render()).filter(({ kind }) => /Role$/.test(kind))) {
      expect((await live(api(), manifest)).rules, manifest.metadata.name).toEqual(manifest.rules);
    }
    const metadata = { name: 'quorum-operator', namespace };
    const deployment = await live(api(), { apiVersion: 'apps/v1', kind: 'Deployment', metadata });
    expect(deployment.spec.replicas).toBe(2);
    await live(api(), { apiVersion: 'policy/v1', kind: 'PodDisruptionBudget', metadata });
  });
});

describe.skipIf(findHelm() === undefined)('install.yaml, with helm', () => {
  test('is what `npm run generate` writes', async () => {
    expect(readFileSync(INSTALL_YAML, 'utf8')).toBe(await installYaml());
  });
});

describe('install.yaml on a real API server', () => {
  const { api, kubeconfig } = server('install');

  test('is applied in one go, and again without a change', async () => {
    const { kubectl } = await ensurePrograms(['kubectl'], () => {});
    const apply = () =>
      run(kubectl, ['--kubeconfig', kubeconfig(), 'apply', '--server-side', '-f', INSTALL_YAML], {
        allowFailure: true,
      });
    const first = await apply();
    expect(first.code, first.stderr).toBe(0);
    const manifests: Manifest[] = parseAllDocuments(readFileSync(INSTALL_YAML, 'utf8')).map((one) => one.toJS());
    const versions = async () =>
      Promise.all(
        manifests.map(async (manifest) => {
          const { metadata } = await live(api(), manifest);
          return `${identity(manifest)} ${metadata.generation ?? metadata.resourceVersion}`;
        }),
      );
    expect(manifests.filter(({ kind }) => kind === 'CustomResourceDefinition')).toHaveLength(4);
    const before = await versions();
    const second = await apply();
    expect(second.code, second.stderr).toBe(0);
    expect(await versions()).toEqual(before);
  });

  test('names its two placeholders as the comment at its top does', async () => {
    const text = readFileSync(INSTALL_YAML, 'utf8');
    const images = [...text.matchAll(/registry\.example\/[-a-z/]+:[0-9.]+/g)].map(([image]) => image);
    expect(new Set(images).size).toBe(2);
    for (const image of new Set(images)) expect(images.filter((one) => one === image).length).toBeGreaterThan(1);
  });
});
