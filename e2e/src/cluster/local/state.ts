import { mkdir, readdir, readFile, rename, rm, rmdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { withLock } from '../lock.ts';
import { isAlive, type ProcessIdentity } from '../process.ts';

/** What is needed to find a running cluster again and to end it. */
export interface ClusterState {
  name: string;
  directory: string;
  /** First process of the cluster's pid namespace: when it ends, the kernel ends all others. */
  anchor: ProcessIdentity;
  /** The process that made the namespaces and waits for the anchor. */
  maker: ProcessIdentity;
  cgroup: string;
  /** On 127.0.0.1 of the machine; 0 until the forwarder runs. */
  port: number;
  /** Set when everything was ready once. */
  ready: boolean;
}

export async function readState(file: string): Promise<ClusterState | undefined> {
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  return text === undefined ? undefined : (JSON.parse(text) as ClusterState);
}

export async function writeState(file: string, state: ClusterState): Promise<void> {
  await mkdir(dirname(file), { recursive: true });
  await writeFile(`${file}.partial`, JSON.stringify(state, null, 2));
  await rename(`${file}.partial`, file);
}

/** Folder that knows all clusters of the machine, whatever cache they live in; gone after a restart, as they are. */
const REGISTRY = '/run/quorum-operator';

/**
 * Programs have folders built in that exist once a machine. Each cluster mounts its own over them, which needs them to
 * exist. Those that did not exist before are removed with the last cluster: removing one earlier would unmount what
 * another cluster has there.
 */
const MOUNT_POINTS = ['/var/lib/kubelet', '/var/lib/cni', '/run/containerd', '/run/netns'];

interface Registration {
  directory: string;
  anchor?: ProcessIdentity;
}

/** Claims the name for a folder and makes the mount points. Throws when another folder's cluster has the name. */
export async function register(name: string, directory: string, anchor?: ProcessIdentity): Promise<void> {
  await locked(async () => {
    const file = join(REGISTRY, `${name}.json`);
    const other = await readRegistration(file);
    if (other && other.directory !== directory && other.anchor && isAlive(other.anchor)) {
      throw new Error(`a cluster named ${name} runs already from ${other.directory}: choose another name`);
    }
    const made = new Set(await madeMountPoints());
    for (const path of MOUNT_POINTS) {
      if (await mkdir(path, { recursive: true })) made.add(path);
    }
    await writeFile(join(REGISTRY, 'made'), [...made].join('\n'));
    await writeFile(file, JSON.stringify({ directory, anchor } satisfies Registration));
  });
}

/** Gives the name back; the last one also removes what the first one made. */
export async function unregister(name: string): Promise<void> {
  const empty = await locked(async () => {
    await rm(join(REGISTRY, `${name}.json`), { force: true });
    for (const entry of await readdir(REGISTRY)) {
      if (!entry.endsWith('.json')) continue;
      const registration = await readRegistration(join(REGISTRY, entry));
      if (registration?.anchor && !isAlive(registration.anchor)) await rm(join(REGISTRY, entry), { force: true });
      else return false;
    }
    for (const path of await madeMountPoints()) await rmdir(path).catch(() => {}); // not empty: somebody else uses it
    await rm(join(REGISTRY, 'made'), { force: true });
    return true;
  });
  if (empty) await rmdir(REGISTRY).catch(() => {}); // not empty: somebody has just come
}

async function locked<T>(body: () => Promise<T>): Promise<T> {
  return withLock(join(REGISTRY, 'lock'), () => {}, body);
}

async function readRegistration(file: string): Promise<Registration | undefined> {
  const text = await readFile(file, 'utf8').catch(() => undefined);
  return text === undefined ? undefined : (JSON.parse(text) as Registration);
}

async function madeMountPoints(): Promise<string[]> {
  const text = await readFile(join(REGISTRY, 'made'), 'utf8').catch(() => '');
  return text.split('\n').filter(Boolean);
}
