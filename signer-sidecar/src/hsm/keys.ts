import { computeAddress } from 'ethers';
import pkcs11 from 'pkcs11js';
import { fromPkcs11, HsmError } from './errors.ts';
import type { Handle, Module } from './module.ts';
import type { HsmKey, HsmKeyAttributes } from './types.ts';

/** DER of the object identifier 1.3.132.0.10. */
export const SECP256K1 = Buffer.from('06052b8104000a', 'hex');

const TRUE = Buffer.from([1]);
const FALSE = Buffer.from([0]);

/** Templates that make a key which signs and does nothing else, and whose value no call returns. */
export function keyTemplates(label: string, id: Buffer): { publicKey: pkcs11.Template; privateKey: pkcs11.Template } {
  const common = [
    { type: pkcs11.CKA_TOKEN, value: TRUE },
    { type: pkcs11.CKA_LABEL, value: label },
    { type: pkcs11.CKA_ID, value: id },
    { type: pkcs11.CKA_KEY_TYPE, value: pkcs11.CKK_EC },
  ];
  return {
    publicKey: [
      ...common,
      { type: pkcs11.CKA_CLASS, value: pkcs11.CKO_PUBLIC_KEY },
      { type: pkcs11.CKA_EC_PARAMS, value: SECP256K1 },
      { type: pkcs11.CKA_VERIFY, value: TRUE },
    ],
    privateKey: [
      ...common,
      { type: pkcs11.CKA_CLASS, value: pkcs11.CKO_PRIVATE_KEY },
      { type: pkcs11.CKA_PRIVATE, value: TRUE },
      { type: pkcs11.CKA_SENSITIVE, value: TRUE },
      { type: pkcs11.CKA_EXTRACTABLE, value: FALSE },
      { type: pkcs11.CKA_SIGN, value: TRUE },
      { type: pkcs11.CKA_DERIVE, value: FALSE },
      { type: pkcs11.CKA_MODIFIABLE, value: FALSE },
    ],
  };
}

/** Handles that match a template, in one session. */
export function findObjects(module: Module, session: Handle, template: pkcs11.Template): Handle[] {
  try {
    module.C_FindObjectsInit(session, template);
    const found: Handle[] = [];
    for (;;) {
      const some = module.C_FindObjects(session, 64);
      found.push(...some);
      if (some.length === 0) break;
    }
    module.C_FindObjectsFinal(session);
    return found;
  } catch (error) {
    throw fromPkcs11(error, 'C_FindObjects');
  }
}

/** Handle of the private key with this CKA_ID, in this session. @throws HsmError KEY_NOT_FOUND, KEY_AMBIGUOUS */
export function findPrivateKey(module: Module, session: Handle, id: string): Handle {
  const found = findObjects(module, session, [
    { type: pkcs11.CKA_CLASS, value: pkcs11.CKO_PRIVATE_KEY },
    { type: pkcs11.CKA_ID, value: Buffer.from(id, 'hex') },
  ]);
  if (found.length === 0) throw new HsmError('KEY_NOT_FOUND', `The token has no private key with id ${id}.`);
  if (found.length > 1)
    throw new HsmError('KEY_AMBIGUOUS', `The token has ${found.length} private keys with id ${id}.`);
  return found[0]!;
}

/** All secp256k1 keys of the token of which it has both halves, sorted by id. */
export function listKeys(module: Module, session: Handle): HsmKey[] {
  const privateKeys = findObjects(module, session, [
    { type: pkcs11.CKA_CLASS, value: pkcs11.CKO_PRIVATE_KEY },
    { type: pkcs11.CKA_KEY_TYPE, value: pkcs11.CKK_EC },
  ]);
  const keys: HsmKey[] = [];
  for (const handle of privateKeys) {
    const id = bytes(module, session, handle, pkcs11.CKA_ID);
    if (id === undefined || id.length === 0) continue;
    const publicKey = readPublicKey(module, session, id);
    if (publicKey === undefined) continue;
    keys.push({
      id: id.toString('hex'),
      label: bytes(module, session, handle, pkcs11.CKA_LABEL)?.toString('utf8') ?? '',
      address: computeAddress(`0x${publicKey.toString('hex')}`),
      publicKey: `0x${publicKey.toString('hex')}` as `0x04${string}`,
      attributes: readAttributes(module, session, handle),
    });
  }
  return keys.sort((a, b) => (a.id < b.id ? -1 : 1));
}

function readPublicKey(module: Module, session: Handle, id: Buffer): Buffer | undefined {
  const found = findObjects(module, session, [
    { type: pkcs11.CKA_CLASS, value: pkcs11.CKO_PUBLIC_KEY },
    { type: pkcs11.CKA_ID, value: id },
  ]);
  if (found.length !== 1) return undefined;
  const parameters = bytes(module, session, found[0]!, pkcs11.CKA_EC_PARAMS);
  if (parameters === undefined || !parameters.equals(SECP256K1)) return undefined;
  const point = bytes(module, session, found[0]!, pkcs11.CKA_EC_POINT);
  return point === undefined ? undefined : uncompressedPoint(point);
}

/** CKA_EC_POINT is a DER OCTET STRING around the point; some tokens return the bare 65 bytes. */
export function uncompressedPoint(point: Buffer): Buffer | undefined {
  if (point.length === 67 && point[0] === 0x04 && point[1] === 0x41 && point[2] === 0x04) return point.subarray(2);
  if (point.length === 65 && point[0] === 0x04) return point;
  return undefined;
}

function readAttributes(module: Module, session: Handle, handle: Handle): HsmKeyAttributes {
  const flag = (type: number, whenUnknown: boolean): boolean => {
    const value = bytes(module, session, handle, type);
    return value === undefined ? whenUnknown : value[0] === 1;
  };
  // An attribute that a module does not report counts as the worse of the two.
  return {
    sensitive: flag(pkcs11.CKA_SENSITIVE, false),
    extractable: flag(pkcs11.CKA_EXTRACTABLE, true),
    alwaysSensitive: flag(pkcs11.CKA_ALWAYS_SENSITIVE, false),
    neverExtractable: flag(pkcs11.CKA_NEVER_EXTRACTABLE, false),
    local: flag(pkcs11.CKA_LOCAL, false),
    sign: flag(pkcs11.CKA_SIGN, false),
    derive: flag(pkcs11.CKA_DERIVE, true),
    modifiable: flag(pkcs11.CKA_MODIFIABLE, true),
  };
}

/** One attribute, or undefined when the module does not know it or does not tell it. */
export function bytes(module: Module, session: Handle, handle: Handle, type: number): Buffer | undefined {
  try {
    const value = module.C_GetAttributeValue(session, handle, [{ type }])[0]?.value;
    return value === undefined ? undefined : Buffer.from(value as Buffer);
  } catch (error) {
    const text = error instanceof Error ? error.message : '';
    if (/CKR_ATTRIBUTE_(TYPE_INVALID|SENSITIVE)/.test(text)) return undefined;
    throw fromPkcs11(error, 'C_GetAttributeValue');
  }
}
