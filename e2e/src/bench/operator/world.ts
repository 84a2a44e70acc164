import { CONSORTIUMS, QUORUMNODES } from '../../../../operator/src/api/resources.ts';
import { installCrds } from '../../../../operator/src/api/testing.ts';
import { connect, type KubeClient } from '../../../../operator/src/kube/client.ts';
import { CONFIGMAPS, NAMESPACES } from '../../../../operator/src/kube/resources.ts';
import type { KubeObject } from '../../../../operator/src/kube/types.ts';
import { GROUP, labels, objectNames } from '../../../../operator/src/names.ts';
import { ApiClient } from '../../chart/api-client.ts';
import { type ApiServer, startApiServer } from '../../cluster/api-server.ts';
import { until } from '../../cluster/process.ts';
import { inParallel } from '../parallel.ts';
import { AuditTail } from './audit-tail.ts';

/**
 * Organizations have dozens of nodes, not hundreds, and each node's list of peers holds its whole consortium: so many
 * nodes are many consortiums.
 */
const ORGANIZATIONS = ['alpha', 'bravo'] as const;
const NODES_PER_ORGANIZATION = 25;
export const NODES_PER_CONSORTIUM = ORGANIZATIONS.length * NODES_PER_ORGANIZATION;

export const OPERATOR_NAMESPACE = 'quorum-operator';

export interface NodeName {
  readonly consortium: string;
  readonly organization: string;
  readonly namespace: string;
  readonly name: string;
}

/** A bare API server with our resource definitions, and the names of the nodes that a bench will make there. */
export interface World {
  readonly server: ApiServer;
  readonly client: KubeClient;
  readonly audit: AuditTail;
  readonly nodes: readonly NodeName[];
  stop(): Promise<void>;
}

export async function startWorld(nodes: number): Promise<World> {
  const server = await startApiServer({ name: 'bench', auditReads: false });
  try {
    const api = new ApiClient(server.kubeconfig);
    await installCrds(api);
    api.close();
    const client = connect({ kubeconfig: server.kubeconfig });
    await client.create(NAMESPACES, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: OPERATOR_NAMESPACE } });
    const names = nodeNames(nodes);
    const stop = async () => {
      await client.close();
      await server.stop();
    };
    return { server, client, audit: new AuditTail(server.auditLog), nodes: names, stop };
  } catch (error) {
    await server.stop();
    throw error;
  }
}

function nodeNames(count: number): NodeName[] {
  return Array.from({ length: count }, (_, index) => {
    const consortium = `bench${Math.floor(index / NODES_PER_CONSORTIUM)}`;
    const organization = ORGANIZATIONS[index % ORGANIZATIONS.length]!;
    return {
      consortium,
      organization,
      namespace: `${consortium}-${organization}`,
      name: `node-${String(index).padStart(4, '0')}`,
    };
  });
}

/** Namespaces alone, for an operator that knows nothing of Consortiums. */
export async function createNamespaces({ client, nodes }: World): Promise<void> {
  for (const { namespace: name, consortium, organization } of oneOfEachNamespace(nodes)) {
    const held = { [labels.consortium]: consortium, [labels.organization]: organization };
    await client.create(NAMESPACES, { apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels: held } });
  }
}

/** The Consortiums, prepared by the running operator: namespaces, authorities, genesis. */
export async function createConsortiums({ client, nodes }: World): Promise<void> {
  const names = [...new Set(nodes.map(({ consortium }) => consortium))];
  for (const name of names) await client.create(CONSORTIUMS, consortium(name));
  const isPrepared = async ({ namespace, consortium }: NodeName) =>
    (await client.get(CONFIGMAPS, { namespace, name: objectNames.members(consortium) })) !== undefined;
  for (const node of oneOfEachNamespace(nodes)) {
    await until(() => isPrepared(node), {
      timeoutMs: 120_000,
      everyMs: 250,
      what: `namespace ${node.namespace} to be prepared`,
    });
  }
}

function oneOfEachNamespace(nodes: readonly NodeName[]): NodeName[] {
  return [...new Map(nodes.map((node) => [node.namespace, node])).values()];
}

function consortium(name: string): KubeObject {
  return {
    apiVersion: `${GROUP}/v1alpha1`,
    kind: 'Consortium',
    metadata: { name },
    spec: {
      environment: 'Development',
      chainId: 83210,
      genesis: { create: {} },
      validators: ORGANIZATIONS.map((organization) => ({ organization, node: `${organization}-validator` })),
      organizations: ORGANIZATIONS.map((organization) => ({ name: organization })),
    },
  };
}

/** Makes all nodes, as fast as the API server takes them. */
export async function createNodes({ client, nodes }: World): Promise<void> {
  await inParallel(nodes.length, 16, (index) => client.create(QUORUMNODES, quorumNode(nodes[index]!)));
}

export function quorumNode({ name, namespace, consortium: reference, organization }: NodeName): KubeObject {
  return {
    apiVersion: `${GROUP}/v1alpha1`,
    kind: 'QuorumNode',
    metadata: { name, namespace },
    spec: { consortiumRef: { name: reference }, organization, environment: 'Development', role: 'Member' },
  };
}
