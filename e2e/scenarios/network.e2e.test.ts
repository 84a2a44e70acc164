import { setTimeout as sleep } from 'node:timers/promises';
import { beforeAll, describe, expect, test } from 'vitest';
import type { Cluster } from '../src/cluster/provider.ts';
import { EXAMPLE, type Images, OPERATOR_NAMESPACE } from '../src/demo/install.ts';
import { applyExample, readiness, waitReady } from '../src/demo/network.ts';
import { consoleOutput } from '../src/demo/output.ts';
import { tryRefused } from '../src/demo/refusals.ts';
import { sendTransactions } from '../src/demo/transact.ts';
import type { Issuer } from '../src/demo/users.ts';
import { childrenOf } from '../src/scenario/children.ts';
import { podFacts } from '../src/scenario/evidence.ts';
import { applyInReverse, deleteConsortium, deleteNamespaces, survivors } from '../src/scenario/lifecycle.ts';
import { hasCluster, hasGoQuorum, openStage } from '../src/scenario/stage.ts';
import { writesSince } from '../src/scenario/writes.ts';

const OPERATOR_USER = `system:serviceaccount:${OPERATOR_NAMESPACE}:quorum-operator`;

/** Names and restart counts of all pods of the consortium, to see that nothing was replaced or restarted. */
async function podIdentities(cluster: Cluster): Promise<string[]> {
  const { stdout } = await cluster.kubectl([
    'get',
    'pods',
    '-A',
    '-l',
    'quorum-operator.io/consortium=demo',
    '-o',
    'json',
  ]);
  const { items } = JSON.parse(stdout) as {
    items: {
      metadata: { name: string; namespace: string; uid: string };
      status: { containerStatuses?: { restartCount: number }[]; initContainerStatuses?: { restartCount: number }[] };
    }[];
  };
  return items
    .map(({ metadata, status }) => {
      const restarts = [...(status.containerStatuses ?? []), ...(status.initContainerStatuses ?? [])];
      const total = restarts.reduce((sum, { restartCount }) => sum + restartCount, 0);
      return `${metadata.namespace}/${metadata.name} ${metadata.uid} restarts=${total}`;
    })
    .sort();
}

describe.skipIf(!hasCluster())('the example on a real cluster', () => {
  let cluster: Cluster;
  let images: Images;
  let issuers: Map<string, Issuer>;

  beforeAll(async () => {
    ({ cluster, images } = await openStage());
    issuers = await applyExample(cluster);
    await waitReady(cluster, consoleOutput(), 420);
  });

  test('every resource of the four kinds is Ready: 1 Consortium, 6 QuorumNodes, 2 TesseraNodes, 2 HsmSigners', async () => {
    const resources = await readiness(cluster);
    expect(resources.filter(({ ready }) => !ready)).toEqual([]);
    expect(resources).toHaveLength(11);
  });

  test('three users of one organization transact at once from its one HSM account through two nodes', async () => {
    const receipts = await sendTransactions(cluster, images, issuers.get('alpha') as Issuer, [
      { user: 'alice', node: 'alpha-validator', count: 3 },
      { user: 'anton', node: 'alpha-member', count: 3 },
      { user: 'agnes', node: 'alpha-validator', count: 3 },
    ]);
    expect(receipts).toHaveLength(9);
    expect(new Set(receipts.map(({ from }) => from)).size).toBe(1);
    expect(new Set(receipts.map(({ hash }) => hash)).size).toBe(9);
    const nonces = receipts.map(({ nonce }) => nonce).sort((a, b) => a - b);
    expect(nonces).toEqual(nonces.map((_, index) => (nonces[0] as number) + index));
  });

  test('what must be refused is refused: no token, foreign token, unlisted pod, exec and its kin', async () => {
    const refusals = await tryRefused(cluster, images, 'alpha', 'alpha-member');
    expect(refusals).toHaveLength(8);
    expect(refusals.filter(({ refused }) => !refused)).toEqual([]);
  });

  test('inside the containers: own uid, no capability, seccomp, read-only root, no core dumps', async () => {
    const uids: Record<string, number> = {
      geth: 10001,
      tessera: 10002,
      door: 10003,
      companion: 10003,
      postgres: 10004,
    };
    const pods = ['alpha-member-0', 'alpha-tessera-0', 'alpha-signer-postgres-0'];
    const facts = (await Promise.all(pods.map((pod) => podFacts(cluster, 'demo-alpha', pod)))).flat();
    expect([...new Set(facts.map(({ container }) => container))].sort()).toEqual(Object.keys(uids).sort());
    for (const process of facts) {
      expect(process).toEqual({
        container: process.container,
        uid: uids[process.container],
        gid: uids[process.container],
        capEff: '0000000000000000',
        capBnd: '0000000000000000',
        noNewPrivs: true,
        seccomp: 2,
        coreSoftLimit: '0',
        coreHardLimit: '0',
        coredumpFilter: '00000000',
        rootWritable: false,
      });
    }
  });

  test('applied a second time, and the operator restarted: no write to a child, no pod restarted', async () => {
    const pods = await podIdentities(cluster);
    const since = new Date();
    await cluster.kubectl(['apply', '--server-side', '--field-manager=demo', '-f', EXAMPLE]);
    await cluster.kubectl(['rollout', 'restart', 'deployment/quorum-operator', '-n', OPERATOR_NAMESPACE]);
    await cluster.kubectl([
      'rollout',
      'status',
      'deployment/quorum-operator',
      '-n',
      OPERATOR_NAMESPACE,
      '--timeout=120s',
    ]);
    await sleep(20_000); // the new leader's first round over everything; there is no event that says "nothing happened"
    const writes = await writesSince(cluster.auditLog as string, OPERATOR_USER, since);
    const bookkeeping = (resource: string) => resource.endsWith('/status') || ['events', 'leases'].includes(resource);
    const children = writes.filter(({ resource }) => !bookkeeping(resource));
    expect(children).toEqual([]);
    expect(await podIdentities(cluster)).toEqual(pods);
  });

  test('a child deleted or edited by hand is put back', async () => {
    const ns = ['-n', 'demo-charlie'];
    await cluster.kubectl(['delete', 'networkpolicy', 'charlie-validator', ...ns]);
    await cluster.kubectl([
      'label',
      'service',
      'charlie-validator',
      'quorum-operator.io/organization=mallory',
      '--overwrite',
      ...ns,
    ]);
    await expect
      .poll(
        async () => {
          const policy = await cluster.kubectl([
            'get',
            'networkpolicy',
            'charlie-validator',
            ...ns,
            '--ignore-not-found',
            '-o',
            'name',
          ]);
          const service = await cluster.kubectl(['get', 'service', 'charlie-validator', ...ns, '-o', 'json']);
          const { metadata } = JSON.parse(service.stdout) as { metadata: { labels: Record<string, string> } };
          return { policy: policy.stdout.trim(), organization: metadata.labels['quorum-operator.io/organization'] };
        },
        { timeout: 30_000, interval: 500 },
      )
      .toEqual({ policy: 'networkpolicy.networking.k8s.io/charlie-validator', organization: 'charlie' });
  });

  test.skipIf(!hasGoQuorum())(
    'real GoQuorum (GOQUORUM_BIN): a validator killed under one transaction a second, blocks go on, its pod comes back',
    async () => {
      const { killValidatorUnderLoad } = await import('../src/scenario/kill-validator.ts');
      const result = await killValidatorUnderLoad(cluster, images, issuers.get('alpha') as Issuer, 'delta');
      expect(result.mined).toBe(result.sent);
      expect(result.blocksWhileDown).toBeGreaterThan(0);
      expect(result.podCameBack).toBe(true);
    },
  );

  test('deleted: keys, authority, namespaces and volumes remain; then, applied one manifest at a time in reverse, the same network', async () => {
    const children = await childrenOf(cluster, 'demo');
    const kept = await survivors(cluster);
    await deleteConsortium(cluster);
    expect(await survivors(cluster)).toEqual(kept);
    await deleteNamespaces(cluster, 'demo');

    const issuer = issuers.get('alpha') as Issuer;
    const seen = await applyInReverse(cluster, 'demo', 'reversed', issuer);
    expect(seen).toMatch(/Consortium.*(not|missing|reversed)/i);
    await waitReady(cluster, consoleOutput(), 420);
    await expect.poll(() => childrenOf(cluster, 'reversed'), { timeout: 30_000 }).toEqual(children);
  }, 900_000);
});
