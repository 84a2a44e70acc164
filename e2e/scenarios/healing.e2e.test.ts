import { setTimeout as sleep } from 'node:timers/promises';
import { beforeAll, describe, expect, test } from 'vitest';
import type { Cluster } from '../src/cluster/provider.ts';
import { applyManifests, EXAMPLE, type Images } from '../src/demo/install.ts';
import { applyExample, waitReady } from '../src/demo/network.ts';
import { consoleOutput } from '../src/demo/output.ts';
import type { Issuer } from '../src/demo/users.ts';
import { askGeth } from '../src/scenario/consensus.ts';
import { killValidatorUnderLoad } from '../src/scenario/kill-validator.ts';
import { hasCluster, hasGoQuorum, openStage } from '../src/scenario/stage.ts';

/** What stands in an object, as far as these tests look. */
interface Live {
  metadata: { name: string; uid: string; labels: Record<string, string>; resourceVersion?: string };
  // biome-ignore lint/suspicious/noExplicitAny: raw JSON of several kinds
  [field: string]: any;
}

const ORGANIZATION = 'charlie';
const NAMESPACE = `demo-${ORGANIZATION}`;
const NODE = `${ORGANIZATION}-validator`;

describe.skipIf(!hasCluster())('what is broken by hand or by accident heals', () => {
  let cluster: Cluster;
  let images: Images;
  let issuers: Map<string, Issuer>;

  const get = async (kind: string, name: string, namespace = NAMESPACE): Promise<Live | undefined> => {
    const { stdout } = await cluster.kubectl(['get', kind, name, '-n', namespace, '--ignore-not-found', '-o', 'json']);
    return stdout.trim() === '' ? undefined : (JSON.parse(stdout) as Live);
  };
  const reasonOf = async (name: string, namespace = NAMESPACE) => {
    const node = await get('quorumnode', name, namespace);
    const ready = node?.status?.conditions?.find(({ type }: { type: string }) => type === 'Ready');
    return { reason: ready?.reason as string | undefined, message: String(ready?.message ?? '') };
  };
  const becomes = (name: string, namespace: string, reason: string, timeout = 120_000) =>
    expect.poll(async () => (await reasonOf(name, namespace)).reason, { timeout, interval: 1_000 }).toBe(reason);
  const ready = (timeoutSeconds = 240) => waitReady(cluster, consoleOutput(), timeoutSeconds);
  const podUid = async (name = `${NODE}-0`, namespace = NAMESPACE) => (await get('pod', name, namespace))?.metadata.uid;

  beforeAll(async () => {
    ({ cluster, images } = await openStage());
    issuers = await applyExample(cluster);
    await ready(420);
  });

  test.each([
    ['service', NODE],
    ['networkpolicy', NODE],
    ['networkpolicy', 'default-deny'],
    ['poddisruptionbudget', NODE],
    ['configmap', `${NODE}-peers`],
    ['configmap', 'demo-members'],
    ['configmap', 'organization-ca'],
    ['configmap', 'demo-genesis'],
    ['resourcequota', 'organization'],
    ['limitrange', 'organization'],
    ['rolebinding', 'quorum-operator'],
    ['secret', `${NODE}-tls`],
  ])('%s %s deleted is made again, and the node keeps running', async (kind, name) => {
    const [before, pod] = [await get(kind, name), await podUid()];
    expect(before).toBeDefined();
    await cluster.kubectl(['delete', kind, name, '-n', NAMESPACE, '--wait=false']);
    await expect
      .poll(async () => (await get(kind, name))?.metadata.uid ?? before!.metadata.uid, { timeout: 60_000 })
      .not.toBe(before!.metadata.uid);
    expect(await podUid()).toBe(pod);
  });

  test.each<[string, string, object, (live: Live) => unknown]>([
    ['service', NODE, { spec: { selector: { app: 'mallory' } } }, ({ spec }) => spec.selector.app],
    ['networkpolicy', NODE, { spec: { ingress: [{}] } }, ({ spec }) => spec.ingress],
    ['poddisruptionbudget', NODE, { spec: { maxUnavailable: 1 } }, ({ spec }) => spec.maxUnavailable],
    [
      'configmap',
      `${NODE}-peers`,
      { data: { 'permissioned-nodes.json': '[]' } },
      ({ data }) => data['permissioned-nodes.json'],
    ],
    ['configmap', 'organization-ca', { data: { 'ca.crt': 'mine' } }, ({ data }) => data['ca.crt']],
    ['rolebinding', 'quorum-operator', { subjects: [] }, ({ subjects }) => subjects],
    [
      'statefulset',
      NODE,
      { spec: { template: { spec: { terminationGracePeriodSeconds: 1 } } } },
      ({ spec }) => spec.template.spec.terminationGracePeriodSeconds,
    ],
    [
      'service',
      NODE,
      { metadata: { labels: { 'quorum-operator.io/organization': 'mallory' } } },
      ({ metadata }) => metadata.labels['quorum-operator.io/organization'],
    ],
  ])('%s %s edited (%#) is put back, and the node keeps running', async (kind, name, patch, field) => {
    const [before, pod] = [field((await get(kind, name))!), await podUid()];
    await cluster.kubectl(['patch', kind, name, '-n', NAMESPACE, '--type=merge', '-p', JSON.stringify(patch)]);
    await expect.poll(async () => field((await get(kind, name))!), { timeout: 60_000 }).toEqual(before);
    expect(await podUid()).toBe(pod);
  });

  test('a StatefulSet deleted without its pod is made again around the same pod', async () => {
    const [before, pod] = [await get('statefulset', NODE), await podUid()];
    await cluster.kubectl(['delete', 'statefulset', NODE, '-n', NAMESPACE, '--cascade=orphan']);
    await expect.poll(async () => (await get('statefulset', NODE))?.status?.readyReplicas, { timeout: 90_000 }).toBe(1);
    expect((await get('statefulset', NODE))?.metadata.uid).not.toBe(before!.metadata.uid);
    await sleep(10_000); // a restart for nothing would come with the next look at the pod
    await ready();
    expect(await podUid()).toBe(pod);
  });

  test('a StatefulSet deleted with its pod comes back with both, on the same volume', async () => {
    const [volume, pod] = [await get('persistentvolumeclaim', `data-${NODE}-0`), await podUid()];
    await cluster.kubectl(['delete', 'statefulset', NODE, '-n', NAMESPACE, '--wait=true', '--timeout=240s'], {
      timeoutMs: 270_000,
    });
    await expect.poll(async () => (await podUid()) ?? pod, { timeout: 240_000, interval: 1_000 }).not.toBe(pod);
    await ready();
    expect((await get('persistentvolumeclaim', `data-${NODE}-0`))?.metadata.uid).toBe(volume!.metadata.uid);
  }, 600_000);

  test('a node key deleted is never made anew: the node says how to restore it, and the copy brings it back', async () => {
    const [key, pod] = [await get('secret', `${NODE}-nodekey`), await podUid()];
    await cluster.kubectl(['delete', 'secret', `${NODE}-nodekey`, '-n', NAMESPACE]);
    await becomes(NODE, NAMESPACE, 'KeyLost');
    const conditions = (await get('quorumnode', NODE))!.status.conditions as { type: string; status: string }[];
    expect(conditions).toContainEqual(expect.objectContaining({ type: 'Stalled', status: 'True', reason: 'KeyLost' }));
    expect((await reasonOf(NODE)).message).toContain('restore the Secret from your backup');
    expect(await get('secret', `${NODE}-nodekey`)).toBeUndefined();
    expect(await podUid()).toBe(pod);
    const { name, labels } = key!.metadata;
    await applyManifests(cluster, [{ ...key, metadata: { name, namespace: NAMESPACE, labels } }]);
    await ready();
    expect(await podUid()).toBe(pod);
  });

  test.skipIf(!hasGoQuorum())(
    'real GoQuorum (GOQUORUM_BIN): a validator killed under one transaction a second comes back, and nothing is lost',
    async () => {
      const result = await killValidatorUnderLoad(cluster, images, issuers.get('alpha') as Issuer, 'delta');
      expect(result).toMatchObject({ mined: result.sent, podCameBack: true });
      expect(result.blocksWhileDown).toBeGreaterThan(0);
      await ready();
    },
    420_000,
  );

  describe.skipIf(!hasGoQuorum())('real GoQuorum (GOQUORUM_BIN): a validator is deleted', () => {
    const namespace = 'demo-delta';
    const name = 'delta-validator';
    const validators = () => askGeth<string[]>(cluster, 'demo-alpha', 'alpha-validator-0', 'istanbul_getValidators');
    const proposals = async () =>
      Promise.all(
        ['alpha', 'bravo', 'charlie'].map((organization) =>
          askGeth<object>(cluster, `demo-${organization}`, `${organization}-validator-0`, 'istanbul_candidates'),
        ),
      );
    const keptUids = async () => [
      (await get('secret', `${name}-nodekey`, namespace))?.metadata.uid,
      (await get('persistentvolumeclaim', `data-${name}-0`, namespace))?.metadata.uid,
    ];
    let kept: (string | undefined)[];
    let address: string;

    test('of four it stays and runs until a person confirms, and says with which words', async () => {
      kept = await keptUids();
      address = (await get('quorumnode', name, namespace))!.status.address;
      await cluster.kubectl(['delete', 'quorumnode', name, '-n', namespace, '--wait=false']);
      await becomes(name, namespace, 'RemovalNeedsConfirmation');
      expect((await reasonOf(name, namespace)).message).toContain(
        `kubectl annotate quorumnode ${name} -n ${namespace} quorum-operator.io/confirm-removal=${name}`,
      );
      expect(await validators()).toContain(address);
      expect((await get('pod', `${name}-0`, namespace))?.status.phase).toBe('Running');
      expect(await proposals()).toEqual([{}, {}, {}]);
    });

    test('confirmed, it is voted out before it stops; key and volume remain', async () => {
      await cluster.kubectl([
        'annotate',
        'quorumnode',
        name,
        '-n',
        namespace,
        `quorum-operator.io/confirm-removal=${name}`,
      ]);
      await cluster.kubectl(['wait', 'quorumnode', name, '-n', namespace, '--for=delete', '--timeout=180s'], {
        timeoutMs: 200_000,
      });
      expect(await validators()).not.toContain(address);
      expect(await validators()).toHaveLength(3);
      expect(await proposals()).toEqual([{}, {}, {}]);
      expect(await keptUids()).toEqual(kept);
      const { stdout } = await cluster.kubectl([
        'get',
        'events',
        '-n',
        namespace,
        '--field-selector',
        'reason=VotedOut',
        '-o',
        'name',
      ]);
      expect(stdout.trim()).not.toBe('');
    }, 300_000);

    test('created again it has the same identity, and is voted in again', async () => {
      await cluster.kubectl(['wait', 'pod', `${name}-0`, '-n', namespace, '--for=delete', '--timeout=240s'], {
        timeoutMs: 260_000,
      });
      await cluster.kubectl(['apply', '--server-side', '--field-manager=demo', '-f', EXAMPLE]);
      await ready(300);
      expect((await get('quorumnode', name, namespace))!.status.address).toBe(address);
      expect(await validators()).toHaveLength(4);
      expect(await validators()).toContain(address);
      expect(await proposals()).toEqual([{}, {}, {}]);
      expect(await keptUids()).toEqual(kept);
    }, 600_000);
  });

  describe.skipIf(!hasGoQuorum())('real GoQuorum (GOQUORUM_BIN): a fifth validator comes and goes', () => {
    const name = 'charlie-second';
    const validators = () => askGeth<string[]>(cluster, 'demo-alpha', 'alpha-validator-0', 'istanbul_getValidators');
    const annotateVoters = (word: string) =>
      Promise.all(
        ['alpha', 'bravo'].map((organization) =>
          cluster.kubectl([
            'annotate',
            'quorumnode',
            `${organization}-validator`,
            '-n',
            `demo-${organization}`,
            `quorum-operator.io/withhold-votes${word}`,
          ]),
        ),
      );

    test('declared, it is voted in as soon as enough organizations consent', async () => {
      const node = (await get('quorumnode', NODE))!;
      const metadata = { name, namespace: NAMESPACE };
      await applyManifests(cluster, [{ apiVersion: node.apiVersion, kind: node.kind, metadata, spec: node.spec }]);
      await becomes(name, NAMESPACE, 'Serving', 180_000);
      expect(await validators()).toHaveLength(4);
      await annotateVoters('=true');
      const declared = { organization: ORGANIZATION, node: name };
      await cluster.kubectl([
        'patch',
        'consortium',
        'demo',
        '--type=json',
        '-p',
        JSON.stringify([{ op: 'add', path: '/spec/validators/-', value: declared }]),
      ]);
      await becomes(name, NAMESPACE, 'VotesMissing');
      expect((await reasonOf(name)).message).toContain(
        '2 votes of charlie, delta where 3 are needed; none of alpha, bravo',
      );
      await sleep(10_000); // several blocks: what two of four want does not happen
      expect(await validators()).toHaveLength(4);
      await annotateVoters('-');
      await ready(120);
      expect(await validators()).toHaveLength(5);
    }, 480_000);

    test('deleted, it is voted out without a word, since four remain', async () => {
      const consortium = JSON.parse(
        (await cluster.kubectl(['get', 'consortium', 'demo', '-o', 'json'])).stdout,
      ) as Live;
      const index = (consortium.spec.validators as { node: string }[]).findIndex(({ node }) => node === name);
      const patch = JSON.stringify([{ op: 'remove', path: `/spec/validators/${index}` }]);
      await cluster.kubectl(['patch', 'consortium', 'demo', '--type=json', '-p', patch]);
      await cluster.kubectl(['delete', 'quorumnode', name, '-n', NAMESPACE, '--wait=true', '--timeout=120s'], {
        timeoutMs: 150_000,
      });
      expect(await validators()).toHaveLength(4);
      expect(await get('secret', `${name}-nodekey`)).toBeDefined();
      await ready();
    }, 300_000);
  });
});
