import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { HsmError } from './errors.ts';
import { unpackTo } from './tar.ts';

/** Where SoftHSM finds its settings, given the folder it is unpacked into; set as SOFTHSM2_CONF. */
export function softHsmConfigFile(directory: string): string {
  return join(directory, 'softhsm2.conf');
}

/** Writes softhsm2.conf and an empty token folder; returns the token folder. */
export function writeSoftHsmConfig(directory: string): string {
  const tokens = join(directory, 'tokens');
  mkdirSync(tokens, { recursive: true, mode: 0o700 });
  const lines = [
    `directories.tokendir = ${tokens}`,
    'objectstore.backend = file',
    'log.level = ERROR',
    'slots.removable = false',
    'slots.mechanisms = ALL',
    'library.reset_on_fork = true',
  ];
  writeFileSync(softHsmConfigFile(directory), `${lines.join('\n')}\n`, { mode: 0o600 });
  return tokens;
}

/**
 * Unpacks the token afresh. Done at every start of the HSM process, since a login rewrites the token's file and a crash
 * in that moment leaves it empty.
 * @throws HsmError ARCHIVE_INVALID
 */
export function unpackSoftHsm(archiveFile: string, directory: string): void {
  let archive: Buffer;
  try {
    archive = readFileSync(archiveFile);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'unknown error';
    throw new HsmError('ARCHIVE_INVALID', `The packed token ${archiveFile} cannot be read (${code}).`, {
      cause: error,
    });
  }
  const tokens = writeSoftHsmConfig(directory);
  for (const name of readdirSync(tokens)) rmSync(join(tokens, name), { recursive: true, force: true });
  unpackTo(archive, tokens);
}
