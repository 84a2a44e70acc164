import secp256k1 from 'secp256k1/bindings.js';
import { HsmError } from './errors.ts';

const scratch = Buffer.allocUnsafeSlow(65);

/**
 * Makes a raw PKCS#11 ECDSA signature (r‖s, 64 bytes) into what Ethereum takes: low-s, with its recovery id found by
 * recovery. The check against the known key is also what catches a signature over another digest, which a native
 * module can produce when memory moves under it.
 * @param signature normalised in place
 * @param publicKey 65 bytes, uncompressed
 * @returns parity of R's y coordinate
 * @throws HsmError SIGNATURE_WRONG when the signature is not one by this key over this digest
 */
export function finishSignature(signature: Buffer, digest: Uint8Array, publicKey: Buffer): 0 | 1 {
  if (signature.length !== 64) {
    throw new HsmError(
      'SIGNATURE_WRONG',
      `The module returned a signature of ${signature.length} bytes instead of 64.`,
    );
  }
  try {
    secp256k1.signatureNormalize(signature);
  } catch (error) {
    throw new HsmError('SIGNATURE_WRONG', 'The module returned r or s outside the curve order.', { cause: error });
  }
  for (const parity of [0, 1] as const) {
    try {
      secp256k1.ecdsaRecover(signature, parity, digest, false, scratch);
    } catch {
      continue;
    }
    if (scratch.equals(publicKey)) return parity;
  }
  throw new HsmError('SIGNATURE_WRONG', 'The signature does not belong to this key and digest; it was thrown away.');
}
