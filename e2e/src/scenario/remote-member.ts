import type { Cluster } from '../cluster/provider.ts';
import { CONSORTIUM, organizationNamespace } from '../demo/network.ts';
import { OUTSIDE } from './outside.ts';

const ORGANIZATION = 'charlie';
const NODE = 'charlie-outside';
const NAMESPACE = organizationNamespace(ORGANIZATION);
/** Fields of this scenario alone: the example's are left as they are. */
const FIELD_MANAGER = 'remote-member';

/** A node that peers outside the cluster reach. */
export interface ExposedNode {
  readonly node: string;
  /** Its `status.externalEnode`, and what stands in it. */
  readonly enode: string;
  readonly host: string;
  readonly port: number;
}

const apply = (cluster: Cluster, manifest: object) =>
  cluster.kubectl(['apply', '--server-side', `--field-manager=${FIELD_MANAGER}`, '-f', '-'], {
    input: JSON.stringify(manifest),
  });

const node = (exposure: object) => ({
  apiVersion: 'quorum-operator.io/v1alpha1',
  kind: 'QuorumNode',
  metadata: { name: NODE, namespace: NAMESPACE },
  spec: {
    consortiumRef: { name: CONSORTIUM },
    organization: ORGANIZATION,
    environment: 'Development',
    role: 'Member',
    exposure,
    storage: { size: '1Gi' },
    deletionPolicy: 'Delete',
  },
});

const consortium = (organizations: object[]) => ({
  apiVersion: 'quorum-operator.io/v1alpha1',
  kind: 'Consortium',
  metadata: { name: CONSORTIUM },
  spec: { organizations },
});

/**
 * An organization that runs elsewhere joins the example's network, and charlie gets a member exposed by a node port of the
 * machine with this address. Returns when that member serves.
 */
export async function join(cluster: Cluster, machine: string): Promise<ExposedNode> {
  const enode = `enode://${'e'.repeat(128)}@${OUTSIDE.member}:30303?discport=0`;
  const remote = { cidrs: [OUTSIDE.memberRange], enodes: [enode] };
  await apply(cluster, consortium([{ name: 'echo', hosted: false, remote }]));
  await apply(cluster, node({ type: 'NodePort', address: machine }));
  const kubectl = async (...args: string[]) =>
    (await cluster.kubectl([...args, '-n', NAMESPACE], { timeoutMs: 270_000 })).stdout;
  await kubectl('wait', `quorumnode/${NODE}`, '--for=condition=Ready', '--timeout=240s');
  const path = (expression: string) => ['-o', `jsonpath=${expression}`];
  return {
    node: NODE,
    enode: await kubectl('get', 'quorumnode', NODE, ...path('{.status.externalEnode}')),
    host: machine,
    port: Number(await kubectl('get', 'service', `${NODE}-p2p-external`, ...path('{.spec.ports[0].nodePort}'))),
  };
}

/** The node is no longer to be reached from outside. Returns when the way in is closed. */
export async function hide(cluster: Cluster): Promise<void> {
  await apply(cluster, node({ type: 'None' }));
  await cluster.kubectl(['wait', `service/${NODE}-p2p-external`, '-n', NAMESPACE, '--for=delete', '--timeout=60s'], {
    timeoutMs: 90_000,
  });
}

/** Takes both away again, with all that a node leaves behind for its return. */
export async function leave(cluster: Cluster): Promise<void> {
  const remove = (...what: string[]) =>
    cluster.kubectl(['delete', ...what, '-n', NAMESPACE, '--ignore-not-found', '--wait=true', '--timeout=120s'], {
      timeoutMs: 150_000,
    });
  await apply(cluster, consortium([]));
  await remove('quorumnode', NODE);
  await cluster.kubectl(['wait', `pod/${NODE}-0`, '-n', NAMESPACE, '--for=delete', '--timeout=240s'], {
    timeoutMs: 270_000,
  });
  await remove(`secret/${NODE}-nodekey`, `service/${NODE}-p2p`, `persistentvolumeclaim/data-${NODE}-0`);
}
