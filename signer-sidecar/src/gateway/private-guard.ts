/**
 * GoQuorum signs the plain payload of a private call that comes in the field `input` (only `data` is replaced by
 * Tessera's hash), so it would be on the chain for all to read. No private send passes the door.
 */
import { codes, privateNotAvailable, RpcError } from '../errors.ts';

/** geth's JSON decoder matches field names without regard to case, so does this. */
const privateFields = new Set(['privatefor', 'privatefrom', 'mandatoryfor', 'privacyflag', 'privatetxargs']);

/** True when an argument, at any depth that a call can have, names a field of private transactions. */
export function namesPrivateFields(value: unknown, depth = 0): boolean {
  if (typeof value !== 'object' || value === null || depth > 64) return false;
  if (Array.isArray(value)) return value.some((item) => namesPrivateFields(item, depth + 1));
  return Object.entries(value).some(
    ([key, item]) => privateFields.has(key.toLowerCase()) || namesPrivateFields(item, depth + 1),
  );
}

/** @throws RpcError when a call carries fields of private transactions */
export function refusePrivate(params: unknown): void {
  if (namesPrivateFields(params)) throw privateNotAvailable();
}

/**
 * A raw legacy transaction with v 37 or 38 is private to GoQuorum whatever was meant (EIP-155 for chain id 1), and
 * what it carries as data would be plain text on the chain.
 * @throws RpcError
 */
export function refusePrivateRaw(params: unknown): void {
  const raw = Array.isArray(params) ? params[0] : undefined;
  if (typeof raw !== 'string' || !/^0x([0-9a-fA-F]{2})+$/.test(raw)) {
    throw new RpcError(codes.invalidParams, 'params[0] must be a signed transaction: 0x and hex digits', {
      reason: 'invalid_params',
      action: 'Send one raw transaction as the first parameter.',
    });
  }
  const v = legacyV(Buffer.from(raw.slice(2), 'hex'));
  if (v === 37 || v === 38) throw privateNotAvailable();
}

/** v of a legacy transaction, undefined for typed ones and for what is not RLP (geth refuses these by itself). */
export function legacyV(raw: Uint8Array): number | undefined {
  if (raw.length === 0 || raw[0]! < 0xc0) return undefined;
  let at = raw[0]! < 0xf8 ? 1 : 1 + (raw[0]! - 0xf7);
  for (let item = 0; item < 9 && at < raw.length; item += 1) {
    const first = raw[at]!;
    if (first >= 0xc0) return undefined;
    const { start, length } = stringItem(raw, at, first);
    if (start + length > raw.length) return undefined;
    if (item === 6) return Buffer.from(raw.subarray(start, start + length)).reduce((sum, byte) => sum * 256 + byte, 0);
    at = start + length;
  }
  return undefined;
}

function stringItem(raw: Uint8Array, at: number, first: number): { start: number; length: number } {
  if (first < 0x80) return { start: at, length: 1 };
  if (first < 0xb8) return { start: at + 1, length: first - 0x80 };
  const size = first - 0xb7;
  const length = Buffer.from(raw.subarray(at + 1, at + 1 + size)).reduce((sum, byte) => sum * 256 + byte, 0);
  return { start: at + 1 + size, length };
}
