import type { KubeObject } from '../../kube/types.ts';
import { labels, ports } from '../../names.ts';
import { manifest } from '../../workload/manifest.ts';
import {
  addressRange,
  consortiumPods,
  operatorPods,
  type PolicyPeer,
  podsHere,
  policySpec,
} from '../../workload/network-policy.ts';
import { frameLabels, frameSelector, type TesseraFrame } from '../frame.ts';

export interface TesseraAccess {
  readonly operatorNamespace: string;
  /** Address ranges of members outside this cluster, and the ports of their transaction managers. */
  readonly remote: { readonly cidrs: readonly string[]; readonly ports: readonly number[] };
  readonly database?: { readonly peers: readonly PolicyPeer[]; readonly port: number } | undefined;
}

/** NetworkPolicy `<tessera>`: other transaction managers of the consortium, the organization's own nodes, the operator, its database. */
export function tesseraNetworkPolicy(frame: TesseraFrame, access: TesseraAccess): KubeObject {
  const { name, namespace, owner } = frame;
  const managers = consortiumPods(frame.consortium, 'tessera');
  const remote = access.remote.cidrs.map(addressRange);
  const ownNodes = podsHere({ [labels.component]: 'node', [labels.organization]: frame.organization });
  return manifest(
    { apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy', name, namespace, labels: frameLabels(frame), owner },
    {
      spec: policySpec(
        frameSelector(frame),
        [
          { port: ports.tesseraPeer, peers: [managers, ...remote] },
          { port: ports.tesseraQ2T, peers: [ownNodes] },
          { port: ports.ops, peers: [operatorPods(access.operatorNamespace)] },
        ],
        [
          { port: ports.tesseraPeer, peers: [managers] },
          ...access.remote.ports.map((port) => ({ port, peers: remote })),
          ...(access.database ? [{ port: access.database.port, peers: access.database.peers }] : []),
        ],
      ),
    },
  );
}
