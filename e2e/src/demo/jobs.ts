import { setTimeout as sleep } from 'node:timers/promises';
import type { Cluster } from '../cluster/provider.ts';
import { applyManifests } from './install.ts';

/** A Job of an application developer: our client image, under Pod Security `restricted`. */
export interface ClientJob {
  readonly name: string;
  readonly namespace: string;
  readonly image: string;
  readonly args: string[];
  readonly env?: Record<string, string>;
  /** Files below /run/client, from a Secret made for this Job (tokens never stand in arguments or environment). */
  readonly files?: Record<string, string>;
  readonly labels?: Record<string, string>;
  /** False: the pod never becomes Ready, so no Service leads to it, whatever its labels. */
  readonly ready?: boolean;
}

export interface JobResult {
  readonly succeeded: boolean;
  readonly log: string;
}

function manifests(job: ClientJob): object[] {
  const metadata = { name: job.name, namespace: job.namespace, labels: { app: job.name, ...job.labels } };
  return [
    { apiVersion: 'v1', kind: 'Secret', metadata, stringData: job.files ?? {} },
    {
      apiVersion: 'batch/v1',
      kind: 'Job',
      metadata,
      spec: {
        backoffLimit: 0,
        ttlSecondsAfterFinished: 3600,
        template: {
          metadata: { labels: metadata.labels },
          spec: {
            restartPolicy: 'Never',
            automountServiceAccountToken: false,
            enableServiceLinks: false,
            securityContext: {
              runAsNonRoot: true,
              runAsUser: 10100,
              runAsGroup: 10100,
              fsGroup: 10100,
              seccompProfile: { type: 'RuntimeDefault' },
            },
            containers: [
              {
                name: 'client',
                image: job.image,
                imagePullPolicy: 'IfNotPresent',
                args: job.args,
                ...(job.ready === false ? { readinessProbe: { exec: { command: ['/nonexistent'] } } } : {}),
                env: Object.entries(job.env ?? {}).map(([name, value]) => ({ name, value })),
                resources: { requests: { cpu: '20m', memory: '64Mi' }, limits: { memory: '256Mi' } },
                securityContext: {
                  allowPrivilegeEscalation: false,
                  readOnlyRootFilesystem: true,
                  capabilities: { drop: ['ALL'] },
                },
                volumeMounts: [
                  { name: 'files', mountPath: '/run/client', readOnly: true },
                  { name: 'tmp', mountPath: '/tmp' },
                ],
              },
            ],
            volumes: [
              { name: 'files', secret: { secretName: job.name, defaultMode: 0o440 } },
              { name: 'tmp', emptyDir: {} },
            ],
          },
        },
      },
    },
  ];
}

type JobName = Pick<ClientJob, 'name' | 'namespace'>;

/** Removes Jobs of earlier runs with these names, so that a second demo starts afresh. */
export async function removeJobs(cluster: Cluster, jobs: readonly JobName[]): Promise<void> {
  for (const [namespace, names] of byNamespace(jobs)) {
    await cluster.kubectl(['delete', 'job,secret', ...names, '-n', namespace, '--ignore-not-found', '--wait=true']);
  }
}

function byNamespace(jobs: readonly JobName[]): Map<string, string[]> {
  const names = new Map<string, string[]>();
  for (const { name, namespace } of jobs) names.set(namespace, [...(names.get(namespace) ?? []), name]);
  return names;
}

/** Starts all Jobs at once and waits for their ends; the log is what the program printed. */
export async function runJobs(
  cluster: Cluster,
  jobs: readonly ClientJob[],
  timeoutSeconds = 120,
): Promise<JobResult[]> {
  await removeJobs(cluster, jobs);
  await applyManifests(cluster, jobs.flatMap(manifests));
  const succeeded = await allEnded(cluster, jobs, timeoutSeconds);
  return Promise.all(
    jobs.map(async (job) => {
      const { name, namespace } = job;
      const { stdout: log } = await cluster.kubectl(['logs', `job/${name}`, '-n', namespace], { allowFailure: true });
      return { succeeded: succeeded.get(job) === true, log };
    }),
  );
}

interface JobList {
  items: { metadata: { name: string; namespace: string }; status?: { succeeded?: number; failed?: number } }[];
}

/** Whether each Job succeeded, once all have ended. One look at all of them at a time, however many there are. */
async function allEnded<T extends JobName>(
  cluster: Cluster,
  jobs: readonly T[],
  timeoutSeconds: number,
): Promise<Map<T, boolean>> {
  const deadline = Date.now() + timeoutSeconds * 1000;
  const ended = new Map<T, boolean>();
  while (Date.now() < deadline) {
    const { stdout } = await cluster.kubectl(['get', 'jobs', '--all-namespaces', '-o', 'json']);
    const { items } = JSON.parse(stdout) as JobList;
    for (const job of jobs) {
      const live = items.find(({ metadata }) => metadata.name === job.name && metadata.namespace === job.namespace);
      if (live?.status?.succeeded || live?.status?.failed) ended.set(job, Boolean(live.status.succeeded));
    }
    if (ended.size === jobs.length) return ended;
    await sleep(500);
  }
  const late = jobs.filter((job) => !ended.has(job)).map(({ name, namespace }) => `${namespace}/${name}`);
  const { stdout: pods } = await cluster.kubectl(['get', 'pods', '--all-namespaces', '-o', 'wide']);
  throw new Error(`Jobs ${late.join(', ')} did not end within ${timeoutSeconds} s:\n${pods}`);
}

/** The JSON lines of a log; other lines are left out. */
export function jsonLines(log: string): Record<string, unknown>[] {
  return log.split('\n').flatMap((line) => {
    try {
      const value: unknown = JSON.parse(line);
      return typeof value === 'object' && value !== null ? [value as Record<string, unknown>] : [];
    } catch {
      return [];
    }
  });
}
