import type { Json } from './canonical-json.ts';
import { ISTANBUL_MIX_HASH } from './genesis.ts';
import { isObject, type JsonObject, member, number } from './json-members.ts';

/** What the operator thinks of one setting of an imported genesis. The setting is used as it is; the verdict says what to expect of it. */
export interface GenesisVerdict {
  /** Path in genesis.json, such as `config.qbft.maxRequestTimeoutSeconds`. */
  readonly setting: string;
  /** `Safe`; `Risky`: the network runs but can halt, lose data or crash under the conditions told; `Fatal`: nodes refuse to start or never seal. */
  readonly verdict: 'Safe' | 'Risky' | 'Fatal';
  readonly message: string;
}

interface Subject {
  readonly document: JsonObject;
  readonly config: JsonObject;
  readonly algorithm: 'QBFT' | 'IBFT' | 'Unknown';
  readonly section: string;
  readonly bft: JsonObject;
  readonly validators: readonly string[] | undefined;
}

type Rule = (subject: Subject) => GenesisVerdict | undefined;

/** Keys of `config` that GoQuorum 24.4.1 reads; it ignores any other one without a word. Lower case, since it does not mind case. */
const KNOWN_CONFIG_KEYS = new Set(
  [
    'chainId homesteadBlock daoForkBlock daoForkSupport eip150Block eip150Hash eip155Block eip158Block byzantiumBlock',
    'constantinopleBlock petersburgBlock istanbulBlock muirGlacierBlock berlinBlock yoloV3Block ewasmBlock catalystBlock ethash clique istanbul',
    'ibft qbft transitions isQuorum txnSizeLimit maxCodeSize qip714Block maxCodeSizeChangeBlock maxCodeSizeConfig',
    'privacyEnhancementsBlock isMPS privacyPrecompileBlock enableGasPriceBlock gasPriceEnabled',
  ]
    .join(' ')
    .toLowerCase()
    .split(' '),
);

/** A block gas limit up to which building a block ends within a block period (measured on small machines). */
const GAS_LIMIT_SAFE = 100_000_000;

/** One verdict for each setting that decides whether a network lives; in the order of the rules. */
export function verdictsOf(
  document: JsonObject,
  config: JsonObject,
  algorithm: Subject['algorithm'],
  validators: readonly string[] | undefined,
): GenesisVerdict[] {
  const section = algorithm === 'QBFT' ? 'qbft' : isObject(member(config, 'ibft')) ? 'ibft' : 'istanbul';
  const found = member(config, section);
  const subject = { document, config, algorithm, section, bft: isObject(found) ? found : {}, validators };
  return [...rules.flatMap((rule) => rule(subject) ?? []), ...unknownKeys(config)];
}

const rules: readonly Rule[] = [
  ({ config }) =>
    number(member(config, 'chainId')) === 1
      ? fatal(
          'config.chainId',
          'chain id 1 marks private transactions (v 37 and 38), so GoQuorum refuses to start with it',
        )
      : safe('config.chainId', 'not 1'),
  ({ config }) => {
    const sections = ['qbft', 'ibft', 'istanbul', 'clique', 'ethash'].filter((name) => isObject(member(config, name)));
    if (sections.length === 1 && /bft|istanbul/.test(sections[0]!))
      return safe('config', `consensus section ${sections[0]}`);
    if (sections.length === 0)
      return fatal('config', 'no consensus section (qbft, ibft): nodes exit with "Consensus not specified"');
    return fatal('config', `consensus sections ${sections.join(', ')}: exactly one of qbft and ibft is needed`);
  },
  ({ algorithm, bft, validators }) => {
    const contract = member(bft, 'validatorcontractaddress');
    if (typeof contract === 'string' && !/^0x0*$/.test(contract)) {
      return validators && validators.length > 0
        ? fatal(
            'extraData',
            'it names validators although validatorcontractaddress is set: geth init refuses both together',
          )
        : risky('extraData', `validators come from contract ${contract}, which this operator does not follow`);
    }
    if (algorithm === 'Unknown') return undefined;
    if (validators && validators.length > 0) return safe('extraData', `${validators.length} validators`);
    return fatal(
      'extraData',
      `no ${algorithm} validators can be read from it: nodes start and log "invalid genesis block" for ever`,
    );
  },
  ({ document, algorithm }) =>
    algorithm === 'Unknown' || String(member(document, 'mixHash')).toLowerCase() === ISTANBUL_MIX_HASH
      ? undefined
      : fatal('mixHash', `it must be ${ISTANBUL_MIX_HASH}: with another one nodes start and never seal`),
  blockPeriod,
  emptyBlockPeriod,
  requestTimeout,
  requestTimeoutCap,
  gasLimit,
  ({ config }) =>
    member(config, 'berlinBlock') === undefined
      ? safe('config.berlinBlock', 'absent, so private calls that write storage work')
      : risky(
          'config.berlinBlock',
          'Berlin rules: a private call that writes storage panics every party node; use no private transactions',
        ),
  ({ config }) =>
    member(config, 'privacyEnhancementsBlock') === undefined
      ? undefined
      : risky(
          'config.privacyEnhancementsBlock',
          'every node, validators included, needs its own transaction manager or refuses to start',
        ),
  ({ config }) =>
    list(member(config, 'transitions')).some(
      (entry) =>
        member(entry, 'privacyPrecompileEnabled') === true && member(entry, 'privacyEnhancementsEnabled') !== true,
    )
      ? fatal(
          'config.transitions',
          'privacyPrecompileEnabled without privacyEnhancementsEnabled: nodes crash at every start',
        )
      : undefined,
  ({ config }) =>
    (number(member(config, 'maxCodeSize')) ?? 0) === 0
      ? undefined
      : fatal('config.maxCodeSize', 'geth init refuses this key; use maxCodeSizeConfig, [{"block":0,"size":64}]'),
  ({ config }) => {
    const limit = number(member(config, 'txnSizeLimit'));
    return limit === undefined || limit === 0 || (limit >= 32 && limit <= 128)
      ? undefined
      : fatal('config.txnSizeLimit', `${limit}: it must be between 32 and 128 (KB)`);
  },
  ({ config }) =>
    member(config, 'isQuorum') === false
      ? risky('config.isQuorum', 'false: gas price and private transactions behave as in plain Ethereum')
      : undefined,
];

function blockPeriod({ section, bft }: Subject): GenesisVerdict | undefined {
  const setting = `config.${section}.blockperiodseconds`;
  const period = number(member(bft, 'blockperiodseconds'));
  if (period === undefined) return undefined;
  if (period < 1) return fatal(setting, `${period}: it must be at least 1 second`);
  return period === 1
    ? risky(setting, '1 second: under load empty blocks can starve full ones; 2 is measured to be safe')
    : safe(setting, `${period} seconds`);
}

function emptyBlockPeriod({ section, bft }: Subject): GenesisVerdict | undefined {
  const empty = number(member(bft, 'emptyblockperiodseconds'));
  if (empty === undefined || empty === 0) return undefined;
  const setting = `config.${section}.emptyblockperiodseconds`;
  const timeout = number(member(bft, 'requesttimeoutseconds'));
  return timeout !== undefined && timeout < empty
    ? risky(
        setting,
        `${empty} seconds, above requesttimeoutseconds ${timeout}: with one validator down an idle chain takes nearly a minute a block`,
      )
    : risky(setting, `${empty} seconds: a lone transaction can wait that long`);
}

function requestTimeout({ section, bft }: Subject): GenesisVerdict | undefined {
  const setting = `config.${section}.requesttimeoutseconds`;
  const timeout = number(member(bft, 'requesttimeoutseconds'));
  if (timeout === undefined) return undefined;
  if (timeout >= 1000)
    return risky(
      setting,
      `${timeout} seconds: looks like milliseconds, but GoQuorum reads seconds; one dead proposer stops the chain that long`,
    );
  const period = number(member(bft, 'blockperiodseconds')) ?? 0;
  return timeout <= period
    ? risky(
        setting,
        `${timeout} seconds, not above the block period ${period}: rounds change before a block can be made`,
      )
    : safe(setting, `${timeout} seconds`);
}

function requestTimeoutCap({ algorithm, section, bft }: Subject): GenesisVerdict | undefined {
  if (algorithm === 'Unknown') return undefined;
  const setting = `config.${section}.maxRequestTimeoutSeconds`;
  const cap = number(member(bft, 'maxRequestTimeoutSeconds'));
  const timeout = number(member(bft, 'requesttimeoutseconds')) ?? 10;
  if (cap === undefined || cap === 0) {
    return risky(
      setting,
      'absent: the round time-out doubles without bound, so after a halt the chain needs as long again to return',
    );
  }
  return cap < 5 * timeout
    ? risky(
        setting,
        `${cap} seconds, below five times requesttimeoutseconds ${timeout}: validators may never meet in one round`,
      )
    : safe(setting, `${cap} seconds`);
}

function gasLimit({ document }: Subject): GenesisVerdict | undefined {
  const limit = number(member(document, 'gasLimit'));
  if (limit === undefined) return undefined;
  return limit > GAS_LIMIT_SAFE
    ? risky(
        'gasLimit',
        `${limit}: a full block takes longer to build than the block period, so empty blocks win; nodes hold it near 60000000 by their flags`,
      )
    : safe('gasLimit', `${limit}`);
}

function unknownKeys(config: JsonObject): GenesisVerdict[] {
  return Object.keys(config)
    .filter((key) => !KNOWN_CONFIG_KEYS.has(key.toLowerCase()))
    .sort()
    .map((key) => risky(`config.${key}`, 'GoQuorum 24.4.1 does not know this key and ignores it'));
}

function list(value: Json | undefined): JsonObject[] {
  return Array.isArray(value) ? value.filter(isObject) : [];
}

function safe(setting: string, message: string): GenesisVerdict {
  return { setting, verdict: 'Safe', message };
}

function risky(setting: string, message: string): GenesisVerdict {
  return { setting, verdict: 'Risky', message };
}

function fatal(setting: string, message: string): GenesisVerdict {
  return { setting, verdict: 'Fatal', message };
}
