import { createHash } from 'node:crypto';
import { access, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { cacheDirectory } from '../cache.ts';
import { writeImageArchive } from '../image-archive.ts';
import { PAUSE_IMAGE } from './layout.ts';

/**
 * Archive of the image that holds a pod's namespaces, made once from the machine's catatonit, which waits and reaps
 * orphans: what is needed where containers share the process namespace.
 */
export async function pauseImage(catatonit: string): Promise<string> {
  const hash = createHash('sha256')
    .update(await readFile(catatonit))
    .digest('hex');
  const file = join(cacheDirectory(), 'images', `pause-${hash.slice(0, 12)}.tar`);
  const there = await access(file).then(
    () => true,
    () => false,
  );
  if (!there) {
    await writeImageArchive(file, {
      name: PAUSE_IMAGE,
      entries: [{ path: 'pause', file: catatonit, mode: 0o755 }],
      entrypoint: ['/pause', '-P'],
    });
  }
  return file;
}
