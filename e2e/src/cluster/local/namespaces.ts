import { spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { identify, type ProcessIdentity, run, searchPath, until } from '../process.ts';
import type { Hierarchies } from './cgroups.ts';
import { type Layout, NETWORK, POLICY_QUEUE } from './layout.ts';

/** Long-lived programs get no more of the starter's environment than this: it may hold secrets. */
export const ENVIRONMENT = { PATH: searchPath(), HOME: '/root' };

/**
 * Starts the first process of new mount, pid, network, host name and IPC namespaces. It reaps orphans and does nothing
 * else; everything of the cluster lives in its namespaces and ends with it. `onMaker` is called before that, with the
 * process that makes the namespaces: ending it ends the first one, too.
 */
export async function startAnchor(
  programs: { unshare: string; catatonit: string },
  logFile: string,
  onMaker: (maker: ProcessIdentity) => Promise<void>,
): Promise<ProcessIdentity> {
  const log = openSync(logFile, 'a');
  const namespaces = ['--mount', '--pid', '--net', '--uts', '--ipc', '--mount-proc', '--propagation', 'slave'];
  const child = spawn(programs.unshare, [...namespaces, '--fork', '--kill-child', '--', programs.catatonit, '-P'], {
    detached: true, // a session of its own: it outlives the command that started it
    stdio: ['ignore', log, log],
    env: ENVIRONMENT,
  });
  closeSync(log);
  const maker = child.pid === undefined ? undefined : identify(child.pid);
  child.unref();
  if (maker) await onMaker(maker);
  let anchor: ProcessIdentity | undefined;
  await until(
    async () => {
      if (!maker || !identify(maker.pid)) throw new Error((await readFile(logFile, 'utf8')).trim());
      const children = await readFile(`/proc/${maker.pid}/task/${maker.pid}/children`, 'utf8');
      const pid = Number(children.trim());
      if (!pid || (await readFile(`/proc/${pid}/comm`, 'utf8')).trim() !== basename(programs.catatonit)) return false;
      anchor = identify(pid);
      return anchor !== undefined;
    },
    { timeoutMs: 5_000, everyMs: 10, what: 'new namespaces (root is needed)' },
  );
  return anchor!;
}

/** The beginning of a command line that runs the rest inside a cluster. */
export function inside(anchor: ProcessIdentity): string[] {
  return ['nsenter', '--target', `${anchor.pid}`, '--mount', '--pid', '--net', '--uts', '--ipc', '--'];
}

async function runInside(anchor: ProcessIdentity, args: string[], input?: string): Promise<void> {
  const [command, ...rest] = [...inside(anchor), ...args];
  await run(command!, rest, { env: ENVIRONMENT, timeoutMs: 20_000, ...(input !== undefined && { input }) });
}

/**
 * Three kernel settings that the kubelet insists on are the machine's, not a namespace's. It is shown files with the
 * values it wants; the machine keeps its own.
 */
const SHOWN_SETTINGS = { 'vm/overcommit_memory': '1', 'kernel/panic': '10', 'kernel/panic_on_oops': '1' };

/** Mounts that only the cluster sees. */
export async function prepareMounts(anchor: ProcessIdentity, paths: Layout, cgroups: Hierarchies): Promise<void> {
  const mount = (...args: string[]) => runInside(anchor, ['mount', ...args]);
  await runInside(anchor, ['hostname', paths.node]);
  await mount('--make-rshared', '/'); // container runtimes pass mounts on to pods
  for (const [path, mode] of [
    ['/run/netns', '755'],
    ['/run/containerd', '755'],
    [paths.etcd, '700'],
  ] as const) {
    await mount('-t', 'tmpfs', '-o', `mode=${mode}`, 'tmpfs', path);
  }
  await mount('--make-rshared', '/run/netns');
  await mount('--bind', paths.cni, '/var/lib/cni');
  await mount('--bind', paths.varLog, '/var/log');
  await mount('--bind', paths.kubelet, '/var/lib/kubelet');
  await mount('--make-rshared', '/var/lib/kubelet');
  if (cgroups.version === 1 && cgroups.hybrid) {
    // Otherwise runc also makes cgroups in the unified hierarchy, outside of ours.
    await runInside(anchor, ['umount', cgroups.hybrid]);
  }
  for (const [setting, value] of Object.entries(SHOWN_SETTINGS)) {
    const file = join(paths.sysctl, basename(setting));
    await mkdir(paths.sysctl, { recursive: true });
    await writeFile(file, `${value}\n`);
    await mount('--bind', file, `/proc/sys/${setting}`);
  }
}

/** Interfaces and routes. The network has no way out: what is not in the cluster is unreachable. */
export async function prepareNetwork(anchor: ProcessIdentity): Promise<void> {
  const commands = [
    'link set lo up',
    // The node's address sits on one end of a pair, since a kernel may lack dummy devices.
    'link add node0 type veth peer name node0p',
    'link set node0p up',
    `addr add ${NETWORK.node}/24 dev node0`,
    'link set node0 up',
    `route add ${NETWORK.services} dev node0`, // service addresses need a route before they are rewritten
    'route add unreachable default',
  ];
  await runInside(anchor, ['ip', '-batch', '-'], `${commands.join('\n')}\n`);
  await runInside(anchor, ['tee', '/proc/sys/net/ipv4/ip_forward'], '1\n');
}

/**
 * Sends the first packet of each connection from or to a pod to the network policy agent. The agent can make such
 * rules itself only where the kernel has the nftables queue expression; the older target is everywhere. Packets wait
 * for a verdict, so nothing passes while the agent is not there. The node's own (root's: probes, API server) do pass.
 */
export async function divertPolicyTraffic(anchor: ProcessIdentity): Promise<void> {
  const queue = `-j NFQUEUE --queue-num ${POLICY_QUEUE}`;
  const rules = [
    '*mangle',
    '-A POSTROUTING -m conntrack --ctstate ESTABLISHED,RELATED -j RETURN',
    '-A POSTROUTING -m owner --uid-owner 0 -j RETURN',
    `-A POSTROUTING -s ${NETWORK.pods} ${queue}`,
    `-A POSTROUTING -d ${NETWORK.pods} ${queue}`,
    `-A INPUT -s ${NETWORK.pods} -m conntrack --ctstate NEW ${queue}`,
    'COMMIT',
  ];
  await runInside(anchor, ['iptables-nft-restore', '--noflush'], `${rules.join('\n')}\n`);
}
