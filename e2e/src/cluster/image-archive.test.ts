import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readFile, readlink, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { writeImageArchive } from './image-archive.ts';
import { run } from './process.ts';

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'image-'));
});
afterEach(() => rm(directory, { recursive: true }));

test('an ordinary tar reads the archive and its layer, and the digests agree', async () => {
  const file = join(directory, 'image.tar');
  const entries = [
    { path: 'bin/deep/tool', content: 'x'.repeat(600), mode: 0o755 },
    { path: 'bin/alias', link: 'deep/tool' },
    { path: 'tmp', directory: true as const, mode: 0o1777 },
  ];
  await writeImageArchive(file, { name: 'localhost/a:1', entries, entrypoint: ['/bin/deep/tool'] });
  await run('tar', ['-xf', file, '-C', directory]);
  const manifest = JSON.parse(await readFile(join(directory, 'manifest.json'), 'utf8'));
  expect(manifest).toEqual([{ Config: 'config.json', RepoTags: ['localhost/a:1'], Layers: ['layer.tar'] }]);
  const config = JSON.parse(await readFile(join(directory, 'config.json'), 'utf8'));
  const layer = await readFile(join(directory, 'layer.tar'));
  expect(config.rootfs.diff_ids).toEqual([`sha256:${createHash('sha256').update(layer).digest('hex')}`]);
  expect(config.config.Entrypoint).toEqual(['/bin/deep/tool']);

  const root = join(directory, 'root');
  await mkdir(root);
  await run('tar', ['-xpf', join(directory, 'layer.tar'), '-C', root, '--no-same-owner']);
  expect(await readFile(join(root, 'bin/deep/tool'), 'utf8')).toBe('x'.repeat(600));
  expect((await stat(join(root, 'bin/deep/tool'))).mode & 0o7777).toBe(0o755);
  expect((await stat(join(root, 'tmp'))).mode & 0o7777).toBe(0o1777);
  expect(await readlink(join(root, 'bin/alias'))).toBe('deep/tool');
});

test('the same image gives the same bytes', async () => {
  const image = { name: 'localhost/a:1', entries: [{ path: 'a', content: 'b' }] };
  await writeImageArchive(join(directory, '1'), image);
  await new Promise((resolve) => setTimeout(resolve, 1100)); // times in archives have seconds
  await writeImageArchive(join(directory, '2'), image);
  expect(await readFile(join(directory, '1'))).toEqual(await readFile(join(directory, '2')));
});
