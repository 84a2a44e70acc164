import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readFile, rename } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { cacheDirectory } from '../cluster/cache.ts';
import { withLock } from '../cluster/lock.ts';
import { findProgram, run, searchPath } from '../cluster/process.ts';

const SOURCES = join(import.meta.dirname, '..', '..', 'bench');

/** The operator to compare with, as an executable. Built once for each state of its source, in a minute or two. */
export async function ensureBaselineOperator(log: (line: string) => void): Promise<string> {
  const source = join(SOURCES, 'baseline');
  return ensureBuilt('baseline-operator', source, ['main.go', 'go.mod', 'go.sum'], log, async (target) => {
    const go = await findProgram('go');
    if (go === undefined) throw new Error('Go is not installed: install Go 1.24 or newer from https://go.dev/dl');
    const flags = ['-trimpath', '-buildvcs=false', '-mod=readonly', '-ldflags', '-s -w'];
    const env = { ...process.env, PATH: searchPath(), CGO_ENABLED: '0', GOWORK: 'off' };
    await run(go, ['build', ...flags, '-o', target, '.'], { cwd: source, env });
  });
}

/** The signing loop to compare with, as an executable. */
export async function ensureBaselineSigner(log: (line: string) => void): Promise<string> {
  const source = join(SOURCES, 'baseline-c');
  return ensureBuilt('baseline-signer', source, ['sign.c'], log, async (target) => {
    await run('gcc', ['-O2', '-Wall', '-o', target, join(source, 'sign.c'), '-ldl', '-lpthread']);
  });
}

/** A program in the cache under the hash of its sources; a second process waits for the first. */
async function ensureBuilt(
  name: string,
  directory: string,
  files: readonly string[],
  log: (line: string) => void,
  build: (target: string) => Promise<void>,
): Promise<string> {
  const sources = await Promise.all(files.map((file) => readFile(join(directory, file))));
  const tag = createHash('sha256').update(Buffer.concat(sources)).digest('hex').slice(0, 12);
  const path = join(cacheDirectory(), 'bin', `${name}-${tag}`, name);
  if (existsSync(path)) return path;
  const waiting = (pid: number) => log(`waiting for process ${pid}, which builds ${name}`);
  await withLock(`${dirname(path)}.lock`, waiting, async () => {
    if (existsSync(path)) return;
    log(`building ${name} (once)`);
    await mkdir(dirname(path), { recursive: true });
    await build(`${path}.partial`);
    await rename(`${path}.partial`, path);
  });
  return path;
}
