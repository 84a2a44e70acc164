import { join } from 'node:path';
import { clusterDirectory } from '../cache.ts';

/**
 * Addresses inside a cluster. Each cluster has a network of its own that nothing leaves, so all clusters use the same.
 */
export const NETWORK = {
  node: '10.111.0.2',
  pods: '10.244.0.0/16',
  nodePods: '10.244.0.0/24',
  services: '10.96.0.0/16',
  apiService: '10.96.0.1',
  dns: '10.96.0.10',
  apiPort: 6443,
  etcdPort: 2379,
} as const;

export const DOMAIN = 'cluster.local';
export const REGION = 'local';
export const ZONE = 'local-a';
/** Queue of the kernel on which packets wait for the network policy agent's verdict (its default number). */
export const POLICY_QUEUE = 100;
export const PROVISIONER = 'quorum-operator.io/local-volumes';
export const STORAGE_CLASS = 'standard';

export const PAUSE_IMAGE = 'localhost/pause:1';

/** Inside the cluster's mount namespace, where it is a memory file system of its own. */
export const CONTAINERD_SOCKET = '/run/containerd/containerd.sock';

/** Names and files of one local cluster. */
export interface Layout {
  name: string;
  node: string;
  /** Cgroup below the root of each hierarchy. */
  cgroup: string;
  directory: string;
  state: string;
  kubeconfig: string;
  auditLog: string;
  auditPolicy: string;
  /** Logs of the components. */
  logs: string;
  /** Pids of the components, as seen inside the cluster. */
  pids: string;
  pki: string;
  config: string;
  containerd: string;
  kubelet: string;
  cni: string;
  /** Stands in for /var/log, where the kubelet keeps the pods' logs. */
  varLog: string;
  etcd: string;
  sysctl: string;
  volumes: string;
}

export function layout(name: string): Layout {
  const directory = clusterDirectory(name);
  const at = (...parts: string[]) => join(directory, ...parts);
  return {
    name,
    node: `${name}-node`,
    cgroup: `quorum-operator-${name}`,
    directory,
    state: at('state.json'),
    kubeconfig: at('kubeconfig'),
    auditLog: at('audit', 'audit.log'),
    auditPolicy: at('config', 'audit-policy.yaml'),
    logs: at('log'),
    pids: at('pids'),
    pki: at('pki'),
    config: at('config'),
    containerd: at('data', 'containerd'),
    kubelet: at('data', 'kubelet'),
    cni: at('data', 'cni'),
    varLog: at('data', 'var-log'),
    etcd: at('data', 'etcd'),
    sysctl: at('data', 'sysctl'),
    volumes: at('volumes'),
  };
}
