import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { labels, MANAGED_BY } from '../../operator/src/names.ts';
import { childLabels } from '../../operator/src/workload/labels.ts';
import type { Cluster } from '../src/cluster/provider.ts';
import { applyManifests, type Images, imageOf, namespace, OPERATOR_NAMESPACE } from '../src/demo/install.ts';
import { CLIENT_NAMESPACE, CONSORTIUM, organizationNamespace } from '../src/demo/network.ts';
import { STRANGER_NAMESPACE } from '../src/demo/refusals.ts';
import { onlyExample } from '../src/scenario/only-example.ts';
import { OUTSIDE, type Outside, openOutside } from '../src/scenario/outside.ts';
import { expectedAnswers, type Prober, probeAll } from '../src/scenario/reach.ts';
import * as remote from '../src/scenario/remote-member.ts';
import { hasCluster, openStage } from '../src/scenario/stage.ts';

const alpha = organizationNamespace('alpha');
const bravo = organizationNamespace('bravo');
const charlie = organizationNamespace('charlie');

/** Labels as the operator gives them to pods of this kind. */
const as = (
  program: 'goquorum' | 'tessera' | 'hsm-signer' | 'postgres',
  component: 'node' | 'tessera' | 'signer-token' | 'postgres',
  organization: string,
  instance: string,
  signer?: string,
) => childLabels({ program, component, organization, instance, consortium: CONSORTIUM, signer });

/** What a user of the cluster could write on a pod to pass for one of ours, without passing for a certain one. */
const borrowed = {
  [labels.managedBy]: MANAGED_BY,
  [labels.consortium]: CONSORTIUM,
  [labels.organization]: 'alpha',
  [labels.component]: 'node',
};

/** Who tries, and all that he may reach. Nobody imitates a pod that is also a target. */
const probers: Prober[] = [
  // Namespaces without any policy: what they reach outside shows that there is something to be reached.
  { name: 'client', namespace: CLIENT_NAMESPACE, allowed: ['door', 'doorOfCharlie', 'api', 'machine', 'world', 'web'] },
  { name: 'stranger', namespace: STRANGER_NAMESPACE, allowed: ['api', 'machine', 'world', 'web'] },
  {
    name: 'stranger-in-our-labels',
    namespace: STRANGER_NAMESPACE,
    labels: borrowed,
    allowed: ['api', 'machine', 'world', 'web'],
  },
  { name: 'fresh', namespace: alpha, allowed: [] },
  { name: 'fresh-in-our-labels', namespace: alpha, labels: borrowed, allowed: [] },
  {
    name: 'member',
    namespace: alpha,
    labels: as('goquorum', 'node', 'alpha', 'alpha-member', 'alpha-signer'),
    allowed: ['door', 'peer', 'peerOfCharlie', 'q2t', 'database'],
  },
  {
    name: 'node-of-another',
    namespace: bravo,
    labels: as('goquorum', 'node', 'bravo', 'bravo-validator', 'bravo-signer'),
    allowed: ['peer', 'peerOfCharlie'],
  },
  {
    name: 'manager-of-another',
    namespace: bravo,
    labels: as('tessera', 'tessera', 'bravo', 'bravo-tessera'),
    allowed: ['manager'],
  },
  {
    name: 'database-of-another',
    namespace: bravo,
    labels: as('postgres', 'postgres', 'bravo', 'bravo-signer'),
    allowed: [],
  },
  {
    // The token is made; the way to the API server that its Job had is closed.
    name: 'token-job',
    namespace: alpha,
    labels: as('hsm-signer', 'signer-token', 'alpha', 'alpha-signer'),
    allowed: [],
  },
  {
    name: 'operator',
    namespace: OPERATOR_NAMESPACE,
    labels: { [labels.name]: 'quorum-operator', 'app.kubernetes.io/component': 'operator' },
    // Port 443 leads anywhere unless the chart is told the API server's addresses (networkPolicy.apiServer.cidrs).
    allowed: ['ops', 'companion', 'api', 'web'],
  },
  {
    name: 'beside-the-operator',
    namespace: OPERATOR_NAMESPACE,
    allowed: ['api', 'machine', 'world', 'web'],
  },
];

describe.skipIf(!hasCluster())('who reaches whom', () => {
  let cluster: Cluster;
  let image: string;
  let outside: Outside;

  const podAddress = async (ns: string, ...selection: string[]) =>
    (await cluster.kubectl(['get', 'pod', '-n', ns, ...selection, '-o', 'jsonpath={..status.podIP}'])).stdout.trim();

  const machineAddress = async () => {
    const path = 'jsonpath={.items[0].status.addresses[?(@.type=="InternalIP")].address}';
    return (await cluster.kubectl(['get', 'nodes', '-o', path])).stdout;
  };

  beforeAll(async () => {
    let images: Images;
    ({ cluster, images } = await openStage());
    image = imageOf(images, 'fixture-client');
    outside = await openOutside(cluster, [443, 8443, 30303]);
    await applyManifests(cluster, [namespace(STRANGER_NAMESPACE)]);
    await onlyExample(cluster);
    await remote.leave(cluster); // should a run before this one have been cut off
  });

  afterAll(() => outside?.close());

  test('every listed connection is made, and every other one between these times out', async () => {
    const node = await podAddress(alpha, 'alpha-validator-0');
    const operator = await podAddress(OPERATOR_NAMESPACE, '-l', 'app.kubernetes.io/component=operator');
    // Names wherever there is one: they are resolved first, so all of these also say that DNS answers. The dot at the end spares the
    // search list.
    const targets = {
      door: `alpha-validator.${alpha}.svc.cluster.local.:8443`,
      doorOfCharlie: `charlie-validator.${charlie}.svc.cluster.local.:8443`,
      ops: `alpha-validator.${alpha}.svc.cluster.local.:9443`,
      peer: `alpha-validator-p2p.${alpha}.svc.cluster.local.:30303`,
      peerOfCharlie: `charlie-validator-p2p.${charlie}.svc.cluster.local.:30303`,
      q2t: `alpha-tessera.${alpha}.svc.cluster.local.:9101`,
      manager: `alpha-tessera.${alpha}.svc.cluster.local.:9000`,
      companion: `${await podAddress(alpha, 'alpha-tessera-0')}:9443`,
      database: `alpha-signer-postgres.${alpha}.svc.cluster.local.:5432`,
      probes: `${node}:8080`,
      geth: `${node}:8545`,
      operatorMetrics: `${operator.split(' ')[0]}:9402`,
      api: 'kubernetes.default.svc.cluster.local.:443',
      machine: `${await machineAddress()}:10250`,
      world: `${OUTSIDE.anybody}:30303`,
      web: `${OUTSIDE.anybody}:443`,
    };
    expect(await probeAll(cluster, image, probers, targets)).toEqual(expectedAnswers(probers, targets));
  });

  test('from outside the cluster nobody reaches a node, a transaction manager or a database', async () => {
    const pods = await Promise.all(
      [
        ['alpha-validator-0', 30303],
        ['alpha-validator-0', 8443],
        ['alpha-validator-0', 9443],
        ['alpha-tessera-0', 9101],
        ['alpha-tessera-0', 9000],
        ['alpha-signer-postgres-0', 5432],
      ].map(async ([pod, port]) => [await podAddress(alpha, `${pod}`), Number(port)] as const),
    );
    const answers = await Promise.all(pods.map(([host, port]) => outside.reach(OUTSIDE.member, host, port)));
    expect(answers).toEqual(pods.map(() => ({ connected: false, error: 'timeout' })));
  });

  test('a remote member reaches an exposed node from its address range and is reached at its enode, nobody else', async () => {
    const exposed = await remote.join(cluster, await machineAddress());
    try {
      expect(exposed.enode).toMatch(new RegExp(`@${exposed.host}:${exposed.port}\\?discport=0$`));
      const refused = { connected: false, error: 'timeout' };
      const hidden = await podAddress(charlie, 'charlie-validator-0');
      expect(await outside.reach(OUTSIDE.member, exposed.host, exposed.port, 10_000)).toEqual({ connected: true });
      expect(await outside.reach(OUTSIDE.anybody, exposed.host, exposed.port)).toEqual(refused);
      expect(await outside.reach(OUTSIDE.member, hidden, 30303)).toEqual(refused);
      const door = await podAddress(charlie, `${exposed.node}-0`);
      expect(await outside.reach(OUTSIDE.member, door, 8443)).toEqual(refused);

      // Transaction managers of remote members connect, too, and to nothing else here.
      const manager = await podAddress(alpha, 'alpha-tessera-0');
      expect(await outside.reach(OUTSIDE.member, manager, 9000, 10_000)).toEqual({ connected: true });
      expect(await outside.reach(OUTSIDE.member, manager, 9101)).toEqual(refused);
      expect(await outside.reach(OUTSIDE.anybody, manager, 9000)).toEqual(refused);

      const targets = {
        remote: `${OUTSIDE.member}:30303`,
        remoteWeb: `${OUTSIDE.member}:443`,
        world: `${OUTSIDE.anybody}:30303`,
        peer: `alpha-validator-p2p.${alpha}.svc.cluster.local.:30303`,
      };
      const labels = as('goquorum', 'node', 'charlie', exposed.node);
      const pods = [
        { name: 'exposed', namespace: charlie, labels, allowed: ['remote', 'peer'] },
        { name: 'fresh', namespace: charlie, allowed: [] },
      ];
      expect(await probeAll(cluster, image, pods, targets)).toEqual(expectedAnswers(pods, targets));

      await remote.hide(cluster);
      expect(await outside.reach(OUTSIDE.member, exposed.host, exposed.port)).toMatchObject({ connected: false });
    } finally {
      await remote.leave(cluster);
    }
  }, 900_000);
});
