import { encodeRlp, keccak256 as ethersKeccak, SigningKey, Transaction } from 'ethers';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { encodeSigned, encodeUnsigned, intrinsicGas, type TransactionBody } from './encode.ts';
import { keccak256 } from './keccak.ts';
import { encode, type RlpItem } from './rlp.ts';

const hex = (bytes: Uint8Array) => `0x${Buffer.from(bytes).toString('hex')}`;
const hexOf = (minimum: number, maximum: number) =>
  fc.uint8Array({ minLength: minimum, maxLength: maximum }).map((bytes) => hex(bytes));
const quantity = fc.bigInt({ min: 0n, max: 2n ** 96n });
const accessList = fc.array(
  fc.record({ address: hexOf(20, 20), storageKeys: fc.array(hexOf(32, 32), { maxLength: 3 }) }),
  { maxLength: 3 },
);
const common = {
  chainId: fc.integer({ min: 2, max: 2 ** 40 }),
  gas: fc.bigInt({ min: 0n, max: 2n ** 63n }),
  to: fc.option(hexOf(20, 20), { nil: undefined }),
  value: quantity,
  data: hexOf(0, 300),
};
const bodies = fc.oneof(
  fc.record({ type: fc.constant(0 as const), ...common, gasPrice: quantity }),
  fc.record({ type: fc.constant(1 as const), ...common, gasPrice: quantity, accessList }),
  fc.record({
    type: fc.constant(2 as const),
    ...common,
    maxFeePerGas: quantity,
    maxPriorityFeePerGas: fc.constant(0n),
    accessList,
  }),
) as fc.Arbitrary<TransactionBody>;

test('every transaction is byte for byte what ethers makes, unsigned and signed', () => {
  const key = new SigningKey(`0x${'11'.repeat(32)}`);
  fc.assert(
    fc.property(bodies, fc.integer({ min: 0, max: 2 ** 50 }), (body, nonce) => {
      const { gas, to, ...rest } = body;
      const oracle = Transaction.from({ ...rest, to: to ?? null, gasLimit: gas, nonce });
      const unsigned = encodeUnsigned(body, nonce);
      expect(hex(unsigned)).toBe(oracle.unsignedSerialized);
      expect(hex(keccak256(unsigned))).toBe(oracle.unsignedHash);
      const { r, s, yParity } = key.sign(keccak256(unsigned));
      oracle.signature = { r, s, yParity };
      const signed = encodeSigned(body, nonce, { r: r as `0x${string}`, s: s as `0x${string}`, yParity });
      expect(hex(signed)).toBe(oracle.serialized);
      expect(hex(keccak256(signed))).toBe(oracle.hash);
    }),
    { numRuns: 60 },
  );
}, 60_000);

test('r and s with leading zero bytes lose them', () => {
  const body: TransactionBody = { type: 0, chainId: 83210, gas: 21000n, value: 0n, data: '0x', gasPrice: 0n };
  const r = `0x00${'ab'.repeat(31)}` as const;
  const raw = hex(encodeSigned(body, 0, { r, s: r, yParity: 1 }));
  expect(Transaction.from(raw).signature).toMatchObject({ r, s: r, yParity: 1 });
});

test('RLP of nested lists and of every length is what ethers makes', () => {
  const { item } = fc.letrec<{ item: RlpItem }>((tie) => ({
    item: fc.oneof({ maxDepth: 4 }, fc.uint8Array({ maxLength: 70 }), fc.array(tie('item'), { maxLength: 6 })),
  }));
  fc.assert(
    fc.property(item, (value) => {
      expect(hex(encode(value))).toBe(encodeRlp(value as never));
    }),
  );
  for (const length of [0, 1, 55, 56, 255, 256, 65_535, 65_536]) {
    expect(hex(encode(new Uint8Array(length)))).toBe(encodeRlp(new Uint8Array(length)));
  }
});

test('keccak of nothing, and used again', () => {
  for (const bytes of [new Uint8Array(0), new Uint8Array(136), new Uint8Array(0)]) {
    expect(hex(keccak256(bytes))).toBe(ethersKeccak(bytes));
  }
});

test('intrinsic gas', () => {
  expect(intrinsicGas({ to: `0x${'1'.repeat(40)}`, data: '0x' })).toBe(21_000n);
  expect(intrinsicGas({ data: '0x0001' })).toBe(53_020n);
});
