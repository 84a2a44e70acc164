import { describe, expect, test } from 'vitest';
import { methodKind, methodLabel } from './methods.ts';

describe('methods', () => {
  test.each([
    'admin_addPeer',
    'admin_nodeInfo',
    'debug_traceTransaction',
    'miner_start',
    'personal_unlockAccount',
    'personal_sendTransaction',
    'personal_importRawKey',
    'istanbul_propose',
    'istanbul_discard',
    'eth_fillTransaction',
    'eth_resend',
    'eth_signTypedData',
    'eth_sendTransactionAsync',
    'eth_sendRawPrivateTransaction',
    'eth_distributePrivateTransaction',
    'eth_getWork',
    'quorumPermission_addOrg',
    'quorumExtension_extendContract',
    'clique_propose',
    'raft_addPeer',
    'unknown_method',
    'eth_call ',
    'ETH_CALL',
    'eth_CALL',
    'toString',
    '__proto___x',
    'constructor_name',
    '',
  ])('%s is never passed to geth', (method) => {
    expect(methodKind(method).kind).toBe('refused');
    expect(methodLabel(method)).toBe('other');
  });

  test.each(['eth_accounts', 'eth_sendTransaction', 'eth_signTransaction', 'eth_sign', 'personal_sign'])(
    '%s is answered by the door',
    (method) => {
      expect(methodKind(method).kind).toBe('local');
    },
  );

  test.each(['eth_call', 'net_version', 'web3_clientVersion', 'istanbul_getValidators', 'eth_sendRawTransaction'])(
    '%s is passed',
    (method) => {
      expect(methodKind(method).kind).toBe('passed');
    },
  );

  test('a refusal says what to do', () => {
    const kind = methodKind('admin_addPeer');
    if (kind.kind !== 'refused') throw new Error('passed');
    expect(kind.error.code).toBe(-32601);
    expect(kind.error.data.action).toContain('QuorumNode');
  });
});
