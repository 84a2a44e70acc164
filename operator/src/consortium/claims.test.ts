import { describe, expect, it } from 'vitest';
import type { KubeObject } from '../kube/types.ts';
import { decideClaims } from './claims.ts';
import { consortium } from './testing.ts';

function namespace(name: string, labels: Record<string, string>, deletionTimestamp?: string): [string, KubeObject] {
  return [
    name,
    {
      apiVersion: 'v1',
      kind: 'Namespace',
      metadata: { name, labels, ...(deletionTimestamp ? { deletionTimestamp } : {}) },
    },
  ];
}

const ours = (organization: string, name = 'demo') => ({
  'quorum-operator.io/consortium': name,
  'quorum-operator.io/organization': organization,
});

function named(name: string, creationTimestamp: string, spec: object = {}) {
  const base = consortium(spec);
  return { ...base, metadata: { ...base.metadata, name, creationTimestamp } };
}

describe('a namespace', () => {
  it('that does not exist is to be created, by the default name or the one given', () => {
    const of = consortium({
      organizations: [
        { name: 'alpha', namespace: 'bank-a' },
        { name: 'bravo' },
        { name: 'charlie' },
        { name: 'delta' },
      ],
    });
    expect(decideClaims(of, [of], new Map()).map((claim) => [claim.namespace, claim.state])).toEqual([
      ['bank-a', 'create'],
      ['demo-bravo', 'create'],
      ['demo-charlie', 'create'],
      ['demo-delta', 'create'],
    ]);
  });

  it('of an organization that runs elsewhere is no concern', () => {
    const of = consortium({
      organizations: [
        { name: 'alpha' },
        { name: 'bravo' },
        { name: 'charlie' },
        { name: 'delta', hosted: false, remote: {} },
      ],
      validators: [{ organization: 'alpha', node: 'a' }],
    });
    expect(decideClaims(of, [], new Map()).map((claim) => claim.organization.name)).toEqual([
      'alpha',
      'bravo',
      'charlie',
    ]);
  });

  it.each([
    ['with both labels is ours', ours('alpha'), 'ours', undefined],
    [
      'without labels is not',
      {},
      'blocked',
      /no label quorum-operator.io\/consortium and no label .*organization; .*kubectl label namespace demo-alpha/,
    ],
    ['of another organization is not', ours('bravo'), 'blocked', /label quorum-operator.io\/organization=bravo/],
    ['of another network is not', ours('alpha', 'other'), 'blocked', /label quorum-operator.io\/consortium=other/],
  ])('%s', (_, labels, state, message) => {
    const [claim] = decideClaims(consortium(), [], new Map([namespace('demo-alpha', labels)]));
    expect(claim?.state).toBe(state);
    expect(claim?.finding?.message ?? '').toMatch(message ?? /^$/);
    expect(claim?.finding?.reason).toBe(message && 'NamespaceNotOurs');
  });

  it('that is being deleted is waited for', () => {
    const [claim] = decideClaims(
      consortium(),
      [],
      new Map([namespace('demo-alpha', ours('alpha'), '2026-01-01T00:00:00Z')]),
    );
    expect(claim).toMatchObject({ state: 'blocked', finding: { kind: 'waiting', reason: 'NamespaceTerminating' } });
  });

  it('cannot be shared by two organizations', () => {
    // A default name can meet a given one, which no rule of the schema sees.
    const of = consortium({
      organizations: [
        { name: 'alpha' },
        { name: 'bravo', namespace: 'demo-alpha' },
        { name: 'charlie' },
        { name: 'delta' },
      ],
    });
    const claims = decideClaims(of, [of], new Map());
    expect(claims.map((claim) => claim.finding?.reason)).toEqual([
      'NamespaceConflict',
      'NamespaceConflict',
      undefined,
      undefined,
    ]);
    expect(claims[0]?.finding?.message).toContain('organizations alpha and bravo both have namespace demo-alpha');
  });

  it('belongs to the older Consortium, and by name to one when they have the same age', () => {
    const spec = {
      organizations: [
        { name: 'alpha', namespace: 'shared' },
        { name: 'bravo' },
        { name: 'charlie' },
        { name: 'delta' },
      ],
    };
    const [older, younger, twin] = [
      named('z', '2026-01-01T00:00:00Z', spec),
      named('a', '2026-01-02T00:00:00Z', spec),
      named('b', '2026-01-02T00:00:00Z', spec),
    ];
    const all = [twin, younger, older];
    expect(decideClaims(older, all, new Map())[0]?.state).toBe('create');
    expect(decideClaims(younger, all, new Map())[0]?.finding?.message).toContain(
      'belongs to organization alpha of Consortium z already',
    );
    expect(decideClaims(younger, [younger, twin], new Map())[0]?.state).toBe('create');
    expect(decideClaims(twin, [younger, twin], new Map())[0]?.finding?.reason).toBe('NamespaceConflict');
  });
});
