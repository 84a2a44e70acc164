import { mkdir, readdir, readFile, rmdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { until } from '../process.ts';

const ROOT = '/sys/fs/cgroup';

export type Hierarchies =
  /** One unified hierarchy at /sys/fs/cgroup. */
  | { version: 2 }
  /** A hierarchy a controller; `hybrid` names the unified one beside them that holds no controllers. */
  | { version: 1; mounts: string[]; hybrid?: string };

/** Reads the cgroup layout of the machine from the text of /proc/self/mountinfo. */
export function parseHierarchies(mountinfo: string): Hierarchies {
  const mounts: string[] = [];
  let unified: string | undefined;
  for (const line of mountinfo.split('\n')) {
    const [before = '', after = ''] = line.split(' - ');
    const path = before.split(' ')[4] ?? '';
    const type = after.split(' ')[0];
    if (type === 'cgroup') mounts.push(path);
    if (type === 'cgroup2') unified = path;
  }
  if (mounts.length === 0) return { version: 2 };
  return { version: 1, mounts: mounts.sort(), ...(unified && { hybrid: unified }) };
}

export async function hierarchies(): Promise<Hierarchies> {
  return parseHierarchies(await readFile('/proc/self/mountinfo', 'utf8'));
}

function folders(layout: Hierarchies, name: string): string[] {
  return (layout.version === 2 ? [ROOT] : layout.mounts).map((mount) => join(mount, name));
}

/** Makes the cluster's cgroup in every hierarchy; the kubelet puts all pods below it. */
export async function makeCgroups(layout: Hierarchies, name: string): Promise<void> {
  if (layout.version === 2) await enableControllers();
  for (const folder of folders(layout, name)) {
    await mkdir(folder, { recursive: true });
    if (layout.version === 2) continue;
    for (const file of ['cpuset.cpus', 'cpuset.mems']) {
      // A new cpuset of version 1 is empty, and then no process may enter it.
      const all = await readFile(join(folder, '..', file), 'utf8').catch(() => undefined);
      if (all !== undefined) await writeFile(join(folder, file), all);
    }
  }
}

/** A child of the unified hierarchy has the controllers that its parent hands down; most systems hand down all of them. */
async function enableControllers(): Promise<void> {
  const words = async (file: string) => (await readFile(join(ROOT, file), 'utf8')).trim().split(' ');
  const enabled = await words('cgroup.subtree_control');
  for (const controller of await words('cgroup.controllers')) {
    if (enabled.includes(controller)) continue;
    // One that cannot be handed down may not be needed; the kubelet says which it misses.
    await writeFile(join(ROOT, 'cgroup.subtree_control'), `+${controller}`).catch(() => {});
  }
}

/** Removes the cluster's cgroups, deepest first. The kernel may hold a cgroup for a moment after its last process. */
export async function removeCgroups(layout: Hierarchies, name: string): Promise<void> {
  for (const folder of folders(layout, name)) {
    await until(() => removeTree(folder), { timeoutMs: 15_000, what: `cgroup ${folder} to become empty` });
  }
}

async function removeTree(folder: string): Promise<boolean> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => undefined);
  if (!entries) return true;
  for (const entry of entries) {
    if (entry.isDirectory()) await removeTree(join(folder, entry.name));
  }
  await rmdir(folder);
  return true;
}
