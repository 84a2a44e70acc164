import { beforeAll, describe, expect, it } from 'vitest';
import { consortiumStatus } from '../api/consortium.ts';
import { extraData } from '../consensus/genesis.ts';
import { KubeApiError, KubeConnectionError } from '../kube/errors.ts';
import type { Condition } from '../kube/types.ts';
import { createAuthority } from '../pki/x509.ts';
import { decide } from './decide.ts';
import { resolveGenesis } from './genesis-source.ts';
import type { Observation } from './observation.ts';
import { statusOf, statusOfFailure, statusOfSuspended } from './status.ts';
import {
  consortium,
  fixedIdentity,
  now,
  observe,
  organizations,
  quorumNode,
  withNode,
  withOrganization,
} from './testing.ts';

let caPem: string;
let shortPem: string;

beforeAll(async () => {
  caPem = (await createAuthority({ commonName: 'demo', now, days: 3650 })).certificatePem;
  shortPem = (await createAuthority({ commonName: 'demo', now, days: 30 })).certificatePem;
});

/** A network that is complete, with its genesis stored. */
function complete(of = consortium()): Observation {
  const base = observe(of);
  const genesis = resolveGenesis(base);
  return {
    ...base,
    operatorAuthority: { ...base.operatorAuthority, caPem },
    organizations: base.organizations.map((organization) => ({
      ...organization,
      authority: { kind: 'present', value: caPem },
      genesis: genesis.kind === 'known' ? genesis.text : undefined,
    })),
  };
}

function status(observation: Observation) {
  return statusOf(observation, decide(observation));
}

function condition(observation: Observation, type: string): Condition | undefined {
  return (status(observation).conditions as Condition[]).find((candidate) => candidate.type === type);
}

describe('status', () => {
  it('of a complete network is Ready, with a line that says what there is', () => {
    const { conditions, ...rest } = status(complete());
    expect(conditions?.map(({ type, status: value, reason }) => [type, value, reason])).toEqual([
      ['NamespacesReady', 'True', 'NamespacesPrepared'],
      ['GenesisReady', 'True', 'GenesisStored'],
      ['CertificatesValid', 'True', 'CertificatesValid'],
      ['Ready', 'True', 'Running'],
    ]);
    expect(rest).toMatchObject({
      observedGeneration: 1,
      summary: '4 organizations, 4/4 validators ready',
      genesis: { chainId: 83210 },
      organizations: [
        { name: 'alpha', namespace: 'demo-alpha', caNotAfter: '2036-02-27T12:00:00Z' },
        { name: 'bravo' },
        { name: 'charlie' },
        { name: 'delta' },
      ],
    });
    expect(rest.validators?.[0]).toEqual({
      organization: 'alpha',
      node: 'alpha-validator',
      address: fixedIdentity('alpha-validator').address,
      ready: true,
    });
  });

  it('computed again from itself does not change', () => {
    const first = status(complete());
    const again = complete(consortium({}, first));
    expect(status({ ...again, now: new Date(now.getTime() + 3_600_000) })).toEqual(first);
  });

  it.each<[string, (observation: Observation) => Observation, string, string]>([
    [
      'a QuorumNode that does not exist',
      (o) => withNode(o, 'bravo-validator', { quorumNode: undefined }),
      'ValidatorsNotReady',
      'waiting for QuorumNode demo-bravo/bravo-validator: not found',
    ],
    [
      'a QuorumNode that is not Ready',
      (o) => withNode(o, 'bravo-validator', { quorumNode: quorumNode(false) }),
      'ValidatorsNotReady',
      'waiting for QuorumNode demo-bravo/bravo-validator: PodStarting: the pod starts',
    ],
    [
      'a genesis that is not stored',
      (o) => withOrganization(o, 'bravo', { genesis: undefined }),
      'GenesisPending',
      'not stored in every namespace',
    ],
    [
      'an address',
      (o) => withNode(o, 'bravo-validator', { clusterIP: undefined }),
      'AddressPending',
      'Service demo-bravo/bravo-validator-p2p',
    ],
  ])('names %s', (_, change, reason, message) => {
    const observation = change(complete());
    expect(condition(observation, 'Ready')).toMatchObject({ status: 'False', reason });
    expect(condition(observation, 'Ready')?.message).toContain(message);
    expect(condition(observation, 'Reconciling')).toBeDefined();
    expect(condition(observation, 'Stalled')).toBeUndefined();
  });

  it('names a few of many missing validators and counts the rest', () => {
    const spec = {
      organizations: [{ name: 'alpha' }],
      validators: Array.from({ length: 7 }, (_, index) => ({ organization: 'alpha', node: `v${index}` })),
    };
    const base = complete(consortium(spec));
    const observation = { ...base, nodes: base.nodes.map((node) => ({ ...node, quorumNode: undefined })) };
    const { message } = condition(observation, 'Ready')!;
    expect(message.match(/not found/g)).toHaveLength(4);
    expect(message).toMatch(/; and 3 more$/);
  });

  it('keeps addresses, expiry and genesis that it recorded while the thing itself is away', () => {
    const recorded = status(complete());
    const base = complete(consortium({}, recorded));
    const lost = withOrganization(withNode(base, 'alpha-validator', { key: { kind: 'absent' } }), 'alpha', {
      authority: { kind: 'absent' },
    });
    const bare = {
      ...lost,
      organizations: lost.organizations.map((organization) => ({ ...organization, genesis: undefined })),
    };
    const next = status(bare);
    expect(next.genesis).toEqual(recorded.genesis);
    expect(next.organizations).toEqual(recorded.organizations);
    expect(next.validators).toEqual(recorded.validators);
    expect(condition(bare, 'Stalled')).toMatchObject({ status: 'True', reason: 'KeyLost' });
    expect(condition(bare, 'CertificatesValid')).toMatchObject({ status: 'False', reason: 'KeyLost' });
  });

  it('does not record the address of a key that was swapped', () => {
    const recorded = status(complete());
    const swapped = withNode(complete(consortium({}, recorded)), 'alpha-validator', {
      key: { kind: 'present', value: fixedIdentity('other') },
    });
    expect(status(swapped).validators?.[0]?.address).toBe(fixedIdentity('alpha-validator').address);
  });

  it('does not record a genesis that is stored nowhere', () => {
    const base = complete();
    const bare = {
      ...base,
      organizations: base.organizations.map((organization) => ({ ...organization, genesis: undefined })),
    };
    expect(status(bare).genesis).toBeUndefined();
  });

  it('warns of authorities that expire, and fails when one has expired', () => {
    const expiring = withOrganization(complete(), 'alpha', { authority: { kind: 'present', value: shortPem } });
    expect(condition(expiring, 'CertificatesValid')).toMatchObject({ status: 'True', reason: 'CertificateExpiring' });
    expect(condition(expiring, 'Ready')).toMatchObject({ status: 'True' });
    const expired = { ...expiring, now: new Date(now.getTime() + 31 * 86_400_000) };
    expect(condition(expired, 'CertificatesValid')).toMatchObject({ status: 'False', reason: 'CertificateExpired' });
    expect(condition(expired, 'Ready')?.message).toContain('organization alpha at 2026-03-31');
  });

  it('counts validators elsewhere apart', () => {
    const identity = fixedIdentity('remote');
    const spec = {
      organizations: [{ name: 'alpha' }, { name: 'echo', hosted: false, remote: {} }],
      validators: [
        { organization: 'alpha', node: 'alpha-validator' },
        { organization: 'echo', address: identity.address, enode: `enode://${identity.publicKey}@198.51.100.1:30303` },
      ],
    };
    expect(status(complete(consortium(spec))).summary).toBe('2 organizations, 1/1 validators ready and 1 elsewhere');
  });

  describe('verdicts on an imported genesis', () => {
    const importing = (config: object) => {
      const addresses = organizations.map((organization) => fixedIdentity(`${organization}-validator`).address);
      const text = JSON.stringify({ config: { chainId: 83210, ...config }, extraData: extraData('QBFT', addresses) });
      const observation = complete(consortium({ genesis: { import: { genesis: text } } }));
      return {
        ...observation,
        imported: { kind: 'text', text } as const,
        organizations: observation.organizations.map((organization) => ({ ...organization, genesis: text })),
      };
    };

    it('are in the status, worst first', () => {
      const verdicts = status(importing({ qbft: { blockperiodseconds: 1 } })).genesis?.verdicts ?? [];
      const words = verdicts.map(({ verdict }) => verdict);
      expect(words).toEqual([...words].sort((a, b) => 'FRS'.indexOf(a[0]!) - 'FRS'.indexOf(b[0]!)));
      expect(verdicts).toContainEqual(
        expect.objectContaining({ setting: 'config.qbft.blockperiodseconds', verdict: 'Risky' }),
      );
      expect(verdicts).toContainEqual(expect.objectContaining({ setting: 'config.chainId', verdict: 'Safe' }));
    });

    it('stay within what the API server takes, whatever the genesis holds', () => {
      const odd = Object.fromEntries(Array.from({ length: 100 }, (_, index) => [`${'k'.repeat(400)}${index}`, 1]));
      const { genesis } = status(importing({ qbft: {}, ...odd }));
      expect(genesis?.verdicts).toHaveLength(64);
      expect(consortiumStatus.shape.genesis.safeParse(genesis).error).toBeUndefined();
    });

    it('are not told of a genesis that was made here', () => {
      expect(status(complete()).genesis).not.toHaveProperty('verdicts');
    });
  });

  it('of a suspended Consortium says so, and forgets nothing', () => {
    const recorded = status(complete());
    const suspended = statusOfSuspended(consortium({ suspend: true }, recorded), now);
    const conditions = suspended.conditions as Condition[];
    expect(conditions.find(({ type }) => type === 'Ready')).toMatchObject({ status: 'False', reason: 'Suspended' });
    expect(conditions.some(({ type }) => type === 'Reconciling' || type === 'Stalled')).toBe(false);
    expect(suspended).toMatchObject({ genesis: recorded.genesis, validators: recorded.validators });
  });

  describe('after a reconcile that failed', () => {
    const refused = (code: number, reason: string) =>
      new KubeApiError({ code, reason, message: 'told by the server', request: 'PATCH /api/v1/x' });
    const failure = (error: unknown) => {
      const recorded = status(complete());
      return { recorded, next: statusOfFailure(consortium({}, recorded), error, now) };
    };

    it.each<[string, unknown, string]>([
      ['a right that is missing', refused(403, 'Forbidden'), 'told by the server'],
      ['a damaged Secret', new Error('Secret operator/quorum-operator-ca has no tls.crt'), 'quorum-operator-ca'],
      [
        'an object that is invalid, without quoting it',
        refused(422, 'Invalid'),
        'PATCH /api/v1/x: the API server calls the object invalid',
      ],
    ])('tells of %s and forgets nothing', (_, error, message) => {
      const { recorded, next } = failure(error);
      const ready = ((next?.conditions ?? []) as Condition[]).find(({ type }) => type === 'Ready');
      expect(ready).toMatchObject({ status: 'False', reason: 'ReconcileFailed' });
      expect(ready?.message).toContain(message);
      expect(next).toMatchObject({
        genesis: recorded.genesis,
        validators: recorded.validators,
        organizations: recorded.organizations,
      });
    });

    it.each<[string, unknown]>([
      ['a conflict', refused(409, 'Conflict')],
      ['too many requests', refused(429, 'TooManyRequests')],
      ['no connection', new KubeConnectionError('GET /', new Error('refused'))],
    ])('does not tell of %s, which passes', (_, error) => expect(failure(error).next).toBeUndefined());
  });
});
