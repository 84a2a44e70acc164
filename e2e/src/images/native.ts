import { readFile } from 'node:fs/promises';

/** C library of the images' Debian release (bookworm). */
const GLIBC: readonly [number, number] = [2, 36];
/** e_machine of an ELF header. */
const MACHINES: Partial<Record<NodeJS.Architecture, number>> = { x64: 62, arm64: 183 };

/**
 * Says why a machine-code file of the host would not run in the images; undefined if it would.
 * Native modules are built on the host where there is one bundle for both, so this catches a newer C library early.
 */
export async function unfitNative(file: string): Promise<string | undefined> {
  const code = await readFile(file).catch(() => undefined);
  if (!code) return 'it cannot be read';
  if (code.length < 64 || code.readUInt32BE(0) !== 0x7f454c46) return 'it is no Linux program; run this on Linux';
  if (code.readUInt16LE(18) !== MACHINES[process.arch]) return `it is not for ${process.arch}`;
  const needed = code.toString('latin1').matchAll(/GLIBC_(\d+)\.(\d+)/g);
  for (const [version, major, minor] of needed) {
    if (Number(major) > GLIBC[0] || (Number(major) === GLIBC[0] && Number(minor) > GLIBC[1])) {
      return `it needs ${version} and the images have ${GLIBC.join('.')}; install on an older system, or build from source`;
    }
  }
  return undefined;
}
