import { link, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { identify, isAlive, type ProcessIdentity } from './process.ts';

/**
 * Runs `body` while no other process on this machine holds the same lock file. A lock whose holder died is taken over.
 * `waiting` is called once, with the holder's pid, when we have to wait.
 */
export async function withLock<T>(file: string, waiting: (pid: number) => void, body: () => Promise<T>): Promise<T> {
  await mkdir(dirname(file), { recursive: true });
  const mine = `${file}.${process.pid}.${Math.random().toString(36).slice(2)}`;
  await writeFile(mine, JSON.stringify(identify(process.pid)));
  try {
    await acquire(file, mine, waiting);
    await rm(mine); // the lock is a link to the same file; a holder that is killed leaves only that
    try {
      return await body();
    } finally {
      await rm(file, { force: true });
    }
  } finally {
    await rm(mine, { force: true });
  }
}

async function acquire(file: string, mine: string, waiting: (pid: number) => void): Promise<void> {
  let told = false;
  while (!(await linked(mine, file))) {
    const text = await readFile(file, 'utf8').catch(() => undefined);
    if (text === undefined) continue;
    const holder = parse(text);
    if (holder && isAlive(holder)) {
      if (!told) waiting(holder.pid);
      told = true;
      await new Promise((resolve) => setTimeout(resolve, 200));
      continue;
    }
    // Two processes may see the same dead holder: rename is atomic, and whoever moved a living lock puts it back.
    const aside = `${mine}.stale`;
    try {
      await rename(file, aside);
    } catch {
      continue;
    }
    if ((await readFile(aside, 'utf8')) !== text) await linked(aside, file);
    await rm(aside, { force: true });
  }
}

async function linked(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

function parse(text: string): ProcessIdentity | undefined {
  try {
    return JSON.parse(text) as ProcessIdentity;
  } catch {
    return undefined;
  }
}
