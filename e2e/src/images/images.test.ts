import { execFileSync, spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { buildImages, type ImageTarget } from './build.ts';
import { withLock } from './lock.ts';
import { unfitNative } from './native.ts';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const folder = mkdtempSync(path.join(os.tmpdir(), 'images-'));
const file = (name: string) => path.join(folder, name);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('machine code of the host', () => {
  it('fits when it is for this processor and an old enough C library', async () => {
    expect(await unfitNative(process.execPath)).toBeUndefined();
  });

  it('is refused when it needs a newer C library than the images have', async () => {
    const elf = readFileSync(process.execPath).subarray(0, 64);
    writeFileSync(file('newer.node'), Buffer.concat([elf, Buffer.from('\0GLIBC_2.39\0GLIBC_2.2.5\0')]));
    expect(await unfitNative(file('newer.node'))).toContain('it needs GLIBC_2.39 and the images have 2.36');
  });

  it('is refused when it is no Linux program or cannot be read', async () => {
    writeFileSync(file('text.node'), 'x'.repeat(100));
    expect(await unfitNative(file('text.node'))).toContain('no Linux program');
    expect(await unfitNative(file('none'))).toBe('it cannot be read');
  });
});

describe('the lock', () => {
  it('lets one in at a time', async () => {
    const steps: string[] = [];
    const work = (name: string) => async () => {
      steps.push(`${name} in`);
      await new Promise((resolve) => setTimeout(resolve, 20));
      steps.push(`${name} out`);
    };
    const lines: string[] = [];
    const log = (line: string) => lines.push(line);
    await Promise.all([withLock(file('lock'), log, work('a')), withLock(file('lock'), log, work('b'))]);
    expect(steps).toEqual(['a in', 'a out', 'b in', 'b out']);
    expect(lines).toHaveLength(1);
  });

  it('is taken over from a process that is gone', async () => {
    const { pid } = spawnSync(process.execPath, ['--version']);
    writeFileSync(file('stale'), String(pid));
    expect(
      await withLock(
        file('stale'),
        () => {},
        async () => 'done',
      ),
    ).toBe('done');
    expect(existsSync(file('stale'))).toBe(false);
  });
});

describe('buildImages', () => {
  it('says which targets there are', async () => {
    const targets = ['fixture-geth' as ImageTarget];
    await expect(buildImages({ targets })).rejects.toThrow(
      'no target fixture-geth; there are operator, signer-sidecar',
    );
  });

  it('asks for the binary that fixture-goquorum is made around', async () => {
    await expect(buildImages({ targets: ['fixture-goquorum'] })).rejects.toThrow('needs goquorumBinary');
  });
});

describe('bundles', () => {
  const bundle = (...args: string[]) =>
    spawnSync(process.execPath, [path.join(root, 'scripts/bundle.mjs'), '--out', folder, ...args], {
      encoding: 'utf8',
    });

  it('run where there is nothing beside them', () => {
    expect(bundle('fixture-client', 'fixture-tessera').status).toBe(0);
    copyFileSync(file('fixture-client/main.mjs'), file('alone.mjs'));
    const { stdout, status } = spawnSync(process.execPath, [file('alone.mjs')], {
      cwd: '/',
      encoding: 'utf8',
      env: {},
    });
    expect(JSON.parse(stdout)).toMatchObject({ done: false, error: expect.stringContaining('URL is not set') });
    expect(status).toBe(1);
  });

  it('carry the binary that the stand-in for GoQuorum runs', () => {
    expect(JSON.parse(bundle('fixture-quorum').stdout)).toMatchObject({ native: ['fixture-quorum/bin/anvil'] });
    expect(execFileSync(file('fixture-quorum/bin/anvil'), ['--version'], { encoding: 'utf8' })).toContain('anvil');
  });

  it('name the program that is not known', () => {
    expect(bundle('nonsense')).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('no program is called nonsense'),
    });
  });
});
