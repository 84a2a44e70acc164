import type { KubeObject } from '../kube/types.ts';
import { objectNames, ports } from '../names.ts';
import { childLabels, selectorLabels } from '../workload/labels.ts';
import { manifest } from '../workload/manifest.ts';

/** The node that a peer Service belongs to. */
export interface PeerServiceOf {
  readonly node: string;
  readonly namespace: string;
  readonly consortium: string;
  readonly organization: string;
}

/**
 * Service `<node>-p2p`: the stable address in a node's enode URL. geth resolves a name in an enode once, so peers get the cluster IP itself.
 *
 * Two controllers apply it, one for the first validators before any QuorumNode exists, one for each QuorumNode, so it has no owner and
 * depends on nothing but these four names: both write the same bytes, and the address survives the deletion of a node.
 * Addresses that are not ready are published: a validator has to find its peers before it can be called ready.
 */
export function peerService(of: PeerServiceOf): KubeObject {
  return manifest(
    {
      apiVersion: 'v1',
      kind: 'Service',
      name: objectNames.peerService(of.node),
      namespace: of.namespace,
      labels: childLabels({
        program: 'goquorum',
        instance: of.node,
        consortium: of.consortium,
        organization: of.organization,
        component: 'node',
      }),
    },
    {
      spec: {
        type: 'ClusterIP',
        publishNotReadyAddresses: true,
        selector: selectorLabels({ instance: of.node, component: 'node' }),
        ports: [{ name: 'p2p', port: ports.peer, protocol: 'TCP', targetPort: ports.peer }],
      },
    },
  );
}
