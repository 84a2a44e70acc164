import { createPrivateKey, createPublicKey, generateKeyPairSync } from 'node:crypto';

/** A key pair of a transaction manager (X25519, as NaCl's box uses it). Both are 32 bytes in base64; `privateKey` is secret. */
export interface TesseraKey {
  readonly privateKey: string;
  readonly publicKey: string;
}

/** DER bytes in front of a raw X25519 private key (RFC 8410, PKCS#8). */
const PKCS8_PREFIX = Buffer.from('302e020100300506032b656e04220420', 'hex');
const RAW_LENGTH = 32;

/** Makes a new key from the system's random source. */
export function generateTesseraKey(): TesseraKey {
  const { privateKey } = generateKeyPairSync('x25519');
  const raw = privateKey.export({ format: 'der', type: 'pkcs8' }).subarray(PKCS8_PREFIX.length);
  const encoded = raw.toString('base64');
  return { privateKey: encoded, publicKey: publicKeyOf(encoded) };
}

/**
 * The public key of a private one.
 * @throws Error, without the key in its text, when it is not 32 bytes in base64.
 */
export function publicKeyOf(privateKey: string): string {
  const raw = Buffer.from(privateKey.trim(), 'base64');
  if (raw.length !== RAW_LENGTH) throw new Error('a key of a transaction manager is 32 bytes in base64');
  const key = createPrivateKey({ key: Buffer.concat([PKCS8_PREFIX, raw]), format: 'der', type: 'pkcs8' });
  const der = createPublicKey(key).export({ format: 'der', type: 'spki' });
  return der.subarray(der.length - RAW_LENGTH).toString('base64');
}
