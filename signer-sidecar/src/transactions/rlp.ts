/** RLP encoding (Ethereum yellow paper, appendix B). Encoding only; ethers is the oracle in the tests. */

export type RlpItem = Uint8Array | RlpItem[];

const EMPTY = new Uint8Array(0);

/** A whole number as RLP takes it: big endian, no leading zero, zero is the empty string. */
export function integer(value: bigint | number): Uint8Array {
  if (value === 0 || value === 0n) return EMPTY;
  const digits = value.toString(16);
  return Buffer.from(digits.length % 2 === 0 ? digits : `0${digits}`, 'hex');
}

/** Bytes of 0x and an even number of hex digits. */
export function bytes(hex: string): Uint8Array {
  return hex.length === 2 ? EMPTY : Buffer.from(hex.slice(2), 'hex');
}

export function encode(item: RlpItem): Buffer {
  const parts: Uint8Array[] = [];
  append(item, parts);
  return Buffer.concat(parts);
}

function append(item: RlpItem, parts: Uint8Array[]): number {
  if (!Array.isArray(item)) {
    if (item.length === 1 && item[0]! < 0x80) {
      parts.push(item);
      return 1;
    }
    const head = header(item.length, 0x80);
    parts.push(head, item);
    return head.length + item.length;
  }
  const at = parts.push(EMPTY) - 1;
  let length = 0;
  for (const child of item) length += append(child, parts);
  const head = header(length, 0xc0);
  parts[at] = head;
  return head.length + length;
}

function header(length: number, base: 0x80 | 0xc0): Uint8Array {
  if (length < 56) return Uint8Array.of(base + length);
  const size = integer(length);
  const head = new Uint8Array(1 + size.length);
  head[0] = base + 55 + size.length;
  head.set(size, 1);
  return head;
}
