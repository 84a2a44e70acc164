import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { readAuditLog, writes } from '../../../e2e/src/cluster/audit.ts';
import type { ConsensusMethod, NodeStatus } from '../../../signer-sidecar/src/ops/types.ts';
import { CONSORTIUMS, HSMSIGNERS, QUORUMNODES, TESSERANODES } from '../api/resources.ts';
import { DoorClient, type DoorTarget } from '../door/client.ts';
import { eventually } from '../kube/api-testing.ts';
import type { KubeClient } from '../kube/client.ts';
import { getCondition } from '../kube/conditions.ts';
import {
  CONFIGMAPS,
  NAMESPACES,
  NETWORKPOLICIES,
  PODDISRUPTIONBUDGETS,
  PODS,
  SECRETS,
  SERVICEACCOUNTS,
  SERVICES,
  STATEFULSETS,
} from '../kube/resources.ts';
import type { Condition, KubeObject, ResourceType } from '../kube/types.ts';
import { labels } from '../names.ts';
import {
  podOf,
  prepareCluster,
  startOperator,
  type TestOperator,
  testConsortium,
  testMember,
} from '../workload/operator-testing.ts';
import { quorumNodeController } from './controller.ts';
import { jwks, nodeStatus } from './testing.ts';

const unique = Date.now().toString(36);
const consortium = `qn${unique}`;
const namespace = `${consortium}-alpha`;
const operatorNamespace = `qn-operator-${unique}`;

/** Stands in for the door of every pod: no pod runs on a bare API server. */
class TestDoors extends DoorClient {
  override async status(): Promise<NodeStatus> {
    const time = new Date();
    const blockTime = Math.floor(time.getTime() / 1000);
    const few = fewValidators ? { validators: ['0xa', '0xb'] } : {};
    return nodeStatus({ time: time.toISOString(), blockTime, peerIds: [], ...few });
  }
  override async consensus(_: DoorTarget, method: ConsensusMethod, [peer]: readonly unknown[] = []): Promise<unknown> {
    calls.push(`${method} ${peer}`);
    return true;
  }
}
const calls: string[] = [];
let fewValidators = false;
const doors = new TestDoors({ credentials: () => undefined });

let client: KubeClient;
let operator: TestOperator;

const node = (name: string, spec: object) => testMember(consortium, 'QuorumNode', name, spec);
const get = (type: ResourceType, name: string) => client.get<KubeObject>(type, { namespace, name });
const ready = async (name: string) =>
  getCondition((await get(QUORUMNODES, name))?.status?.conditions as Condition[], 'Ready');
const becomes = (name: string, reason: string) =>
  eventually(async () => {
    const condition = await ready(name);
    return condition?.reason === reason ? condition : undefined;
  }, `QuorumNode ${name} has reason ${reason}`);
const exists = (type: ResourceType, name: string) => eventually(() => get(type, name), `${type.kind} ${name} exists`);
const setStatus = (type: ResourceType, name: string, status: object) =>
  client.patch(type, { namespace, name }, { status }, { subresource: 'status' });

async function writesSeen(): Promise<string[]> {
  const entries = await readAuditLog(inject('auditLog'));
  return writes(entries)
    .filter((entry) => entry.namespace?.startsWith(`${consortium}-`) || entry.name?.startsWith(consortium))
    .map(({ verb, resource, name }) => `${verb} ${resource} ${name}`);
}

/** Waits until nothing was written for two seconds. */
async function quiet(): Promise<number> {
  for (let last = -1, attempt = 0; attempt < 15; attempt++) {
    const { length } = await writesSeen();
    if (length === last) return length;
    last = length;
    await sleep(2000);
  }
  throw new Error(`still writing after 30 s: ${(await writesSeen()).slice(-12).join('; ')}`);
}

beforeAll(async () => {
  client = await prepareCluster(inject('kubeconfig'), operatorNamespace);
  operator = await startOperator(inject('kubeconfig'), operatorNamespace, [quorumNodeController], doors);
  const held = { [labels.consortium]: consortium, [labels.organization]: 'alpha' };
  await client.create(NAMESPACES, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace, labels: held } });
});

afterAll(async () => {
  await operator?.stop();
  await client?.close();
});

describe('a QuorumNode that comes before all that it refers to', () => {
  it('names the Consortium that is missing, and is not stalled', async () => {
    await client.create(QUORUMNODES, node('alpha-validator', { role: 'Validator' }));
    const condition = await becomes('alpha-validator', 'ConsortiumNotFound');
    expect(condition.message).toContain(`Consortium ${consortium}`);
    const conditions = (await get(QUORUMNODES, 'alpha-validator'))!.status.conditions as Condition[];
    expect(getCondition(conditions, 'Stalled')).toBeUndefined();
  });

  it('gets its children when the Consortium appears', async () => {
    await client.create(CONSORTIUMS, testConsortium(consortium));
    await exists(STATEFULSETS, 'alpha-validator');
    for (const [type, name] of [
      [SERVICES, 'alpha-validator'],
      [SERVICES, 'alpha-validator-p2p'],
      [SECRETS, 'alpha-validator-tls'],
      [SECRETS, 'alpha-validator-nodekey'],
      [CONFIGMAPS, 'alpha-validator-peers'],
      [NETWORKPOLICIES, 'alpha-validator'],
      [PODDISRUPTIONBUDGETS, 'alpha-validator'],
    ] as const) {
      expect(await get(type, name), `${type.kind} ${name}`).toBeDefined();
    }
    const { status } = (await get(QUORUMNODES, 'alpha-validator'))!;
    expect(status.enode).toMatch(/^enode:\/\/[0-9a-f]{128}@\d+\.\d+\.\d+\.\d+:30303\?discport=0$/);
    await becomes('alpha-validator', 'PodStarting');
  });

  it('lets everything go with the node but what its identity and data rest on', async () => {
    const owners = async (type: ResourceType, name: string) =>
      (await get(type, name))!.metadata.ownerReferences?.length ?? 0;
    expect(await owners(STATEFULSETS, 'alpha-validator')).toBe(1);
    expect(await owners(SECRETS, 'alpha-validator-nodekey')).toBe(0);
    expect(await owners(SERVICES, 'alpha-validator-p2p')).toBe(0);
  });
});

describe('a member with signer, transaction manager and users', () => {
  it('names one missing thing after the other, and gets its own key', async () => {
    const spec = {
      role: 'Member',
      tesseraRef: { name: 'box' },
      signerRef: { name: 'pen' },
      rpc: { issuers: [{ issuer: 'https://login.example', jwksConfigMapRef: { name: 'users-jwks' } }] },
    };
    await client.create(QUORUMNODES, node('alpha-member', spec));
    expect((await becomes('alpha-member', 'SignerNotFound')).message).toContain('HsmSigner pen');
    await exists(SECRETS, 'alpha-member-nodekey');

    await client.create(HSMSIGNERS, testMember(consortium, 'HsmSigner', 'pen', { database: { provision: {} } }));
    await becomes('alpha-member', 'SignerNotReady');
    const account = {
      name: 'default',
      address: `0x${'ab'.repeat(20)}`,
      publicKey: `0x04${'1'.repeat(128)}`,
      keyId: 'c0ffee',
    };
    await setStatus(HSMSIGNERS, 'pen', { token: { label: 'pen', serial: '0123456789abcdef' }, accounts: [account] });

    expect((await becomes('alpha-member', 'TesseraNotFound')).message).toContain('TesseraNode box');
    const keys = [{ name: 'default', secretRef: { name: 'box-key', generate: true } }];
    await client.create(
      TESSERANODES,
      testMember(consortium, 'TesseraNode', 'box', { keys, database: { embedded: {} } }),
    );
    await becomes('alpha-member', 'TesseraNotReady');
    const condition = {
      type: 'Ready',
      status: 'True',
      reason: 'Serving',
      message: '',
      lastTransitionTime: '2026-01-01T00:00:00Z',
    };
    await setStatus(TESSERANODES, 'box', { conditions: [condition] });

    const users = await becomes('alpha-member', 'JwksNotFound');
    expect(users.message).toContain('ConfigMap users-jwks');
    const data = { 'jwks.json': JSON.stringify(jwks) };
    await client.create(CONFIGMAPS, {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { namespace, name: 'users-jwks' },
      data,
    });
    await exists(STATEFULSETS, 'alpha-member');
  });

  it('is known to the validator as a peer', async () => {
    const publicKey = Buffer.from((await get(SECRETS, 'alpha-member-nodekey'))!.data.publicKey, 'base64').toString();
    await eventually(
      async () => (await get(CONFIGMAPS, 'alpha-validator-peers'))!.data['permissioned-nodes.json'].includes(publicKey),
      "the member is in the validator's list of allowed peers",
    );
  });
});

describe('pods', () => {
  it.each(['alpha-validator', 'alpha-member'])('of %s are admitted under Pod Security restricted', async (name) => {
    const enforced = (await client.get(NAMESPACES, { name: namespace }))!.metadata.labels;
    expect(enforced?.['pod-security.kubernetes.io/enforce']).toBe('restricted');
    // Without controller-manager nobody makes the account that each pod has.
    const account = { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { namespace, name: 'default' } };
    await client.apply(SERVICEACCOUNTS, account, { fieldManager: 'test' });
    const pod = podOf((await get(STATEFULSETS, name))!);
    const admitted = await client.apply(PODS, pod, { fieldManager: 'test', dryRun: true });
    expect(admitted.spec.shareProcessNamespace).toBe(true);
    const privileged = structuredClone(pod);
    privileged.spec.containers[0].securityContext.allowPrivilegeEscalation = true;
    await expect(client.apply(PODS, privileged, { fieldManager: 'test', dryRun: true })).rejects.toThrow(/restricted/);
  });
});

describe('what is edited or deleted by hand', () => {
  it('is put back', async () => {
    await client.patch(STATEFULSETS, { namespace, name: 'alpha-validator' }, { spec: { replicas: 0 } });
    await eventually(
      async () => (await get(STATEFULSETS, 'alpha-validator'))!.spec.replicas === 1,
      'replicas are 1 again',
    );
    const policy = (await get(NETWORKPOLICIES, 'alpha-validator'))!;
    await client.delete(NETWORKPOLICIES, { namespace, name: 'alpha-validator' });
    await eventually(async () => {
      const now = await get(NETWORKPOLICIES, 'alpha-validator');
      return now !== undefined && now.metadata.uid !== policy.metadata.uid;
    }, 'the policy exists again');
  });

  it('but a node key is never made anew', async () => {
    const key = (await get(SECRETS, 'alpha-member-nodekey'))!;
    await client.delete(SECRETS, { namespace, name: 'alpha-member-nodekey' });
    const condition = await becomes('alpha-member', 'KeyLost');
    expect(condition.message).toContain('restore the Secret');
    expect(await get(SECRETS, 'alpha-member-nodekey')).toBeUndefined();
    const { name, labels: held } = key.metadata;
    await client.create(SECRETS, { ...key, metadata: { name, namespace, labels: held! } });
    await becomes('alpha-member', 'PodStarting');
  });
});

describe('a validator whose pod runs', () => {
  const running = { phase: 'Running', podIP: '192.0.2.1', conditions: [{ type: 'Ready', status: 'True' }] };
  const door = { name: 'door', ready: true, restartCount: 0, image: '', imageID: '', state: { running: {} } };
  const revision = async (updateRevision: string) => {
    const observedGeneration = (await get(STATEFULSETS, 'alpha-validator'))!.metadata.generation;
    await setStatus(STATEFULSETS, 'alpha-validator', { observedGeneration, updateRevision, replicas: 1 });
  };
  let pod: KubeObject;

  it('is Ready by what its door says, and is told about peers that it lacks', async () => {
    pod = podOf((await get(STATEFULSETS, 'alpha-validator'))!);
    pod.metadata.labels = { ...pod.metadata.labels, 'controller-revision-hash': 'one' };
    pod = await client.create(PODS, pod);
    await revision('one');
    await setStatus(PODS, 'alpha-validator-0', { ...running, initContainerStatuses: [door] });
    expect((await becomes('alpha-validator', 'Serving')).status).toBe('True');
    const { status } = (await get(QUORUMNODES, 'alpha-validator'))!;
    expect(status).toMatchObject({ peers: 3, validator: true, lastBlock: { number: 1000 } });
    await eventually(() => calls.some((call) => /^admin_addPeer enode:/.test(call)), 'a missing peer is added');
  });

  it('gets another template with another configuration, and waits for a word before it halts a chain of few', async () => {
    const template = async () => JSON.stringify((await get(STATEFULSETS, 'alpha-validator'))!.spec.template);
    const before = await template();
    const cors = ['https://app.example.com'];
    await client.patch(QUORUMNODES, { namespace, name: 'alpha-validator' }, { spec: { rpc: { cors } } });
    await eventually(async () => (await template()) !== before, 'the template names another configuration');
    fewValidators = true;
    await revision('two');
    const condition = await becomes('alpha-validator', 'RolloutWaiting');
    expect(condition.message).toContain('quorum-operator.io/allow-halt');
    expect((await get(PODS, 'alpha-validator-0'))?.metadata.uid).toBe(pod.metadata.uid);

    const annotations = { 'quorum-operator.io/allow-halt': 'true' };
    await client.patch(QUORUMNODES, { namespace, name: 'alpha-validator' }, { metadata: { annotations } });
    await eventually(async () => (await get(PODS, 'alpha-validator-0')) === undefined, 'the pod is deleted', 30_000);
  });
});

describe('a second run', () => {
  it('writes nothing', async () => {
    await quiet();
    await operator.stop();
    const before = await writesSeen();
    operator = await startOperator(inject('kubeconfig'), operatorNamespace, [quorumNodeController], doors);
    await eventually(() => operator.deps.informers.isFollowing(namespace), 'the namespace is followed');
    await quiet();
    expect((await writesSeen()).slice(before.length)).toEqual([]);
  });
});
