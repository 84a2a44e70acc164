import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { withLock } from './lock.ts';

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'lock-'));
});
afterEach(() => rm(directory, { recursive: true }));

test('bodies under one lock never overlap, and nothing stays behind', async () => {
  const file = join(directory, 'a', 'lock');
  let inside = 0;
  let most = 0;
  const one = () =>
    withLock(
      file,
      () => {},
      async () => {
        most = Math.max(most, ++inside);
        await new Promise((resolve) => setTimeout(resolve, 5));
        inside--;
      },
    );
  await Promise.all([one(), one(), one()]);
  expect(most).toBe(1);
  expect(await readdir(join(directory, 'a'))).toEqual([]);
});

test('a lock is released when its body throws, and taken over when its holder died', async () => {
  const file = join(directory, 'lock');
  const failing = withLock(
    file,
    () => {},
    () => Promise.reject(new Error('no')),
  );
  await expect(failing).rejects.toThrow('no');
  // This process has the number, but not the start time: the holder is gone.
  await writeFile(file, JSON.stringify({ pid: process.pid, startTime: '1' }));
  const waited: number[] = [];
  expect(
    await withLock(
      file,
      (pid) => waited.push(pid),
      async () => 'mine',
    ),
  ).toBe('mine');
  expect(waited).toEqual([]);
});
