import { expect, test } from 'vitest';
import { outcomeOf } from './outcome.ts';

test.each([
  ['already known', 'accepted'],
  ['known transaction: 0xabc', 'accepted'],
  ['transaction already imported', 'accepted'],
  ['nonce too low', 'taken'],
  ['replacement transaction underpriced', 'taken'],
  ['txpool is full', 'later'],
  ['the node did not answer this call', 'later'],
  ['Gas price not 0', 'refused'],
  ['exceeds block gas limit', 'refused'],
  ['intrinsic gas too low', 'refused'],
  ['insufficient funds for gas * price + value', 'refused'],
  ['oversized data', 'refused'],
  ['only replay-protected (EIP-155) transactions allowed over RPC', 'refused'],
  ['transaction type not supported', 'refused'],
  ['transaction underpriced', 'refused'],
])('%s: %s', (message, kind) => {
  expect(outcomeOf({ error: { code: -32000, message } }).kind).toBe(kind);
});

test('a hash', () => {
  expect(outcomeOf({ result: '0x1' })).toEqual({ kind: 'accepted' });
});
