import type { KubeObject } from '../../kube/types.ts';
import { labels, ports } from '../../names.ts';
import { selectorLabels } from '../../workload/labels.ts';
import { manifest } from '../../workload/manifest.ts';
import {
  addressRange,
  consortiumPods,
  type PolicyPeer,
  podsHere,
  podsIn,
  policySpec,
} from '../../workload/network-policy.ts';
import { frameLabels, frameSelector, type NodeFrame } from '../frame.ts';

export interface NodeAccess {
  /** Where the operator runs. */
  readonly operatorNamespace: string;
  /** `spec.rpc.clients`. */
  readonly rpcClients: readonly {
    readonly namespace: string;
    readonly podLabels?: Readonly<Record<string, string>> | undefined;
  }[];
  /** Address ranges of the consortium's members outside this cluster. */
  readonly remoteCidrs: readonly string[];
  /** Name of the node's TesseraNode. */
  readonly tessera?: string | undefined;
  /** Where the signer's database is. */
  readonly database?: { readonly peers: readonly PolicyPeer[]; readonly port: number } | undefined;
}

/**
 * NetworkPolicy `<node>`. Beside it the namespace denies everything, both ways, and allows DNS. The kubelet's probes are
 * host traffic, which no policy stops. Nothing reaches the internet, the API server or another organization's doors.
 */
export function nodeNetworkPolicy(frame: NodeFrame, access: NodeAccess): KubeObject {
  const ownNodes = podsHere({ [labels.component]: 'node', [labels.organization]: frame.organization });
  const peers = [consortiumPods(frame.consortium, 'node'), ...access.remoteCidrs.map(addressRange)];
  const clients = access.rpcClients.map((client) => podsIn(client.namespace, client.podLabels));
  return manifest(
    {
      apiVersion: 'networking.k8s.io/v1',
      kind: 'NetworkPolicy',
      name: frame.name,
      namespace: frame.namespace,
      labels: frameLabels(frame),
      owner: frame.owner,
    },
    {
      spec: policySpec(
        frameSelector(frame),
        [
          { port: ports.door, peers: [...clients, ownNodes] },
          { port: ports.ops, peers: [podsIn(access.operatorNamespace)] },
          { port: ports.peer, peers },
        ],
        [
          { port: ports.peer, peers },
          { port: ports.door, peers: [ownNodes] },
          ...(access.tessera
            ? [
                {
                  port: ports.tesseraQ2T,
                  peers: [podsHere(selectorLabels({ instance: access.tessera, component: 'tessera' }))],
                },
              ]
            : []),
          ...(access.database ? [{ port: access.database.port, peers: access.database.peers }] : []),
        ],
      ),
    },
  );
}
