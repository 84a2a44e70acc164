import type { QuorumNode } from '../api/quorum-node.ts';
import type { ControllerDeps } from '../deps.ts';
import type { DoorTarget } from '../door/client.ts';
import { CONFIGMAPS, PODS } from '../kube/resources.ts';
import { objectNames } from '../names.ts';
import { podName } from '../workload/pod.ts';
import type { VotingNode } from './ballot.ts';

/** On a validator's QuorumNode: its organization gives no votes, for joining or leaving, while this is there. */
export const WITHHOLD_VOTES_ANNOTATION = 'quorum-operator.io/withhold-votes';

type Informers = Pick<ControllerDeps['informers'], 'of'>;

/** Where the door of a node's pod is; undefined while it has no pod with an address. */
export function doorTarget(informers: Informers, node: QuorumNode): DoorTarget | undefined {
  const { name, namespace } = node.metadata;
  const pod = informers.of(PODS).get({ namespace: namespace!, name: podName(name) });
  const authority = informers.of(CONFIGMAPS).get({ namespace: namespace!, name: objectNames.organizationCa });
  const caBundle: unknown = authority?.data?.['ca.crt'];
  const address: unknown = pod?.status?.podIP;
  if (typeof caBundle !== 'string' || typeof address !== 'string') return undefined;
  return { address, servername: `${name}.${namespace}.svc`, caBundle };
}

/** The nodes of a consortium in this cluster that are, were or may become validators. */
export function votingNodes(informers: Informers, nodes: readonly QuorumNode[]): VotingNode[] {
  return nodes
    .filter(({ spec, status }) => status?.address !== undefined && (spec.role === 'Validator' || status.validator))
    .map((node) => ({
      name: `${node.metadata.namespace}/${node.metadata.name}`,
      organization: node.spec.organization,
      address: node.status!.address!,
      withholds: (node.metadata.annotations?.[WITHHOLD_VOTES_ANNOTATION] ?? 'false') !== 'false',
      target: doorTarget(informers, node),
    }));
}
