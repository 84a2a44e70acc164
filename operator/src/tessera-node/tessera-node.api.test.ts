import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { readAuditLog, writes } from '../../../e2e/src/cluster/audit.ts';
import { CONSORTIUMS, TESSERANODES } from '../api/resources.ts';
import { eventually } from '../kube/api-testing.ts';
import type { KubeClient } from '../kube/client.ts';
import { getCondition } from '../kube/conditions.ts';
import { NAMESPACES, PODS, SECRETS, SERVICEACCOUNTS, STATEFULSETS } from '../kube/resources.ts';
import type { Condition, KubeObject, ResourceType } from '../kube/types.ts';
import { labels } from '../names.ts';
import { secretText } from '../pki/secrets.ts';
import {
  podOf,
  prepareCluster,
  startOperator,
  type TestOperator,
  testConsortium,
  testMember,
} from '../workload/operator-testing.ts';
import { tesseraNodeController } from './controller.ts';
import { publicKeyOf } from './keys.ts';

const unique = Date.now().toString(36);
const consortium = `tn${unique}`;
const namespace = `${consortium}-alpha`;
const operatorNamespace = `tn-operator-${unique}`;

let client: KubeClient;
let operator: TestOperator;

const get = (type: ResourceType, name: string) => client.get<KubeObject>(type, { namespace, name });
const becomes = (reason: string) =>
  eventually(async () => {
    const conditions = (await get(TESSERANODES, 'box'))?.status?.conditions as Condition[] | undefined;
    const condition = getCondition(conditions, 'Ready');
    return condition?.reason === reason ? condition : undefined;
  }, `TesseraNode box has reason ${reason}`);
const exists = (type: ResourceType, name: string) => eventually(() => get(type, name), `${type.kind} ${name} exists`);
const setStatus = (type: ResourceType, name: string, status: object) =>
  client.patch(type, { namespace, name }, { status }, { subresource: 'status' });

async function writesSeen(): Promise<string[]> {
  return writes(await readAuditLog(inject('auditLog')))
    .filter((entry) => entry.namespace?.startsWith(`${consortium}-`) || entry.name?.startsWith(consortium))
    .map(({ verb, resource, name }) => `${verb} ${resource} ${name}`);
}

async function quiet(): Promise<void> {
  for (let last = -1, attempt = 0; attempt < 15; attempt++) {
    const { length } = await writesSeen();
    if (length === last) return;
    last = length;
    await sleep(2000);
  }
  throw new Error(`still writing after 30 s: ${(await writesSeen()).slice(-12).join('; ')}`);
}

beforeAll(async () => {
  client = await prepareCluster(inject('kubeconfig'), operatorNamespace);
  operator = await startOperator(inject('kubeconfig'), operatorNamespace, [tesseraNodeController]);
  const held = { [labels.consortium]: consortium, [labels.organization]: 'alpha' };
  await client.create(NAMESPACES, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace, labels: held } });
});

afterAll(async () => {
  await operator?.stop();
  await client?.close();
});

describe('a TesseraNode', () => {
  it('that comes before its Consortium names it', async () => {
    const keys = [{ name: 'default', secretRef: { name: 'box-key', generate: true } }];
    await client.create(
      TESSERANODES,
      testMember(consortium, 'TesseraNode', 'box', { keys, database: { embedded: {} } }),
    );
    expect((await becomes('ConsortiumNotFound')).message).toContain(`Consortium ${consortium}`);
  });

  it('gets its key, its configuration and its pod when the Consortium appears', async () => {
    await client.create(CONSORTIUMS, testConsortium(consortium));
    const statefulSet = await exists(STATEFULSETS, 'box');
    const { publicKeys, url } = (await eventually(async () => {
      const { status } = (await get(TESSERANODES, 'box'))!;
      return status.publicKeys && status;
    }, 'its public keys are known')) as { publicKeys: string[]; url: string };
    const key = (await get(SECRETS, 'box-key'))!;
    expect(publicKeys).toEqual([publicKeyOf(secretText(key, 'privateKey')!)]);
    expect(key.metadata.ownerReferences).toBeUndefined();
    expect(url).toBe(`https://box.${namespace}.svc.cluster.local:9000/`);
    const { secretName } = statefulSet.spec.template.spec.volumes.find(
      ({ name }: { name: string }) => name === 'config',
    ).secret;
    expect((await get(SECRETS, secretName))?.immutable).toBe(true);
  });

  it('has a pod that is admitted under Pod Security restricted', async () => {
    const account = { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { namespace, name: 'default' } };
    await client.apply(SERVICEACCOUNTS, account, { fieldManager: 'test' });
    const pod = podOf((await get(STATEFULSETS, 'box'))!);
    await client.apply(PODS, pod, { fieldManager: 'test', dryRun: true });
  });

  it('is Ready when its pod is, and then the pod of an older template is replaced', async () => {
    const statefulSet = (await get(STATEFULSETS, 'box'))!;
    const pod = podOf(statefulSet);
    pod.metadata.labels = { ...pod.metadata.labels, 'controller-revision-hash': 'one' };
    const created = await client.create(PODS, pod);
    const observedGeneration = statefulSet.metadata.generation;
    await setStatus(STATEFULSETS, 'box', { observedGeneration, updateRevision: 'one', replicas: 1 });
    await setStatus(PODS, 'box-0', { phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] });
    await becomes('Serving');
    await setStatus(STATEFULSETS, 'box', { observedGeneration, updateRevision: 'two', replicas: 1 });
    await eventually(async () => {
      const now = await get(PODS, 'box-0');
      return (
        now === undefined || now.metadata.deletionTimestamp !== undefined || now.metadata.uid !== created.metadata.uid
      );
    }, 'the outdated pod is deleted');
  });

  it('that lost its key is stalled, and the key is not made anew', async () => {
    const key = (await get(SECRETS, 'box-key'))!;
    await client.delete(SECRETS, { namespace, name: 'box-key' });
    expect((await becomes('KeyLost')).message).toContain('box-key');
    expect(await get(SECRETS, 'box-key')).toBeUndefined();
    await client.create(SECRETS, { ...key, metadata: { name: 'box-key', namespace, labels: key.metadata.labels! } });
    await becomes('PodStarting');
  });

  it('is not touched by a second run', async () => {
    await quiet();
    await operator.stop();
    const before = (await writesSeen()).length;
    operator = await startOperator(inject('kubeconfig'), operatorNamespace, [tesseraNodeController]);
    await eventually(() => operator.deps.informers.isFollowing(namespace), 'the namespace is followed');
    await quiet();
    expect((await writesSeen()).slice(before)).toEqual([]);
  });
});
