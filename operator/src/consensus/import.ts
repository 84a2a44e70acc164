import { decodeRlp, getBytes } from 'ethers';
import { canonicalJson, sha256Hex } from './canonical-json.ts';
import { type GenesisVerdict, verdictsOf } from './import-verdicts.ts';
import { isObject, type JsonObject, member, number } from './json-members.ts';

export interface ImportedGenesis {
  readonly kind: 'genesis';
  /** Verbatim bytes as given. */
  readonly json: string;
  readonly sha256: string;
  readonly configHash: string;
  readonly chainId: number;
  readonly algorithm: 'QBFT' | 'IBFT' | 'Unknown';
  /** Validators of block 0, lower case, sorted; empty when a contract selects them. */
  readonly validators: readonly string[];
  readonly verdicts: readonly GenesisVerdict[];
}

/** The text is no genesis at all, so nothing can be made of it. */
export interface InvalidGenesis {
  readonly kind: 'invalid';
  readonly message: string;
}

/** Reads a genesis.json of an existing network. Only a text that is no genesis is refused; questionable settings become verdicts. */
export function parseImportedGenesis(json: string): ImportedGenesis | InvalidGenesis {
  let document: unknown;
  try {
    document = JSON.parse(json);
  } catch (error) {
    return {
      kind: 'invalid',
      message: `the genesis is not JSON: ${error instanceof Error ? error.message : String(error)}`,
    };
  }
  if (!isObject(document)) return { kind: 'invalid', message: 'the genesis is no JSON object' };
  const config = member(document, 'config');
  if (!isObject(config)) return { kind: 'invalid', message: 'the genesis has no object "config"' };
  const chainId = number(member(config, 'chainId'));
  if (chainId === undefined || chainId < 1)
    return { kind: 'invalid', message: 'the genesis has no whole number "config.chainId"' };
  const algorithm = algorithmOf(config);
  const validators = validatorsOf(document, config, algorithm);
  return {
    kind: 'genesis',
    json,
    sha256: sha256Hex(json),
    configHash: sha256Hex(canonicalJson(config)),
    chainId,
    algorithm,
    validators: validators ?? [],
    verdicts: verdictsOf(document, config, algorithm, validators),
  };
}

/**
 * Validators that an extraData of block 0 names, lower case and sorted.
 * @returns undefined when it has not the form of that algorithm.
 */
export function validatorsInExtraData(algorithm: 'QBFT' | 'IBFT', extraData: string): string[] | undefined {
  try {
    const rlp = algorithm === 'QBFT' ? extraData : `0x${extraData.slice(2 + 64)}`;
    if (getBytes(extraData).length <= 32) return undefined;
    const fields = decodeRlp(rlp);
    const list = Array.isArray(fields) ? fields[algorithm === 'QBFT' ? 1 : 0] : undefined;
    if (!Array.isArray(fields) || fields.length !== (algorithm === 'QBFT' ? 5 : 3) || !Array.isArray(list))
      return undefined;
    if (!list.every((entry) => typeof entry === 'string' && /^0x[0-9a-f]{40}$/i.test(entry))) return undefined;
    return list.map((entry) => String(entry).toLowerCase()).sort();
  } catch {
    return undefined;
  }
}

function algorithmOf(config: JsonObject): 'QBFT' | 'IBFT' | 'Unknown' {
  if (isObject(member(config, 'qbft'))) return 'QBFT';
  if (isObject(member(config, 'ibft')) || isObject(member(config, 'istanbul'))) return 'IBFT';
  return 'Unknown';
}

function validatorsOf(
  document: JsonObject,
  config: JsonObject,
  algorithm: 'QBFT' | 'IBFT' | 'Unknown',
): string[] | undefined {
  if (algorithm === 'Unknown') return undefined;
  const extraData = member(document, 'extraData');
  const inExtraData = typeof extraData === 'string' ? validatorsInExtraData(algorithm, extraData) : undefined;
  const qbft = member(config, 'qbft');
  const listed = isObject(qbft) ? member(qbft, 'validators') : undefined;
  if (Array.isArray(listed) && listed.length > 0) return listed.map((entry) => String(entry).toLowerCase()).sort();
  return inExtraData;
}
