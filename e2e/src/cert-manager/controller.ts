import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { access, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { certManagerCrds, ensurePrograms, type Log, programPath } from '../cluster/tools.ts';

/** A real cert-manager beside an API server. */
export interface CertManager {
  /** Its CRDs, YAML texts. */
  readonly crds: readonly string[];
  /** Starts its controller; the CRDs must be served. */
  start(kubeconfig: string): Promise<{ stop(): Promise<void>; log(): string }>;
}

/**
 * cert-manager's controller, built from its Go module the first time, which takes minutes: only where that is asked for, or done already.
 * @returns why it cannot be had
 */
export async function findCertManager(log: Log = () => {}): Promise<CertManager | { readonly missing: string }> {
  const path = programPath('cert-manager');
  const built = await access(path).then(
    () => true,
    () => false,
  );
  if (!built && process.env.QUORUM_BUILD_CERT_MANAGER !== '1')
    return { missing: `${path} is not built; set QUORUM_BUILD_CERT_MANAGER=1 to build it with Go, once` };
  try {
    const program = (await ensurePrograms(['cert-manager'], log))['cert-manager'];
    const folder = await certManagerCrds();
    const files = (await readdir(folder)).filter((name) => name.endsWith('.yaml'));
    const crds = await Promise.all(files.map((name) => readFile(join(folder, name), 'utf8')));
    return { crds, start: (kubeconfig) => start(program, kubeconfig) };
  } catch (error) {
    return { missing: error instanceof Error ? error.message : String(error) };
  }
}

async function start(program: string, kubeconfig: string): Promise<{ stop(): Promise<void>; log(): string }> {
  const child: ChildProcess = spawn(program, ['--kubeconfig', kubeconfig], { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout!, child.stderr!]) stream.on('data', (chunk) => (output += chunk));
  await once(child, 'spawn');
  return {
    log: () => output,
    async stop() {
      if (child.exitCode !== null) return;
      const ended = once(child, 'exit');
      child.kill('SIGTERM');
      await ended;
    },
  };
}
