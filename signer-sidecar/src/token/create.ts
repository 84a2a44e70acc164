import { randomBytes } from 'node:crypto';
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import pkcs11 from 'pkcs11js';
import { fromPkcs11, HsmError } from '../hsm/errors.ts';
import { keyTemplates, listKeys } from '../hsm/keys.ts';
import { findSlot, login, type Module, openModule, openSession, tokensOf } from '../hsm/module.ts';
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
    module.C_Finalize();
    module.close();
  }
}

async function createToken(module: Module, securityOfficerPin: string, request: TokenRequest): Promise<TokenRecord> {
  const serial = initializeToken(module, securityOfficerPin, request);
  // SoftHSM numbers slots by serial, but only from the next initialisation on; findSlot does one if it must.
  const slot = await findSlot(module, { label: request.label, serial }, 3, 1);
  const session = login(module, slot, request.pin);
  try {
    for (const key of request.keys) {
      const { publicKey, privateKey } = keyTemplates(key.label, randomBytes(16));
      module.C_GenerateKeyPair(session, { mechanism: pkcs11.CKM_EC_KEY_PAIR_GEN }, publicKey, privateKey);
    }
    const made = listKeys(module, session);
    return { label: request.label, serial, keys: request.keys.map((key) => named(key, made)) };
  } catch (error) {
    throw fromPkcs11(error, `making the keys of token ${request.label}`);
  } finally {
    module.C_CloseAllSessions(slot);
  }
}

function initializeToken(module: Module, securityOfficerPin: string, request: TokenRequest): string {
  const free = tokensOf(module).find((token) => !token.initialized);
  if (free === undefined) throw new HsmError('TOKEN_NOT_FOUND', 'The module has no free slot for a new token.');
  try {
    module.C_InitToken(free.slot, securityOfficerPin, request.label);
    const session = openSession(module, free.slot);
    module.C_Login(session, pkcs11.CKU_SO, securityOfficerPin);
    module.C_InitPIN(session, request.pin);
    module.C_Logout(session);
    module.C_CloseSession(session);
  } catch (error) {
    throw fromPkcs11(error, `initialising token ${request.label}`);
  }
  const made = tokensOf(module).find((token) => token.slot.equals(free.slot));
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
