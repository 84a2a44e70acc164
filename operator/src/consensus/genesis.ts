import { encodeRlp } from 'ethers';
import { canonicalJson, type Json, sha256Hex } from './canonical-json.ts';

/** An account that exists in block 0. */
export interface GenesisAccount {
  /** Wei, decimal string. */
  readonly balance: string;
  /** Runtime code, hex with 0x. */
  readonly code?: string | undefined;
  readonly nonce?: number | undefined;
  /** 32-byte slot to 32-byte value, hex with 0x. */
  readonly storage?: Readonly<Record<string, string>> | undefined;
}

/** All that a created genesis depends on: equal parameters give equal bytes. */
export interface GenesisParameters {
  readonly chainId: number;
  readonly algorithm: 'QBFT' | 'IBFT';
  readonly blockPeriodSeconds: number;
  readonly requestTimeoutSeconds: number;
  readonly maxRequestTimeoutSeconds: number;
  readonly epochLength: number;
  readonly emptyBlockPeriodSeconds?: number | undefined;
  /** Decimal string. */
  readonly gasLimit: string;
  /** By address, 0x and 40 hex digits. */
  readonly alloc: Readonly<Record<string, GenesisAccount>>;
  /** Private transactions are used: no Berlin, because a private call that writes storage panics every party node under Berlin rules. */
  readonly privacy: boolean;
  /** Validator addresses, 0x and 40 hex digits, any order. */
  readonly validators: readonly string[];
  /** Time of block 0: RFC 3339, the creationTimestamp of the Consortium. */
  readonly createdAt: string;
}

/** A genesis as it is stored and compared. */
export interface Genesis {
  /** Bytes of genesis.json. */
  readonly json: string;
  /** SHA-256 of `json`, hex. */
  readonly sha256: string;
  /** SHA-256 of the canonical JSON of `config`, hex. The block hash does not cover `config`, so nodes that differ there would peer and diverge. */
  readonly configHash: string;
}

const ZERO_ADDRESS = `0x${'00'.repeat(20)}`;
const ZERO_HASH = `0x${'00'.repeat(32)}`;
/** Keccak of "Istanbul practical byzantine fault tolerance"; a block with another one is no Istanbul block. */
export const ISTANBUL_MIX_HASH = '0x63746963616c2062797a616e74696e65206661756c7420746f6c6572616e6365';

/**
 * The genesis of a new network, by the recipe that was measured with GoQuorum 24.4.1.
 * @throws Error when a number has no valid form or there is no validator; admission refuses such a resource before.
 */
export function createGenesis(parameters: GenesisParameters): Genesis {
  const config = chainConfig(parameters);
  const json = canonicalJson({
    config,
    nonce: '0x0',
    timestamp: hex(BigInt(Math.floor(timestampMs(parameters.createdAt) / 1000))),
    extraData: extraData(parameters.algorithm, parameters.validators),
    gasLimit: hex(BigInt(parameters.gasLimit)),
    difficulty: '0x1',
    coinbase: ZERO_ADDRESS,
    mixHash: ISTANBUL_MIX_HASH,
    alloc: Object.fromEntries(
      Object.entries(parameters.alloc).map(([a, account]) => [a.toLowerCase(), alloc(account)]),
    ),
    number: '0x0',
    gasUsed: '0x0',
    parentHash: ZERO_HASH,
  });
  return { json, sha256: sha256Hex(json), configHash: sha256Hex(canonicalJson(config)) };
}

/**
 * extraData of block 0.
 * QBFT: RLP([32 zero bytes, [address…], [] (no vote), 0 (round), [] (seals)]). IBFT: 32 zero bytes, then RLP([[address…], 65 zero bytes, []]).
 * Order does not matter to the node; addresses are sorted so that the result is the same for the same set.
 */
export function extraData(algorithm: 'QBFT' | 'IBFT', validators: readonly string[]): string {
  if (validators.length === 0) throw new Error('a genesis needs at least one validator');
  const addresses = [...new Set(validators.map((address) => address.toLowerCase()))].sort();
  if (addresses.length !== validators.length) throw new Error('a genesis cannot name one validator twice');
  if (algorithm === 'QBFT') return encodeRlp([ZERO_HASH, addresses, [], '0x', []]);
  return ZERO_HASH + encodeRlp([addresses, `0x${'00'.repeat(65)}`, []]).slice(2);
}

function chainConfig(parameters: GenesisParameters): { readonly [key: string]: Json | undefined } {
  const bft = {
    policy: 0,
    epochlength: parameters.epochLength,
    ceil2Nby3Block: 0,
    blockperiodseconds: parameters.blockPeriodSeconds,
    emptyblockperiodseconds: parameters.emptyBlockPeriodSeconds,
    // Seconds here, although GoQuorum's own comment says milliseconds: it multiplies by 1000.
    requesttimeoutseconds: parameters.requestTimeoutSeconds,
    maxRequestTimeoutSeconds: parameters.maxRequestTimeoutSeconds,
    validatorcontractaddress: ZERO_ADDRESS,
  };
  return {
    chainId: parameters.chainId,
    homesteadBlock: 0,
    eip150Block: 0,
    eip150Hash: ZERO_HASH,
    eip155Block: 0,
    eip158Block: 0,
    byzantiumBlock: 0,
    constantinopleBlock: 0,
    petersburgBlock: 0,
    istanbulBlock: 0,
    muirGlacierBlock: 0,
    berlinBlock: parameters.privacy ? undefined : 0,
    isQuorum: true,
    txnSizeLimit: 128,
    maxCodeSizeConfig: [{ block: 0, size: 64 }],
    ...(parameters.algorithm === 'QBFT' ? { qbft: bft } : { ibft: bft }),
  };
}

function alloc(account: GenesisAccount): { readonly [key: string]: Json | undefined } {
  return {
    balance: hex(BigInt(account.balance)),
    code: account.code,
    nonce: account.nonce === undefined ? undefined : hex(BigInt(account.nonce)),
    storage: account.storage,
  };
}

function timestampMs(text: string): number {
  const time = Date.parse(text);
  if (Number.isNaN(time))
    throw new Error(`the creation time of the Consortium, ${JSON.stringify(text)}, is no RFC 3339 time`);
  return time;
}

function hex(value: bigint): string {
  return `0x${value.toString(16)}`;
}
