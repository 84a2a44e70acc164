import { DOMAIN, NETWORK, PAUSE_IMAGE, PROVISIONER, STORAGE_CLASS } from './layout.ts';

/** An object and the API path under which it is applied. */
export interface Manifest {
  path: string;
  object: { apiVersion: string; kind: string; metadata: { name: string; namespace?: string } } & Record<
    string,
    unknown
  >;
}

type Rule = { apiGroups: string[]; resources: string[]; verbs: string[] };

const RBAC = 'rbac.authorization.k8s.io';

/** What the cluster's own programs may do; needed before they start. */
export function rightsManifests(): Manifest[] {
  const look = ['get', 'list', 'watch'];
  return [
    ...rights(
      'kube-network-policies',
      { kind: 'ServiceAccount', name: 'kube-network-policies', namespace: 'kube-system' },
      [
        { apiGroups: [''], resources: ['pods', 'namespaces', 'nodes'], verbs: look },
        { apiGroups: ['networking.k8s.io'], resources: ['networkpolicies'], verbs: look },
      ],
    ),
    ...rights('volume-provisioner', { kind: 'User', name: 'volume-provisioner', apiGroup: RBAC }, [
      { apiGroups: [''], resources: ['persistentvolumeclaims'], verbs: look },
      { apiGroups: [''], resources: ['persistentvolumes'], verbs: [...look, 'create', 'delete'] },
      { apiGroups: ['storage.k8s.io'], resources: ['storageclasses'], verbs: look },
    ]),
    ...rights('system:coredns', { kind: 'ServiceAccount', name: 'coredns', namespace: 'kube-system' }, [
      { apiGroups: [''], resources: ['endpoints', 'services', 'pods', 'namespaces'], verbs: look },
      { apiGroups: ['discovery.k8s.io'], resources: ['endpointslices'], verbs: look },
    ]),
  ];
}

function rights(name: string, subject: Record<string, string>, rules: Rule[]): Manifest[] {
  return [
    {
      path: `/apis/${RBAC}/v1/clusterroles/${name}`,
      object: { apiVersion: `${RBAC}/v1`, kind: 'ClusterRole', metadata: { name }, rules },
    },
    {
      path: `/apis/${RBAC}/v1/clusterrolebindings/${name}`,
      object: {
        apiVersion: `${RBAC}/v1`,
        kind: 'ClusterRoleBinding',
        metadata: { name },
        roleRef: { apiGroup: RBAC, kind: 'ClusterRole', name },
        subjects: [subject],
      },
    },
  ];
}

/** The default StorageClass; volumes are folders of the cluster's own folder. */
export function storageManifests(): Manifest[] {
  return [
    {
      path: `/apis/storage.k8s.io/v1/storageclasses/${STORAGE_CLASS}`,
      object: {
        apiVersion: 'storage.k8s.io/v1',
        kind: 'StorageClass',
        metadata: {
          name: STORAGE_CLASS,
          annotations: { 'storageclass.kubernetes.io/is-default-class': 'true' },
        } as Manifest['object']['metadata'],
        provisioner: PROVISIONER,
        reclaimPolicy: 'Delete',
        volumeBindingMode: 'WaitForFirstConsumer',
      },
    },
  ];
}

const COREFILE = `.:53 {
    errors
    health
    ready
    kubernetes ${DOMAIN} in-addr.arpa {
        pods insecure
        ttl 5
    }
    cache 5
}
`;

/**
 * Cluster DNS, labelled as everywhere (k8s-app=kube-dns), because network policies select it by that label.
 * `program` is the path of coredns on the machine.
 */
export function dnsManifests(program: string): Manifest[] {
  const labels = { 'k8s-app': 'kube-dns' };
  const metadata = { name: 'coredns', namespace: 'kube-system' };
  const core = '/api/v1/namespaces/kube-system';
  const v1 = { apiVersion: 'v1', metadata };
  const ports = [
    { name: 'dns', port: 53, protocol: 'UDP' },
    { name: 'dns-tcp', port: 53, protocol: 'TCP' },
  ];
  return [
    { path: `${core}/serviceaccounts/coredns`, object: { ...v1, kind: 'ServiceAccount' } },
    { path: `${core}/configmaps/coredns`, object: { ...v1, kind: 'ConfigMap', data: { Corefile: COREFILE } } },
    {
      path: `${core}/services/kube-dns`,
      object: {
        apiVersion: 'v1',
        kind: 'Service',
        metadata: { name: 'kube-dns', namespace: 'kube-system' },
        spec: { clusterIP: NETWORK.dns, selector: labels, ports },
      },
    },
    {
      path: '/apis/apps/v1/namespaces/kube-system/deployments/coredns',
      object: {
        apiVersion: 'apps/v1',
        kind: 'Deployment',
        metadata,
        spec: { selector: { matchLabels: labels }, template: { metadata: { labels }, spec: corednsPod(program) } },
      },
    },
  ];
}

function corednsPod(program: string): object {
  return {
    serviceAccountName: 'coredns',
    dnsPolicy: 'Default',
    priorityClassName: 'system-cluster-critical',
    containers: [
      {
        ...hostProgram('coredns', ['-conf', '/etc/coredns/Corefile']),
        resources: { requests: { cpu: '100m', memory: '40Mi' }, limits: { memory: '170Mi' } },
        readinessProbe: { httpGet: { path: '/ready', port: 8181 }, periodSeconds: 1 },
        livenessProbe: { httpGet: { path: '/health', port: 8080 }, periodSeconds: 10, initialDelaySeconds: 10 },
        securityContext: {
          allowPrivilegeEscalation: false,
          readOnlyRootFilesystem: true,
          capabilities: { drop: ['ALL'], add: ['NET_BIND_SERVICE'] },
        },
        volumeMounts: [PROGRAM_MOUNT, { name: 'config', mountPath: '/etc/coredns' }],
      },
    ],
    volumes: [programVolume(program), { name: 'config', configMap: { name: 'coredns' } }],
  };
}

/** The network policy agent; `program` is its path on the machine. */
export function networkPolicyManifests(program: string, node: string): Manifest[] {
  const metadata = { name: 'kube-network-policies', namespace: 'kube-system' };
  const labels = { 'k8s-app': 'kube-network-policies' };
  const pod = {
    hostNetwork: true,
    serviceAccountName: 'kube-network-policies',
    priorityClassName: 'system-node-critical',
    tolerations: [{ operator: 'Exists' }],
    containers: [
      {
        ...hostProgram('kube-network-policies', [
          `--hostname-override=${node}`,
          '--disable-nri',
          '--netfilter-bug-1766-fix=false',
          '--metrics-bind-address=127.0.0.1:9080',
        ]),
        // The first packet of every connection waits for it, so it must not wait itself on a busy machine.
        resources: { requests: { cpu: '200m', memory: '50Mi' } },
        securityContext: { capabilities: { drop: ['ALL'], add: ['NET_ADMIN'] } },
        volumeMounts: [PROGRAM_MOUNT],
      },
    ],
    volumes: [programVolume(program)],
  };
  return [
    {
      path: '/api/v1/namespaces/kube-system/serviceaccounts/kube-network-policies',
      object: { apiVersion: 'v1', kind: 'ServiceAccount', metadata },
    },
    {
      path: '/apis/apps/v1/namespaces/kube-system/daemonsets/kube-network-policies',
      object: {
        apiVersion: 'apps/v1',
        kind: 'DaemonSet',
        metadata,
        spec: { selector: { matchLabels: labels }, template: { metadata: { labels }, spec: pod } },
      },
    },
  ];
}

const PROGRAM_MOUNT = { name: 'program', mountPath: '/program', readOnly: true };

/** Add-ons are static programs that lie on the machine already: mounting them saves making and loading an image. */
function hostProgram(name: string, args: string[]): object {
  return { name, image: PAUSE_IMAGE, imagePullPolicy: 'Never', command: ['/program'], args };
}

function programVolume(path: string): object {
  return { name: 'program', hostPath: { path, type: 'File' } };
}
