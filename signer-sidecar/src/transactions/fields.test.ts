import { describe, expect, test } from 'vitest';
import type { RpcError } from '../errors.ts';
import { parseTransaction } from './fields.ts';

const from = `0x${'aB'.repeat(20)}`;
const to = `0x${'cd'.repeat(20)}`;
const parse = (fields: Record<string, unknown>) => parseTransaction([{ from, to, ...fields }], 83210);

describe('fields of a transaction', () => {
  test('addresses and bytes in lower case, quantities as numbers, null as absent', () => {
    expect(parse({ value: '0xA', gas: '0x5208', nonce: '0x7', data: '0xFF', gasPrice: null, type: '0x0' })).toEqual({
      from: from.toLowerCase(),
      to,
      value: 10n,
      gas: 21000n,
      nonce: 7,
      data: '0xff',
      type: 0,
    });
  });

  test('input alone, or equal to data', () => {
    expect(parse({ input: '0x01' }).data).toBe('0x01');
    expect(parse({ input: '0xAB', data: '0xab' }).data).toBe('0xab');
  });

  test.each([
    [{ input: '0x01', data: '0x02' }, 'data and input'],
    [{ value: 10 }, 'value'],
    [{ value: '10' }, 'value'],
    [{ value: '0x' }, 'value'],
    [{ value: '0x01' }, 'leading zeros'],
    [{ value: '-0x1' }, 'value'],
    [{ value: `0x1${'0'.repeat(64)}` }, 'below 2^256'],
    [{ nonce: `0x${'f'.repeat(16)}` }, 'below 2^53'],
    [{ to: '0x12' }, 'to: must be an address'],
    [{ from: undefined }, 'from'],
    [{ data: '0x1' }, 'even number'],
    [{ data: `0x${'00'.repeat(128 * 1024 + 1)}` }, 'at most'],
    [{ type: '0x3' }, 'type'],
    [{ chainId: '0x1' }, 'this chain is 83210'],
    [{ gasLimit: '0x5208' }, 'unknown field of a transaction: gasLimit'],
    [{ accessList: [{ address: to, storageKeys: ['0x1'] }] }, '32 bytes'],
    [{ to: undefined }, 'neither to nor data'],
  ])('%j is refused, naming it', (fields, why) => {
    try {
      parse(fields as Record<string, unknown>);
    } catch (error) {
      expect((error as RpcError).code).toBe(-32602);
      expect((error as RpcError).message).toContain(why);
      return;
    }
    throw new Error('accepted');
  });

  test.each([[undefined], [[]], [{}], [[{}, {}]], [[null]], [['0x']]])('params %j', (params) => {
    expect(() => parseTransaction(params, 83210)).toThrow();
  });
});
