import { chmodSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { HsmError } from './errors.ts';

/**
 * Just enough of POSIX ustar to carry a token folder in a Secret: regular files and folders, owner-only modes, paths of
 * up to 100 bytes. Everything else in an archive (links, devices, absolute paths, `..`) is refused, not skipped.
 */

const BLOCK = 512;
/** A SoftHSM token is a few KiB and a Secret holds 1 MiB; more than this is not a token folder. */
const MAX_UNPACKED = 16 * 1024 * 1024;

export interface ArchiveEntry {
  /** Relative path with `/`. */
  readonly path: string;
  readonly kind: 'file' | 'directory';
  readonly content: Buffer;
}

/** Packs the content of a folder (not the folder itself), sorted by path, with no times and no owners: same in, same out. */
export function packDirectory(directory: string): Buffer {
  const entries: ArchiveEntry[] = [];
  const walk = (relative: string): void => {
    for (const name of readdirSync(join(directory, relative)).sort()) {
      const path = relative === '' ? name : `${relative}/${name}`;
      if (statSync(join(directory, path)).isDirectory()) {
        entries.push({ path, kind: 'directory', content: Buffer.alloc(0) });
        walk(path);
      } else {
        entries.push({ path, kind: 'file', content: readFileSync(join(directory, path)) });
      }
    }
  };
  walk('');
  return pack(entries);
}

/** Writes a gzipped ustar archive. */
export function pack(entries: readonly ArchiveEntry[]): Buffer {
  const blocks: Buffer[] = [];
  for (const entry of entries) {
    blocks.push(header(entry), entry.content);
    const rest = entry.content.length % BLOCK;
    if (rest !== 0) blocks.push(Buffer.alloc(BLOCK - rest));
  }
  blocks.push(Buffer.alloc(2 * BLOCK));
  return gzipSync(Buffer.concat(blocks), { level: 9 });
}

/**
 * Reads a gzipped ustar archive.
 * @throws HsmError ARCHIVE_INVALID when it is damaged or holds anything but files and folders below its root
 */
export function unpack(archive: Buffer): ArchiveEntry[] {
  let bytes: Buffer;
  try {
    bytes = gunzipSync(archive, { maxOutputLength: MAX_UNPACKED });
  } catch (error) {
    throw invalid(`it is not gzip data of at most ${MAX_UNPACKED} bytes`, error);
  }
  const entries: ArchiveEntry[] = [];
  for (let offset = 0; offset + BLOCK <= bytes.length; ) {
    const head = bytes.subarray(offset, offset + BLOCK);
    if (head.every((byte) => byte === 0)) return entries;
    offset += BLOCK;
    const { path, kind, size } = readHeader(head);
    if (offset + size > bytes.length) throw invalid(`${path} is cut off`);
    entries.push({ path, kind, content: Buffer.from(bytes.subarray(offset, offset + size)) });
    offset += Math.ceil(size / BLOCK) * BLOCK;
  }
  throw invalid('its end is missing');
}

/** Unpacks into a folder, readable by its owner alone. @throws HsmError ARCHIVE_INVALID */
export function unpackTo(archive: Buffer, directory: string): void {
  for (const entry of unpack(archive)) {
    const target = join(directory, entry.path);
    if (entry.kind === 'directory') {
      mkdirSync(target, { recursive: true, mode: 0o700 });
    } else {
      mkdirSync(dirname(target), { recursive: true, mode: 0o700 });
      writeFileSync(target, entry.content, { mode: 0o600 });
      chmodSync(target, 0o600);
    }
  }
}

function header(entry: ArchiveEntry): Buffer {
  const path = checkPath(entry.path);
  const block = Buffer.alloc(BLOCK);
  if (Buffer.byteLength(path) > 100) throw invalid(`${path} is longer than 100 bytes`);
  block.write(path, 0, 'utf8');
  block.write(entry.kind === 'directory' ? '0000700\0' : '0000600\0', 100, 'latin1');
  block.write('0000000\0', 108, 'latin1');
  block.write('0000000\0', 116, 'latin1');
  block.write(`${entry.content.length.toString(8).padStart(11, '0')}\0`, 124, 'latin1');
  block.write('00000000000\0', 136, 'latin1');
  block.write('        ', 148, 'latin1');
  block.write(entry.kind === 'directory' ? '5' : '0', 156, 'latin1');
  block.write('ustar\x0000', 257, 'latin1');
  block.write(`${checksum(block).toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return block;
}

function readHeader(block: Buffer): { path: string; kind: 'file' | 'directory'; size: number } {
  if (block.toString('latin1', 257, 262) !== 'ustar') throw invalid('an entry has no ustar header');
  const stored = Number.parseInt(text(block, 148, 8), 8);
  const blanked = Buffer.from(block);
  blanked.write('        ', 148, 'latin1');
  if (checksum(blanked) !== stored) throw invalid('an entry has a wrong checksum');
  const prefix = text(block, 345, 155);
  const name = text(block, 0, 100);
  const path = checkPath(prefix === '' ? name : `${prefix}/${name}`);
  const flag = String.fromCharCode(block[156]!);
  const size = Number.parseInt(text(block, 124, 12), 8);
  if (!Number.isSafeInteger(size) || size < 0) throw invalid(`${path} has no valid size`);
  if (flag === '0' || flag === '\0') return { path, kind: 'file', size };
  if (flag === '5') return { path, kind: 'directory', size: 0 };
  throw invalid(`${path} is neither a file nor a folder (type ${JSON.stringify(flag)})`);
}

function checkPath(path: string): string {
  const clean = path.replace(/^\.\//, '').replace(/\/$/, '');
  const parts = clean.split('/');
  if (
    clean === '' ||
    clean.startsWith('/') ||
    clean.includes('\\') ||
    parts.some((part) => ['', '.', '..'].includes(part))
  ) {
    throw invalid(`${JSON.stringify(path)} is not a path below its root`);
  }
  return clean;
}

function checksum(block: Buffer): number {
  return block.reduce((sum, byte) => sum + byte, 0);
}

function text(block: Buffer, start: number, length: number): string {
  const field = block.subarray(start, start + length);
  const end = field.indexOf(0);
  return field.toString('utf8', 0, end === -1 ? length : end).trim();
}

function invalid(why: string, cause?: unknown): HsmError {
  return new HsmError('ARCHIVE_INVALID', `The packed token cannot be used: ${why}.`, { cause });
}
