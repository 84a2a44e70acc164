import { setTimeout as sleep } from 'node:timers/promises';
import pino from 'pino';
import { afterAll, beforeAll, describe, expect, inject, it, vi } from 'vitest';
import { ApiClient } from '../../../e2e/src/chart/api-client.ts';
import { readAuditLog, writes } from '../../../e2e/src/cluster/audit.ts';
import type { Consortium } from '../api/consortium.ts';
import { CONSORTIUMS, QUORUMNODES } from '../api/resources.ts';
import { installCrds } from '../api/testing.ts';
import { readConfig } from '../config.ts';
import { sha256Hex } from '../consensus/canonical-json.ts';
import { extraData } from '../consensus/genesis.ts';
import { generateNodeKey, parseEnode } from '../consensus/node-key.ts';
import type { ControllerDeps } from '../deps.ts';
import type { DoorClient } from '../door/client.ts';
import { Informers } from '../informers.ts';
import { Applier } from '../kube/apply.ts';
import { connect, type KubeClient } from '../kube/client.ts';
import { EventRecorder } from '../kube/events.ts';
import {
  CONFIGMAPS,
  EVENTS,
  LIMITRANGES,
  NAMESPACES,
  NETWORKPOLICIES,
  RESOURCEQUOTAS,
  ROLEBINDINGS,
  SECRETS,
  SERVICES,
} from '../kube/resources.ts';
import { StatusWriter } from '../kube/status.ts';
import type { Condition, KubeObject, ResourceType } from '../kube/types.ts';
import { FIELD_MANAGER, GROUP, labels, STATUS_FIELD_MANAGER } from '../names.ts';
import { secretText } from '../pki/secrets.ts';
import { nodeKeySecret } from './build/node-key-secret.ts';
import { consortiumController, reconcileConsortium } from './controller.ts';
import { allNodes, parseDirectory } from './directory.ts';

const unique = Date.now().toString(36);
const operatorNamespace = `op-${unique}`;
const organizations = ['alpha', 'bravo', 'charlie', 'delta'];

interface Operator {
  deps: ControllerDeps;
  stop(): Promise<void>;
}

let client: KubeClient;
const running: Operator[] = [];

/** One process of the operator, as far as Consortiums go. */
async function startOperator(): Promise<Operator> {
  const own = connect({ kubeconfig: inject('kubeconfig') });
  const config = readConfig({ OPERATOR_NAMESPACE: operatorNamespace, SIDECAR_IMAGE: 'sidecar' });
  const log = pino({ level: process.env.TEST_LOG_LEVEL ?? 'silent' });
  const deps: ControllerDeps = {
    client: own,
    config,
    log,
    now: () => new Date(),
    applier: new Applier(own, { fieldManager: FIELD_MANAGER }),
    status: new StatusWriter(own, { fieldManager: STATUS_FIELD_MANAGER }),
    events: new EventRecorder(own, { controller: 'quorum-operator.io/operator', instance: 'test' }),
    informers: new Informers(own, { log }),
    doors: {} as DoorClient,
  };
  const stop = new AbortController();
  deps.informers.start(stop.signal);
  await deps.informers.synced;
  const ended = consortiumController(deps).run(stop.signal);
  const operator = {
    deps,
    stop: async () => {
      stop.abort();
      await ended;
      await deps.events.flush();
      await own.close();
    },
  };
  running.push(operator);
  return operator;
}

function consortium(name: string, change: object = {}): KubeObject {
  return {
    apiVersion: `${GROUP}/v1alpha1`,
    kind: 'Consortium',
    metadata: { name },
    spec: {
      environment: 'Development',
      chainId: 83210,
      genesis: { create: {} },
      validators: organizations.map((organization) => ({ organization, node: `${organization}-validator` })),
      organizations: organizations.map((organization) => ({ name: organization })),
      ...change,
    },
  };
}

async function create(object: KubeObject): Promise<KubeObject> {
  return client.create(CONSORTIUMS, object);
}

async function get(name: string): Promise<Consortium & KubeObject> {
  return (await client.get<Consortium & KubeObject>(CONSORTIUMS, { name }))!;
}

async function condition(name: string, type: string): Promise<Condition | undefined> {
  return ((await get(name)).status?.conditions as Condition[] | undefined)?.find(
    (candidate) => candidate.type === type,
  );
}

async function reason(name: string, type: string): Promise<string | undefined> {
  return (await condition(name, type))?.reason;
}

/** Waits until a Consortium waits for nothing but its nodes. */
async function prepared(name: string): Promise<void> {
  await vi.waitFor(async () => expect(await reason(name, 'Ready')).toBe('ValidatorsNotReady'), {
    timeout: 30_000,
    interval: 100,
  });
}

function child(
  type: ResourceType,
  name: string,
  organization: string,
  object: string,
): Promise<KubeObject | undefined> {
  return client.get(type, { namespace: `${name}-${organization}`, name: object });
}

/** Writes that concern a Consortium or its namespaces; events are told apart since they are notes, not state. */
async function writesOf(name: string): Promise<string[]> {
  const entries = await readAuditLog(inject('auditLog'));
  return writes(entries)
    .filter(
      (entry) =>
        entry.namespace?.startsWith(`${name}-`) ||
        entry.name?.startsWith(name) ||
        entry.namespace === operatorNamespace,
    )
    .map(({ verb, resource, namespace, name: object }) => `${verb} ${resource} ${namespace}/${object}`);
}

/** Waits until nothing was written for a second: reconciles caused by one's own writes have ended. */
async function quiet(name: string): Promise<string[]> {
  for (let last = -1; ; ) {
    const made = await writesOf(name);
    if (made.length === last) return made;
    last = made.length;
    await sleep(1000);
  }
}

/** Makes the QuorumNodes that a network waits for, as their own controller would leave them. */
async function nodesReady(name: string): Promise<void> {
  for (const organization of organizations) {
    const [namespace, node] = [`${name}-${organization}`, `${organization}-validator`];
    await client.create(QUORUMNODES, {
      apiVersion: `${GROUP}/v1alpha1`,
      kind: 'QuorumNode',
      metadata: { namespace, name: node },
      spec: { consortiumRef: { name }, organization, environment: 'Development', role: 'Validator' },
    });
    const ready = {
      type: 'Ready',
      status: 'True',
      reason: 'Serving',
      message: '',
      observedGeneration: 1,
      lastTransitionTime: '2026-01-01T00:00:00Z',
    };
    await client.patch(
      QUORUMNODES,
      { namespace, name: node },
      { status: { observedGeneration: 1, conditions: [ready] } },
      { subresource: 'status' },
    );
  }
}

beforeAll(async () => {
  const api = new ApiClient(inject('kubeconfig'));
  await installCrds(api);
  api.close();
  client = connect({ kubeconfig: inject('kubeconfig') });
  await client.create(NAMESPACES, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: operatorNamespace } });
  await startOperator();
});

afterAll(async () => {
  await Promise.all(running.map((operator) => operator.stop()));
  await client.close();
});

describe('a Consortium', () => {
  const name = `net-${unique}`;

  it('becomes namespaces, rights, policies, keys, one genesis and the member directory', async () => {
    await create(consortium(name));
    await prepared(name);
    const digests = new Set<string>();
    for (const organization of organizations) {
      const namespace = await client.get(NAMESPACES, { name: `${name}-${organization}` });
      expect(namespace?.metadata.labels).toMatchObject({
        [labels.consortium]: name,
        [labels.organization]: organization,
        'pod-security.kubernetes.io/enforce': 'restricted',
      });
      const expected: [ResourceType, string[]][] = [
        [ROLEBINDINGS, ['quorum-operator']],
        [NETWORKPOLICIES, ['default-deny', 'allow-dns']],
        [RESOURCEQUOTAS, ['organization']],
        [LIMITRANGES, ['organization']],
        [SECRETS, ['organization-ca', `${organization}-validator-nodekey`]],
        [SERVICES, [`${organization}-validator-p2p`]],
        [CONFIGMAPS, ['organization-ca', 'members-ca', 'operator-ca', `${name}-genesis`, `${name}-members`]],
      ];
      for (const [type, objects] of expected) {
        for (const object of objects) {
          const found = await child(type, name, organization, object);
          expect(found, `${type.plural} ${object}`).toBeDefined();
          expect(found!.metadata.ownerReferences, `${type.plural} ${object}`).toBeUndefined();
        }
      }
      const [genesis, members] = [
        await child(CONFIGMAPS, name, organization, `${name}-genesis`),
        await child(CONFIGMAPS, name, organization, `${name}-members`),
      ];
      expect(genesis!.immutable).toBe(true);
      digests.add(sha256Hex(genesis!.data['genesis.json'])).add(sha256Hex(members!.data['members.json']));
      expect(
        (await child(CONFIGMAPS, name, organization, 'members-ca'))!.data['ca.crt'].match(/BEGIN CERTIFICATE/g),
      ).toHaveLength(4);
    }
    expect(digests.size, 'one genesis and one directory for all').toBe(2);
    const { status } = await get(name);
    expect([...digests]).toContain(status?.genesis?.sha256);
    expect(status?.organizations).toHaveLength(4);
    expect(status?.organizations?.every(({ caNotAfter }) => Date.parse(caNotAfter!) > Date.now())).toBe(true);
  });

  it('lists every validator in the directory by the address of its Service', async () => {
    const directory = parseDirectory((await child(CONFIGMAPS, name, 'alpha', `${name}-members`))!.data['members.json']);
    const nodes = allNodes(directory);
    expect(nodes.map((node) => node.name).sort()).toEqual(
      organizations.map((organization) => `${organization}-validator`),
    );
    for (const node of nodes) {
      const service = await child(SERVICES, name, node.organization, `${node.name}-p2p`);
      const secret = await child(SECRETS, name, node.organization, `${node.name}-nodekey`);
      expect(parseEnode(node.enode)).toMatchObject({
        host: service!.spec.clusterIP,
        publicKey: secretText(secret, 'publicKey'),
      });
      expect(node.address).toBe(secretText(secret, 'address'));
    }
    const genesis = JSON.parse((await child(CONFIGMAPS, name, 'alpha', `${name}-genesis`))!.data['genesis.json']);
    for (const node of nodes) expect(genesis.extraData).toContain(node.address.slice(2));
  });

  it('says which node it waits for, and is Ready when all validators are', async () => {
    expect((await condition(name, 'Ready'))?.message).toContain(
      `waiting for QuorumNode ${name}-alpha/alpha-validator: not found`,
    );
    await nodesReady(name);
    await vi.waitFor(async () => expect((await condition(name, 'Ready'))?.status).toBe('True'), {
      timeout: 20_000,
      interval: 100,
    });
    const { status, metadata } = await get(name);
    expect(status?.observedGeneration).toBe(metadata.generation);
    expect(status?.summary).toBe('4 organizations, 4/4 validators ready');
    expect(status?.validators?.every(({ ready }) => ready)).toBe(true);
    const types = status?.conditions?.map(({ type, status: value }) => `${type}=${value}`).sort();
    expect(types).toEqual(['CertificatesValid=True', 'GenesisReady=True', 'NamespacesReady=True', 'Ready=True']);
  });

  it('reconciled again writes nothing', async () => {
    const before = await quiet(name);
    const { deps } = running[0]!;
    for (let i = 0; i < 3; i += 1) await reconcileConsortium(deps, await get(name));
    await deps.events.flush();
    expect((await writesOf(name)).slice(before.length)).toEqual([]);
  });

  it('is left alone by a second operator that starts', async () => {
    const before = await quiet(name);
    const second = await startOperator();
    await vi.waitFor(() => expect(second.deps.informers.isFollowing(`${name}-delta`)).toBe(true), {
      timeout: 20_000,
      interval: 100,
    });
    await reconcileConsortium(second.deps, await get(name));
    await second.stop();
    running.pop();
    expect((await quiet(name)).slice(before.length)).toEqual([]);
  });

  it('puts back policies that were edited or deleted', async () => {
    const key = { namespace: `${name}-alpha`, name: 'default-deny' };
    await client.patch(NETWORKPOLICIES, key, { spec: { policyTypes: ['Ingress'] } });
    await vi.waitFor(
      async () => expect((await client.get(NETWORKPOLICIES, key))?.spec.policyTypes).toEqual(['Ingress', 'Egress']),
      { timeout: 10_000 },
    );
    const { uid } = (await client.get(NETWORKPOLICIES, key))!.metadata;
    await client.delete(NETWORKPOLICIES, key);
    await vi.waitFor(
      async () => {
        const again = await client.get(NETWORKPOLICIES, key);
        expect(again?.metadata.uid).toBeDefined();
        expect(again?.metadata.uid).not.toBe(uid);
      },
      { timeout: 10_000 },
    );
  });

  it('puts back the Pod Security label of a namespace', async () => {
    const key = { name: `${name}-bravo` };
    await client.patch(NAMESPACES, key, {
      metadata: { labels: { 'pod-security.kubernetes.io/enforce': 'privileged' } },
    });
    await vi.waitFor(
      async () =>
        expect((await client.get(NAMESPACES, key))?.metadata.labels?.['pod-security.kubernetes.io/enforce']).toBe(
          'restricted',
        ),
      { timeout: 10_000 },
    );
  });

  it('restores a genesis ConfigMap that was deleted, byte for byte', async () => {
    const key = { namespace: `${name}-charlie`, name: `${name}-genesis` };
    const { data } = (await client.get(CONFIGMAPS, key))!;
    await client.delete(CONFIGMAPS, key);
    await vi.waitFor(async () => expect((await client.get(CONFIGMAPS, key))?.data).toEqual(data), { timeout: 10_000 });
    for (const organization of organizations)
      await client.delete(CONFIGMAPS, { ...key, namespace: `${name}-${organization}` });
    for (const organization of organizations) {
      await vi.waitFor(
        async () =>
          expect((await client.get(CONFIGMAPS, { ...key, namespace: `${name}-${organization}` }))?.data).toEqual(data),
        {
          timeout: 10_000,
        },
      );
    }
  });

  it('is Stalled with KeyLost when a node key is gone, makes no new one, and recovers with the old one', async () => {
    const key = { namespace: `${name}-delta`, name: 'delta-validator-nodekey' };
    const { metadata, ...secret } = (await client.get(SECRETS, key))!;
    const members = (await child(CONFIGMAPS, name, 'alpha', `${name}-members`))!.data;
    await client.delete(SECRETS, key);
    await vi.waitFor(async () => expect((await condition(name, 'Stalled'))?.status).toBe('True'), {
      timeout: 10_000,
      interval: 100,
    });
    const stalled = (await condition(name, 'Stalled'))!;
    expect(stalled.reason).toBe('KeyLost');
    expect(stalled.message).toContain(`Secret ${name}-delta/delta-validator-nodekey is gone`);
    expect(stalled.message).toContain('docs/runbooks/KeyLost.md');
    expect((await condition(name, 'Ready'))?.status).toBe('False');
    await quiet(name);
    expect(await client.get(SECRETS, key)).toBeUndefined();
    expect((await child(CONFIGMAPS, name, 'alpha', `${name}-members`))!.data, 'no validator is forgotten').toEqual(
      members,
    );

    const { name: object, namespace, labels: held } = metadata;
    await client.create(SECRETS, { ...secret, metadata: { name: object, namespace: namespace!, labels: held! } });
    await vi.waitFor(async () => expect((await condition(name, 'Ready'))?.status).toBe('True'), {
      timeout: 10_000,
      interval: 100,
    });
    expect(await condition(name, 'Stalled')).toBeUndefined();
  });

  it('is Stalled when a certificate authority is gone', async () => {
    const key = { namespace: `${name}-alpha`, name: 'organization-ca' };
    const { metadata, ...secret } = (await client.get(SECRETS, key))!;
    await client.delete(SECRETS, key);
    await vi.waitFor(async () => expect(await reason(name, 'Stalled')).toBe('KeyLost'), {
      timeout: 10_000,
      interval: 100,
    });
    expect(await client.get(SECRETS, key)).toBeUndefined();
    await client.create(SECRETS, {
      ...secret,
      metadata: { name: key.name, namespace: key.namespace, labels: metadata.labels! },
    });
    await vi.waitFor(async () => expect((await condition(name, 'Ready'))?.status).toBe('True'), {
      timeout: 10_000,
      interval: 100,
    });
  });

  it('told what it made in events, without a key in them', async () => {
    await running[0]!.deps.events.flush();
    const { items } = await client.list(EVENTS, { namespace: 'default' });
    const ours = items.filter((event) => event.regarding?.name === name);
    const told = new Set(ours.map((event) => event.reason));
    for (const word of ['NamespaceCreated', 'AuthorityCreated', 'NodeKeyCreated', 'GenesisCreated', 'KeyLost'])
      expect(told).toContain(word);
    const secret = await child(SECRETS, name, 'alpha', 'alpha-validator-nodekey');
    expect(JSON.stringify(ours)).not.toContain(secretText(secret, 'nodekey'));
  });

  it('deleted leaves keys, genesis and policies; applied again takes the same network up', async () => {
    const keys = await Promise.all(
      organizations.map((organization) => child(SECRETS, name, organization, `${organization}-validator-nodekey`)),
    );
    const sha256 = (await get(name)).status?.genesis?.sha256;
    await client.delete(CONSORTIUMS, { name });
    await quiet(name);
    for (const organization of organizations)
      expect(await child(NETWORKPOLICIES, name, organization, 'default-deny')).toBeDefined();
    await create(consortium(name));
    await vi.waitFor(async () => expect((await condition(name, 'Ready'))?.status).toBe('True'), {
      timeout: 20_000,
      interval: 100,
    });
    expect((await get(name)).status?.genesis?.sha256).toBe(sha256);
    const again = await Promise.all(
      organizations.map((organization) => child(SECRETS, name, organization, `${organization}-validator-nodekey`)),
    );
    expect(again.map((secret) => secret?.metadata.uid)).toEqual(keys.map((secret) => secret?.metadata.uid));
  });

  it('applied again with other settings is Stalled, naming both', async () => {
    await client.delete(CONSORTIUMS, { name });
    await create(consortium(name, { chainId: 83211 }));
    await vi.waitFor(async () => expect(await reason(name, 'Stalled')).toBe('ChainIdMismatch'), {
      timeout: 10_000,
      interval: 100,
    });
    expect((await condition(name, 'Stalled'))?.message).toMatch(/83211.*83210/);
  });
});

describe('namespaces', () => {
  it('of others are not taken over: Stalled names the labels to add, and with them it goes on', async () => {
    const name = `strange-${unique}`;
    await client.create(NAMESPACES, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: `${name}-bravo` } });
    await create(consortium(name));
    await vi.waitFor(async () => expect(await reason(name, 'Stalled')).toBe('NamespaceNotOurs'), {
      timeout: 20_000,
      interval: 100,
    });
    const { message } = (await condition(name, 'Stalled'))!;
    expect(message).toContain(
      `kubectl label namespace ${name}-bravo ${labels.consortium}=${name} ${labels.organization}=bravo`,
    );
    expect(await child(ROLEBINDINGS, name, 'bravo', 'quorum-operator')).toBeUndefined();
    expect(
      await child(SECRETS, name, 'alpha', 'alpha-validator-nodekey'),
      'no key while something is wrong',
    ).toBeUndefined();
    await client.patch(
      NAMESPACES,
      { name: `${name}-bravo` },
      { metadata: { labels: { [labels.consortium]: name, [labels.organization]: 'bravo' } } },
    );
    await prepared(name);
    const { deps } = running[0]!;
    await deps.events.flush();
    const { items } = await client.list(EVENTS, { namespace: 'default' });
    const adopted = items.filter((event) => event.regarding?.name === name && event.reason === 'NamespaceAdopted');
    expect(adopted.map((event) => event.note)).toEqual([`took over namespace ${name}-bravo for organization bravo`]);
  });

  it('belong to the older of two Consortiums; the other goes on when it is gone', async () => {
    const [older, younger] = [`older-${unique}`, `younger-${unique}`];
    await create(consortium(older));
    await prepared(older);
    const shared = organizations.map((organization) => ({
      name: organization,
      namespace: `${organization === 'alpha' ? older : younger}-${organization}`,
    }));
    await create(consortium(younger, { organizations: shared }));
    await vi.waitFor(async () => expect(await reason(younger, 'Stalled')).toBe('NamespaceConflict'), {
      timeout: 20_000,
      interval: 100,
    });
    expect((await condition(younger, 'Stalled'))?.message).toContain(`organization alpha of Consortium ${older}`);
    await client.delete(CONSORTIUMS, { name: older });
    await vi.waitFor(async () => expect(await reason(younger, 'Stalled')).toBe('NamespaceNotOurs'), {
      timeout: 20_000,
      interval: 100,
    });
  });
});

describe('an imported genesis', () => {
  it('is used verbatim, wants the keys it names, and shows verdicts', async () => {
    const name = `import-${unique}`;
    const keys = organizations.map((organization) => [organization, generateNodeKey()] as const);
    const config = { chainId: 83210, berlinBlock: 0, qbft: { blockperiodseconds: 1 } };
    const validators = keys.map(([, key]) => key.address);
    const genesis = JSON.stringify({ config, extraData: extraData('QBFT', validators) }, null, 2);
    await create(consortium(name, { genesis: { import: { genesis } } }));
    await vi.waitFor(async () => expect(await reason(name, 'Stalled')).toBe('KeyRequired'), {
      timeout: 20_000,
      interval: 100,
    });
    for (const [organization, key] of keys) {
      const node = `${organization}-validator`;
      expect(await child(SECRETS, name, organization, `${node}-nodekey`)).toBeUndefined();
      const place = { consortium: name, organization, namespace: `${name}-${organization}`, node };
      await client.create(SECRETS, nodeKeySecret(place, key));
    }
    await prepared(name);
    const stored = await child(CONFIGMAPS, name, 'alpha', `${name}-genesis`);
    expect(stored!.data['genesis.json']).toBe(genesis);
    const ready = (await condition(name, 'GenesisReady'))!;
    expect(ready).toMatchObject({ status: 'True', reason: 'GenesisRisky' });
    expect(ready.message).toContain('config.berlinBlock');
    const live = await client.get<KubeObject>(CONSORTIUMS, { name });
    expect(live!.status.genesis.verdicts).toContainEqual(
      expect.objectContaining({ setting: 'config.berlinBlock', verdict: 'Risky' }),
    );
  });
});
