import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import type { Consortium } from '../api/consortium.ts';
import { CONSORTIUMS } from '../api/resources.ts';
import { readConfig } from '../config.ts';
import type { ControllerDeps } from '../deps.ts';
import { DoorClient } from '../door/client.ts';
import { Informers } from '../informers.ts';
import { eventually } from '../kube/api-testing.ts';
import { Applier } from '../kube/apply.ts';
import type { KubeClient } from '../kube/client.ts';
import { EventRecorder } from '../kube/events.ts';
import { CONFIGMAPS, PODS, SECRETS, SERVICEACCOUNTS } from '../kube/resources.ts';
import { StatusWriter } from '../kube/status.ts';
import type { KubeObject, ResourceType } from '../kube/types.ts';
import { FIELD_MANAGER, labels, MANAGED_BY, STATUS_FIELD_MANAGER } from '../names.ts';
import { CERTIFICATE_ANNOTATION, TRUSTS_ANNOTATION } from '../pki/annotations.ts';
import { ensureCertificate } from '../pki/certificate.ts';
import { certificatesOf, inspect, issuedBy } from '../pki/inspect.ts';
import { ensureOperatorAuthority } from '../pki/operator-authority.ts';
import { trustedIn } from '../pki/request.ts';
import { secretText } from '../pki/secrets.ts';
import { prepareCluster, testConsortium } from '../workload/operator-testing.ts';
import { reconcileConsortium } from './controller.ts';

const unique = Date.now().toString(36);
const name = `rot${unique}`;
const namespace = `${name}-alpha`;
const operatorNamespace = `rot-operator-${unique}`;
const minute = 60_000;

let client: KubeClient;
let deps: ControllerDeps;
const stop = new AbortController();
/** The only clock of everything here. */
let time = new Date('2026-03-01T12:00:00Z');
const pass = (ms: number) => {
  time = new Date(time.getTime() + ms);
};

/** A process of the operator that does only what it is told, so each step can be looked at, and lost. */
async function startProcess(): Promise<ControllerDeps> {
  const log = pino({ level: 'silent' });
  const own: ControllerDeps = {
    client,
    log,
    config: readConfig({ OPERATOR_NAMESPACE: operatorNamespace, SIDECAR_IMAGE: 'sidecar' }),
    now: () => time,
    applier: new Applier(client, { fieldManager: FIELD_MANAGER }),
    status: new StatusWriter(client, { fieldManager: STATUS_FIELD_MANAGER }),
    events: new EventRecorder(client, { controller: 'quorum-operator.io/operator', instance: 'test' }),
    informers: new Informers(client, { log }),
    doors: new DoorClient({ credentials: () => undefined }),
  };
  own.informers.start(stop.signal);
  await own.informers.synced;
  return own;
}

const get = (type: ResourceType, key: { namespace?: string; name: string }) => client.get<KubeObject>(type, key);
const authority = async () => (await get(SECRETS, { namespace, name: 'organization-ca' }))!;
const bundleOf = async (where: string, configMap: string) =>
  certificatesOf((await get(CONFIGMAPS, { namespace: where, name: configMap }))!.data['ca.crt']);

/** What the controllers of nodes do for each of their certificates. */
const leaf = () =>
  ensureCertificate(deps, {
    namespace,
    secretName: 'box-tls',
    labels: { [labels.managedBy]: MANAGED_BY, [labels.instance]: 'box', [labels.component]: 'tessera' },
    commonName: 'box',
    dnsNames: ['box'],
    usages: ['server', 'client'],
  });

/** One look at the Consortium by caches that have seen everything. */
async function look(): Promise<string> {
  await seen();
  await reconcileConsortium(deps, (await get(CONSORTIUMS, { name })) as Consortium & KubeObject);
  await seen();
  const { status } = (await get(CONSORTIUMS, { name })) as Consortium & KubeObject;
  const condition = status?.conditions?.find(({ type }) => type === 'CertificatesValid');
  return `${condition?.reason}: ${condition?.message}`;
}

async function seen(): Promise<void> {
  for (const type of [SECRETS, CONFIGMAPS, PODS]) {
    await eventually(async () => {
      const { items } = await client.list<KubeObject>(type, {
        namespace,
        labelSelector: `${labels.managedBy}=${MANAGED_BY}`,
      });
      const held = deps.informers.of(type);
      return items.every(
        ({ metadata }) =>
          held.get({ namespace, name: metadata.name })?.metadata.resourceVersion === metadata.resourceVersion,
      );
    }, `${type.plural} are in the cache`);
  }
}

/** Tessera's pod as its StatefulSet would make it now. */
async function pod(): Promise<void> {
  const members = (await bundleOf(namespace, 'members-ca')).join('');
  const annotations = {
    [CERTIFICATE_ANNOTATION]: (await leaf()).fingerprint,
    [TRUSTS_ANNOTATION]: trustedIn(members),
  };
  await client.delete(PODS, { namespace, name: 'box-0' }, { gracePeriodSeconds: 0 });
  const held = { [labels.managedBy]: MANAGED_BY, [labels.instance]: 'box', [labels.component]: 'tessera' };
  const securityContext = {
    allowPrivilegeEscalation: false,
    runAsNonRoot: true,
    runAsUser: 10002,
    capabilities: { drop: ['ALL'] },
    seccompProfile: { type: 'RuntimeDefault' },
  };
  const resources = { requests: { cpu: '1m', memory: '1Mi' }, limits: { cpu: '1m', memory: '1Mi' } };
  await client.create(PODS, {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'box-0', namespace, labels: held, annotations },
    spec: {
      automountServiceAccountToken: false,
      containers: [{ name: 'tessera', image: 'x', securityContext, resources }],
    },
  });
}

beforeAll(async () => {
  client = await prepareCluster(inject('kubeconfig'), operatorNamespace);
  deps = await startProcess();
  await client.create(CONSORTIUMS, testConsortium(name));
  await eventually(() => deps.informers.consortiums.get({ name }) !== undefined, 'the Consortium is in the cache');
  await reconcileConsortium(deps, (await get(CONSORTIUMS, { name })) as Consortium & KubeObject);
  await client.create(SERVICEACCOUNTS, {
    apiVersion: 'v1',
    kind: 'ServiceAccount',
    metadata: { name: 'default', namespace },
  });
  await leaf();
  await pod();
});

afterAll(async () => {
  stop.abort();
  await deps.events.flush();
  await client.close();
});

describe('the authority of an organization', () => {
  let old: string;
  let next: string;

  it('stays while nobody asks and it is young', async () => {
    expect(await look()).toBe('CertificatesValid: every certificate authority is valid');
    old = secretText(await authority(), 'tls.crt')!;
    expect(Object.keys((await authority()).data).sort()).toEqual(['tls.crt', 'tls.key']);
  });

  it('gets a successor at the word of a person, which issues nothing yet and is made known everywhere', async () => {
    const annotations = { 'quorum-operator.io/rotate': 'one' };
    await client.patch(SECRETS, { namespace, name: 'organization-ca' }, { metadata: { annotations } });
    await look();
    await look();
    const message = await look();
    next = secretText(await authority(), 'next.crt')!;
    expect(secretText(await authority(), 'tls.crt')).toBe(old);
    for (const [where, configMap] of [
      [namespace, 'organization-ca'],
      [namespace, 'members-ca'],
      [`${name}-bravo`, 'members-ca'],
    ] as const)
      expect(await bundleOf(where, configMap)).toEqual(expect.arrayContaining([old, next]));
    expect(message).toContain('AuthorityRotating: organization alpha gets a new certificate authority: waiting until');
    expect(message).toContain(`Secret ${namespace}/box-tls`);
    expect(message).toContain(`Pod ${namespace}/box-0`);
  });

  it('waits for each certificate and for each process that reads authorities at its start', async () => {
    const before = await leaf();
    const secret = (await get(SECRETS, { namespace, name: 'box-tls' }))!;
    // What is trusted follows; the certificate stays, so nobody has to restart for it.
    expect(certificatesOf(secretText(secret, 'ca.crt')!)).toEqual([old, next]);
    expect(before.renewed).toBe(false);
    expect(issuedBy(secretText(secret, 'tls.crt')!, old)).toBe(true);
    pass(60 * minute);
    expect(await look()).toMatch(/waiting until it is trusted by Pod [^,]*box-0$/);
    await pod();
    await look();
    expect((await authority()).metadata.annotations).toMatchObject({
      'quorum-operator.io/trusted-since': expect.any(String),
    });
    expect(await look()).toContain('it issues from');
  });

  it('hands over when the time is up, also in another process that knows nothing of before', async () => {
    deps = await startProcess();
    await deps.informers.addNamespace(namespace);
    await deps.informers.addNamespace(`${name}-bravo`);
    pass(9 * minute);
    await look();
    expect(secretText(await authority(), 'tls.crt')).toBe(old);
    pass(minute);
    await look();
    const secret = await authority();
    expect(secretText(secret, 'tls.crt')).toBe(next);
    expect(Object.keys(secret.data).sort()).toEqual(['previous.crt', 'tls.crt', 'tls.key']);
    const order = await bundleOf(namespace, 'members-ca');
    expect(await look()).toContain(
      `it issues now; waiting until nothing of the old one is in use: Secret ${namespace}/box-tls`,
    );
    // The own bundle begins with what issues, which tells the controllers; the members' keeps its order, which restarts nobody.
    expect(await bundleOf(namespace, 'organization-ca')).toEqual([next, old]);
    expect(await bundleOf(namespace, 'members-ca')).toEqual(order);
  });

  it('trusts the old one until no certificate of it is in use, and some time longer', async () => {
    expect((await leaf()).renewed).toBe(true);
    const secret = (await get(SECRETS, { namespace, name: 'box-tls' }))!;
    expect(issuedBy(secretText(secret, 'tls.crt')!, next)).toBe(true);
    pass(60 * minute);
    expect(await look()).toMatch(/in use: Pod [^,]*box-0$/);
    await pod();
    await look();
    expect(await look()).toContain('it is trusted until');
    pass(10 * minute);
    await look();
    expect(await look()).toBe('CertificatesValid: every certificate authority is valid');
    expect(await bundleOf(namespace, 'organization-ca')).toEqual([next]);
    expect(await bundleOf(`${name}-bravo`, 'members-ca')).not.toContain(old);
    expect(Object.keys((await authority()).data).sort()).toEqual(['tls.crt', 'tls.key']);
    await leaf();
    expect(secretText(await get(SECRETS, { namespace, name: 'box-tls' }), 'ca.crt')).toBe(next);
  });

  it('does not begin again for the same word, and begins by itself at 60 % of its life', async () => {
    await look();
    expect(secretText(await authority(), 'next.crt')).toBeUndefined();
    const { notBefore, notAfter } = inspect(next);
    time = new Date(notBefore.getTime() + 0.61 * (notAfter.getTime() - notBefore.getTime()));
    await look();
    expect(secretText(await authority(), 'next.crt')).toBeDefined();
  });
});

describe('the authority of the operator', () => {
  it('goes the same way', async () => {
    const key = { namespace: operatorNamespace, name: 'quorum-operator-ca' };
    // Its turn came with the same clock, which the test before turned to six years on.
    await look();
    expect(secretText(await get(SECRETS, key), 'next.crt')).toBeDefined();
    const blind = await startProcess();
    await ensureOperatorAuthority(blind);
    pass(60 * minute);
    await ensureOperatorAuthority(blind);
    expect((await get(SECRETS, key))!.metadata.annotations?.['quorum-operator.io/trusted-since']).toBeUndefined();
    const steps: string[][] = [];
    for (let i = 0; i < 8; i += 1) {
      await look();
      steps.push(Object.keys((await get(SECRETS, key))!.data).sort());
      pass(6 * minute);
    }
    const kinds = steps.map((keys) =>
      keys.includes('next.crt') ? 'spreading' : keys.includes('previous.crt') ? 'reissuing' : 'rest',
    );
    expect([...new Set(kinds)]).toEqual(['spreading', 'reissuing', 'rest']);
    const current = secretText(await get(SECRETS, key), 'tls.crt')!;
    const shown = await get(SECRETS, { namespace: operatorNamespace, name: 'quorum-operator-client-tls' });
    expect(issuedBy(secretText(shown, 'tls.crt')!, current)).toBe(true);
    expect(await bundleOf(namespace, 'operator-ca')).toEqual([current]);
  });
});

describe('expiry', () => {
  it('is in the status', async () => {
    await look();
    const { status } = (await get(CONSORTIUMS, { name })) as Consortium & KubeObject;
    expect(status?.certificates?.map((certificate) => certificate.name)).toEqual([
      `${operatorNamespace}/quorum-operator-ca`,
      `${operatorNamespace}/quorum-operator-client-tls`,
      `${namespace}/organization-ca`,
      `${name}-bravo/organization-ca`,
    ]);
  });
});
