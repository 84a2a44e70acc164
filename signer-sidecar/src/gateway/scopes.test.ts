import { describe, expect, test } from 'vitest';
import { Scopes, scopesOf } from './scopes.ts';

describe('scopes', () => {
  test.each([
    [['rpc://eth_blockNumber'], 'eth_blockNumber', true],
    [['rpc://eth_blockNumber'], 'eth_blockNumberX', false],
    [['rpc://eth.blockNumber'], 'eth_blockNumber', true],
    [['rpc://eth_*'], 'eth_call', true],
    [['rpc://eth_*'], 'net_version', false],
    [['rpc://*_version'], 'net_version', true],
    [['rpc://*_version'], 'net_peerCount', false],
    [['rpc://*_*'], 'eth_call', true],
    [['eth_call', 'http://eth_call', 'rpc://eth', 'rpc://', 'rpc://e*_call', 'rpc://eth_ca*'], 'eth_call', false],
    [['psi://x?node.eoa=0x0', 'openid'], 'eth_call', false],
    [[], 'eth_call', false],
    [['rpc://*_*'], 'call', false],
    [['rpc://ETH_*'], 'eth_call', false],
  ])('%j for %s: %s', (granted, method, allowed) => {
    expect(new Scopes(granted).allows(method)).toBe(allowed);
  });

  test.each(['eth_sign', 'personal_sign', 'eth_signTypedData_v4'])('a wildcard does not grant %s', (method) => {
    expect(new Scopes(['rpc://*_*', 'rpc://eth_*', 'rpc://personal_*']).allows(method)).toBe(false);
    expect(new Scopes([`rpc://${method}`]).allows(method)).toBe(true);
  });

  test('claims: a space separated string, an array, and scp', () => {
    expect(scopesOf({ scope: 'openid rpc://eth_call' }).allows('eth_call')).toBe(true);
    expect(scopesOf({ scope: ['rpc://eth_call', 7] }).allows('eth_call')).toBe(true);
    expect(scopesOf({ scp: 'rpc://eth_call' }).allows('eth_call')).toBe(true);
    expect(scopesOf({ scope: { 'rpc://eth_call': true } }).allows('eth_call')).toBe(false);
  });
});
