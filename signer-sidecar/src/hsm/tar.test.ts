import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { pack, packDirectory, unpack, unpackTo } from './tar.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tar-test-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** Makes an archive with the system's tar, as an independent writer of the format. */
function systemTar(...args: string[]): Buffer {
  return execFileSync('tar', ['--format=ustar', '-czf', '-', ...args], {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
}

describe('packing', () => {
  it('brings a folder back as it was, readable by its owner only', () => {
    mkdirSync(join(folder, 'from/token/empty'), { recursive: true });
    writeFileSync(join(folder, 'from/token/token.object'), Buffer.alloc(1500, 7));
    writeFileSync(join(folder, 'from/token/lock'), '');
    const archive = packDirectory(join(folder, 'from'));
    unpackTo(archive, join(folder, 'to'));
    expect(readFileSync(join(folder, 'to/token/token.object'))).toEqual(Buffer.alloc(1500, 7));
    expect(statSync(join(folder, 'to/token/lock')).mode & 0o777).toBe(0o600);
    expect(statSync(join(folder, 'to/token/empty')).isDirectory()).toBe(true);
    expect(packDirectory(join(folder, 'to'))).toEqual(archive);
  });

  it('is read by the system tar', () => {
    const archive = pack([{ path: 'a/b', kind: 'file', content: Buffer.from('text') }]);
    const read = execFileSync('tar', ['-xzOf', '-', 'a/b'], { input: archive, encoding: 'utf8' });
    expect(read).toBe('text');
  });

  it('reads what the system tar wrote', () => {
    mkdirSync(join(folder, 'x'));
    writeFileSync(join(folder, 'x/y'), 'why');
    expect(unpack(systemTar('./x')).map(({ path, kind }) => [path, kind])).toEqual([
      ['x', 'directory'],
      ['x/y', 'file'],
    ]);
  });
});

describe('what is refused', () => {
  it('paths outside the root', () => {
    writeFileSync(join(folder, 'file'), 'x');
    expect(() => unpack(systemTar('-P', '--transform=s,^,../,', 'file'))).toThrow(/not a path below its root/);
    expect(() => unpack(systemTar('-P', '--transform=s,^,/tmp/,', 'file'))).toThrow(/not a path below its root/);
    expect(() => pack([{ path: 'a/../../b', kind: 'file', content: Buffer.alloc(0) }])).toThrow(/below its root/);
  });

  it('links', () => {
    symlinkSync('/etc/passwd', join(folder, 'link'));
    const archive = systemTar('link');
    expect(() => unpackTo(archive, join(folder, 'to'))).toThrow(/neither a file nor a folder/);
    expect(existsSync(join(folder, 'to/link'))).toBe(false);
  });

  it('damage', () => {
    const archive = pack([{ path: 'file', kind: 'file', content: Buffer.alloc(2000, 1) }]);
    const plain = gunzipSync(archive);
    expect(() => unpack(archive.subarray(0, 40))).toThrow(/not gzip data/);
    expect(() => unpack(gzipSync(plain.subarray(0, 1024)))).toThrow(/cut off/);
    expect(() => unpack(gzipSync(plain.subarray(0, 512 + 2048)))).toThrow(/end is missing/);
    plain[0] = plain[0]! + 1;
    expect(() => unpack(gzipSync(plain))).toThrow(/wrong checksum/);
  });

  it('more bytes than a token can have', () => {
    expect(() => unpack(gzipSync(Buffer.alloc(17 * 1024 * 1024)))).toThrow(/at most/);
  });
});
