/** What the ops port (9443) says. The operator's client imports these types. */

/** State of the signer in this sidecar. */
export interface SignerStatus {
  /** The HSM answers and the database is reachable: the next transaction can be signed. */
  ready: boolean;
  hsmReady: boolean;
  databaseReady: boolean;
  accounts: { name: string; address: string; keyId: string; ready: boolean }[];
  /** The last thing that failed, without secrets. */
  lastError?: string;
}

/**
 * `GET /status`: one node, seen from its sidecar. Fields that need geth are absent while geth does not answer;
 * `upstreamError` then says why. Never older than two seconds.
 */
export interface NodeStatus {
  /** When this was read, RFC 3339. */
  time: string;
  /** geth answered when this was read. */
  reachable: boolean;
  upstreamError?: string;
  blockNumber?: number;
  /** Time of the last block, seconds since 1970. */
  blockTime?: number;
  /** Hash of the last block. */
  blockHash?: string;
  peers?: number;
  /** Node ids of the connected peers: 128 hex digits, no 0x (from their enode URLs). */
  peerIds?: string[];
  /** Validators at the last block, lower case addresses. Absent when the node has no istanbul API. */
  validators?: string[];
  isValidator?: boolean;
  /** The node's own address (from its node key), lower case. */
  address?: string;
  /** The node's own public key: 128 hex digits, no 0x. */
  enodeId?: string;
  clientVersion?: string;
  chainId?: number;
  syncing?: boolean;
  genesisHash?: string;
  /** Configuration hash that this door was configured with. */
  configHash?: string;
  /** Blocks sealed by each validator in the last `sealersWindow` blocks, lower case addresses (istanbul_status). */
  sealers?: Record<string, number>;
  sealersWindow?: number;
  signer?: SignerStatus;
}

/** `POST /consensus`: one call out of CONSENSUS_METHODS, answered as JSON-RPC result or error. */
export interface ConsensusRequest {
  method: ConsensusMethod;
  params: unknown[];
}
export type ConsensusResponse = { result: unknown } | { error: { code: number; message: string; data?: unknown } };

/** All that the ops port ever passes to geth. */
export const CONSENSUS_METHODS = [
  'admin_addPeer',
  'admin_nodeInfo',
  'admin_peers',
  'admin_removePeer',
  'eth_blockNumber',
  'eth_getBlockByNumber',
  'istanbul_candidates',
  'istanbul_discard',
  'istanbul_getSignersFromBlock',
  'istanbul_getSnapshot',
  'istanbul_getValidators',
  'istanbul_isValidator',
  'istanbul_nodeAddress',
  'istanbul_propose',
  'istanbul_status',
  'net_peerCount',
] as const;
export type ConsensusMethod = (typeof CONSENSUS_METHODS)[number];
