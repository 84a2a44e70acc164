import { join } from 'node:path';
import { auditArguments } from '../audit.ts';
import { etcdArguments } from '../etcd.ts';
import { type Layout, NETWORK, REGION, ZONE } from './layout.ts';

/** Full paths of all programs that a cluster runs. */
export interface Programs {
  etcd: string;
  containerd: string;
  'kube-apiserver': string;
  'kube-controller-manager': string;
  'kube-scheduler': string;
  kubelet: string;
  'kube-proxy': string;
}

export type Component =
  | keyof Programs
  /** Our own two programs, run by Node. */
  | 'forwarder'
  | 'volume-provisioner';

export const COMPONENTS: readonly Component[] = [
  'etcd',
  'containerd',
  'kube-apiserver',
  'forwarder',
  'kube-controller-manager',
  'kube-scheduler',
  'kubelet',
  'kube-proxy',
  'volume-provisioner',
];

/** The command line of each component. */
export function command(component: Component, paths: Layout, programs: Programs): string[] {
  switch (component) {
    case 'etcd':
      return [
        programs.etcd,
        ...etcdArguments(join(paths.etcd, 'data'), NETWORK.etcdPort),
        '--quota-backend-bytes=1073741824',
      ];
    case 'containerd':
      // Containers inherit the core limit. It is raised as far as the machine lets us, so that a container without core
      // dumps is the product's doing.
      return [
        ...['sh', '-c', 'ulimit -S -c "$(ulimit -H -c)"; exec "$@"', 'sh'],
        ...[programs.containerd, '--config', join(paths.config, 'containerd.toml')],
      ];
    case 'kube-apiserver':
      return [programs['kube-apiserver'], ...apiServerArguments(paths)];
    case 'kube-controller-manager':
      return [programs['kube-controller-manager'], ...controllerManagerArguments(paths)];
    case 'kube-scheduler':
      return [
        programs['kube-scheduler'],
        `--kubeconfig=${kubeconfig(paths, component)}`,
        '--leader-elect=false',
        '--kube-api-qps=500',
        '--kube-api-burst=1000',
        '--bind-address=127.0.0.1',
      ];
    case 'kubelet':
      return [
        programs.kubelet,
        `--config=${join(paths.config, 'kubelet.yaml')}`,
        `--kubeconfig=${kubeconfig(paths, component)}`,
        `--hostname-override=${paths.node}`,
        `--node-ip=${NETWORK.node}`,
        `--node-labels=topology.kubernetes.io/region=${REGION},topology.kubernetes.io/zone=${ZONE}`,
        '--root-dir=/var/lib/kubelet',
      ];
    case 'kube-proxy':
      return [programs['kube-proxy'], `--config=${join(paths.config, 'kube-proxy.yaml')}`];
    case 'forwarder':
      return [process.execPath, new URL('./forwarder.ts', import.meta.url).pathname, '127.0.0.1', `${NETWORK.apiPort}`];
    case 'volume-provisioner':
      return [
        process.execPath,
        new URL('./volume-provisioner.ts', import.meta.url).pathname,
        kubeconfig(paths, component),
        paths.volumes,
        paths.node,
      ];
  }
}

function kubeconfig(paths: Layout, component: Component): string {
  return join(paths.pki, `${component}.kubeconfig`);
}

function apiServerArguments(paths: Layout): string[] {
  const pki = (name: string) => join(paths.pki, name);
  return [
    `--advertise-address=${NETWORK.node}`,
    `--secure-port=${NETWORK.apiPort}`,
    `--etcd-servers=http://127.0.0.1:${NETWORK.etcdPort}`,
    `--client-ca-file=${pki('ca.crt')}`,
    `--tls-cert-file=${pki('kube-apiserver.crt')}`,
    `--tls-private-key-file=${pki('kube-apiserver.key')}`,
    `--kubelet-certificate-authority=${pki('ca.crt')}`,
    `--kubelet-client-certificate=${pki('kubelet-client.crt')}`,
    `--kubelet-client-key=${pki('kubelet-client.key')}`,
    '--kubelet-preferred-address-types=InternalIP',
    '--service-account-issuer=https://kubernetes.default.svc.cluster.local',
    `--service-account-key-file=${pki('service-accounts.key')}`,
    `--service-account-signing-key-file=${pki('service-accounts.key')}`,
    `--service-cluster-ip-range=${NETWORK.services}`,
    '--authorization-mode=Node,RBAC',
    '--enable-admission-plugins=NodeRestriction',
    '--allow-privileged=true',
    '--profiling=false',
    ...auditArguments(paths.auditPolicy, paths.auditLog),
  ];
}

function controllerManagerArguments(paths: Layout): string[] {
  const pki = (name: string) => join(paths.pki, name);
  return [
    `--kubeconfig=${kubeconfig(paths, 'kube-controller-manager')}`,
    `--service-account-private-key-file=${pki('service-accounts.key')}`,
    `--root-ca-file=${pki('ca.crt')}`,
    `--cluster-signing-cert-file=${pki('ca.crt')}`,
    `--cluster-signing-key-file=${pki('ca.key')}`,
    `--cluster-cidr=${NETWORK.pods}`,
    '--allocate-node-cidrs=true',
    '--use-service-account-credentials=true',
    '--leader-elect=false',
    '--kube-api-qps=500',
    '--kube-api-burst=1000',
    '--bind-address=127.0.0.1',
    `--flex-volume-plugin-dir=${join(paths.kubelet, 'flex')}`,
  ];
}
