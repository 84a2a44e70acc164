import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readFile, rename } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { cacheDirectory } from '../cluster/cache.ts';
import { withLock } from '../cluster/lock.ts';
import { findProgram, run, searchPath } from '../cluster/process.ts';

const SOURCE = join(import.meta.dirname, 'kstatus');

/** What kstatus calls the state of an object. */
export interface Kstatus {
  readonly status: 'InProgress' | 'Failed' | 'Current' | 'Terminating' | 'NotFound' | 'Unknown';
  readonly message: string;
}

/** Whether the program is in the cache, or can be built. */
export async function kstatusIsAvailable(): Promise<boolean> {
  return existsSync(await programPath()) || (await findProgram('go')) !== undefined;
}

async function programPath(): Promise<string> {
  const source = await Promise.all(['main.go', 'go.mod', 'go.sum'].map((name) => readFile(join(SOURCE, name))));
  const tag = createHash('sha256').update(Buffer.concat(source)).digest('hex').slice(0, 12);
  return join(cacheDirectory(), 'bin', `kstatus-${tag}`, 'kstatus');
}

/**
 * Full path of the program around kstatus. Built once for each state of its source (a minute or two) and kept in the
 * cache; a second process waits for the first.
 */
export async function ensureKstatus(): Promise<string> {
  const path = await programPath();
  if (existsSync(path)) return path;
  const go = await findProgram('go');
  if (go === undefined) throw new Error('Go is not installed: install Go 1.24 or newer from https://go.dev/dl');
  await withLock(
    `${dirname(path)}.lock`,
    () => {},
    async () => {
      if (existsSync(path)) return;
      await mkdir(dirname(path), { recursive: true });
      const flags = ['-trimpath', '-buildvcs=false', '-mod=readonly', '-ldflags', '-s -w'];
      const env = { ...process.env, PATH: searchPath(), CGO_ENABLED: '0', GOWORK: 'off' };
      await run(go, ['build', ...flags, '-o', `${path}.partial`, '.'], { cwd: SOURCE, env });
      await rename(`${path}.partial`, path);
    },
  );
  return path;
}

/** What kstatus says of each object, in order. */
export async function kstatusOf(program: string, objects: readonly unknown[]): Promise<Kstatus[]> {
  const input = objects.map((object) => JSON.stringify(object)).join('\n');
  const { stdout } = await run(program, [], { input, timeoutMs: 30_000 });
  return stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Kstatus);
}
