import { createGenesis } from '../consensus/genesis.ts';
import { type ImportedGenesis, parseImportedGenesis } from '../consensus/import.ts';
import type { GenesisVerdict } from '../consensus/import-verdicts.ts';
import { hostedValidators, identityOf, type Observation } from './observation.ts';
import { type Finding, reasons, stalled, waiting } from './reasons.ts';

/** The one genesis of a network, wherever it came from. */
export interface KnownGenesis {
  readonly kind: 'known';
  /** Bytes of genesis.json. */
  readonly text: string;
  readonly sha256: string;
  readonly configHash: string;
  readonly chainId: number;
  /** Lower case, sorted. */
  readonly validators: readonly string[];
  /** Of an imported genesis; empty for one made here. */
  readonly verdicts: readonly GenesisVerdict[];
}

export type GenesisResolution = KnownGenesis | { readonly kind: 'pending'; readonly finding: Finding };

/**
 * Which genesis this network has.
 *
 * What the status recorded is law: only a text with that checksum is used, be it a stored copy or one computed anew. With nothing recorded, a stored copy (of a
 * Consortium that was deleted and applied again) is taken up when it fits the spec. Only with neither is a genesis made or imported.
 */
export function resolveGenesis(observation: Observation): GenesisResolution {
  const recorded = observation.consortium.status?.genesis?.sha256;
  const stored = storedCopies(observation);
  const candidate = candidateGenesis(observation);

  const foreign = stored.find((copy) => copy.sha256 !== (recorded ?? stored[0]!.sha256));
  if (foreign) {
    const [expected, where] = recorded
      ? [recorded, 'status.genesis.sha256']
      : [stored[0]!.sha256, `that of namespace ${stored[0]!.namespace}`];
    return pending(
      stalled(
        'genesis',
        reasons.GenesisConflict,
        `ConfigMap ${foreign.namespace}/${observation.consortium.metadata.name}-genesis has SHA-256 ${foreign.sha256}, but ${where} is ${expected}; delete the wrong ConfigMap and the operator writes the right one`,
      ),
    );
  }
  if (recorded) return recordedGenesis(observation, recorded, stored[0], candidate);
  return stored[0] ? adoptedGenesis(observation, stored[0], candidate) : candidate;
}

interface StoredCopy extends ImportedGenesis {
  readonly namespace: string;
}

function storedCopies(observation: Observation): StoredCopy[] {
  return observation.organizations.flatMap(({ namespace, genesis }) => {
    const parsed = genesis === undefined ? undefined : parseImportedGenesis(genesis);
    if (!parsed || genesis === undefined) return [];
    const unreadable = {
      json: genesis,
      sha256: 'of no genesis at all',
      configHash: '',
      chainId: 0,
      algorithm: 'Unknown',
      validators: [],
      verdicts: [],
    } as const;
    return [
      parsed.kind === 'genesis' ? { ...parsed, namespace } : { ...unreadable, kind: 'genesis' as const, namespace },
    ];
  });
}

function recordedGenesis(
  observation: Observation,
  recorded: string,
  stored: StoredCopy | undefined,
  candidate: GenesisResolution,
): GenesisResolution {
  if (stored) return known(observation, stored);
  if (candidate.kind === 'known' && candidate.sha256 === recorded) return candidate;
  return pending(
    stalled(
      'genesis',
      reasons.KeyLost,
      `no ConfigMap ${observation.consortium.metadata.name}-genesis is left, and the genesis cannot be computed again with SHA-256 ${recorded}; restore the ConfigMap with keys genesis.json and configHash in one organization's namespace from your backup (docs/runbooks/KeyLost.md)`,
    ),
  );
}

function adoptedGenesis(observation: Observation, stored: StoredCopy, candidate: GenesisResolution): GenesisResolution {
  const where = `ConfigMap ${stored.namespace}/${observation.consortium.metadata.name}-genesis`;
  const { chainId } = observation.consortium.spec;
  if (stored.chainId !== chainId) {
    return pending(
      stalled(
        'genesis',
        reasons.ChainIdMismatch,
        `spec.chainId is ${chainId}, but ${where} has chain id ${stored.chainId}; ${undo}`,
      ),
    );
  }
  if (candidate.kind === 'known' && candidate.configHash !== stored.configHash) {
    return pending(
      stalled(
        'genesis',
        reasons.GenesisConflict,
        `the spec gives a genesis with configHash ${candidate.configHash}, but ${where} has ${stored.configHash}; ${undo}`,
      ),
    );
  }
  return known(observation, stored);
}

const undo = 'apply the Consortium as it was, or use a name and namespaces of their own for a new network';

function known(observation: Observation, genesis: ImportedGenesis): KnownGenesis {
  const { json: text, sha256, configHash, chainId, validators } = genesis;
  return {
    kind: 'known',
    text,
    sha256,
    configHash,
    chainId,
    validators,
    verdicts: observation.consortium.spec.genesis.import ? genesis.verdicts : [],
  };
}

/** What the spec says, computed from nothing but spec, keys and the time of creation. */
function candidateGenesis(observation: Observation): GenesisResolution {
  return observation.consortium.spec.genesis.import ? importedGenesis(observation) : createdGenesis(observation);
}

function importedGenesis(observation: Observation): GenesisResolution {
  const { spec } = observation.consortium;
  const source = observation.imported ?? { kind: 'missing', message: 'spec.genesis.import was not read' };
  if (source.kind === 'missing') return pending(waiting('genesis', reasons.GenesisSourceNotFound, source.message));
  const parsed = parseImportedGenesis(source.text);
  if (parsed.kind === 'invalid')
    return pending(stalled('genesis', reasons.GenesisInvalid, `spec.genesis.import: ${parsed.message}`));
  if (parsed.chainId !== spec.chainId) {
    return pending(
      stalled(
        'genesis',
        reasons.ChainIdMismatch,
        `spec.chainId is ${spec.chainId}, but the imported genesis has chain id ${parsed.chainId}; they must be equal`,
      ),
    );
  }
  if (parsed.algorithm !== 'Unknown' && parsed.algorithm !== spec.consensus.algorithm) {
    return pending(
      stalled(
        'genesis',
        reasons.ConsensusMismatch,
        `spec.consensus.algorithm is ${spec.consensus.algorithm}, but the imported genesis has ${parsed.algorithm}; they must be equal`,
      ),
    );
  }
  return known(observation, parsed);
}

function createdGenesis(observation: Observation): GenesisResolution {
  const { consortium } = observation;
  const { spec } = consortium;
  const { algorithm } = spec.consensus;
  const create = spec.genesis.create;
  if (!create) return pending(stalled('genesis', reasons.GenesisInvalid, 'spec.genesis has neither create nor import'));
  if (algorithm === 'Raft') {
    return pending(
      stalled(
        'genesis',
        reasons.ConsensusUnsupported,
        'spec.consensus.algorithm is Raft, for which this operator makes no genesis; use QBFT',
      ),
    );
  }
  const addresses = validatorAddresses(observation);
  if (addresses.missing.length > 0) {
    return pending(
      waiting(
        'genesis',
        reasons.GenesisPending,
        `the genesis needs the keys of all validators; missing: ${addresses.missing.join(', ')}`,
      ),
    );
  }
  const genesis = createGenesis({
    ...spec.consensus,
    algorithm,
    chainId: spec.chainId,
    gasLimit: create.gasLimit,
    alloc: create.alloc,
    privacy: create.privacy,
    validators: addresses.known,
    createdAt: consortium.metadata.creationTimestamp ?? '',
  });
  const { json: text, sha256, configHash } = genesis;
  return {
    kind: 'known',
    text,
    sha256,
    configHash,
    chainId: spec.chainId,
    validators: [...addresses.known].sort(),
    verdicts: [],
  };
}

function validatorAddresses(observation: Observation): { known: string[]; missing: string[] } {
  const known: string[] = [];
  const missing: string[] = [];
  for (const { organization, node, address } of observation.consortium.spec.validators) {
    const observed = hostedValidators(observation).find(
      (candidate) => candidate.organization === organization && candidate.name === node,
    );
    const found = address?.toLowerCase() ?? (observed && identityOf(observed)?.address);
    if (found) known.push(found);
    else missing.push(`${organization}/${node}`);
  }
  return { known, missing };
}

function pending(finding: Finding): GenesisResolution {
  return { kind: 'pending', finding };
}

/** `data` of the genesis ConfigMap. */
export function genesisData(genesis: KnownGenesis): Record<string, string> {
  return { 'genesis.json': genesis.text, configHash: genesis.configHash };
}
