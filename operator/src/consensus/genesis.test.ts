import { describe, expect, it } from 'vitest';
import { canonicalJson, sha256Hex } from './canonical-json.ts';
import { createGenesis, extraData, type GenesisParameters } from './genesis.ts';
import { validatorsInExtraData } from './import.ts';

const addresses = ['11', '22', '33', '44'].map((byte) => `0x${byte.repeat(20)}`);

const parameters: GenesisParameters = {
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
};

describe('extraData', () => {
  it('has the bytes that a QBFT network accepted', () => {
    expect(extraData('QBFT', addresses)).toBe(
      '0xf87aa00000000000000000000000000000000000000000000000000000000000000000f854941111111111111111111111111111111111111111942222222222222222222222222222222222222222943333333333333333333333333333333333333333944444444444444444444444444444444444444444c080c0',
    );
  });

  it('has the IBFT form: vanity, then validators, an empty seal of 65 bytes, no committed seals', () => {
    const hex = extraData('IBFT', addresses);
    expect(hex).toMatch(/^0x(00){32}f89af85494(11){20}94(22){20}94(33){20}94(44){20}b841(00){65}c0$/);
    expect((hex.length - 2) / 2).toBe(188);
  });

  it('is the same for the same set in any order and case', () => {
    const mixed = ['0xAB5801A7D398351B8BE11C439E05C5B3259AEC9B', ...addresses];
    expect(extraData('QBFT', mixed)).toBe(
      extraData(
        'QBFT',
        [...mixed].reverse().map((address) => address.toLowerCase().replace('0X', '0x')),
      ),
    );
  });

  it('refuses an empty set and a validator named twice', () => {
    expect(() => extraData('QBFT', [])).toThrow('at least one validator');
    expect(() => extraData('QBFT', [addresses[0]!, addresses[0]!])).toThrow('twice');
  });

  it.each(['QBFT', 'IBFT'] as const)('is read back by the import of %s', (algorithm) => {
    expect(validatorsInExtraData(algorithm, extraData(algorithm, addresses))).toEqual(addresses);
  });
});

describe('createGenesis', () => {
  it('is the measured recipe', () => {
    const genesis = JSON.parse(createGenesis(parameters).json);
    expect(genesis).toEqual({
      config: {
        chainId: 83210,
        homesteadBlock: 0,
        eip150Block: 0,
        eip150Hash: `0x${'0'.repeat(64)}`,
        eip155Block: 0,
        eip158Block: 0,
        byzantiumBlock: 0,
        constantinopleBlock: 0,
        petersburgBlock: 0,
        istanbulBlock: 0,
        muirGlacierBlock: 0,
        isQuorum: true,
        txnSizeLimit: 128,
        maxCodeSizeConfig: [{ block: 0, size: 64 }],
        qbft: {
          policy: 0,
          epochlength: 30000,
          ceil2Nby3Block: 0,
          blockperiodseconds: 2,
          requesttimeoutseconds: 4,
          maxRequestTimeoutSeconds: 30,
          validatorcontractaddress: `0x${'0'.repeat(40)}`,
        },
      },
      nonce: '0x0',
      timestamp: '0x695735a5',
      extraData: extraData('QBFT', addresses),
      gasLimit: '0x3938700',
      difficulty: '0x1',
      coinbase: `0x${'0'.repeat(40)}`,
      mixHash: '0x63746963616c2062797a616e74696e65206661756c7420746f6c6572616e6365',
      alloc: {},
      number: '0x0',
      gasUsed: '0x0',
      parentHash: `0x${'0'.repeat(64)}`,
    });
  });

  it('turns Berlin on only where no private transactions are used', () => {
    const config = (privacy: boolean) => JSON.parse(createGenesis({ ...parameters, privacy }).json).config;
    expect(config(true)).not.toHaveProperty('berlinBlock');
    expect(config(false).berlinBlock).toBe(0);
  });

  it('writes the IBFT section for IBFT', () => {
    const { config } = JSON.parse(createGenesis({ ...parameters, algorithm: 'IBFT' }).json);
    expect(config.ibft.requesttimeoutseconds).toBe(4);
    expect(config).not.toHaveProperty('qbft');
  });

  it('writes accounts with wei of any size', () => {
    const { alloc } = JSON.parse(
      createGenesis({
        ...parameters,
        alloc: {
          [addresses[0]!.toUpperCase().replace('0X', '0x')]: {
            balance: '1000000000000000000000000000',
            nonce: 3,
            code: '0x6000',
          },
        },
      }).json,
    );
    expect(alloc).toEqual({ [addresses[0]!]: { balance: '0x33b2e3c9fd0803ce8000000', nonce: '0x3', code: '0x6000' } });
  });

  it('gives equal bytes for equal parameters and hashes of exactly them', () => {
    const first = createGenesis(parameters);
    const second = createGenesis({ ...parameters, validators: [...addresses].reverse() });
    expect(second).toEqual(first);
    expect(first.sha256).toBe(sha256Hex(first.json));
    expect(first.configHash).toBe(sha256Hex(canonicalJson(JSON.parse(first.json).config)));
  });

  it('changes configHash with consensus settings, which the block hash would not show', () => {
    expect(createGenesis({ ...parameters, blockPeriodSeconds: 3 }).configHash).not.toBe(
      createGenesis(parameters).configHash,
    );
    expect(createGenesis({ ...parameters, gasLimit: '1' }).configHash).toBe(createGenesis(parameters).configHash);
  });
});
