import { describe, expect, it } from 'vitest';
import { createGenesis, extraData } from './genesis.ts';
import { type ImportedGenesis, parseImportedGenesis } from './import.ts';

const addresses = ['11', '22', '33', '44'].map((byte) => `0x${byte.repeat(20)}`);
const created = createGenesis({
  chainId: 83210,
  algorithm: 'QBFT',
  blockPeriodSeconds: 2,
  requestTimeoutSeconds: 4,
  maxRequestTimeoutSeconds: 30,
  epochLength: 30000,
  gasLimit: '60000000',
  alloc: {},
  privacy: true,
  validators: addresses,
  createdAt: '2026-01-02T03:04:05Z',
});

type Patch = { [key: string]: Patch | unknown };

/** JSON merge patch: null removes. */
function merge(target: Patch, patch: Patch): Patch {
  const result = { ...target };
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete result[key];
    else if (typeof value === 'object' && !Array.isArray(value))
      result[key] = merge((result[key] ?? {}) as Patch, value as Patch);
    else result[key] = value;
  }
  return result;
}

function qbft(settings: Patch): Patch {
  return { config: { qbft: settings } };
}

function imported(patch: Patch): ImportedGenesis {
  const result = parseImportedGenesis(JSON.stringify(merge(JSON.parse(created.json), patch)));
  if (result.kind !== 'genesis') throw new Error(result.message);
  return result;
}

function verdict(genesis: ImportedGenesis, setting: string): string | undefined {
  return genesis.verdicts.find((candidate) => candidate.setting === setting)?.verdict;
}

describe('an imported genesis', () => {
  it('that this operator made has no verdict but Safe, and the same hashes', () => {
    const genesis = parseImportedGenesis(created.json);
    if (genesis.kind !== 'genesis') throw new Error(genesis.message);
    expect(genesis).toMatchObject({
      ...created,
      kind: 'genesis',
      chainId: 83210,
      algorithm: 'QBFT',
      validators: addresses,
    });
    expect(genesis.verdicts.filter((candidate) => candidate.verdict !== 'Safe')).toEqual([]);
  });

  it('is kept byte for byte, white space included', () => {
    const text = JSON.stringify(JSON.parse(created.json), null, 4);
    const genesis = parseImportedGenesis(text);
    if (genesis.kind !== 'genesis') throw new Error(genesis.message);
    expect(genesis.json).toBe(text);
    expect(genesis.sha256).not.toBe(created.sha256);
    expect(genesis.configHash).toBe(created.configHash);
  });

  it.each([
    ['not JSON', '{'],
    ['no object', '[]'],
    ['no config', '{"alloc":{}}'],
    ['no chain id', '{"config":{"qbft":{}}}'],
  ])('is refused when it is %s', (_, text) => {
    expect(parseImportedGenesis(text).kind).toBe('invalid');
  });

  it.each<[string, Patch, string, string]>([
    ['chain id 1', { config: { chainId: 1 } }, 'config.chainId', 'Fatal'],
    ['no consensus', { config: { qbft: null } }, 'config', 'Fatal'],
    ['two consensus sections', { config: { istanbul: {} } }, 'config', 'Fatal'],
    ['another mixHash', { mixHash: `0x${'00'.repeat(32)}` }, 'mixHash', 'Fatal'],
    ['IBFT extraData under QBFT', { extraData: extraData('IBFT', addresses) }, 'extraData', 'Fatal'],
    [
      'a validator contract',
      { extraData: '0x', ...qbft({ validatorcontractaddress: addresses[0]! }) },
      'extraData',
      'Risky',
    ],
    ['a block period of 1 s', qbft({ blockperiodseconds: 1 }), 'config.qbft.blockperiodseconds', 'Risky'],
    ['an empty block period', qbft({ emptyblockperiodseconds: 60 }), 'config.qbft.emptyblockperiodseconds', 'Risky'],
    ['milliseconds', qbft({ requesttimeoutseconds: 10000 }), 'config.qbft.requesttimeoutseconds', 'Risky'],
    ['a time-out of one period', qbft({ requesttimeoutseconds: 2 }), 'config.qbft.requesttimeoutseconds', 'Risky'],
    ['no cap', qbft({ maxRequestTimeoutSeconds: null }), 'config.qbft.maxRequestTimeoutSeconds', 'Risky'],
    ['a low cap', qbft({ maxRequestTimeoutSeconds: 19 }), 'config.qbft.maxRequestTimeoutSeconds', 'Risky'],
    ['Berlin', { config: { berlinBlock: 0 } }, 'config.berlinBlock', 'Risky'],
    ['privacy enhancements', { config: { privacyEnhancementsBlock: 0 } }, 'config.privacyEnhancementsBlock', 'Risky'],
    [
      'half a precompile',
      { config: { transitions: [{ block: 5, privacyPrecompileEnabled: true }] } },
      'config.transitions',
      'Fatal',
    ],
    ['the old code size key', { config: { maxCodeSize: 64 } }, 'config.maxCodeSize', 'Fatal'],
    ['a large transaction size', { config: { txnSizeLimit: 256 } }, 'config.txnSizeLimit', 'Fatal'],
    ['a large gas limit', { gasLimit: '0xE0000000' }, 'gasLimit', 'Risky'],
    ['a fork GoQuorum does not have', { config: { londonBlock: 0 } }, 'config.londonBlock', 'Risky'],
  ])('with %s gets a verdict instead of a refusal', (_, patch, setting, expected) => {
    expect(verdict(imported(patch), setting)).toBe(expected);
  });

  it('is read with keys in any case, as the node reads it', () => {
    const genesis = imported(qbft({ maxRequestTimeoutSeconds: null, MaxRequestTimeoutSeconds: 30 }));
    expect(verdict(genesis, 'config.qbft.maxRequestTimeoutSeconds')).toBe('Safe');
  });

  it('of the istanbul form of IBFT gives its validators', () => {
    const genesis = imported({
      config: { qbft: null, istanbul: { epoch: 30000, policy: 0 } },
      extraData: extraData('IBFT', addresses),
    });
    expect(genesis).toMatchObject({ algorithm: 'IBFT', validators: addresses });
  });
});
