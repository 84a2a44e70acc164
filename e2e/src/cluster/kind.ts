import { access, mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { clusterDirectory } from './cache.ts';
import { clusterCommands } from './commands.ts';
import { findProgram, run } from './process.ts';
import type { Cluster } from './provider.ts';
import { ensurePrograms, type Log, programPath } from './tools.ts';

// Clusters in Docker by kind, whose defaults are all that is needed: kindnet enforces network policies, class `standard`
// provisions volumes. Not covered by the tests that run without Docker; kept small for that reason.

/** Why kind cannot be used on this machine, or undefined when it can. */
export async function kindObstacle(): Promise<string | undefined> {
  if (!(await findProgram('docker'))) return 'kind needs Docker, which is not installed';
  const answer = await run('docker', ['version', '--format', '{{.Server.Version}}'], {
    timeoutMs: 10_000,
    allowFailure: true,
  }).catch((error: Error) => ({ code: 1, stdout: '', stderr: error.message }));
  if (answer.code === 0) return undefined;
  const reason = answer.stderr.trim().split('\n').at(-1)?.slice(0, 160);
  return `kind needs Docker, which does not answer (${reason})`;
}

/** The cluster of this name, made if there is none. */
export async function openKind(name: string, log: Log): Promise<Cluster> {
  const { kind } = await ensurePrograms(['kind'], log);
  const cluster = present(name, kind, log);
  await mkdir(clusterDirectory(name), { recursive: true });
  if (await exists(name, kind)) {
    await run(kind, ['export', 'kubeconfig', `--name=${inKind(name)}`, `--kubeconfig=${cluster.kubeconfig}`]);
    log(`${name}: already up`);
    return cluster;
  }
  log(`${name}: creating a cluster with kind`);
  await run(kind, ['create', 'cluster', `--name=${inKind(name)}`, `--kubeconfig=${cluster.kubeconfig}`, '--wait=180s']);
  return cluster;
}

/** The cluster of this name if there is one. Asks nothing where kind was never used. */
export async function findKind(name: string, log: Log): Promise<Cluster | undefined> {
  const kind = programPath('kind');
  const built = await access(kind).then(
    () => true,
    () => false,
  );
  if (!built || (await kindObstacle()) || !(await exists(name, kind))) return undefined;
  return present(name, kind, log);
}

async function exists(name: string, kind: string): Promise<boolean> {
  return (await run(kind, ['get', 'clusters'])).stdout.split('\n').includes(inKind(name));
}

function present(name: string, kind: string, log: Log): Cluster {
  const directory = clusterDirectory(name);
  const kubeconfig = join(directory, 'kubeconfig');
  return {
    ...clusterCommands({ kubeconfig }, log),
    name,
    kind: 'kind',
    kubeconfig,
    async loadImages(archives) {
      for (const { file } of archives) await run(kind, ['load', 'image-archive', file, `--name=${inKind(name)}`]);
    },
    async down() {
      await run(kind, ['delete', 'cluster', `--name=${inKind(name)}`]);
      await rm(directory, { recursive: true, force: true });
      log(`${name}: removed`);
    },
  };
}

function inKind(name: string): string {
  return `quorum-operator-${name}`;
}
