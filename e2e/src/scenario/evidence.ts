import { execFileSync, spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import type { Cluster } from '../cluster/provider.ts';

/**
 * Facts about the processes of containers, read by root on the machine from the kernel: an independent witness, which
 * shares no code with the evidence that the sidecars serve.
 */
export interface ContainerFacts {
  readonly container: string;
  readonly uid: number;
  readonly gid: number;
  readonly capEff: string;
  readonly capBnd: string;
  readonly noNewPrivs: boolean;
  /** 0 off, 1 strict, 2 filter. */
  readonly seccomp: number;
  readonly coreSoftLimit: string;
  readonly coreHardLimit: string;
  readonly coredumpFilter: string;
  /** Whether a file could be made in `/` with the container's own user and mounts. */
  readonly rootWritable: boolean;
}

interface PodStatus {
  metadata: { uid: string };
  status: Record<'containerStatuses' | 'initContainerStatuses', { name: string; containerID?: string }[] | undefined>;
}

const read = (pid: string, file: string) => readFileSync(`/proc/${pid}/${file}`, 'utf8');

/** Process ids by container id, from the cgroup paths that the kubelet and containerd make. */
export function processesOf(containerId: string): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        return read(pid, 'cgroup').includes(containerId);
      } catch {
        return false; // ended meanwhile
      }
    });
}

function facts(container: string, pid: string): ContainerFacts {
  const status = new Map(
    read(pid, 'status')
      .split('\n')
      .map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1).trim()]),
  );
  const core = /^Max core file size\s+(\S+)\s+(\S+)/m.exec(read(pid, 'limits'));
  const uid = Number(status.get('Uid')?.split('\t')[0]);
  const gid = Number(status.get('Gid')?.split('\t')[0]);
  return {
    container,
    uid,
    gid,
    capEff: status.get('CapEff') ?? '',
    capBnd: status.get('CapBnd') ?? '',
    noNewPrivs: status.get('NoNewPrivs') === '1',
    seccomp: Number(status.get('Seccomp')),
    coreSoftLimit: core?.[1] ?? '',
    coreHardLimit: core?.[2] ?? '',
    coredumpFilter: read(pid, 'coredump_filter').trim(),
    rootWritable: tryWrite(pid),
  };
}

/** Really tries: root of the machine, who could, writes through the process's own root folder unless it is mounted read-only. */
function tryWrite(pid: string): boolean {
  const { status } = spawnSync('touch', [`/proc/${pid}/root/written-by-a-test`], { stdio: 'ignore' });
  if (status === 0) execFileSync('rm', ['-f', `/proc/${pid}/root/written-by-a-test`]);
  return status === 0;
}

/** Facts of the main process of each container of a pod `<name>-0`. Local clusters only: processes are the machine's. */
export async function podFacts(cluster: Cluster, namespace: string, pod: string): Promise<ContainerFacts[]> {
  const { stdout } = await cluster.kubectl(['get', 'pod', pod, '-n', namespace, '-o', 'json']);
  const { status } = JSON.parse(stdout) as PodStatus;
  const containers = [...(status.initContainerStatuses ?? []), ...(status.containerStatuses ?? [])];
  return containers.flatMap(({ name, containerID }) => {
    const id = containerID?.split('//')[1];
    if (id === undefined) return [];
    return processesOf(id).map((pid) => facts(name, pid));
  });
}
