/** Signatures over messages: EIP-191 (eth_sign, personal_sign) and EIP-712 (eth_signTypedData_v4). Never a bare digest. */
import { TypedDataEncoder } from 'ethers';
import { invalidParams } from '../errors.ts';
import type { HsmSignature } from '../hsm/types.ts';
import { keccak256 } from './keccak.ts';

const MAX_MESSAGE_BYTES = 128 * 1024;

/** r, s and v (27 or 28), 65 bytes, 0x and hex. */
export function signatureHex({ r, s, yParity }: HsmSignature): string {
  return `${r}${s.slice(2)}${(27 + yParity).toString(16)}`;
}

/** The digest of an EIP-191 personal message: its prefix makes sure that it is no transaction. */
export function personalDigest(message: Uint8Array): Uint8Array {
  return keccak256(Buffer.concat([Buffer.from(`\x19Ethereum Signed Message:\n${message.length}`), message]));
}

/** `params` of eth_sign (address, message) or personal_sign (message, address[, password]). */
export function parseMessage(
  method: 'eth_sign' | 'personal_sign',
  params: unknown,
): { address: string; message: Uint8Array } {
  if (!Array.isArray(params) || params.length < 2) throw badMessage(method);
  const [address, message] = method === 'eth_sign' ? params : [params[1], params[0]];
  if (!isAddress(address) || typeof message !== 'string' || !/^0x([0-9a-fA-F]{2})*$/.test(message)) {
    throw badMessage(method);
  }
  if (message.length > 2 + 2 * MAX_MESSAGE_BYTES) throw badMessage(method);
  return { address, message: Buffer.from(message.slice(2), 'hex') };
}

function badMessage(method: 'eth_sign' | 'personal_sign') {
  const form = method === 'eth_sign' ? '[address, message]' : '[message, address]';
  return invalidParams(`params of ${method} must be ${form}, both 0x and hex, the message at most 128 KiB`, {
    action: 'Encode text as UTF-8, then as hex.',
  });
}

function isAddress(value: unknown): value is string {
  return typeof value === 'string' && /^0x[0-9a-fA-F]{40}$/.test(value);
}

/** `params` of eth_signTypedData_v4 (address, typed data as object or JSON); the domain's chain must be this one. */
export function parseTypedData(
  params: unknown,
  chainId: number,
): { address: string; digest: Uint8Array; primaryType: string; domain: Record<string, unknown> } {
  const wrong = (why: string) =>
    invalidParams(`eth_signTypedData_v4: ${why}`, { action: 'Send [address, {types, primaryType, domain, message}].' });
  if (!Array.isArray(params) || params.length < 2 || !isAddress(params[0])) throw wrong('params are incomplete');
  let typed: unknown = params[1];
  try {
    if (typeof typed === 'string') typed = JSON.parse(typed);
  } catch {
    throw wrong('the typed data is not JSON');
  }
  if (typeof typed !== 'object' || typed === null) throw wrong('the typed data is not an object');
  const { types, primaryType, domain, message } = typed as Record<string, Record<string, unknown>>;
  if (!types || !domain || !message || typeof primaryType !== 'string') throw wrong('a part of it is missing');
  const wanted = domain.chainId;
  if (wanted !== undefined && String(wanted) !== String(chainId) && wanted !== `0x${chainId.toString(16)}`) {
    throw wrong(`domain.chainId is ${String(wanted).slice(0, 80)}, but this chain is ${chainId}`);
  }
  const { EIP712Domain: _, ...rest } = types as Record<string, { name: string; type: string }[]>;
  try {
    if (TypedDataEncoder.getPrimaryType(rest) !== primaryType) throw new Error('primaryType is not the outermost type');
    const digest = Buffer.from(TypedDataEncoder.hash(domain, rest, message).slice(2), 'hex');
    return { address: params[0], digest, primaryType, domain };
  } catch (error) {
    throw wrong((error as Error).message.slice(0, 200));
  }
}
