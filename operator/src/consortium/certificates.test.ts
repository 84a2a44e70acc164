import { beforeAll, describe, expect, it } from 'vitest';
import { type Authority, createAuthority } from '../pki/x509.ts';
import { children } from './build/children.ts';
import { decide } from './decide.ts';
import { memberDirectory } from './members.ts';
import type { ManagedAuthority, Observation } from './observation.ts';
import { headline } from './reasons.ts';
import { statusOf } from './status.ts';
import { consortium, now, observe, organizations, withOrganization } from './testing.ts';

const authorities = new Map<string, Authority>();
let operatorAuthority: Authority;

beforeAll(async () => {
  for (const name of [...organizations, 'next'])
    authorities.set(name, await createAuthority({ commonName: name, now, days: 3650 }));
  operatorAuthority = await createAuthority({ commonName: 'operator', now, days: 3650 });
});

const pemOf = (name: string) => authorities.get(name)!.certificatePem;

/** A network whose organizations have cert-manager issue, each by an authority of its own unless told otherwise. */
function managed(spec: object, change: (name: string) => Partial<ManagedAuthority> = () => ({})): Observation {
  const issuerRef = { name: 'organization', kind: 'Issuer' as const, group: 'cert-manager.io' };
  const of = consortium({ issuerRef, ...spec });
  const observation = withCaPem(observe(of));
  return {
    ...observation,
    organizations: observation.organizations.map((organization) => {
      const authority = { issuer: of.spec.issuerRef!, bundle: pemOf(organization.name), ...change(organization.name) };
      const { bundle } = authority;
      return {
        ...organization,
        authority: bundle === undefined ? { kind: 'absent' } : { kind: 'present', value: bundle },
        managed: authority,
      };
    }),
  };
}

function withCaPem(observation: Observation): Observation {
  const caPem = operatorAuthority.certificatePem;
  return { ...observation, operatorAuthority: { ...observation.operatorAuthority, caPem } };
}

const told = (observation: Observation) =>
  headline(decide(observation).findings.filter(({ about }) => about === 'certificates'));
const configMaps = (observation: Observation) =>
  children(observation, memberDirectory(observation))
    .map(({ manifest }) => manifest)
    .filter(({ kind, metadata }) => kind === 'ConfigMap' && /^(organization|members)-ca$/.test(metadata.name));

describe('an issuer of cert-manager', () => {
  it('issues for its organization; no authority of our own is made or missed', () => {
    const observation = managed({});
    expect(told(observation)).toBeUndefined();
    expect(decide(observation).steps.map(({ kind }) => kind)).not.toContain('authority');
    const own = configMaps(observation).find(({ metadata }) => metadata.name === 'organization-ca')!;
    expect(own.data).toEqual({ 'ca.crt': pemOf('alpha') });
    expect(JSON.parse(own.metadata.annotations!['quorum-operator.io/issuer']!)).toEqual({
      name: 'organization',
      kind: 'Issuer',
      group: 'cert-manager.io',
    });
  });

  it('that has said nothing yet is waited for, also where an authority was known before', () => {
    const status = { organizations: [{ name: 'bravo', caNotAfter: '2036-01-01T00:00:00Z' }] };
    const observation = managed({}, (name) => (name === 'bravo' ? { bundle: undefined, problem: 'no issuer' } : {}));
    const known = { ...observation, consortium: { ...observation.consortium, status } as Observation['consortium'] };
    expect(told(known)).toMatchObject({
      kind: 'waiting',
      reason: 'IssuerNotReady',
      message: 'organization bravo: no issuer',
    });
    expect(decide(known).steps.map(({ kind }) => kind)).not.toContain('authority');
  });

  describe.each([
    ['a ClusterIssuer', () => managed({ issuerRef: { name: 'all', kind: 'ClusterIssuer' } }), 'ClusterIssuer all'],
    ['two issuers with one authority', () => managed({}, () => ({ bundle: pemOf('alpha') })), 'alpha and bravo'],
  ])('%s', (_, make, words) => {
    const production = () => {
      const observation = make();
      const spec = { ...observation.consortium.spec, environment: 'Production' as const };
      return { ...observation, consortium: { ...observation.consortium, spec } };
    };

    it('is refused outside Development, and nothing trusts it', () => {
      expect(told(production())).toMatchObject({ kind: 'stalled', reason: 'AuthorityShared' });
      expect(told(production())?.message).toContain(words);
      expect(told(production())?.message).toContain('kind: Issuer');
      expect(configMaps(production())).toEqual([]);
    });

    it('is used in Development, and said', () => {
      expect(told(make())).toBeUndefined();
      const condition = statusOf(make(), decide(make())).conditions?.find(({ type }) => type === 'CertificatesValid');
      expect(condition).toMatchObject({ status: 'True', reason: 'AuthorityShared' });
      expect(condition?.message).toContain(words);
    });
  });
});

describe('an authority that is replaced', () => {
  const remote = { name: 'echo', hosted: false, remote: { enodes: [], tesseraUrls: ['https://echo.example/'] } };
  const spread = (annotations?: Record<string, string>) => {
    const base = observe(consortium({ organizations: [...organizations.map((name) => ({ name })), remote] }));
    const state = { current: pemOf('alpha'), next: pemOf('next'), trustedSince: new Date(now.getTime() - 3_600_000) };
    const rotation = { state, untrusting: [], holding: [] };
    const real = organizations.reduce(
      (all, name) => withOrganization(all, name, { authority: { kind: 'present', value: pemOf(name) } }),
      withCaPem(base),
    );
    const observation = withOrganization(real, 'alpha', { rotation });
    const { metadata } = observation.consortium;
    return { ...observation, consortium: { ...observation.consortium, metadata: { ...metadata, annotations } } };
  };
  const message = (observation: Observation) =>
    statusOf(observation, decide(observation)).conditions?.find(({ type }) => type === 'CertificatesValid')?.message ??
    '';

  it('waits for members elsewhere until a person says that they trust it, and gives the words to say so', () => {
    expect(message(spread())).toContain('to echo; once each trusts it, run: kubectl annotate consortium demo');
    const word = /(quorum-operator\.io\/authority-accepted)=([0-9a-f]{16})/.exec(message(spread()))!;
    expect(message(spread({ [word[1]!]: `0000000000000000, ${word[2]}` }))).toContain('it begins to issue');
    expect(message(spread({ [word[1]!]: '0000000000000000' }))).toContain('to echo');
  });

  it('is in the bundles of all members beside its successor', () => {
    const bundles = configMaps(spread()).filter(({ metadata }) => metadata.name === 'members-ca');
    expect(bundles).toHaveLength(organizations.length);
    for (const { data } of bundles) {
      expect(data['ca.crt']).toContain(pemOf('alpha'));
      expect(data['ca.crt']).toContain(pemOf('next'));
    }
  });
});
