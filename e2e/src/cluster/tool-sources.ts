const COREDNS_PLUGINS = [
  'bind',
  'cache',
  'errors',
  'forward',
  'health',
  'hosts',
  'kubernetes',
  'loadbalance',
  'log',
  'metrics',
  'ready',
  'reload',
];

/** The main package of a CoreDNS with only the plugins that a cluster needs. */
export const COREDNS_MAIN = `package main

import (
${COREDNS_PLUGINS.map((name) => `\t_ "github.com/coredns/coredns/plugin/${name}"`).join('\n')}
\t"github.com/coredns/coredns/coremain"
)

func main() { coremain.Run() }
`;

/**
 * The module of kube-network-policies has no record in Go's checksum database, so its sums are pinned here; the sum of
 * the zip was compared with the git tag v0.8.0, and network-policy-api's comes from its own go.sum.
 */
export const NETWORK_POLICIES_SUMS = `sigs.k8s.io/kube-network-policies v0.8.0 h1:dzecRNzdmg+VmHEQWTIjxnCgf412J+8CKHqbKgCiWkk=
sigs.k8s.io/kube-network-policies v0.8.0/go.mod h1:QNAmb/exAiL032oNq0/QhfYl5H+jEFFDF0qVXpIOkeI=
sigs.k8s.io/network-policy-api v0.1.6-0.20250401132235-45061d10895e h1:b5Vm5aa0I37gToQmFhQ+gQMZVsPsxSiJzxZWtSCs99w=
sigs.k8s.io/network-policy-api v0.1.6-0.20250401132235-45061d10895e/go.mod h1:8J+z3UB9HgeqbmYprl6OKIobEDv27A3KRHPcteJ61rw=
`;
