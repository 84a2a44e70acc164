import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { CONSORTIUMS, HSMSIGNERS, QUORUMNODES, TESSERANODES } from '../../../operator/src/api/resources.ts';
import { hsmSignerController } from '../../../operator/src/hsm-signer/controller.ts';
import { eventually } from '../../../operator/src/kube/api-testing.ts';
import type { KubeClient } from '../../../operator/src/kube/client.ts';
import { PODS, STATEFULSETS } from '../../../operator/src/kube/resources.ts';
import type { Condition, KubeObject, ResourceType } from '../../../operator/src/kube/types.ts';
import { STATUS_FIELD_MANAGER } from '../../../operator/src/names.ts';
import { quorumNodeController } from '../../../operator/src/quorum-node/controller.ts';
import { tesseraNodeController } from '../../../operator/src/tessera-node/controller.ts';
import {
  podOf,
  prepareCluster,
  startOperator,
  type TestOperator,
} from '../../../operator/src/workload/operator-testing.ts';
import { type ApiServer, startApiServer } from '../cluster/api-server.ts';
import { readAuditLog, writes } from '../cluster/audit.ts';
import { type RunResult, run } from '../cluster/process.ts';
import { ensurePrograms } from '../cluster/tools.ts';
import { ensureKstatus, type Kstatus, kstatusIsAvailable, kstatusOf } from './kstatus.ts';
import { findLua, type Health, healthOf } from './lua.ts';

const EXAMPLE = join(import.meta.dirname, '..', '..', '..', 'examples', 'consortium.yaml');
const KINDS = [CONSORTIUMS, QUORUMNODES, TESSERANODES, HSMSIGNERS];
const namespace = 'demo-alpha';

let server: ApiServer;
let client: KubeClient;
let kubectlPath: string;
let operator: TestOperator | undefined;

/** The example has fixed names, so this has an API server of its own. Pods run nowhere: what they report is written by the test. */
beforeAll(async () => {
  kubectlPath = (await ensurePrograms(['kubectl'], () => {})).kubectl;
  server = await startApiServer({ name: 'gitops' });
  client = await prepareCluster(server.kubeconfig, 'quorum-system');
}, 300_000);

afterAll(async () => {
  await operator?.stop();
  await client?.close();
  await server?.stop();
});

const kubectl = (...args: string[]): Promise<RunResult> =>
  run(kubectlPath, ['--kubeconfig', server.kubeconfig, ...args], { allowFailure: true, timeoutMs: 60_000 });

/** `kubectl wait` for Ready, with as long as it takes to see that it is met already. */
const wait = (resource: string) => kubectl('wait', '-n', namespace, '--for=condition=Ready', '--timeout=2s', resource);

const get = async (type: ResourceType, name: string): Promise<KubeObject> => {
  const where = type.namespaced ? { namespace, name } : { name };
  return (await client.get<KubeObject>(type, where))!;
};

const readyReason = (type: ResourceType, name: string, reason: string) =>
  vi.waitFor(
    async () => {
      const conditions = ((await get(type, name)).status?.conditions ?? []) as Condition[];
      const ready = conditions.find((condition) => condition.type === 'Ready');
      expect(ready?.reason, ready?.message).toBe(reason);
    },
    { timeout: 60_000, interval: 100 },
  );

/** What kstatus and Argo CD's script say of an object as the API server returns it; undefined for a tool that is absent. */
async function judged(object: KubeObject): Promise<{ kstatus?: Kstatus['status']; argo?: Health['status'] }> {
  return {
    ...((await kstatusIsAvailable()) ? { kstatus: (await kstatusOf(await ensureKstatus(), [object]))[0]!.status } : {}),
    ...(findLua() ? { argo: (await healthOf(object)).status } : {}),
  };
}

async function expectJudged(object: KubeObject, kstatus: Kstatus['status'], argo: Health['status']): Promise<void> {
  const found = await judged(object);
  expect(found, `${object.kind} ${object.metadata.name}`).toEqual({
    ...('kstatus' in found ? { kstatus } : {}),
    ...('argo' in found ? { argo } : {}),
  });
}

/** Plays the kubelet and the StatefulSet's controller for one pod. */
async function runPod(name: string): Promise<void> {
  const statefulSet = await eventually(
    () => client.get<KubeObject>(STATEFULSETS, { namespace, name }),
    `${name} exists`,
  );
  const pod = podOf(statefulSet);
  pod.metadata.labels = { ...pod.metadata.labels, 'controller-revision-hash': 'one' };
  pod.spec.automountServiceAccountToken = false;
  await client.create({ ...PODS }, pod);
  const observedGeneration = statefulSet.metadata.generation;
  const status = (type: ResourceType, object: string, value: object) =>
    client.patch(type, { namespace, name: object }, { status: value }, { subresource: 'status' });
  await status(STATEFULSETS, name, { observedGeneration, updateRevision: 'one', replicas: 1 });
  await status(PODS, `${name}-0`, { phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] });
}

describe('the example, applied before the operator runs', () => {
  test('is taken without a warning', async () => {
    const applied = await kubectl('apply', '-f', EXAMPLE);
    expect(applied.code, applied.stderr).toBe(0);
    expect(applied.stderr).toBe('');
  });

  test('is not called done by anybody', async () => {
    for (const [type, name] of [
      [CONSORTIUMS, 'demo'],
      [QUORUMNODES, 'alpha-validator'],
      [TESSERANODES, 'alpha-tessera'],
      [HSMSIGNERS, 'alpha-signer'],
    ] as const) {
      const object = await get(type, name);
      expect(object.status).toEqual({ observedGeneration: -1 });
      await expectJudged(object, 'InProgress', 'Progressing');
    }
    expect((await wait('consortium/demo')).code).not.toBe(0);
  }, 300_000);
});

describe('the example, with the operator', () => {
  beforeAll(async () => {
    const account = { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'default', namespace } };
    await client.create(
      { group: '', version: 'v1', plural: 'serviceaccounts', kind: 'ServiceAccount', namespaced: true },
      account,
    );
    operator = await startOperator(server.kubeconfig, 'quorum-system', [
      hsmSignerController,
      tesseraNodeController,
      quorumNodeController,
    ]);
    await readyReason(CONSORTIUMS, 'demo', 'ValidatorsNotReady');
    await runPod('alpha-tessera');
    await readyReason(TESSERANODES, 'alpha-tessera', 'Serving');
    await readyReason(QUORUMNODES, 'alpha-validator', 'SignerNotReady');
    // The operator of this test has no default image of Postgres.
    await readyReason(HSMSIGNERS, 'alpha-signer', 'ImageMissing');
  }, 120_000);

  test('what waits is in progress', async () => {
    await expectJudged(await get(CONSORTIUMS, 'demo'), 'InProgress', 'Progressing');
    await expectJudged(await get(QUORUMNODES, 'alpha-validator'), 'InProgress', 'Progressing');
    expect((await wait('quorumnode/alpha-validator')).code).not.toBe(0);
  });

  test('what runs is done, and kubectl wait returns', async () => {
    await expectJudged(await get(TESSERANODES, 'alpha-tessera'), 'Current', 'Healthy');
    const waited = await wait('tesseranode/alpha-tessera');
    expect(waited.code, waited.stderr).toBe(0);
  });

  test('what needs a person has failed, and describe says why', async () => {
    await expectJudged(await get(HSMSIGNERS, 'alpha-signer'), 'Failed', 'Degraded');
    await operator?.deps.events.flush();
    const { stdout } = await kubectl('describe', '-n', namespace, 'hsmsigner/alpha-signer');
    expect(stdout).toMatch(/Warning\s+ImageMissing\s.*spec\.database\.provision\.image is not set/);
  });

  test('kubectl get says whether and why', async () => {
    const { stdout } = await kubectl('get', 'quorum', '-A');
    expect(stdout).toMatch(/READY\s+REASON/);
    expect(stdout).toMatch(/tesseranode\.quorum-operator\.io\/alpha-tessera\s+True\s+Serving/);
    expect(stdout).toMatch(/hsmsigner\.quorum-operator\.io\/alpha-signer\s+False\s+ImageMissing/);
  });

  test.each([['as kubectl apply does'], ['as GitOps tools do', '--server-side', '--force-conflicts']])(
    'differs in nothing from its manifest, applied and compared %s',
    async (_, ...flags) => {
      const applied = await kubectl('apply', ...flags, '-f', EXAMPLE);
      expect(applied.code, applied.stderr).toBe(0);
      const diff = await kubectl('diff', ...flags, '-f', EXAMPLE);
      expect(diff.stdout).toBe('');
      expect(diff.code, diff.stderr).toBe(0);
    },
  );

  test('the operator owns no field of a spec; besides status it writes finalizers alone', async () => {
    for (const type of KINDS) {
      for (const object of (await client.list<KubeObject>(type)).items) {
        const managed = (object.metadata as unknown as { managedFields: ManagedFields[] }).managedFields;
        const ours = managed.filter(({ manager }) => !manager.startsWith('kubectl'));
        const status = ours.filter(({ subresource }) => subresource === 'status');
        expect(status.map(({ manager }) => manager)).toEqual([STATUS_FIELD_MANAGER]);
        expect(Object.keys(status[0]!.fieldsV1)).toEqual(['f:status']);
        for (const { fieldsV1 } of ours.filter((entry) => !status.includes(entry))) {
          const { 'f:metadata': metadata, ...rest } = fieldsV1;
          expect(rest, `${type.kind} ${object.metadata.name}`).toEqual({});
          expect(Object.keys(metadata ?? {})).toEqual(['f:finalizers']);
        }
      }
    }
    const touched = writes(await readAuditLog(server.auditLog))
      .filter(({ group, userAgent }) => group === 'quorum-operator.io' && !userAgent.startsWith('kubectl'))
      .map(({ verb, resource }) => `${verb} ${resource}`);
    const allowed = [...KINDS.map(({ plural }) => `patch ${plural}/status`), 'patch quorumnodes'];
    expect([...new Set(touched)].filter((write) => !allowed.includes(write))).toEqual([]);
  });

  test('what is suspended says so', async () => {
    const patch = '{"spec":{"suspend":true}}';
    await kubectl('patch', '-n', namespace, 'quorumnode/alpha-validator', '--type=merge', '-p', patch);
    await readyReason(QUORUMNODES, 'alpha-validator', 'Suspended');
    await expectJudged(await get(QUORUMNODES, 'alpha-validator'), 'InProgress', 'Suspended');
  });

  test('a change that nobody has looked at yet is not done, whatever the old status says', async () => {
    await operator?.stop();
    operator = undefined;
    const patch = '{"spec":{"resources":{"requests":{"cpu":"100m"}}}}';
    await kubectl('patch', '-n', namespace, 'tesseranode/alpha-tessera', '--type=merge', '-p', patch);
    const object = await get(TESSERANODES, 'alpha-tessera');
    const ready = (object.status.conditions as Condition[]).find(({ type }) => type === 'Ready');
    expect(ready?.status).toBe('True');
    expect((await wait('tesseranode/alpha-tessera')).code).not.toBe(0);
    await expectJudged(object, 'InProgress', 'Progressing');
  });

  test('what is being deleted is neither done nor failed', async () => {
    const finalizer = '{"metadata":{"finalizers":["example.com/hold"]}}';
    await kubectl('patch', '-n', namespace, 'hsmsigner/alpha-signer', '--type=merge', '-p', finalizer);
    await kubectl('delete', '-n', namespace, 'hsmsigner/alpha-signer', '--wait=false');
    await expectJudged(await get(HSMSIGNERS, 'alpha-signer'), 'Terminating', 'Progressing');
  });
});

interface ManagedFields {
  readonly manager: string;
  readonly subresource?: string;
  readonly fieldsV1: Record<string, object>;
}
