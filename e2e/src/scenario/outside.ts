import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { localStatus } from '../cluster/local/cluster.ts';
import { run } from '../cluster/process.ts';
import type { Cluster } from '../cluster/provider.ts';

/** Addresses of documentation (RFC 5737): nobody else's, and no route leads to them but the one made here. */
const GATEWAY = '192.0.2.1';
export const OUTSIDE = {
  /** A machine of a remote member. */
  member: '192.0.2.10',
  /** The range of that member. */
  memberRange: '192.0.2.8/29',
  /** Anybody else in the world. */
  anybody: '192.0.2.100',
} as const;

export interface Reached {
  readonly connected: boolean;
  readonly error?: string;
}

/** A network outside a local cluster, with hosts that are neither pods nor machines of the cluster. */
export interface Outside {
  /** Connects from one of its addresses. */
  reach(from: string, host: string, port: number, timeoutMs?: number): Promise<Reached>;
  close(): Promise<void>;
}

/**
 * Joins a new network namespace to the cluster's own by a pair of interfaces, as a router would. What goes between is forwarded, so the
 * network policies see it. Its hosts take connections on `ports`. It is gone when its process ends.
 * @throws when the cluster is not a local one that runs
 */
export async function openOutside(cluster: Cluster, ports: readonly number[]): Promise<Outside> {
  const status = await localStatus(cluster.name);
  if (cluster.kind !== 'local' || status.kind !== 'running') throw new Error(`${cluster.name} is no local cluster`);
  const program = join(import.meta.dirname, 'outside-host.ts');
  const child = spawn('unshare', ['--net', '--', process.execPath, program, ...ports.map(String)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const lines = createInterface({ input: child.stdout });
  try {
    await once(lines, 'line', { signal: AbortSignal.timeout(20_000) }); // unshare has become the program, in its namespace
    await connectNetworks(status.state.anchor.pid, child.pid!);
  } catch (error) {
    child.kill('SIGKILL');
    throw error;
  }
  return outside(child, lines);
}

async function connectNetworks(cluster: number, host: number): Promise<void> {
  const ip = async (pid: number, commands: string[]) => {
    await run('nsenter', ['--target', `${pid}`, '--net', '--', 'ip', '-batch', '-'], {
      input: `${commands.join('\n')}\n`,
      timeoutMs: 20_000,
    });
  };
  await ip(cluster, [
    `link add outside0 type veth peer name world0 netns ${host}`,
    `addr add ${GATEWAY}/24 dev outside0`,
    'link set outside0 up',
  ]);
  await ip(host, [
    'link set lo up',
    `addr add ${OUTSIDE.member}/24 dev world0`,
    `addr add ${OUTSIDE.anybody}/24 dev world0`,
    'link set world0 up',
    `route add default via ${GATEWAY}`,
  ]);
}

function outside(child: ChildProcess, lines: ReturnType<typeof createInterface>): Outside {
  const waiting = new Map<number, (reached: Reached) => void>();
  let last = 0;
  lines.on('line', (line) => {
    const { id, ...reached } = JSON.parse(line) as Reached & { id: number };
    waiting.get(id)?.(reached);
    waiting.delete(id);
  });
  return {
    reach: (from, host, port, timeoutMs = 4_000) =>
      new Promise((resolve) => {
        const id = ++last;
        waiting.set(id, resolve);
        child.stdin!.write(`${JSON.stringify({ id, from, host, port, timeoutMs })}\n`);
      }),
    async close() {
      const ended = once(child, 'exit');
      child.stdin!.end();
      await ended;
    },
  };
}
