import { randomBytes } from 'node:crypto';
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { type Module, UserType } from 'graphene-pk11';
import { fromPkcs11, HsmError } from '../hsm/errors.ts';
import { generateKey, listKeys } from '../hsm/keys.ts';
import { findSlot, login, openModule, tokensOf } from '../hsm/module.ts';
import { softHsmConfigFile, writeSoftHsmConfig } from '../hsm/softhsm.ts';
import { packDirectory } from '../hsm/tar.ts';
import type { HsmKey } from '../hsm/types.ts';
import type { TokenFile, TokenKey, TokenRecord } from './types.ts';

export interface TokenRequest {
  readonly label: string;
  readonly pin: string;
  readonly keys: readonly { readonly name: string; readonly label: string }[];
}

/**
 * Makes the two SoftHSM tokens of an organization with their keys, inside the module, and packs them. The private keys
 * exist nowhere but in the returned archive, encrypted by SoftHSM under each token's PIN.
 * @param directory a folder in a memory volume; tokens that an interrupted run left there are removed
 * @throws HsmError when the module refuses, or reports a key that is not what was asked for
 */
export async function createTokens(
  modulePath: string,
  directory: string,
  securityOfficerPin: string,
  account: TokenRequest,
  service: TokenRequest,
): Promise<{ archive: Buffer; record: TokenFile }> {
  const tokens = writeSoftHsmConfig(directory);
  for (const name of readdirSync(tokens)) rmSync(join(tokens, name), { recursive: true });
  process.env.SOFTHSM2_CONF = softHsmConfigFile(directory);
  const module = openModule(modulePath);
  try {
    const accountToken = await createToken(module, securityOfficerPin, account);
    const serviceToken = await createToken(module, securityOfficerPin, service);
    const record: TokenFile = { version: 1, ...accountToken, service: serviceToken };
    return { archive: packDirectory(tokens), record };
  } finally {
    module.finalize();
    module.close();
  }
}

async function createToken(module: Module, securityOfficerPin: string, request: TokenRequest): Promise<TokenRecord> {
  const serial = initializeToken(module, securityOfficerPin, request);
  // SoftHSM numbers slots by serial, but only from the next initialisation on; findSlot does one if it must.
  const slot = await findSlot(module, { label: request.label, serial }, 3, 1);
  const session = login(slot, request.pin);
  try {
    for (const key of request.keys) generateKey(session, key.label, randomBytes(16));
    const made = listKeys(session);
    return { label: request.label, serial, keys: request.keys.map((key) => named(key, made)) };
  } catch (error) {
    throw fromPkcs11(error, `making the keys of token ${request.label}`);
  } finally {
    slot.closeAll();
  }
}

function initializeToken(module: Module, securityOfficerPin: string, request: TokenRequest): string {
  const free = tokensOf(module).find((token) => !token.initialized);
  if (free === undefined) throw new HsmError('TOKEN_NOT_FOUND', 'The module has no free slot for a new token.');
  try {
    // Not slot.initToken: it trims what C_InitToken returns, and pkcs11js 2 returns nothing, so that it throws a TypeError
    // once the token is made.
    free.slot.lib.C_InitToken(free.slot.handle, securityOfficerPin, request.label);
    const session = login(free.slot, securityOfficerPin, UserType.SO);
    session.initPin(request.pin);
    session.logout();
    session.close();
  } catch (error) {
    throw fromPkcs11(error, `initialising token ${request.label}`);
  }
  const made = tokensOf(module).find((token) => token.slot.handle.equals(free.slot.handle));
  if (made === undefined)
    throw new HsmError('TOKEN_NOT_FOUND', `Token ${request.label} is not there after it was made.`);
  return made.serial;
}

function named(wanted: { name: string; label: string }, made: readonly HsmKey[]): TokenKey {
  const found = made.filter((key) => key.label === wanted.label);
  if (found.length !== 1) {
    throw new HsmError(
      'KEY_AMBIGUOUS',
      `${found.length} keys have label ${wanted.label}; give each key a label of its own.`,
    );
  }
  const key = found[0]!;
  const { sensitive, extractable, alwaysSensitive, neverExtractable, local, sign, derive, modifiable } = key.attributes;
  const guarded = sensitive && alwaysSensitive && neverExtractable && local && sign;
  if (!guarded || extractable || derive || modifiable) {
    throw new HsmError('HSM_FAILURE', `Key ${wanted.label} is not as asked for: ${JSON.stringify(key.attributes)}.`);
  }
  return { name: wanted.name, ...key };
}
