import { isIP } from 'node:net';
import type { KubeObject } from '../../kube/types.ts';
import { labels, ports } from '../../names.ts';
import { selectorLabels } from '../../workload/labels.ts';
import { manifest } from '../../workload/manifest.ts';
import {
  addressRange,
  consortiumPods,
  operatorPods,
  type PolicyPeer,
  type PolicyRule,
  peersOfHost,
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
  /** The consortium's members outside this cluster. */
  readonly remote: {
    /** Address ranges from which their nodes connect. */
    readonly cidrs: readonly string[];
    /** Where their nodes are reached, from their enodes. */
    readonly peers: readonly { readonly host: string; readonly port: number }[];
  };
  /** The node is to be reached from outside the cluster. */
  readonly exposed: boolean;
  /** Name of the node's TesseraNode. */
  readonly tessera?: string | undefined;
  /** Where the signer's database is. */
  readonly database?: { readonly peers: readonly PolicyPeer[]; readonly port: number } | undefined;
}

/**
 * NetworkPolicy `<node>`. Beside it the namespace denies everything, both ways, and allows DNS. The kubelet's probes are
 * host traffic, which no policy stops. Nothing reaches the internet, the API server or another organization's doors; the world
 * outside the cluster is the address ranges and the enodes of remote members.
 */
export function nodeNetworkPolicy(frame: NodeFrame, access: NodeAccess): KubeObject {
  const ownNodes = podsHere({ [labels.component]: 'node', [labels.organization]: frame.organization });
  const members = consortiumPods(frame.consortium, 'node');
  const remote = access.exposed ? access.remote.cidrs.map(addressRange) : [];
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
          { port: ports.ops, peers: [operatorPods(access.operatorNamespace)] },
          { port: ports.peer, peers: [members, ...remote] },
        ],
        [
          { port: ports.peer, peers: [members] },
          ...remotePeers(access.remote),
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

/** One rule a port: their address ranges, and what their enodes name by address should that lie elsewhere. */
function remotePeers({ cidrs, peers }: NodeAccess['remote']): PolicyRule[] {
  const all = [...new Set(peers.map(({ port }) => port))].sort((a, b) => a - b);
  return all.map((port) => {
    const addresses = peers.filter((peer) => peer.port === port && isIP(peer.host) !== 0).map(({ host }) => host);
    return { port, peers: [...cidrs.map(addressRange), ...[...new Set(addresses)].sort().flatMap(peersOfHost)] };
  });
}
