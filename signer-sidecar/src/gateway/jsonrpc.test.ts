import { describe, expect, test } from 'vitest';
import type { RpcError } from '../errors.ts';
import { parseBody } from './jsonrpc.ts';

const codeOf = (text: string): number => {
  try {
    const first = parseBody(text, 3).calls[0];
    return first !== undefined && 'error' in first ? first.error.code : 0;
  } catch (error) {
    return (error as RpcError).code;
  }
};

describe('JSON-RPC bodies', () => {
  test('a single call and a batch', () => {
    expect(parseBody('{"jsonrpc":"2.0","id":1,"method":"eth_call"}', 3)).toEqual({
      batch: false,
      calls: [{ id: 1, method: 'eth_call', params: [] }],
    });
    const batch = parseBody('[{"jsonrpc":"2.0","id":"a","method":"m","params":[1]}, 7]', 3);
    expect(batch.batch).toBe(true);
    expect(batch.calls[0]).toEqual({ id: 'a', method: 'm', params: [1] });
    expect(batch.calls[1]).toMatchObject({ id: null, error: { code: -32600 } });
  });

  test.each([
    ['', -32700],
    ['{', -32700],
    ['nothing', -32700],
    ['"text"', -32600],
    ['[]', -32600],
    ['[1,2,3,4]', -32600],
    ['{}', -32600],
    ['{"jsonrpc":"2.0","method":"m"}', -32600],
    ['{"jsonrpc":"1.0","id":1,"method":"m"}', -32600],
    ['{"jsonrpc":"2.0","id":1,"method":7}', -32600],
    ['{"jsonrpc":"2.0","id":{},"method":"m"}', -32600],
    ['{"jsonrpc":"2.0","id":1.5,"method":"m"}', -32600],
    ['{"jsonrpc":"2.0","id":123456789012345678901,"method":"m"}', -32600],
    ['{"jsonrpc":"2.0","id":1,"method":"m","params":"x"}', -32600],
    [`{"jsonrpc":"2.0","id":1,"method":"${'m'.repeat(200)}"}`, -32600],
    ['['.repeat(1_000_000), -32700],
    [`{"jsonrpc":"2.0","id":1,"method":"m","params":${'['.repeat(100)}${']'.repeat(100)}}`, -32700],
    [`{"jsonrpc":"2.0","id":1,"method":"m","params":["${'['.repeat(1000)}\\"["]}`, 0],
  ])('%.60s: %i', (text, code) => {
    expect(codeOf(text)).toBe(code);
  });
});
