import { access, constants, rm, writeFile } from 'node:fs/promises';
import { findProgram, run } from './process.ts';
import type { Log } from './tools.ts';

/** Debian and Ubuntu packages of the programs that are not built from Go modules. */
const PACKAGES = {
  etcd: 'etcd-server',
  containerd: 'containerd',
  ctr: 'containerd',
  runc: 'runc',
  ptp: 'containernetworking-plugins',
  'iptables-nft-restore': 'iptables',
  nft: 'nftables',
  catatonit: 'catatonit',
  ip: 'iproute2',
  nsenter: 'util-linux',
  unshare: 'util-linux',
  setsid: 'util-linux',
  mount: 'mount',
  hostname: 'hostname',
  busybox: 'busybox-static',
  podman: 'podman',
  mmdebstrap: 'mmdebstrap',
} as const;

export type SystemProgram = keyof typeof PACKAGES;

/** Folders of CNI plugins: Debian's, and the one upstream releases use. */
const CNI_DIRECTORIES = ['/usr/lib/cni', '/opt/cni/bin', '/usr/libexec/cni'];

/**
 * Full paths of programs of the distribution. What is missing is installed with apt where that is possible (root on
 * Debian or Ubuntu), else one line says what to install.
 */
export async function ensureSystemPrograms<P extends SystemProgram>(
  programs: readonly P[],
  log: Log,
): Promise<Record<P, string>> {
  let found = await findAll(programs);
  const missing = programs.filter((program) => !found[program]);
  if (missing.length > 0) {
    const packages = packagesOf(missing);
    if (process.getuid?.() === 0 && (await findProgram('apt-get'))) {
      log(`installing ${packages.join(' ')}`);
      await install(packages);
      found = await findAll(programs);
    }
    const still = programs.filter((program) => !found[program]);
    if (still.length > 0) {
      throw new Error(`${still.join(', ')} not found: as root, apt-get install ${packagesOf(still).join(' ')}`);
    }
  }
  return found as Record<P, string>;
}

/** Package names for programs, each once. */
export function packagesOf(programs: readonly SystemProgram[]): string[] {
  return [...new Set(programs.map((program) => PACKAGES[program]))].sort();
}

async function findAll<P extends SystemProgram>(programs: readonly P[]): Promise<Partial<Record<P, string>>> {
  const found: Partial<Record<P, string>> = {};
  for (const program of programs) {
    const path = program === 'ptp' ? await findPlugin(program) : await findProgram(program);
    if (path) found[program] = path;
  }
  return found;
}

async function findPlugin(name: string): Promise<string | undefined> {
  for (const directory of CNI_DIRECTORIES) {
    const path = `${directory}/${name}`;
    if (
      await access(path, constants.X_OK)
        .then(() => true)
        .catch(() => false)
    )
      return path;
  }
  return undefined;
}

/** Installs packages without letting their services start: an etcd or containerd of the machine's own is not wanted. */
async function install(packages: string[]): Promise<void> {
  const policy = '/usr/sbin/policy-rc.d';
  const ours = await writeFile(policy, '#!/bin/sh\nexit 101\n', { mode: 0o755, flag: 'wx' }).then(
    () => true,
    () => false,
  );
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const args = ['install', '-y', '--no-install-recommends', ...packages];
  try {
    const first = await run('apt-get', args, { env, allowFailure: true });
    if (first.code === 0) return;
    await run('apt-get', ['update'], { env }); // lists may be missing or old
    await run('apt-get', args, { env });
  } finally {
    if (ours) await rm(policy, { force: true });
  }
}
