import { isIP } from 'node:net';
import { objectNames, ports } from '../names.ts';
import type { NodeObservation } from './observation.ts';

/** Where peers outside the cluster reach port 30303 of a node. */
export type ExternalEndpoint =
  /** Nowhere, and nobody asked for it. */
  | { readonly kind: 'none' }
  | { readonly kind: 'known'; readonly host: string; readonly port: number }
  /** The cluster has not given it yet. */
  | { readonly kind: 'pending'; readonly message: string }
  | { readonly kind: 'invalid'; readonly message: string };

/** Types of exposure for which the operator makes a Service. */
export function exposedByService(
  type: 'None' | 'LoadBalancer' | 'NodePort' | 'Address' | undefined,
): type is 'LoadBalancer' | 'NodePort' {
  return type === 'LoadBalancer' || type === 'NodePort';
}

/**
 * The endpoint, from `spec.exposure` and what the cluster gave the Service `<node>-p2p-external`. A Service of another type than
 * the one asked for says nothing yet.
 */
export function externalEndpoint({
  node,
  externalService,
}: Pick<NodeObservation, 'node' | 'externalService'>): ExternalEndpoint {
  const { type, address } = node.spec.exposure ?? { type: 'None' };
  if (type === 'None') return { kind: 'none' };
  const service = externalService?.spec?.type === type ? externalService : undefined;
  if (type === 'LoadBalancer') {
    const host = balancerHost(service?.status?.loadBalancer?.ingress);
    return host === undefined
      ? pending(node.metadata.name, 'has no address yet; the load balancers of the cluster give it one')
      : { kind: 'known', host, port: ports.peer };
  }
  const given = parseAddress(address ?? '');
  if (!given) {
    const message = `spec.exposure.address ${address} is neither an IP address nor a host name, with or without a port from 1 to 65535; write one such as 203.0.113.7, [2001:db8::7]:30303 or node.example.com.`;
    return { kind: 'invalid', message };
  }
  if (type === 'Address') return { kind: 'known', host: given.host, port: given.port ?? ports.peer };
  const nodePort: unknown = service?.spec?.ports?.[0]?.nodePort;
  const port = given.port ?? (typeof nodePort === 'number' ? nodePort : undefined);
  return port === undefined
    ? pending(node.metadata.name, 'has no node port yet; the API server gives it one')
    : { kind: 'known', host: given.host, port };
}

function pending(node: string, what: string): ExternalEndpoint {
  return {
    kind: 'pending',
    message: `Service ${objectNames.externalPeerService(node)} ${what}. The node starts with its address for peers outside the cluster, so it waits.`,
  };
}

/** An address before a name: peers resolve a name once, when they start. */
function balancerHost(ingress: unknown): string | undefined {
  if (!Array.isArray(ingress)) return undefined;
  const hosts = (ingress as { ip?: string; hostname?: string }[]).flatMap(({ ip, hostname }) => ip ?? hostname ?? []);
  return hosts.find((host) => isIP(host) !== 0) ?? hosts[0];
}

/** `host` or `host:port`, an IPv6 address in brackets. */
function parseAddress(address: string): { host: string; port?: number } | undefined {
  const match = /^(?:\[([^\]]+)\]|([^:[\]]+))(?::(\d+))?$/.exec(address);
  if (!match) return undefined;
  const host = match[1] ?? match[2]!;
  const port = match[3] === undefined ? undefined : Number(match[3]);
  const looksLikeIp = match[1] !== undefined || /^[\d.]+$/.test(host);
  if ((looksLikeIp && isIP(host) === 0) || (port !== undefined && (port < 1 || port > 65535))) return undefined;
  return port === undefined ? { host } : { host, port };
}
