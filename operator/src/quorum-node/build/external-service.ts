import type { KubeObject } from '../../kube/types.ts';
import { objectNames, ports } from '../../names.ts';
import { manifest } from '../../workload/manifest.ts';
import { frameLabels, frameSelector, type NodeFrame } from '../frame.ts';

/**
 * Service `<node>-p2p-external`: the way in for peers outside the cluster.
 *
 * Policy `Local` keeps the peer's own address, by which the NetworkPolicy lets in the ranges of remote members and nobody else;
 * any other policy would show every peer as one of the cluster's machines. Addresses that are not ready are published: a node
 * has to find its peers before it can be called ready.
 */
export function externalPeerService(
  frame: NodeFrame,
  type: 'LoadBalancer' | 'NodePort',
  remoteCidrs: readonly string[],
): KubeObject {
  return manifest(
    {
      apiVersion: 'v1',
      kind: 'Service',
      name: objectNames.externalPeerService(frame.name),
      namespace: frame.namespace,
      labels: frameLabels(frame),
      owner: frame.owner,
    },
    {
      spec: {
        type,
        externalTrafficPolicy: 'Local',
        // A second wall, outside the cluster, where the balancer has one. An empty list would mean everybody.
        ...(type === 'LoadBalancer' && remoteCidrs.length > 0 ? { loadBalancerSourceRanges: [...remoteCidrs] } : {}),
        publishNotReadyAddresses: true,
        selector: frameSelector(frame),
        ports: [{ name: 'p2p', port: ports.peer, protocol: 'TCP', targetPort: ports.peer }],
      },
    },
  );
}
