import { access, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readAuditLog, WRITE_VERBS } from '../src/cluster/audit.ts';
import { writeImageArchive } from '../src/cluster/image-archive.ts';
import { localObstacle } from '../src/cluster/local/cluster.ts';
import { until } from '../src/cluster/process.ts';
import { type Cluster, findCluster, openCluster } from '../src/cluster/provider.ts';
import { ensureSystemPrograms } from '../src/cluster/system-programs.ts';

// The cluster itself, before anything of the product runs in it: what other scenarios rely on is shown here.

const IMAGE = 'quorum-operator.local/busybox:1';
const NAMESPACE = 'smoke';
const log = (line: string) => process.stderr.write(`${line}\n`);

let cluster: Cluster;
let directory: string;

async function apply(...objects: object[]): Promise<void> {
  await cluster.kubectl(['apply', '-f', '-'], {
    input: JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects }),
  });
}

async function waitFor(condition: string, ...what: string[]): Promise<void> {
  await cluster.kubectl(['-n', NAMESPACE, 'wait', `--for=${condition}`, '--timeout=60s', ...what]);
}

async function exec(pod: string, ...command: string[]): Promise<string> {
  const result = await cluster.kubectl(['-n', NAMESPACE, 'exec', pod, '-c', 'main', '--', ...command], {
    allowFailure: true,
    timeoutMs: 30_000,
  });
  return result.code === 0 ? result.stdout.trim() : `code ${result.code}: ${result.stderr.trim()}`;
}

const RESTRICTED = {
  allowPrivilegeEscalation: false,
  readOnlyRootFilesystem: true,
  capabilities: { drop: ['ALL'] },
};

function container(name: string, command: string[], more: object = {}): object {
  return { name, image: IMAGE, command, securityContext: RESTRICTED, ...more };
}

function pod(name: string, spec: Record<string, unknown>, labels: Record<string, string> = { app: name }): object {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: NAMESPACE, labels },
    spec: {
      terminationGracePeriodSeconds: 1,
      automountServiceAccountToken: false,
      securityContext: {
        runAsNonRoot: true,
        runAsUser: 10001,
        runAsGroup: 10001,
        seccompProfile: { type: 'RuntimeDefault' },
      },
      ...spec,
    },
  };
}

const sleeper = (name: string, labels?: Record<string, string>) =>
  pod(name, { containers: [container('main', ['sleep', '3600'])] }, labels);

describe.skipIf(localObstacle())('a local cluster', () => {
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'quorum-operator-smoke-'));
    const { busybox } = await ensureSystemPrograms(['busybox'], log);
    const applets = ['sh', 'sleep', 'cat', 'id', 'stat', 'wget', 'timeout', 'httpd', 'echo', 'touch', 'nslookup', 'ps'];
    const file = join(directory, 'busybox.tar');
    await writeImageArchive(file, {
      name: IMAGE,
      entries: [
        { path: 'bin/busybox', file: busybox, mode: 0o755 },
        ...applets.map((name) => ({ path: `bin/${name}`, link: 'busybox' })),
        { path: 'tmp', directory: true, mode: 0o1777 },
      ],
    });
    cluster = await openCluster({ name: 'smoke', prefer: 'local', log });
    await cluster.loadImages([{ name: IMAGE, file }]);
    await apply({
      apiVersion: 'v1',
      kind: 'Namespace',
      metadata: { name: NAMESPACE, labels: { 'pod-security.kubernetes.io/enforce': 'restricted' } },
    });
    const serviceAccount = ['-n', NAMESPACE, 'get', 'serviceaccount', 'default'];
    const made = async () => (await cluster.kubectl(serviceAccount, { allowFailure: true })).code === 0;
    await until(made, { timeoutMs: 10_000, what: 'the default ServiceAccount' });
  });

  afterAll(async () => {
    await cluster?.down();
    await rm(directory, { recursive: true, force: true });
  });

  test('a pod with a native sidecar runs as a user without rights, and writes to a volume made for its claim', async () => {
    const storageClass = (await cluster.kubectl(['get', 'storageclass', 'standard', '-o', 'yaml'])).stdout;
    expect(storageClass).toContain('is-default-class');
    await apply(
      {
        apiVersion: 'v1',
        kind: 'PersistentVolumeClaim',
        metadata: { name: 'data', namespace: NAMESPACE },
        spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } },
      },
      pod('writer', {
        shareProcessNamespace: true,
        securityContext: {
          runAsNonRoot: true,
          runAsUser: 10001,
          runAsGroup: 10001,
          fsGroup: 10077,
          seccompProfile: { type: 'RuntimeDefault' },
        },
        initContainers: [
          container('sidecar', ['sleep', '3600'], {
            restartPolicy: 'Always',
            startupProbe: { exec: { command: ['/bin/echo'] }, periodSeconds: 1 },
          }),
        ],
        containers: [
          container('main', ['sh', '-c', 'id > /data/id; exec sleep 3600'], {
            volumeMounts: [{ name: 'data', mountPath: '/data' }],
          }),
        ],
        volumes: [{ name: 'data', persistentVolumeClaim: { claimName: 'data' } }],
      }),
    );
    await waitFor('condition=Ready', 'pod/writer');
    expect(await exec('writer', 'cat', '/data/id')).toBe('uid=10001 gid=10001 groups=10001,10077');
    expect(await exec('writer', 'stat', '-c', '%g', '/data/id')).toBe('10077');
    // The product itself must take core dumps away: the cluster leaves them possible.
    expect(await exec('writer', 'sh', '-c', 'ulimit -S -c')).toBe('unlimited');
    const volumes = join(dirname(cluster.kubeconfig), 'volumes');
    expect(await readdir(volumes)).toHaveLength(1);

    await cluster.kubectl(['-n', NAMESPACE, 'delete', 'pod/writer', 'persistentvolumeclaim/data']);
    await until(async () => (await readdir(volumes)).length === 0, {
      timeoutMs: 20_000,
      what: 'the volume to be removed',
    });
  });

  test('a volume of a class that retains outlives its claim', async () => {
    await apply(
      {
        apiVersion: 'storage.k8s.io/v1',
        kind: 'StorageClass',
        metadata: { name: 'retain' },
        provisioner: 'quorum-operator.io/local-volumes',
        reclaimPolicy: 'Retain',
        volumeBindingMode: 'Immediate',
      },
      {
        apiVersion: 'v1',
        kind: 'PersistentVolumeClaim',
        metadata: { name: 'kept', namespace: NAMESPACE },
        spec: {
          storageClassName: 'retain',
          accessModes: ['ReadWriteOnce'],
          resources: { requests: { storage: '1Mi' } },
        },
      },
    );
    await waitFor('jsonpath={.status.phase}=Bound', 'persistentvolumeclaim/kept');
    const volume = (await cluster.kubectl(['get', 'persistentvolume', '-o', 'jsonpath={.items[0].metadata.name}']))
      .stdout;
    await cluster.kubectl(['-n', NAMESPACE, 'delete', 'persistentvolumeclaim/kept']);
    await cluster.kubectl(['wait', '--for=jsonpath={.status.phase}=Released', `persistentvolume/${volume}`]);
    await access(join(dirname(cluster.kubeconfig), 'volumes', volume));
  });

  test('names are resolved, Services lead to pods, and network policies hold both ways', async () => {
    const serve = ['sh', '-c', 'echo hello > /tmp/index.html; exec httpd -f -p 8080 -h /tmp'];
    const server = container('main', serve, {
      volumeMounts: [{ name: 'tmp', mountPath: '/tmp' }],
      readinessProbe: { httpGet: { path: '/', port: 8080 }, periodSeconds: 1 },
    });
    await apply(
      pod('server', { containers: [server], volumes: [{ name: 'tmp', emptyDir: {} }] }),
      sleeper('client', { app: 'client', allowed: 'yes' }),
      sleeper('stranger'),
      {
        apiVersion: 'v1',
        kind: 'Service',
        metadata: { name: 'server', namespace: NAMESPACE },
        spec: { selector: { app: 'server' }, ports: [{ port: 80, targetPort: 8080 }] },
      },
    );
    await waitFor('condition=Ready', 'pod/server', 'pod/client', 'pod/stranger');
    const get = (from: string) =>
      exec(from, 'timeout', '3', 'wget', '-qO-', `http://server.${NAMESPACE}.svc.cluster.local/`);
    await until(async () => (await get('client')) === 'hello', { timeoutMs: 10_000, what: 'the Service' });
    expect(await get('stranger')).toBe('hello');

    const policy = (name: string, spec: object) => ({
      apiVersion: 'networking.k8s.io/v1',
      kind: 'NetworkPolicy',
      metadata: { name, namespace: NAMESPACE },
      spec,
    });
    const dns = {
      to: [
        {
          namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'kube-system' } },
          podSelector: { matchLabels: { 'k8s-app': 'kube-dns' } },
        },
      ],
      ports: [
        { port: 53, protocol: 'UDP' },
        { port: 53, protocol: 'TCP' },
      ],
    };
    const toServer = { to: [{ podSelector: { matchLabels: { app: 'server' } } }], ports: [{ port: 8080 }] };
    await apply(
      policy('default-deny', { podSelector: {}, policyTypes: ['Ingress', 'Egress'] }),
      policy('allow-dns', { podSelector: {}, policyTypes: ['Egress'], egress: [dns] }),
    );
    await until(async () => (await get('client')) !== 'hello', { timeoutMs: 15_000, what: 'default deny' });
    expect(await get('stranger')).toContain('code 143');
    // Egress alone is not enough, since the server's ingress is still closed.
    await apply(policy('out', { podSelector: {}, policyTypes: ['Egress'], egress: [toServer] }));
    expect(await get('client')).toContain('code 143');
    const ingress = [{ from: [{ podSelector: { matchLabels: { allowed: 'yes' } } }], ports: [{ port: 8080 }] }];
    await apply(policy('in', { podSelector: { matchLabels: { app: 'server' } }, policyTypes: ['Ingress'], ingress }));
    await until(async () => (await get('client')) === 'hello', { timeoutMs: 15_000, what: 'the allowed way' });
    expect(await get('stranger')).toContain('code 143');
  });

  test('pod security refuses a privileged pod in a restricted namespace', async () => {
    const privileged = pod('bad', {
      containers: [{ name: 'main', image: IMAGE, securityContext: { privileged: true } }],
    });
    await expect(apply(privileged)).rejects.toThrow(/violates PodSecurity "restricted/);
  });

  test('an admission policy can take exec away from administrators', async () => {
    await apply(
      {
        apiVersion: 'admissionregistration.k8s.io/v1',
        kind: 'ValidatingAdmissionPolicy',
        metadata: { name: 'no-exec' },
        spec: {
          failurePolicy: 'Fail',
          matchConstraints: {
            resourceRules: [
              { apiGroups: [''], apiVersions: ['v1'], operations: ['CONNECT'], resources: ['pods/exec'] },
            ],
          },
          validations: [{ expression: 'false', message: 'exec is off' }],
        },
      },
      {
        apiVersion: 'admissionregistration.k8s.io/v1',
        kind: 'ValidatingAdmissionPolicyBinding',
        metadata: { name: 'no-exec' },
        spec: { policyName: 'no-exec', validationActions: ['Deny'] },
      },
    );
    await until(async () => (await exec('client', 'echo', 'in')).includes('exec is off'), {
      timeoutMs: 15_000,
      what: 'the admission policy',
    });
  });

  test('the audit log holds each write, and reads of programs in pods alone', async () => {
    const entries = await readAuditLog(cluster.auditLog!);
    expect(
      entries.filter(({ resource, name, verb }) => resource === 'pods' && name === 'server' && verb === 'create'),
    ).toHaveLength(1);
    const reads = entries.filter(({ verb }) => !WRITE_VERBS.includes(verb));
    expect(reads.filter(({ user }) => !/^system:serviceaccount:(?!kube-system:)/.test(user))).toEqual([]);
  });

  test('a second cluster runs beside the first and goes without harm to it', async () => {
    const second = await openCluster({ name: 'smoke-second', prefer: 'local', log });
    try {
      const names = async (of: Cluster) => (await of.kubectl(['get', 'namespaces', '-o', 'name'])).stdout;
      expect(await names(second)).not.toContain(NAMESPACE);
      expect(await names(cluster)).toContain(NAMESPACE);
      const again = await openCluster({ name: 'smoke-second', prefer: 'local', log });
      expect(again.kubeconfig).toBe(second.kubeconfig);
    } finally {
      await second.down();
    }
    expect(await findCluster('smoke-second')).toBeUndefined();
    await apply(sleeper('late'));
    await waitFor('condition=Ready', 'pod/late');
  });
});
