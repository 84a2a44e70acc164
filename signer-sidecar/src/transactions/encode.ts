/** Transactions as bytes: legacy with EIP-155, EIP-2930, EIP-1559. */
import type { HsmSignature } from '../hsm/types.ts';
import { bytes, encode, integer, type RlpItem } from './rlp.ts';

export interface AccessListEntry {
  address: string;
  storageKeys: string[];
}

interface Common {
  chainId: number;
  gas: bigint;
  /** Absent: creates a contract. */
  to?: string;
  value: bigint;
  /** 0x and hex. */
  data: string;
}

/** All of a transaction but its nonce and signature. */
export type TransactionBody = Common &
  (
    | { type: 0; gasPrice: bigint }
    | { type: 1; gasPrice: bigint; accessList: AccessListEntry[] }
    | { type: 2; maxFeePerGas: bigint; maxPriorityFeePerGas: bigint; accessList: AccessListEntry[] }
  );

/** What is hashed and signed. */
export function encodeUnsigned(body: TransactionBody, nonce: number): Uint8Array {
  const items = fields(body, nonce);
  if (body.type === 0) return encode([...items, integer(body.chainId), integer(0), integer(0)]);
  return typed(body.type, items);
}

/** What is sent. */
export function encodeSigned(body: TransactionBody, nonce: number, signature: HsmSignature): Uint8Array {
  const v = body.type === 0 ? BigInt(body.chainId) * 2n + 35n + BigInt(signature.yParity) : BigInt(signature.yParity);
  const items = [...fields(body, nonce), integer(v), integer(BigInt(signature.r)), integer(BigInt(signature.s))];
  return body.type === 0 ? encode(items) : typed(body.type, items);
}

function fields(body: TransactionBody, nonce: number): RlpItem[] {
  const to = body.to === undefined ? integer(0) : bytes(body.to);
  const rest = [integer(body.gas), to, integer(body.value), bytes(body.data)];
  switch (body.type) {
    case 0:
      return [integer(nonce), integer(body.gasPrice), ...rest];
    case 1:
      return [integer(body.chainId), integer(nonce), integer(body.gasPrice), ...rest, accessListItem(body.accessList)];
    case 2:
      return [
        integer(body.chainId),
        integer(nonce),
        integer(body.maxPriorityFeePerGas),
        integer(body.maxFeePerGas),
        ...rest,
        accessListItem(body.accessList),
      ];
  }
}

function accessListItem(list: AccessListEntry[]): RlpItem {
  return list.map(({ address, storageKeys }) => [bytes(address), storageKeys.map(bytes)]);
}

function typed(type: number, items: RlpItem[]): Uint8Array {
  return Buffer.concat([Uint8Array.of(type), encode(items)]);
}

/**
 * Gas that any execution costs at least: 21000, or 53000 for a creation, 4 a zero byte and 16 any other byte of data
 * (EIP-2028), 2400 an address and 1900 a key of an access list (EIP-2930).
 */
export function intrinsicGas(body: Pick<TransactionBody, 'to' | 'data'> & { accessList?: AccessListEntry[] }): bigint {
  let gas = body.to === undefined ? 53_000 : 21_000;
  for (const byte of bytes(body.data)) gas += byte === 0 ? 4 : 16;
  for (const { storageKeys } of body.accessList ?? []) gas += 2_400 + 1_900 * storageKeys.length;
  return BigInt(gas);
}
