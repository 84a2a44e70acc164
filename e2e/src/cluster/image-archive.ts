import { createHash } from 'node:crypto';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';

/** One entry of an image's file system; parents are made as needed. */
export type ImageEntry =
  | { path: string; directory: true; mode?: number }
  | { path: string; content: string | Buffer; mode?: number }
  | { path: string; file: string; mode?: number }
  | { path: string; link: string };

export interface ImageArchive {
  /** With its tag, e.g. `localhost/coredns:v1.13.1`. */
  name: string;
  entries: ImageEntry[];
  entrypoint?: string[];
  environment?: string[];
  /** OCI architecture; default this machine's. */
  architecture?: string;
}

/**
 * Writes a docker-archive tarball (what `docker save` writes and containerd, podman and kind load) with a single layer.
 * For a few files that is all an image is, so no builder is needed. Same input, same bytes.
 */
export async function writeImageArchive(file: string, image: ImageArchive): Promise<void> {
  const layer = tar(await readEntries(image.entries));
  const config = JSON.stringify({
    architecture: image.architecture ?? { x64: 'amd64' }[process.arch as string] ?? process.arch,
    os: 'linux',
    config: {
      Entrypoint: image.entrypoint ?? [],
      Env: image.environment ?? ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'],
    },
    rootfs: { type: 'layers', diff_ids: [`sha256:${createHash('sha256').update(layer).digest('hex')}`] },
  });
  const manifest = JSON.stringify([{ Config: 'config.json', RepoTags: [image.name], Layers: ['layer.tar'] }]);
  const archive = tar([
    { path: 'config.json', mode: 0o644, content: Buffer.from(config) },
    { path: 'layer.tar', mode: 0o644, content: layer },
    { path: 'manifest.json', mode: 0o644, content: Buffer.from(manifest) },
  ]);
  await mkdir(dirname(file), { recursive: true });
  await writeFile(`${file}.partial`, archive);
  await rename(`${file}.partial`, file);
}

interface TarEntry {
  path: string;
  mode: number;
  content?: Buffer;
  link?: string;
}

async function readEntries(entries: ImageEntry[]): Promise<TarEntry[]> {
  const read = new Map<string, TarEntry>();
  for (const entry of entries) {
    for (const parent of parents(entry.path)) {
      if (!read.has(parent)) read.set(parent, { path: parent, mode: 0o755 });
    }
    if ('link' in entry) read.set(entry.path, { path: entry.path, mode: 0o777, link: entry.link });
    else if ('directory' in entry) {
      read.set(`${entry.path}/`, { path: `${entry.path}/`, mode: entry.mode ?? 0o755 });
    } else {
      const content = 'file' in entry ? await readFile(entry.file) : Buffer.from(entry.content);
      read.set(entry.path, { path: entry.path, mode: entry.mode ?? 0o644, content });
    }
  }
  return [...read.values()];
}

function parents(path: string): string[] {
  const names = path.split('/').slice(0, -1);
  return names.map((_, index) => `${names.slice(0, index + 1).join('/')}/`);
}

const BLOCK = 512;

/** A POSIX ustar archive; owners are root, times are 0. Paths are at most 100 bytes. */
function tar(entries: TarEntry[]): Buffer {
  const parts: Buffer[] = [];
  for (const entry of entries) {
    parts.push(header(entry));
    if (!entry.content) continue;
    parts.push(entry.content, Buffer.alloc((BLOCK - (entry.content.length % BLOCK)) % BLOCK));
  }
  parts.push(Buffer.alloc(2 * BLOCK));
  return Buffer.concat(parts);
}

function header(entry: TarEntry): Buffer {
  if (Buffer.byteLength(entry.path) > 100) throw new Error(`path too long for an image archive: ${entry.path}`);
  const block = Buffer.alloc(BLOCK);
  const octal = (value: number, offset: number, size: number) =>
    block.write(`${value.toString(8).padStart(size - 1, '0')}\0`, offset);
  block.write(entry.path, 0);
  octal(entry.mode, 100, 8);
  octal(0, 108, 8);
  octal(0, 116, 8);
  octal(entry.content?.length ?? 0, 124, 12);
  octal(0, 136, 12);
  block.write('        ', 148); // the checksum counts itself as blanks
  block.write(entry.link ? '2' : entry.content ? '0' : '5', 156);
  if (entry.link) block.write(entry.link, 157);
  block.write('ustar\x0000', 257);
  let sum = 0;
  for (const byte of block) sum += byte;
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return block;
}
