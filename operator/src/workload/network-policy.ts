import { isIP } from 'node:net';
import { labels } from '../names.ts';

/** Peers and ports of a NetworkPolicy rule, in the words of networking.k8s.io/v1. */
export interface PolicyPeer {
  readonly namespaceSelector?: { readonly matchLabels: Readonly<Record<string, string>> };
  readonly podSelector?: { readonly matchLabels: Readonly<Record<string, string>> };
  readonly ipBlock?: { readonly cidr: string };
}

export interface PolicyRule {
  readonly peers: readonly PolicyPeer[];
  readonly port: number;
}

/** Label that the API server itself puts on each namespace, so nobody can claim another's name. */
const NAMESPACE_NAME = 'kubernetes.io/metadata.name';

/** Pods of a namespace, all or those with the labels. */
export function podsIn(namespace: string, podLabels?: Readonly<Record<string, string>>): PolicyPeer {
  return {
    namespaceSelector: { matchLabels: { [NAMESPACE_NAME]: namespace } },
    ...(podLabels && Object.keys(podLabels).length > 0 ? { podSelector: { matchLabels: podLabels } } : {}),
  };
}

/** Pods with the labels in the policy's own namespace. */
export function podsHere(podLabels: Readonly<Record<string, string>>): PolicyPeer {
  return { podSelector: { matchLabels: podLabels } };
}

/** Pods of one component in every namespace of the consortium in this cluster. */
export function consortiumPods(consortium: string, component: string): PolicyPeer {
  return {
    namespaceSelector: { matchLabels: { [labels.consortium]: consortium } },
    podSelector: { matchLabels: { [labels.component]: component, [labels.consortium]: consortium } },
  };
}

/** The operator itself, and not whatever else runs beside it. The chart's Deployment has these labels. */
export function operatorPods(namespace: string): PolicyPeer {
  return podsIn(namespace, { [labels.name]: 'quorum-operator', 'app.kubernetes.io/component': 'operator' });
}

/** An address range outside the cluster. */
export function addressRange(cidr: string): PolicyPeer {
  return { ipBlock: { cidr } };
}

/** Rules with no peer are dropped: an empty `from` would mean "everybody". */
export function policySpec(
  podLabels: Readonly<Record<string, string>>,
  ingress: readonly PolicyRule[],
  egress: readonly PolicyRule[],
): Record<string, unknown> {
  const ports = (rule: PolicyRule) => [{ port: rule.port, protocol: 'TCP' }];
  const open = (rules: readonly PolicyRule[]) => rules.filter((rule) => rule.peers.length > 0);
  return {
    podSelector: { matchLabels: podLabels },
    policyTypes: ['Ingress', 'Egress'],
    ingress: open(ingress).map((rule) => ({ from: rule.peers, ports: ports(rule) })),
    egress: open(egress).map((rule) => ({ to: rule.peers, ports: ports(rule) })),
  };
}

/**
 * Where a service named by host is: an address, pods of a namespace in this cluster (`x.ns.svc`, `x.ns.svc.cluster.local`),
 * or, for a name of the outside world, which policies cannot express, any address (the rule's port still limits it).
 */
export function peersOfHost(host: string): PolicyPeer[] {
  const version = isIP(host);
  if (version !== 0) return [addressRange(`${host}/${version === 4 ? 32 : 128}`)];
  const inCluster = /^[^.]+\.([^.]+)\.svc(\..+)?$/.exec(host);
  if (inCluster) return [podsIn(inCluster[1]!)];
  return [addressRange('0.0.0.0/0'), addressRange('::/0')];
}
