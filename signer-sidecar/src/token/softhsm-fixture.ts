import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { HsmOptions } from '../hsm/types.ts';
import { createTokens } from './create.ts';
import type { TokenFile } from './types.ts';

/** The module of the Debian package softhsm2; the same path in the images. */
export const SOFTHSM_MODULE = '/usr/lib/softhsm/libsofthsm2.so';

export interface TestToken {
  readonly options: HsmOptions;
  readonly record: TokenFile;
  readonly pinFile: string;
  readonly directory: string;
}

/**
 * Makes real SoftHSM tokens in a temporary folder, packed as the token Job packs them, with options that open the
 * account token. For tests only: the PIN is written to a file beside it.
 */
export async function makeTestToken(keys: readonly string[] = ['default']): Promise<TestToken> {
  const directory = mkdtempSync(join(tmpdir(), 'quorum-token-'));
  const pin = '48151623';
  const { archive, record } = await createTokens(
    SOFTHSM_MODULE,
    join(directory, 'made'),
    'officer-0815',
    { label: 'accounts', pin, keys: keys.map((name) => ({ name, label: name })) },
    { label: 'service', pin: 'service-4711', keys: [{ name: 'service', label: 'service' }] },
  );
  const archiveFile = join(directory, 'token.tar.gz');
  const pinFile = join(directory, 'account-pin');
  writeFileSync(archiveFile, archive, { mode: 0o600 });
  writeFileSync(pinFile, `${pin}\n`, { mode: 0o600 });
  return {
    record,
    pinFile,
    directory,
    options: {
      modulePath: SOFTHSM_MODULE,
      tokenLabel: record.label,
      tokenSerial: record.serial,
      pinFile,
      sessions: 4,
      signTimeoutMs: 5_000,
      softhsm: { archiveFile, directory: join(directory, 'unpacked') },
    },
  };
}
