/**
 * What the door offers to users: a closed list. A method that is not here does not exist at the door, whatever the
 * token says; scopes then choose from the list.
 */
import { methodNotExposed, privateNotAvailable, type RpcError } from '../errors.ts';

const reads: Record<string, readonly string[]> = {
  eth: [
    'blockNumber',
    'call',
    'chainId',
    'coinbase',
    'createAccessList',
    'estimateGas',
    'feeHistory',
    'gasPrice',
    'getBalance',
    'getBlockByHash',
    'getBlockByNumber',
    'getBlockReceipts',
    'getBlockTransactionCountByHash',
    'getBlockTransactionCountByNumber',
    'getCode',
    'getContractPrivacyMetadata',
    'getFilterChanges',
    'getFilterLogs',
    'getHeaderByHash',
    'getHeaderByNumber',
    'getLogs',
    'getPSI',
    'getPrivacyPrecompileAddress',
    'getPrivateTransactionByHash',
    'getPrivateTransactionReceipt',
    'getProof',
    'getQuorumPayload',
    'getRawTransactionByBlockHashAndIndex',
    'getRawTransactionByBlockNumberAndIndex',
    'getRawTransactionByHash',
    'getStorageAt',
    'getTransactionByBlockHashAndIndex',
    'getTransactionByBlockNumberAndIndex',
    'getTransactionByHash',
    'getTransactionCount',
    'getTransactionReceipt',
    'getUncleByBlockHashAndIndex',
    'getUncleByBlockNumberAndIndex',
    'getUncleCountByBlockHash',
    'getUncleCountByBlockNumber',
    'hashrate',
    'maxPriorityFeePerGas',
    'mining',
    'newBlockFilter',
    'newFilter',
    'newPendingTransactionFilter',
    'protocolVersion',
    'sendRawTransaction',
    'storageRoot',
    'subscribe',
    'syncing',
    'uninstallFilter',
    'unsubscribe',
  ],
  net: ['listening', 'peerCount', 'version'],
  web3: ['clientVersion', 'sha3'],
  txpool: ['content', 'inspect', 'status'],
  istanbul: [
    'candidates',
    'getSignersFromBlock',
    'getSignersFromBlockByHash',
    'getSnapshot',
    'getSnapshotAtHash',
    'getValidators',
    'getValidatorsAtHash',
    'isValidator',
    'nodeAddress',
    'status',
  ],
  quorumPermission: [
    'acctList',
    'connectionAllowed',
    'getOrgDetails',
    'nodeList',
    'orgList',
    'roleList',
    'transactionAllowed',
  ],
  rpc: ['modules'],
};

/** Answered by the door itself, never by geth: accounts and keys exist here only. */
export const LOCAL_METHODS = [
  'eth_accounts',
  'eth_sendTransaction',
  'eth_signTransaction',
  'eth_sign',
  'personal_sign',
  'eth_signTypedData_v4',
] as const;
export type LocalMethod = (typeof LOCAL_METHODS)[number];

const passed = new Set(Object.entries(reads).flatMap(([module, names]) => names.map((name) => `${module}_${name}`)));
const local = new Set<string>(LOCAL_METHODS);
const namespaces = new Set([
  ...Object.keys(reads),
  'personal',
  'admin',
  'debug',
  'miner',
  'clique',
  'raft',
  'quorumExtension',
]);

/** Private sends, in all of GoQuorum's forms. */
const privateSends = new Set([
  'eth_sendRawPrivateTransaction',
  'eth_distributePrivateTransaction',
  'eth_sendTransactionAsync',
]);

/** Ways around the door's own signing: they would use accounts in geth, of which there are none. */
const bypasses = new Set(['eth_fillTransaction', 'eth_resend', 'eth_submitTransaction', 'eth_signTypedData']);

export type MethodKind =
  | { kind: 'local'; method: LocalMethod }
  | { kind: 'passed' }
  | { kind: 'refused'; error: RpcError };

/** Where a method is answered, or why it is not. */
export function methodKind(method: string): MethodKind {
  if (local.has(method)) return { kind: 'local', method: method as LocalMethod };
  if (passed.has(method)) return { kind: 'passed' };
  return { kind: 'refused', error: refusal(method) };
}

function refusal(method: string): RpcError {
  if (privateSends.has(method)) return privateNotAvailable();
  if (bypasses.has(method)) {
    return methodNotExposed(method, 'accounts are at the door, not in the node', 'Use eth_sendTransaction.');
  }
  const module = method.slice(0, Math.max(method.indexOf('_'), 0));
  if (!namespaces.has(module)) {
    return methodNotExposed(method, 'unknown namespace', `Use one of ${Object.keys(reads).join(', ')}.`);
  }
  if (reads[module] === undefined) {
    return methodNotExposed(
      method,
      `${module}_* changes the node`,
      'Change the QuorumNode or Consortium resource instead.',
    );
  }
  return methodNotExposed(
    method,
    'it is not on the list of offered methods',
    'See the list in the reference of the door.',
  );
}

/** For metrics: the method if the door knows it, else `other`, so that clients cannot make up labels. */
export function methodLabel(method: string): string {
  return passed.has(method) || local.has(method) ? method : 'other';
}
