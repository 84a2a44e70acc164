/** One signature over one transaction, checked before anybody sees it. */
import secp256k1 from 'secp256k1/bindings.js';
import type { Account } from '../accounts/accounts.ts';
import { hsmUnavailable } from '../errors.ts';
import type { HsmClient, HsmSignature } from '../hsm/types.ts';
import { encodeSigned, encodeUnsigned, type TransactionBody } from './encode.ts';
import { keccak256 } from './keccak.ts';

export interface SignedTransaction {
  /** 0x and hex. */
  raw: string;
  hash: string;
  /** What was signed, 32 bytes, 0x and hex. */
  digest: string;
}

const hex = (bytes: Uint8Array) => `0x${Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('hex')}`;

/** A transaction with its nonce, and what is to be signed: known before anything is signed. */
export interface UnsignedTransaction {
  body: TransactionBody;
  nonce: number;
  /** 32 bytes. */
  digest: Uint8Array;
}

export function unsignedTransaction(body: TransactionBody, nonce: number): UnsignedTransaction {
  return { body, nonce, digest: keccak256(encodeUnsigned(body, nonce)) };
}

/** Signs in the HSM; the sender that the signature yields is the account's, or nothing is returned. */
export async function signUnsigned(
  hsm: HsmClient,
  account: Account,
  { body, nonce, digest }: UnsignedTransaction,
): Promise<SignedTransaction> {
  const signature = await signDigest(hsm, account, digest);
  const raw = encodeSigned(body, nonce, signature);
  return { raw: hex(raw), hash: hex(keccak256(raw)), digest: hex(digest) };
}

/** Both in one. What leaves the door has an audit entry first: see NonceAllocator and Signer. */
export function signTransaction(
  hsm: HsmClient,
  account: Account,
  body: TransactionBody,
  nonce: number,
): Promise<SignedTransaction> {
  return signUnsigned(hsm, account, unsignedTransaction(body, nonce));
}

/** @throws RpcError when the HSM does not sign, or signs with another key */
export async function signDigest(hsm: HsmClient, account: Account, digest: Uint8Array): Promise<HsmSignature> {
  let signature: HsmSignature;
  try {
    signature = await hsm.sign(account.keyId, digest);
  } catch (error) {
    const { code, retryable } = error as { code?: unknown; retryable?: unknown };
    throw hsmUnavailable(typeof code === 'string' ? code : 'HSM_FAILURE', retryable !== false, error);
  }
  if (recoverAddress(digest, signature) !== account.address) {
    throw hsmUnavailable('KEY_MISMATCH', false, new Error(`key ${account.keyId} is not the key of ${account.address}`));
  }
  return signature;
}

/** Address (lower case) whose key made this signature. */
export function recoverAddress(digest: Uint8Array, signature: HsmSignature): string {
  const compact = Buffer.from(signature.r.slice(2).padStart(64, '0') + signature.s.slice(2).padStart(64, '0'), 'hex');
  try {
    const publicKey = secp256k1.ecdsaRecover(compact, signature.yParity, digest, false);
    return hex(keccak256(publicKey.subarray(1)).subarray(12));
  } catch {
    return 'none';
  }
}
