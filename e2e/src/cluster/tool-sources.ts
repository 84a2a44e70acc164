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

const CERT_MANAGER_CONTROLLERS = [
  'controller/certificaterequests/approver',
  'controller/certificaterequests/ca',
  'controller/certificaterequests/selfsigned',
  'controller/certificates/issuing',
  'controller/certificates/keymanager',
  'controller/certificates/readiness',
  'controller/certificates/requestmanager',
  'controller/certificates/revisionmanager',
  'controller/certificates/trigger',
  'controller/clusterissuers',
  'controller/issuers',
  'issuer/ca',
  'issuer/selfsigned',
];

/**
 * cert-manager's controller: its own control loops for CA issuers, under a main function of ours. The program that it releases is a module that
 * is not published, and draws in the clients of all clouds.
 */
export const CERT_MANAGER_MAIN = `package main

import (
\t"context"
\t"flag"
\t"os"
\t"os/signal"
\t"sync"
\t"syscall"
\t"time"

\t"github.com/cert-manager/cert-manager/pkg/controller"
${CERT_MANAGER_CONTROLLERS.map((name) => `\t_ "github.com/cert-manager/cert-manager/pkg/${name}"`).join('\n')}
\t"k8s.io/klog/v2"
)

func main() {
\tkubeconfig := flag.String("kubeconfig", "", "file of the cluster")
\tnamespace := flag.String("cluster-resource-namespace", "cert-manager", "where the Secrets of ClusterIssuers are")
\tflag.Parse()
\tctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
\tdefer stop()
\tfactory, err := controller.NewContextFactory(ctx, controller.ContextOptions{
\t\tKubeconfig:         *kubeconfig,
\t\tKubernetesAPIQPS:   50,
\t\tKubernetesAPIBurst: 100,
\t\tIssuerOptions:      controller.IssuerOptions{ClusterResourceNamespace: *namespace},
\t\tCertificateOptions: controller.CertificateOptions{
\t\t\tCopiedAnnotationPrefixes:                 []string{"*", "-kubectl.kubernetes.io/"},
\t\t\tCertificateRequestMinimumBackoffDuration: time.Hour,
\t\t\tCertificateRequestMaximumBackoffDuration: 32 * time.Hour,
\t\t},
\t})
\tif err != nil {
\t\tklog.Fatal(err)
\t}
\tshared, err := factory.Build()
\tif err != nil {
\t\tklog.Fatal(err)
\t}
\tvar running sync.WaitGroup
\tfor name, construct := range controller.Known() {
\t\tloop, err := construct(factory)
\t\tif err != nil {
\t\t\tklog.Fatalf("%s: %v", name, err)
\t\t}
\t\trunning.Add(1)
\t\tgo func() {
\t\t\tdefer running.Done()
\t\t\tif err := loop.Run(5, ctx); err != nil {
\t\t\t\tklog.Errorf("%s: %v", name, err)
\t\t\t\tos.Exit(1)
\t\t\t}
\t\t}()
\t}
\tshared.SharedInformerFactory.Start(ctx.Done())
\tshared.KubeSharedInformerFactory.Start(ctx.Done())
\trunning.Wait()
}
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
