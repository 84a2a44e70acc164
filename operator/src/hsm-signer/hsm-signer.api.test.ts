import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pino from 'pino';
import { afterAll, afterEach, beforeAll, expect, inject, it, vi } from 'vitest';
import { parse } from 'yaml';
import { ApiClient } from '../../../e2e/src/chart/api-client.ts';
import { readAuditLog, writes } from '../../../e2e/src/cluster/audit.ts';
import type { TokenConfig } from '../../../signer-sidecar/src/token/config.ts';
import { initToken } from '../../../signer-sidecar/src/token/init.ts';
import { SOFTHSM_MODULE } from '../../../signer-sidecar/src/token/softhsm-fixture.ts';
import type { HsmSigner } from '../api/hsm-signer.ts';
import { CONSORTIUMS, HSMSIGNERS } from '../api/resources.ts';
import { installCrds } from '../api/testing.ts';
import { readConfig } from '../config.ts';
import type { ControllerDeps } from '../deps.ts';
import type { DoorClient } from '../door/client.ts';
import { Informers } from '../informers.ts';
import { Applier } from '../kube/apply.ts';
import { connect, type KubeClient } from '../kube/client.ts';
import { EventRecorder } from '../kube/events.ts';
import {
  CONFIGMAPS,
  JOBS,
  NAMESPACES,
  NETWORKPOLICIES,
  PODS,
  ROLEBINDINGS,
  ROLES,
  SECRETS,
  SERVICEACCOUNTS,
  SERVICES,
  STATEFULSETS,
} from '../kube/resources.ts';
import { StatusWriter } from '../kube/status.ts';
import type { Condition, KubeObject, ResourceType } from '../kube/types.ts';
import { FIELD_MANAGER, GROUP, labels, MANAGED_BY, STATUS_FIELD_MANAGER } from '../names.ts';
import { inspect } from '../pki/inspect.ts';
import { secretData, secretText } from '../pki/secrets.ts';
import { createAuthority } from '../pki/x509.ts';
import { hsmSignerController } from './controller.ts';

/** Nothing runs Jobs or pods here, so the test does what they would: the Job with the real program, SoftHSM and rights. */

const unique = Date.now().toString(36);
const folder = mkdtempSync(join(tmpdir(), 'hsm-signer-api-'));
const running: { stop(): Promise<void> }[] = [];
let client: KubeClient;
let api: ApiClient;

/** An operator that runs this controller only; the Consortium's would tell it which namespaces to follow. */
async function startOperator(): Promise<{ stop(): Promise<void> }> {
  const own = connect({ kubeconfig: inject('kubeconfig') });
  const log = pino({ level: process.env.TEST_LOG_LEVEL ?? 'silent' });
  const deps: ControllerDeps = {
    client: own,
    config: readConfig({
      OPERATOR_NAMESPACE: 'operator',
      SIDECAR_IMAGE: 'sidecar:1',
      DEFAULT_SOFTHSM_IMAGE: 'softhsm:1',
      DEFAULT_POSTGRES_IMAGE: 'postgres:1',
    }),
    log,
    now: () => new Date(),
    applier: new Applier(own, { fieldManager: FIELD_MANAGER }),
    status: new StatusWriter(own, { fieldManager: STATUS_FIELD_MANAGER }),
    events: new EventRecorder(own, { controller: 'quorum-operator.io/operator', instance: 'test' }),
    informers: new Informers(own, { log }),
    doors: {} as DoorClient,
  };
  const abort = new AbortController();
  deps.informers.start(abort.signal);
  await deps.informers.synced;
  const ended = hsmSignerController(deps).run(abort.signal);
  const operator = {
    stop: async () => {
      abort.abort();
      await ended;
      await deps.events.flush();
      await own.close();
      running.splice(running.indexOf(operator), 1);
    },
  };
  running.push(operator);
  return operator;
}

beforeAll(async () => {
  api = new ApiClient(inject('kubeconfig'));
  await installCrds(api);
  client = connect({ kubeconfig: inject('kubeconfig') });
});
afterEach(() => Promise.all([...running].map((operator) => operator.stop())));
afterAll(async () => {
  api.close();
  await client.close();
  rmSync(folder, { recursive: true });
});

/** A consortium of one organization and its namespace, as the Consortium's controller leaves it. */
async function prepare(name: string): Promise<string> {
  const namespace = `${name}-alpha`;
  const own = {
    [labels.managedBy]: MANAGED_BY,
    [labels.consortium]: name,
    [labels.organization]: 'alpha',
    'pod-security.kubernetes.io/enforce': 'restricted',
  };
  const authority = await createAuthority({ commonName: name, now: new Date(), days: 10 });
  await api.apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace, labels: own } });
  await client.create(SECRETS, {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: 'organization-ca', namespace, labels: own },
    type: 'kubernetes.io/tls',
    data: secretData({ 'tls.crt': authority.certificatePem, 'tls.key': authority.keyPem }),
  });
  await client.create(CONFIGMAPS, {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'organization-ca', namespace, labels: own },
    data: { 'ca.crt': authority.certificatePem },
  });
  await client.create(CONSORTIUMS, {
    apiVersion: `${GROUP}/v1alpha1`,
    kind: 'Consortium',
    metadata: { name },
    spec: {
      environment: 'Development',
      chainId: 83210,
      genesis: { create: {} },
      validators: [{ organization: 'alpha', node: 'alpha-validator' }],
      organizations: [{ name: 'alpha' }],
    },
  });
  return namespace;
}

function createSigner(consortium: string, spec: object = {}): Promise<KubeObject> {
  return client.create(HSMSIGNERS, {
    apiVersion: `${GROUP}/v1alpha1`,
    kind: 'HsmSigner',
    metadata: { name: 'alpha-signer', namespace: `${consortium}-alpha` },
    spec: {
      consortiumRef: { name: consortium },
      organization: 'alpha',
      environment: 'Development',
      database: { provision: { storage: { size: '1Gi' } } },
      ...spec,
    },
  });
}

async function signer(namespace: string): Promise<HsmSigner> {
  return (await client.get(HSMSIGNERS, { namespace, name: 'alpha-signer' })) as unknown as HsmSigner;
}

async function condition(namespace: string, type: string): Promise<Condition | undefined> {
  return ((await signer(namespace)).status?.conditions as Condition[] | undefined)?.find((each) => each.type === type);
}

function settled(namespace: string, reason: string, type = 'Ready'): Promise<void> {
  return vi.waitFor(async () => expect((await condition(namespace, type))?.reason).toBe(reason), {
    timeout: 20_000,
    interval: 50,
  });
}

const get = (type: ResourceType, namespace: string, name: string) => client.get<KubeObject>(type, { namespace, name });

function appears(type: ResourceType, namespace: string, name: string): Promise<KubeObject> {
  return vi.waitFor(
    async () => {
      const found = await get(type, namespace, name);
      expect(found, `${type.plural} ${name}`).toBeDefined();
      return found!;
    },
    { timeout: 20_000, interval: 50 },
  );
}

/** A token of a ServiceAccount, as the kubelet would project it. */
async function serviceAccountToken(namespace: string, name: string): Promise<string> {
  const path = `/api/v1/namespaces/${namespace}/serviceaccounts/${name}/token`;
  const body = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: { expirationSeconds: 600 } };
  const reply = await api.request('POST', path, { body });
  expect(reply.status, reply.text).toBe(201);
  return JSON.parse(reply.text).status.token;
}

/** Does what the Job's pod does: the program, with the files that its volumes hold. */
async function runJob(namespace: string): Promise<'made' | 'already there'> {
  const home = mkdtempSync(join(folder, 'job-'));
  const cluster = parse(readFileSync(inject('kubeconfig'), 'utf8')).clusters[0].cluster;
  const pins = await get(SECRETS, namespace, 'alpha-signer-pin');
  const given = await get(CONFIGMAPS, namespace, 'alpha-signer-token');
  const file = (name: string, text: string): string => {
    writeFileSync(join(home, name), text);
    return join(home, name);
  };
  mkdirSync(join(home, 'softhsm'));
  const config: TokenConfig = {
    ...(JSON.parse(given!.data['config.json']) as TokenConfig),
    modulePath: SOFTHSM_MODULE,
    directory: join(home, 'softhsm'),
    pins: {
      securityOfficerFile: file('so', secretText(pins, 'so-pin')!),
      serviceFile: file('service', secretText(pins, 'service-pin')!),
      accountFile: file('account', secretText(pins, 'account-pin')!),
    },
    apiServer: {
      url: cluster.server,
      tokenFile: file('token', await serviceAccountToken(namespace, 'alpha-signer-token')),
      caFile: file('ca', Buffer.from(cluster['certificate-authority-data'], 'base64').toString()),
    },
  };
  const made = await initToken(config, pino({ level: 'silent' }));
  await endJob(namespace, 'Complete');
  return made;
}

async function endJob(namespace: string, type: 'Complete' | 'Failed', at = new Date()): Promise<void> {
  const time = `${at.toISOString().slice(0, 19)}Z`;
  const before = type === 'Complete' ? 'SuccessCriteriaMet' : 'FailureTarget';
  const conditions = [before, type].map((each) => ({
    type: each,
    status: 'True',
    reason: 'Test',
    message: 'as the test says',
    lastTransitionTime: time,
    lastProbeTime: time,
  }));
  const ended = type === 'Complete' ? { succeeded: 1, completionTime: time } : { failed: 1 };
  await client.patch(
    JOBS,
    { namespace, name: 'alpha-signer-token' },
    { status: { startTime: time, ...ended, conditions } },
    { subresource: 'status' },
  );
}

/** A pod of the database that is ready, as StatefulSet controller and kubelet would leave it. */
async function runDatabase(namespace: string): Promise<void> {
  const statefulSet = await appears(STATEFULSETS, namespace, 'alpha-signer-postgres');
  const name = 'alpha-signer-postgres-0';
  const { spec } = statefulSet.spec.template;
  // No controller makes it here, and no pod is admitted without.
  await client.create(SERVICEACCOUNTS, {
    apiVersion: 'v1',
    kind: 'ServiceAccount',
    metadata: { name: 'default', namespace },
  });
  await client.create(PODS, {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace, labels: statefulSet.spec.template.metadata.labels },
    // Pod Security is enforced here, so this also shows that the template keeps to it.
    spec: {
      ...spec,
      volumes: [...spec.volumes, { name: 'data', persistentVolumeClaim: { claimName: `data-${name}` } }],
    },
  });
  const ready = { type: 'Ready', status: 'True', lastTransitionTime: '2026-01-01T00:00:00Z' };
  await client.patch(PODS, { namespace, name }, { status: { conditions: [ready] } }, { subresource: 'status' });
}

/** All writes to the namespace by now, events left out; waits until none was made for a second. */
async function quiet(namespace: string): Promise<string[]> {
  for (let last = -1; ; ) {
    const made = writes(await readAuditLog(inject('auditLog')))
      .filter((entry) => entry.namespace === namespace && entry.resource !== 'events')
      .map(({ verb, resource, name }) => `${verb} ${resource} ${name}`);
    if (made.length === last) return made;
    last = made.length;
    await sleep(1000);
  }
}

it('makes a token by a Job of few rights, then takes the rights away, and is Ready with its account', async () => {
  const namespace = await prepare(`good-${unique}`);
  await startOperator();
  await createSigner(`good-${unique}`);
  await settled(namespace, 'TokenPending');
  const job = await appears(JOBS, namespace, 'alpha-signer-token');
  const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'dry', namespace }, spec: job.spec.template.spec };
  const admitted = await api.create(pod, { query: { dryRun: 'All' } });
  expect(admitted.status, admitted.text).toBe(201);
  expect((await get(SERVICES, namespace, 'alpha-signer'))?.spec.selector).toEqual({ [labels.signer]: 'alpha-signer' });
  const pins = await get(SECRETS, namespace, 'alpha-signer-pin');
  expect(new Set(Object.values(pins!.data)).size).toBe(3);
  const policy = await get(NETWORKPOLICIES, namespace, 'alpha-signer-token');
  expect(policy!.spec.egress.length).toBeGreaterThan(0);
  for (const { to, ports } of policy!.spec.egress) {
    expect(to[0].ipBlock.cidr).toMatch(/\/(32|128)$/);
    expect(ports).toHaveLength(1);
  }

  const secrets = `/api/v1/namespaces/${namespace}/secrets`;
  const as = { user: `system:serviceaccount:${namespace}:alpha-signer-token`, groups: ['system:serviceaccounts'] };
  const mayRead = async (path: string) => (await api.request('GET', path, { as })).status;
  expect(await mayRead(`${secrets}/alpha-signer-token`)).toBe(200);
  expect(await mayRead(`${secrets}/alpha-signer-pin`)).toBe(403);
  expect(await mayRead(`${secrets}/organization-ca`)).toBe(403);
  expect(await mayRead(secrets)).toBe(403);
  expect(await runJob(namespace)).toBe('made');
  await settled(namespace, 'DatabaseStarting');
  await runDatabase(namespace);
  await settled(namespace, 'Usable');

  const { status } = await signer(namespace);
  expect(status?.accounts).toEqual([
    {
      name: 'default',
      address: expect.stringMatching(/^0x[0-9a-fA-F]{40}$/),
      publicKey: expect.stringMatching(/^0x04[0-9a-f]{128}$/),
      keyId: expect.stringMatching(/^[0-9a-f]{32}$/),
    },
  ]);
  expect(status?.token?.label).toBe('alpha-signer');
  expect(status?.database).toMatchObject({ kind: 'Provision', ready: true });
  const client509 = inspect(secretText(await get(SECRETS, namespace, 'alpha-signer-database-tls'), 'tls.crt')!);
  expect(client509).toMatchObject({ commonName: 'alpha-signer.signer.database', usages: ['client'] });
  expect(client509.uris).toEqual([`quorum-operator://good-${unique}/alpha/signer/alpha-signer`]);

  expect(await mayRead(`${secrets}/alpha-signer-token`)).toBe(403);
  await vi.waitFor(async () => {
    for (const type of [JOBS, ROLES, ROLEBINDINGS, SERVICEACCOUNTS, NETWORKPOLICIES, CONFIGMAPS]) {
      const found = await get(type, namespace, 'alpha-signer-token');
      expect(found?.metadata.deletionTimestamp ?? found, type.plural).toSatisfy(
        (left) => left === undefined || typeof left === 'string',
      );
    }
  }, 10_000);
});

it('writes nothing more once all is there, also after a restart of the operator', async () => {
  const namespace = await prepare(`calm-${unique}`);
  const first = await startOperator();
  await createSigner(`calm-${unique}`);
  await settled(namespace, 'TokenPending');
  await appears(JOBS, namespace, 'alpha-signer-token');
  await runJob(namespace);
  await runDatabase(namespace);
  await settled(namespace, 'Usable');
  const before = await quiet(namespace);
  await first.stop();
  await startOperator();
  await sleep(1500);
  expect(await quiet(namespace)).toEqual(before);
});

it('tells a lost key, never makes another, and goes on when it is restored', async () => {
  const namespace = await prepare(`lost-${unique}`);
  await startOperator();
  await createSigner(`lost-${unique}`, { database: { embedded: {} } });
  await settled(namespace, 'TokenPending');
  await appears(JOBS, namespace, 'alpha-signer-token');
  await runJob(namespace);
  await settled(namespace, 'Usable');
  const { address } = (await signer(namespace)).status!.accounts![0]!;
  for (const name of ['alpha-signer-token', 'alpha-signer-pin']) {
    const kept = (await get(SECRETS, namespace, name))!;
    await client.delete(SECRETS, { namespace, name }, {});
    await settled(namespace, 'KeyLost');
    const stalled = await condition(namespace, 'Stalled');
    expect(stalled).toMatchObject({ status: 'True', reason: 'KeyLost' });
    expect(stalled?.message).toContain(address);
    await sleep(500);
    expect(await get(SECRETS, namespace, name)).toBeUndefined();
    const { name: _, uid: __, resourceVersion: ___, creationTimestamp: ____, ...rest } = kept.metadata;
    await client.create(SECRETS, { ...kept, metadata: { ...rest, name } });
    await settled(namespace, 'Usable');
    expect((await signer(namespace)).status!.accounts![0]!.address).toBe(address);
  }
});

it("converges in any order: signer first, then consortium, and with the user's own PINs at last", async () => {
  const name = `order-${unique}`;
  const namespace = `${name}-alpha`;
  await client.create(NAMESPACES, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } });
  await startOperator();
  await createSigner(name, { token: { pinSecretRef: { name: 'pins' } }, database: { embedded: {} } });
  await settled(namespace, 'ConsortiumNotFound');
  await prepare(name);
  await settled(namespace, 'PinSecretNotFound');
  expect(await get(JOBS, namespace, 'alpha-signer-token')).toBeUndefined();
  await client.create(SECRETS, {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: 'pins', namespace },
    data: secretData({ 'so-pin': '11111111', 'service-pin': '22222222', 'account-pin': '33333333' }),
  });
  const job = await appears(JOBS, namespace, 'alpha-signer-token');
  const pin = job.spec.template.spec.volumes.find((volume: { name: string }) => volume.name === 'pin');
  expect(pin.secret.secretName).toBe('pins');
  expect(await get(SECRETS, namespace, 'alpha-signer-pin')).toBeUndefined();
});

it('says that the Job failed, and lets another one try a minute later', async () => {
  const namespace = await prepare(`fail-${unique}`);
  await startOperator();
  await createSigner(`fail-${unique}`, { database: { embedded: {} } });
  await settled(namespace, 'TokenPending');
  const first = await appears(JOBS, namespace, 'alpha-signer-token');
  await endJob(namespace, 'Failed', new Date(Date.now() - 58_000));
  await settled(namespace, 'TokenJobFailed');
  await vi.waitFor(
    async () => {
      const job = await get(JOBS, namespace, 'alpha-signer-token');
      expect(
        job === undefined || job.metadata.uid !== first.metadata.uid || job.metadata.deletionTimestamp,
      ).toBeTruthy();
    },
    { timeout: 20_000, interval: 100 },
  );
});
