import { rm } from 'node:fs/promises';
import { withLock } from '../lock.ts';
import { end, isAlive, run } from '../process.ts';
import type { Log } from '../tools.ts';
import { hierarchies, removeCgroups } from './cgroups.ts';
import { COMPONENTS } from './components.ts';
import { CONTAINERD_SOCKET, type Layout, layout } from './layout.ts';
import { ENVIRONMENT, inside } from './namespaces.ts';
import { type ClusterState, readState, unregister } from './state.ts';
import { componentAlive, start } from './up.ts';

export type LocalStatus =
  | { kind: 'absent' }
  | { kind: 'running'; state: ClusterState; paths: Layout; dead: string[] }
  /** Something is left of it: a start that was interrupted, or a machine that restarted. */
  | { kind: 'broken'; paths: Layout };

/** Why a local cluster cannot run on this machine, or undefined when it can. */
export function localObstacle(): string | undefined {
  if (process.platform !== 'linux') return 'a local cluster needs Linux';
  if (process.getuid?.() !== 0) return 'a local cluster needs root';
  return undefined;
}

export async function localStatus(name: string): Promise<LocalStatus> {
  const paths = layout(name);
  const state = await readState(paths.state);
  if (!state) return { kind: 'absent' };
  if (!state.ready || !isAlive(state.anchor)) return { kind: 'broken', paths };
  const dead: string[] = [];
  for (const component of COMPONENTS) {
    if (!(await componentAlive(paths, state.anchor, component))) dead.push(component);
  }
  return { kind: 'running', state, paths, dead };
}

/** Starts the cluster, or finds it running. What is left of a broken one is removed first. */
export async function localUp(name: string, log: Log): Promise<Layout> {
  const paths = layout(name);
  const waiting = (pid: number) => log(`waiting for process ${pid}, which works on cluster ${name}`);
  return withLock(`${paths.directory}.lock`, waiting, async () => {
    const status = await localStatus(name);
    if (status.kind === 'running' && status.dead.length === 0) {
      log(`${name}: already up`);
      return paths;
    }
    if (status.kind !== 'absent') {
      const why = status.kind === 'running' ? `${status.dead.join(', ')} ended` : 'was not started completely';
      log(`${name}: ${why}; starting it anew`);
      await remove(paths);
    }
    try {
      await start(name, log);
    } catch (error) {
      // The logs stay for whoever reads the message; the next up or down removes them.
      await stop(paths);
      throw error;
    }
    return paths;
  });
}

/** Ends every process of the cluster and removes all of it. Nothing happens when there is none. */
export async function localDown(name: string, log: Log): Promise<void> {
  const paths = layout(name);
  await withLock(
    `${paths.directory}.lock`,
    () => {},
    async () => {
      if ((await localStatus(name)).kind === 'absent') return;
      await remove(paths);
      log(`${name}: removed`);
    },
  );
}

/** Imports docker-archive tarballs into the cluster's containerd, except those whose name it has. */
export async function localLoadImages(
  state: ClusterState,
  archives: readonly { name: string; file: string }[],
): Promise<void> {
  const images = async (...args: string[]) => {
    const ctr = ['ctr', '--address', CONTAINERD_SOCKET, '--namespace', 'k8s.io', 'images', ...args];
    const [command, ...rest] = [...inside(state.anchor), ...ctr];
    return (await run(command!, rest, { env: ENVIRONMENT, timeoutMs: 300_000 })).stdout;
  };
  const present = new Set((await images('list', '--quiet')).split('\n'));
  for (const { name, file } of archives) {
    if (!present.has(name)) await images('import', file);
  }
}

async function remove(paths: Layout): Promise<void> {
  await stop(paths);
  await rm(paths.directory, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
}

/** Ends the first process of the pid namespace; the kernel ends the rest and takes mounts and network with them. */
async function stop(paths: Layout): Promise<void> {
  const state = await readState(paths.state);
  if (state) {
    await end(state.anchor);
    await end(state.maker);
  }
  await removeCgroups(await hierarchies(), paths.cgroup);
  await unregister(paths.name);
}
