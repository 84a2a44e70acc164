import { writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { stringify } from 'yaml';
import { auditPolicy } from '../audit.ts';
import { CONTAINERD_SOCKET, DOMAIN, type Layout, NETWORK, PAUSE_IMAGE } from './layout.ts';

export interface RuntimePaths {
  runc: string;
  /** Any CNI plugin; its folder is used. */
  ptp: string;
}

/** Writes the configuration files of all components into the cluster's folder. */
export async function writeConfigs(paths: Layout, runtime: RuntimePaths): Promise<void> {
  const files = {
    'audit-policy.yaml': auditPolicy({ reads: 'service-accounts' }),
    'resolv.conf': '', // pods with dnsPolicy Default have no name server: nothing leaves the cluster
    'containerd.toml': containerdConfig(paths, runtime),
    'kubelet.yaml': stringify(kubeletConfig(paths)),
    'kube-proxy.yaml': stringify(kubeProxyConfig(paths)),
    'cni/10-ptp.conflist': JSON.stringify(cniConfig()),
  };
  await Promise.all(Object.entries(files).map(([name, text]) => writeFile(join(paths.config, name), text)));
}

/** Point-to-point links with addresses of the node's range; everything between pods is routed, hence filtered. */
function cniConfig(): object {
  const ipam = { type: 'host-local', ranges: [[{ subnet: NETWORK.nodePods }]], routes: [{ dst: '0.0.0.0/0' }] };
  return {
    cniVersion: '1.0.0',
    name: 'ptp',
    plugins: [
      { type: 'ptp', mtu: 1500, ipMasq: false, ipam },
      { type: 'portmap', capabilities: { portMappings: true }, snat: true },
    ],
  };
}

function containerdConfig(paths: Layout, runtime: RuntimePaths): string {
  const text = (value: string) => JSON.stringify(value); // a JSON string is a TOML string
  const disabled = ['aufs', 'btrfs', 'zfs', 'devmapper'].map((name) => `io.containerd.snapshotter.v1.${name}`);
  const cri = 'plugins."io.containerd.grpc.v1.cri"';
  return `version = 2
root = ${text(paths.containerd)}
state = "/run/containerd"
disabled_plugins = ${JSON.stringify([...disabled, 'io.containerd.internal.v1.opt', 'io.containerd.tracing.processor.v1.otlp'])}
[grpc]
  address = ${text(CONTAINERD_SOCKET)}
[${cri}]
  sandbox_image = ${text(PAUSE_IMAGE)}
  # Lowering oom_score_adj needs a capability that a container or a small virtual machine may lack.
  restrict_oom_score_adj = true
  disable_apparmor = true
  disable_hugetlb_controller = true
  stream_server_address = "127.0.0.1"
  [${cri}.cni]
    bin_dir = ${text(dirname(runtime.ptp))}
    conf_dir = ${text(join(paths.config, 'cni'))}
  [${cri}.containerd]
    snapshotter = "overlayfs"
    default_runtime_name = "runc"
    [${cri}.containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [${cri}.containerd.runtimes.runc.options]
        BinaryName = ${text(runtime.runc)}
        SystemdCgroup = false
`;
}

function kubeletConfig(paths: Layout): object {
  return {
    apiVersion: 'kubelet.config.k8s.io/v1beta1',
    kind: 'KubeletConfiguration',
    authentication: {
      anonymous: { enabled: false },
      webhook: { enabled: true },
      x509: { clientCAFile: join(paths.pki, 'ca.crt') },
    },
    authorization: { mode: 'Webhook' },
    tlsCertFile: join(paths.pki, 'kubelet.crt'),
    tlsPrivateKeyFile: join(paths.pki, 'kubelet.key'),
    clusterDNS: [NETWORK.dns],
    clusterDomain: DOMAIN,
    resolvConf: join(paths.config, 'resolv.conf'),
    containerRuntimeEndpoint: `unix://${CONTAINERD_SOCKET}`,
    cgroupDriver: 'cgroupfs',
    cgroupRoot: `/${paths.cgroup}`,
    failCgroupV1: false,
    failSwapOn: false,
    // Both need CAP_SYS_RESOURCE at their default values.
    oomScoreAdj: 0,
    maxOpenFiles: 20000,
    kubeAPIQPS: 500,
    kubeAPIBurst: 1000,
    protectKernelDefaults: false,
    makeIPTablesUtilChains: false,
    volumePluginDir: join(paths.kubelet, 'flex'),
    imageGCHighThresholdPercent: 100, // images are loaded by hand and could not be pulled again
    imageGCLowThresholdPercent: 99,
    evictionHard: { 'memory.available': '200Mi', 'nodefs.available': '2%' },
    nodeStatusUpdateFrequency: '10s',
    syncFrequency: '10s',
    shutdownGracePeriod: '0s',
  };
}

function kubeProxyConfig(paths: Layout): object {
  return {
    apiVersion: 'kubeproxy.config.k8s.io/v1alpha1',
    kind: 'KubeProxyConfiguration',
    clientConnection: { kubeconfig: join(paths.pki, 'kube-proxy.kubeconfig') },
    hostnameOverride: paths.node,
    mode: 'nftables',
    clusterCIDR: NETWORK.pods,
    oomScoreAdj: 0,
    healthzBindAddress: '127.0.0.1:10256',
    metricsBindAddress: '127.0.0.1:10249',
    // Zero leaves the kernel's connection tracking settings, which are the machine's, as they are.
    conntrack: { maxPerCore: 0, min: 0, tcpEstablishedTimeout: '0s', tcpCloseWaitTimeout: '0s' },
  };
}
