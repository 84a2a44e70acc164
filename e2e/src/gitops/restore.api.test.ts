import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, inject, test, vi } from 'vitest';
import { CONSORTIUMS, QUORUMNODES, TESSERANODES } from '../../../operator/src/api/resources.ts';
import type { KubeClient } from '../../../operator/src/kube/client.ts';
import { SECRETS } from '../../../operator/src/kube/resources.ts';
import type { Condition, KubeObject, ResourceType } from '../../../operator/src/kube/types.ts';
import { quorumNodeController } from '../../../operator/src/quorum-node/controller.ts';
import { tesseraNodeController } from '../../../operator/src/tessera-node/controller.ts';
import {
  prepareCluster,
  startOperator,
  type TestOperator,
  testConsortium,
  testMember,
} from '../../../operator/src/workload/operator-testing.ts';
import { run } from '../cluster/process.ts';
import { ensurePrograms } from '../cluster/tools.ts';

// docs/runbooks/KeyLost.md: what it says to do brings a lost key back.

const unique = Date.now().toString(36);
const consortium = `kl${unique}`;
const namespace = `${consortium}-alpha`;

let client: KubeClient;
let operator: TestOperator;
let folder: string;
let kubectlPath: string;

const kubectl = async (args: string[], input?: string) =>
  (await run(kubectlPath, ['--kubeconfig', inject('kubeconfig'), ...args], input === undefined ? {} : { input }))
    .stdout;

const reasonIs = (type: ResourceType, name: string, wanted: RegExp) =>
  vi.waitFor(
    async () => {
      const object = await client.get<KubeObject>(type, { name, ...(type.namespaced ? { namespace } : {}) });
      const conditions = (object?.status?.conditions ?? []) as Condition[];
      expect(conditions.find((condition) => condition.type === 'Ready')?.reason).toMatch(wanted);
    },
    { timeout: 60_000, interval: 100 },
  );

/** What the page says to take away from a manifest that comes from a backup. */
function withoutTraces(backup: string): string {
  const object = JSON.parse(backup);
  for (const field of ['uid', 'resourceVersion', 'creationTimestamp', 'ownerReferences', 'managedFields'])
    delete object.metadata[field];
  return JSON.stringify(object);
}

beforeAll(async () => {
  kubectlPath = (await ensurePrograms(['kubectl'], () => {})).kubectl;
  folder = await mkdtemp(join(tmpdir(), 'restore-'));
  client = await prepareCluster(inject('kubeconfig'), `kl-operator-${unique}`);
  operator = await startOperator(inject('kubeconfig'), `kl-operator-${unique}`, [
    quorumNodeController,
    tesseraNodeController,
  ]);
  await client.create(CONSORTIUMS, testConsortium(consortium));
  await reasonIs(CONSORTIUMS, consortium, /^ValidatorsNotReady$/);
  const keys = [{ name: 'default', secretRef: { name: 'box-key', generate: true } }];
  await client.create(TESSERANODES, testMember(consortium, 'TesseraNode', 'box', { keys, database: { embedded: {} } }));
  await client.create(QUORUMNODES, testMember(consortium, 'QuorumNode', 'reader', { role: 'Member' }));
  await reasonIs(QUORUMNODES, 'reader', /^PodStarting$/);
  await reasonIs(TESSERANODES, 'box', /^PodStarting$/);
}, 180_000);

afterAll(async () => {
  await operator?.stop();
  await client?.close();
  if (folder) await rm(folder, { recursive: true });
});

test('a node key from its bare value, without any label', async () => {
  const nodekey = await kubectl(['get', 'secret', 'reader-nodekey', '-n', namespace, '-o', 'jsonpath={.data.nodekey}']);
  const file = join(folder, 'nodekey');
  await writeFile(file, Buffer.from(nodekey, 'base64'), { mode: 0o600 });
  await kubectl(['delete', 'secret', 'reader-nodekey', '-n', namespace]);
  await reasonIs(QUORUMNODES, 'reader', /^KeyLost$/);
  await kubectl(['create', 'secret', 'generic', 'reader-nodekey', '-n', namespace, `--from-file=nodekey=${file}`]);
  await reasonIs(QUORUMNODES, 'reader', /^PodStarting$/);
}, 180_000);

test('a manifest from a backup', async () => {
  const backup = await kubectl(['get', 'secret', 'box-key', '-n', namespace, '-o', 'json']);
  await kubectl(['delete', 'secret', 'box-key', '-n', namespace]);
  await reasonIs(TESSERANODES, 'box', /^KeyLost$/);
  await kubectl(['create', '-f', '-'], withoutTraces(backup));
  await reasonIs(TESSERANODES, 'box', /^PodStarting$/);
  expect((await client.get(SECRETS, { namespace, name: 'box-key' }))?.data).toEqual(JSON.parse(backup).data);
}, 180_000);

test('a certificate authority, by kubectl create secret tls', async () => {
  const secret = await client.get<KubeObject>(SECRETS, { namespace, name: 'organization-ca' });
  const files = { cert: join(folder, 'tls.crt'), key: join(folder, 'tls.key') };
  await writeFile(files.cert, Buffer.from(secret!.data['tls.crt'], 'base64'));
  await writeFile(files.key, Buffer.from(secret!.data['tls.key'], 'base64'), { mode: 0o600 });
  await kubectl(['delete', 'secret', 'organization-ca', '-n', namespace]);
  await reasonIs(CONSORTIUMS, consortium, /^KeyLost$/);
  const create = ['create', 'secret', 'tls', 'organization-ca', '-n', namespace];
  await kubectl([...create, `--cert=${files.cert}`, `--key=${files.key}`]);
  await reasonIs(CONSORTIUMS, consortium, /^ValidatorsNotReady$/);
}, 180_000);
