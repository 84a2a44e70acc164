import { givenCluster } from './given.ts';
import { findKind, kindObstacle, openKind } from './kind.ts';
import { localObstacle, localStatus } from './local/cluster.ts';
import { openLocal, presentLocal } from './local/provider.ts';
import type { RunResult } from './process.ts';
import type { Log } from './tools.ts';

export interface CommandOptions {
  input?: string;
  timeoutMs?: number;
  /** Resolve with the code instead of throwing when it is not 0. */
  allowFailure?: boolean;
}

/** An image as a docker-archive tarball, and the name with tag that is in it. */
export interface ImageFile {
  name: string;
  file: string;
}

/** A cluster to work with, wherever it came from. */
export interface Cluster {
  readonly name: string;
  readonly kind: 'given' | 'kind' | 'local';
  /** File that ordinary kubectl on this machine can use. */
  readonly kubeconfig: string;
  /** Context in that file; its current one when undefined. */
  readonly context?: string;
  /** The API server's audit log of writes and of programs' reads, where we started the API server; read it with audit.ts. */
  readonly auditLog?: string;
  kubectl(args: readonly string[], options?: CommandOptions): Promise<RunResult>;
  helm(args: readonly string[], options?: CommandOptions): Promise<RunResult>;
  /** Makes images usable by pods without any registry; those that are there already are left alone. */
  loadImages(archives: readonly ImageFile[]): Promise<void>;
  /** Removes the cluster with all that is in it. One that was given is left as it is. */
  down(): Promise<void>;
}

export interface OpenOptions {
  /** Clusters of different names run beside each other. */
  name: string;
  /** Use an existing cluster: a context, of `kubeconfig` or of kubectl's usual file. */
  context?: string;
  kubeconfig?: string;
  /** What to try first where nothing is given. Default `kind`. */
  prefer?: 'kind' | 'local';
  log: Log;
}

/**
 * The cluster that is given; else the one of this name that runs already; else a new one: with kind where Docker
 * answers, or a local one as root on Linux. Throws one line that says what is missing for each.
 */
export async function openCluster(options: OpenOptions): Promise<Cluster> {
  if (options.context !== undefined || options.kubeconfig !== undefined) return givenCluster(options);
  const obstacles: string[] = [];
  const running = await findCluster(options.name, options.log);
  const order = running ? [running.kind] : options.prefer === 'local' ? ['local', 'kind'] : ['kind', 'local'];
  for (const kind of order) {
    const obstacle = kind === 'kind' ? await kindObstacle() : localObstacle();
    if (obstacle) obstacles.push(obstacle);
    else return kind === 'kind' ? openKind(options.name, options.log) : openLocal(options.name, options.log);
  }
  throw new Error(
    `no cluster: ${obstacles.join('; ')}. Name an existing one by its context, start Docker, or run as root on Linux`,
  );
}

/** The kind or local cluster of this name, also one that is broken (to take it down); undefined when there is none. */
export async function findCluster(name: string, log: Log = () => {}): Promise<Cluster | undefined> {
  if ((await localStatus(name)).kind !== 'absent') return presentLocal(name, log);
  return findKind(name, log);
}
