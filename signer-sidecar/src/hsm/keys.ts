import { computeAddress } from 'ethers';
import {
  type ITemplate,
  KeyGenMechanism,
  KeyType,
  NamedCurve,
  ObjectClass,
  type Session,
  type SessionObject,
} from 'graphene-pk11';
import { fromPkcs11, HsmError } from './errors.ts';
import type { HsmKey, HsmKeyAttributes } from './types.ts';

/** DER of the object identifier 1.3.132.0.10. */
const SECP256K1 = NamedCurve.getByName('secp256k1').value;

/**
 * Makes a key on the token that signs and does nothing else, and whose value no call returns.
 * @param id becomes CKA_ID of both halves
 * @throws HsmError
 */
export function generateKey(session: Session, label: string, id: Buffer): void {
  const common: ITemplate = { token: true, label, id, keyType: KeyType.EC };
  const publicKey: ITemplate = { ...common, class: ObjectClass.PUBLIC_KEY, paramsEC: SECP256K1, verify: true };
  const privateKey: ITemplate = {
    ...common,
    class: ObjectClass.PRIVATE_KEY,
    private: true,
    sensitive: true,
    extractable: false,
    sign: true,
    derive: false,
    modifiable: false,
  };
  try {
    session.generateKeyPair(KeyGenMechanism.EC, publicKey, privateKey);
  } catch (error) {
    throw fromPkcs11(error, 'C_GenerateKeyPair');
  }
}

/** Objects that match a template, as one session sees them. */
function findObjects(session: Session, template: ITemplate): SessionObject[] {
  try {
    return [...session.find(template)];
  } catch (error) {
    throw fromPkcs11(error, 'C_FindObjects');
  }
}

/** The private key with this CKA_ID, in this session. @throws HsmError KEY_NOT_FOUND, KEY_AMBIGUOUS */
export function findPrivateKey(session: Session, id: string): SessionObject {
  const found = findObjects(session, { class: ObjectClass.PRIVATE_KEY, id: Buffer.from(id, 'hex') });
  if (found.length === 0) throw new HsmError('KEY_NOT_FOUND', `The token has no private key with id ${id}.`);
  if (found.length > 1)
    throw new HsmError('KEY_AMBIGUOUS', `The token has ${found.length} private keys with id ${id}.`);
  return found[0]!;
}

/** All secp256k1 keys of the token of which it has both halves, sorted by id. */
export function listKeys(session: Session): HsmKey[] {
  const keys: HsmKey[] = [];
  for (const privateKey of findObjects(session, { class: ObjectClass.PRIVATE_KEY, keyType: KeyType.EC })) {
    const { id } = readAttribute(privateKey, { id: null });
    if (!id || id.length === 0) continue;
    const publicKey = readPublicKey(session, id);
    if (publicKey === undefined) continue;
    keys.push({
      id: id.toString('hex'),
      label: readAttribute(privateKey, { label: null }).label ?? '',
      address: computeAddress(`0x${publicKey.toString('hex')}`),
      publicKey: `0x${publicKey.toString('hex')}` as `0x04${string}`,
      attributes: readAttributes(privateKey),
    });
  }
  return keys.sort((a, b) => (a.id < b.id ? -1 : 1));
}

function readPublicKey(session: Session, id: Buffer): Buffer | undefined {
  const [found, ...more] = findObjects(session, { class: ObjectClass.PUBLIC_KEY, id });
  if (found === undefined || more.length > 0) return undefined;
  // CKA_EC_PARAMS and CKA_ECDSA_PARAMS are one number: what is asked by the first name is answered by the second.
  const { paramsECDSA: parameters } = readAttribute(found, { paramsEC: null });
  if (!parameters?.equals(SECP256K1)) return undefined;
  const { pointEC: point } = readAttribute(found, { pointEC: null });
  return point ? uncompressedPoint(point) : undefined;
}

/** CKA_EC_POINT is a DER OCTET STRING around the point; some tokens return the bare 65 bytes. */
export function uncompressedPoint(point: Buffer): Buffer | undefined {
  if (point.length === 67 && point[0] === 0x04 && point[1] === 0x41 && point[2] === 0x04) return point.subarray(2);
  if (point.length === 65 && point[0] === 0x04) return point;
  return undefined;
}

/**
 * What the token says of a key. Asked here and not by the properties of PrivateKey, of which some turn any error into
 * a default: an attribute that a module does not report counts as the worse of the two.
 */
function readAttributes(key: SessionObject): HsmKeyAttributes {
  return {
    sensitive: readAttribute(key, { sensitive: null }).sensitive ?? false,
    extractable: readAttribute(key, { extractable: null }).extractable ?? true,
    alwaysSensitive: readAttribute(key, { alwaysSensitive: null }).alwaysSensitive ?? false,
    neverExtractable: readAttribute(key, { neverExtractable: null }).neverExtractable ?? false,
    local: readAttribute(key, { local: null }).local ?? false,
    sign: readAttribute(key, { sign: null }).sign ?? false,
    derive: readAttribute(key, { derive: null }).derive ?? true,
    modifiable: readAttribute(key, { modifiable: null }).modifiable ?? true,
  };
}

/**
 * Reads one attribute, asked for as `{ name: null }`. Several at once would fail together when a module does not know
 * one of them.
 * @returns the attribute, or an empty template when the module does not know it or does not tell it
 * @throws HsmError
 */
export function readAttribute(object: SessionObject, asked: ITemplate): ITemplate {
  try {
    return object.getAttribute(asked);
  } catch (error) {
    const text = error instanceof Error ? error.message : '';
    if (/CKR_ATTRIBUTE_(TYPE_INVALID|SENSITIVE)/.test(text)) return {};
    throw fromPkcs11(error, 'C_GetAttributeValue');
  }
}
