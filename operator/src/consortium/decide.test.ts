import { describe, expect, it } from 'vitest';
import { extraData } from '../consensus/genesis.ts';
import { decide } from './decide.ts';
import { type KnownGenesis, resolveGenesis } from './genesis-source.ts';
import type { Observation } from './observation.ts';
import { headline } from './reasons.ts';
import { consortium, fixedIdentity, observe, organizations, withNode, withOrganization } from './testing.ts';

function knownGenesis(observation: Observation): KnownGenesis {
  const genesis = resolveGenesis(observation);
  if (genesis.kind !== 'known') throw new Error(genesis.finding.message);
  return genesis;
}

function storeGenesis(observation: Observation, text = knownGenesis(observation).text): Observation {
  return {
    ...observation,
    organizations: observation.organizations.map((organization) => ({ ...organization, genesis: text })),
  };
}

const genesis = knownGenesis(observe());
const recordedGenesis = { sha256: genesis.sha256, configHash: genesis.configHash, chainId: 83210 };
const recordedValidators = organizations.map((organization) => ({
  organization,
  node: `${organization}-validator`,
  address: fixedIdentity(`${organization}-validator`).address,
  ready: true,
}));
const absent = { kind: 'absent' } as const;

/** The reason that is told, and what would be made. */
function outcome(observation: Observation): [string | undefined, string[]] {
  const { findings, steps } = decide(observation);
  return [headline(findings)?.reason, steps.map((step) => step.kind)];
}

describe('a new network', () => {
  it('first gets authorities, keys and Services, and then a genesis', () => {
    const empty = observe();
    const nothing: Observation = {
      ...empty,
      organizations: empty.organizations.map((organization) => ({ ...organization, authority: absent })),
      nodes: empty.nodes.map(({ clusterIP: _, ...node }) => ({ ...node, key: absent })),
    };
    expect(outcome(nothing)).toEqual([
      'GenesisPending',
      [...Array(4).fill('authority'), ...Array(4).fill('nodeKey'), ...Array(4).fill('peerService')],
    ]);
    expect(outcome(empty)).toEqual([undefined, Array(4).fill('genesis')]);
    expect(outcome(storeGenesis(empty))).toEqual([undefined, []]);
  });

  it('has a genesis that depends on nothing but spec, keys and the time of creation', () => {
    expect(knownGenesis(observe())).toEqual(genesis);
    expect(genesis.validators).toEqual(
      organizations.map((organization) => fixedIdentity(`${organization}-validator`).address).sort(),
    );
    expect(knownGenesis(observe(consortium({ chainId: 5 }))).sha256).not.toBe(genesis.sha256);
  });

  it('gets no key while it asks for discovery, which cannot be had', () => {
    const base = observe(consortium({ discovery: 'Enabled' }));
    const keyless = { ...base, nodes: base.nodes.map((node) => ({ ...node, key: absent })) };
    expect(outcome(keyless)).toEqual(['DiscoveryUnsupported', []]);
    expect(headline(decide(keyless).findings)?.message).toContain('not supported');
  });

  it('gets no key and no genesis while a namespace is not ours', () => {
    const blocked = observe();
    const finding = { kind: 'stalled', about: 'namespaces', reason: 'NamespaceNotOurs', message: '' } as const;
    const observation: Observation = {
      ...blocked,
      claims: blocked.claims.map((claim, index) => (index === 0 ? { ...claim, state: 'blocked', finding } : claim)),
      organizations: blocked.organizations.slice(1),
      nodes: blocked.nodes.slice(1).map((node) => ({ ...node, key: absent })),
    };
    expect(outcome(observation)).toEqual(['NamespaceNotOurs', []]);
  });

  it('waits with its genesis for a namespace that is being deleted', () => {
    const base = observe();
    const finding = { kind: 'waiting', about: 'namespaces', reason: 'NamespaceTerminating', message: '' } as const;
    const observation: Observation = {
      ...base,
      claims: base.claims.map((claim, index) => (index === 0 ? { ...claim, state: 'blocked', finding } : claim)),
      organizations: base.organizations.slice(1),
      nodes: base.nodes.slice(1),
    };
    expect(outcome(observation)).toEqual(['NamespaceTerminating', []]);
  });

  it('of Raft is not made', () => {
    const raft = consortium({
      consensus: { algorithm: 'Raft' },
      organizations: [{ name: 'alpha' }],
      validators: [{ organization: 'alpha', node: 'alpha-validator' }],
    });
    expect(outcome(observe(raft))).toEqual(['ConsensusUnsupported', []]);
  });

  it('waits for the address of a Service', () => {
    const observation = withNode(storeGenesis(observe()), 'alpha-validator', { clusterIP: undefined });
    expect(outcome(observation)).toEqual(['AddressPending', ['peerService']]);
  });
});

describe('a key that is gone', () => {
  const gone = (observation: Observation) => withNode(observation, 'bravo-validator', { key: absent });

  it('is lost when the status knows its address, and the message names Secret, address and way back', () => {
    const observation = gone(
      storeGenesis(observe(consortium({}, { genesis: recordedGenesis, validators: recordedValidators })), genesis.text),
    );
    expect(outcome(observation)).toEqual(['KeyLost', []]);
    const { message } = headline(decide(observation).findings)!;
    expect(message).toContain('Secret demo-bravo/bravo-validator-nodekey');
    expect(message).toContain(recordedValidators[1]!.address);
    expect(message).toContain('docs/runbooks/KeyLost.md');
  });

  it('is lost without any status, when a stored genesis names a validator whose key nobody holds', () => {
    expect(outcome(gone(storeGenesis(observe())))).toEqual(['KeyLost', []]);
  });

  it('is lost when a volume of its node exists', () => {
    expect(outcome(withNode(gone(observe()), 'bravo-validator', { volume: true }))).toEqual(['KeyLost', []]);
  });

  it('is made when there never was one: a validator declared later', () => {
    const later = consortium(
      {
        validators: [...organizations, 'alpha'].map((organization, index) => ({
          organization,
          node: index < 4 ? `${organization}-validator` : 'alpha-second',
        })),
      },
      { genesis: recordedGenesis, validators: recordedValidators },
    );
    const observation = withNode(storeGenesis(observe(later), genesis.text), 'alpha-second', { key: absent });
    expect(outcome(observation)).toEqual([undefined, ['nodeKey']]);
  });

  it('and stopped everything: no other key, authority or genesis is made meanwhile', () => {
    const base = gone(observe(consortium({}, { genesis: recordedGenesis, validators: recordedValidators })));
    expect(outcome(withOrganization(base, 'delta', { authority: absent }))).toEqual(['KeyLost', []]);
  });
});

describe('what is there but wrong', () => {
  const running = storeGenesis(
    observe(consortium({}, { genesis: recordedGenesis, validators: recordedValidators })),
    genesis.text,
  );

  it('a key of another address', () => {
    const observation = withNode(running, 'bravo-validator', {
      key: { kind: 'present', value: fixedIdentity('other') },
    });
    expect(outcome(observation)).toEqual(['KeyMismatch', []]);
    const { message } = headline(decide(observation).findings)!;
    expect(message).toContain(fixedIdentity('other').address);
    expect(message).toContain(recordedValidators[1]!.address);
  });

  it('a Secret without a key', () => {
    expect(
      outcome(withNode(running, 'bravo-validator', { key: { kind: 'invalid', message: 'key nodekey is missing' } })),
    ).toEqual(['KeyInvalid', []]);
  });

  it('an authority that was there and is gone, and one that is none', () => {
    const known = {
      ...running,
      consortium: consortium(
        {},
        { ...running.consortium.status, organizations: [{ name: 'alpha', caNotAfter: '2036-01-01T00:00:00Z' }] },
      ),
    };
    expect(outcome(withOrganization(known, 'alpha', { authority: absent }))).toEqual(['KeyLost', []]);
    expect(outcome(withOrganization(known, 'bravo', { authority: absent }))).toEqual([undefined, ['authority']]);
    expect(outcome(withOrganization(known, 'bravo', { authority: { kind: 'invalid', message: 'no' } }))).toEqual([
      'AuthorityInvalid',
      [],
    ]);
  });
});

describe('the genesis of a network that runs', () => {
  const status = { genesis: recordedGenesis, validators: recordedValidators };

  it('is copied to a namespace that lost it', () => {
    const observation = withOrganization(storeGenesis(observe(consortium({}, status))), 'delta', {
      genesis: undefined,
    });
    const { steps, genesis: resolved } = decide(observation);
    expect(steps).toEqual([{ kind: 'genesis', organization: 'delta', namespace: 'demo-delta' }]);
    expect(resolved).toMatchObject({ text: genesis.text });
  });

  it('is computed again when all copies are lost, if it comes out the same', () => {
    expect(outcome(observe(consortium({}, status)))).toEqual([undefined, Array(4).fill('genesis')]);
  });

  it('is KeyLost when it does not come out the same', () => {
    const changed = { ...status, genesis: { ...recordedGenesis, sha256: 'ab'.repeat(32) } };
    const observation = observe(consortium({}, changed));
    expect(outcome(observation)).toEqual(['KeyLost', []]);
    expect(headline(decide(observation).findings)!.message).toContain('ab'.repeat(32));
  });

  it('stays when the declared set of validators changes', () => {
    const fewer = consortium(
      { validators: recordedValidators.slice(1).map(({ organization, node }) => ({ organization, node })) },
      status,
    );
    const observation = storeGenesis(observe(fewer), genesis.text);
    expect(outcome(observation)).toEqual([undefined, []]);
    expect(knownGenesis(observation).sha256).toBe(genesis.sha256);
  });

  it('that was exchanged in one namespace is a conflict that names both', () => {
    const foreign = knownGenesis(observe(consortium({ chainId: 5 })));
    const observation = withOrganization(storeGenesis(observe(consortium({}, status))), 'charlie', {
      genesis: foreign.text,
    });
    expect(outcome(observation)).toEqual(['GenesisConflict', []]);
    const { message } = headline(decide(observation).findings)!;
    expect(message).toContain(`demo-charlie/demo-genesis has SHA-256 ${foreign.sha256}`);
    expect(message).toContain(genesis.sha256);
  });

  it('that is empty or no JSON in one namespace is a conflict, too', () => {
    expect(
      outcome(withOrganization(storeGenesis(observe(consortium({}, status))), 'charlie', { genesis: '' }))[0],
    ).toBe('GenesisConflict');
  });

  it('is taken up by a Consortium that was deleted and applied again, later', () => {
    const again = consortium();
    again.metadata.creationTimestamp = '2027-01-01T00:00:00Z';
    expect(knownGenesis(storeGenesis(observe(again), genesis.text)).sha256).toBe(genesis.sha256);
  });

  it('is not taken up with another chain id or other settings', () => {
    expect(outcome(storeGenesis(observe(consortium({ chainId: 5 })), genesis.text))[0]).toBe('ChainIdMismatch');
    const slower = consortium({ consensus: { blockPeriodSeconds: 3 } });
    expect(outcome(storeGenesis(observe(slower), genesis.text))[0]).toBe('GenesisConflict');
  });
});

describe('an imported genesis', () => {
  const addresses = organizations.map((organization) => fixedIdentity(`${organization}-validator`).address);
  const text = JSON.stringify({ config: { chainId: 83210, qbft: {} }, extraData: extraData('QBFT', addresses) });
  const spec = { genesis: { import: { genesis: text } } };
  const importing = (imported: Observation['imported'], change: object = {}) =>
    observe(consortium({ ...spec, ...change }), { imported });

  it('is used as it is, with verdicts', () => {
    const observation = importing({ kind: 'text', text });
    expect(outcome(observation)).toEqual([undefined, Array(4).fill('genesis')]);
    expect(knownGenesis(observation)).toMatchObject({ text, validators: [...addresses].sort() });
    expect(knownGenesis(observation).verdicts.some(({ verdict }) => verdict === 'Risky')).toBe(true);
  });

  it('needs the keys of its validators: none is made', () => {
    expect(outcome(withNode(importing({ kind: 'text', text }), 'alpha-validator', { key: absent }))).toEqual([
      'KeyRequired',
      [],
    ]);
    const contract = JSON.stringify({
      config: { chainId: 83210, qbft: { validatorcontractaddress: `0x${'12'.repeat(20)}` } },
      extraData: '0x',
    });
    expect(outcome(withNode(importing({ kind: 'text', text: contract }), 'alpha-validator', { key: absent }))).toEqual([
      'KeyRequired',
      [],
    ]);
  });

  it.each<[string, Observation, string]>([
    ['has another chain id', importing({ kind: 'text', text }, { chainId: 7 }), 'ChainIdMismatch'],
    [
      'has another algorithm',
      importing({ kind: 'text', text }, { consensus: { algorithm: 'IBFT' } }),
      'ConsensusMismatch',
    ],
    ['is no genesis', importing({ kind: 'text', text: '{' }), 'GenesisInvalid'],
    ['is not there', importing({ kind: 'missing', message: 'ConfigMap a/b does not exist' }), 'GenesisSourceNotFound'],
  ])('that %s makes nothing', (_, observation, reason) => {
    expect(outcome(observation)).toEqual([reason, []]);
  });

  it('stays in use when its source is gone', () => {
    const status = {
      genesis: { sha256: knownGenesis(importing({ kind: 'text', text })).sha256, configHash: '', chainId: 83210 },
    };
    const observation = storeGenesis(
      observe(consortium(spec, status), { imported: { kind: 'missing', message: 'gone' } }),
      text,
    );
    expect(outcome(observation)).toEqual([undefined, []]);
  });
});
