import { describe, expect, it } from 'vitest';
import { decide, headline, tokenStep } from './decide.ts';
import { account, consortium, job, knownStatus, made, observation, readyPod, SERIAL, signer } from './fixtures.ts';
import type { SignerObservation } from './observation.ts';
import { status, verdict } from './status.ts';

const now = new Date('2026-01-01T00:00:30Z');
const reasonOf = (changes: Partial<SignerObservation>) => headline(decide(observation(changes)))?.reason;
const known = signer({}, knownStatus);

describe('what stands in the way', () => {
  it.each<[string, Partial<SignerObservation>, string | undefined]>([
    ['nothing', {}, undefined],
    ['no Consortium', { consortium: undefined }, 'ConsortiumNotFound'],
    ['an organization that is not listed', { signer: signer({ organization: 'zulu' }) }, 'OrganizationUnknown'],
    ['an organization elsewhere', { signer: signer({ organization: 'remote' }) }, 'OrganizationNotHosted'],
    [
      'another namespace',
      { consortium: { ...consortium, metadata: { name: 'other' } } as typeof consortium },
      'NamespaceMismatch',
    ],
    [
      'another environment',
      {
        consortium: { ...consortium, spec: { ...consortium.spec, environment: 'Production' } } as typeof consortium,
      },
      'EnvironmentMismatch',
    ],
    ['a namespace that is not prepared', { prepared: false }, 'OrganizationNotPrepared'],
    ['placement Deployment', { signer: signer({ placement: 'Deployment' }) }, 'PlacementNotSupported'],
    [
      'another module',
      { signer: signer({ module: { image: 'vendor:1', path: '/opt/cloudhsm/lib/libcloudhsm_pkcs11.so' } }) },
      'ModuleNotSupported',
    ],
    ['no image of SoftHSM', { operator: { sidecarImage: 's', defaultPostgresImage: 'p' } }, 'ImageMissing'],
    ['no image of Postgres', { operator: { sidecarImage: 's', defaultSofthsmImage: 'h' } }, 'ImageMissing'],
    [
      'a database password',
      {
        signer: signer({
          database: {
            postgres: { host: 'db', name: 'd', user: 'u', passwordSecretRef: { name: 'x', key: 'password' } },
          },
        }),
      },
      'DatabasePasswordNotSupported',
    ],
    [
      'no PIN Secret of the user',
      { signer: signer({ token: { pinSecretRef: { name: 'pins' } } }) },
      'PinSecretNotFound',
    ],
    ['a PIN Secret without all keys', { pin: { kind: 'incomplete', missing: ['so-pin'] } }, 'PinSecretInvalid'],
    ['no address of the API server', { apiServer: [] }, 'ApiServerUnknown'],
    ['nothing, with token and PIN', { signer: known, token: made, pin: { kind: 'present' }, apiServer: [] }, undefined],
    ['a token Secret that is gone', { signer: known, pin: { kind: 'present' } }, 'KeyLost'],
    ['a token Secret that is empty', { signer: known, pin: { kind: 'present' }, token: { kind: 'empty' } }, 'KeyLost'],
    ['a PIN Secret that is gone', { signer: known, token: made }, 'KeyLost'],
    ['a PIN Secret that is gone although status says nothing', { token: made }, 'KeyLost'],
    [
      'a PIN that is gone from its Secret',
      { signer: known, token: made, pin: { kind: 'incomplete', missing: ['account-pin'] } },
      'KeyLost',
    ],
    [
      'another token',
      {
        signer: signer({}, { ...knownStatus, token: { label: 'alpha-signer', serial: 'eeee' } }),
        token: made,
        pin: { kind: 'present' },
      },
      'KeyLost',
    ],
    [
      'a damaged token Secret',
      { signer: known, token: { kind: 'invalid', message: 'x' }, pin: { kind: 'present' } },
      'TokenInvalid',
    ],
    [
      'a token of another label',
      { signer: signer({ token: { label: 'other' } }), token: made, pin: { kind: 'present' } },
      'TokenMismatch',
    ],
    [
      'a key that the token lacks',
      {
        signer: signer({ keys: [{ name: 'default' }, { name: 'new' }] }, knownStatus),
        token: made,
        pin: { kind: 'present' },
      },
      'KeysNotInToken',
    ],
  ])('%s', (_, changes, reason) => {
    expect(reasonOf(changes)).toBe(reason);
  });

  it('a lost key names the Secret, the account and the way back', () => {
    const finding = headline(decide(observation({ signer: known, pin: { kind: 'present' } })))!;
    expect(finding.kind).toBe('stalled');
    expect(finding.message).toContain('Secret alpha-signer-token');
    expect(finding.message).toContain(account.address);
    expect(finding.message).toContain('Restore it from your backup');
  });
});

describe('the token', () => {
  const step = (changes: Partial<SignerObservation>) => {
    const seen = observation(changes);
    return tokenStep(seen, decide(seen), now);
  };
  it.each<[string, Partial<SignerObservation>, unknown]>([
    ['is made when nothing is there', {}, { kind: 'make' }],
    ['is being made', { job: job(), pin: { kind: 'present' }, token: { kind: 'empty' } }, { kind: 'make' }],
    ['is never made again when it was lost', { signer: known }, { kind: 'none' }],
    [
      'is never made over a damaged one',
      { token: { kind: 'invalid', message: 'x' }, pin: { kind: 'present' } },
      { kind: 'none' },
    ],
    ['waits for the Consortium', { consortium: undefined }, { kind: 'none' }],
    [
      'is there: the Job and its rights go',
      { token: made, pin: { kind: 'present' }, job: job('Complete') },
      { kind: 'cleanUp' },
    ],
    [
      'is there: a Job that still runs is left alone',
      { token: made, pin: { kind: 'present' }, job: job() },
      { kind: 'none' },
    ],
    ['is there', { token: made, pin: { kind: 'present' } }, { kind: 'none' }],
  ])('%s', (_, changes, expected) => {
    expect(step(changes)).toEqual(expected);
  });

  it('a Job that failed stays for a minute, then another one tries', () => {
    const failed = { job: job('Failed'), pin: { kind: 'present' }, token: { kind: 'empty' } } as const;
    expect(step(failed)).toMatchObject({ kind: 'retry', afterSeconds: 30 });
    expect(step({ ...failed, job: job('Failed', '2025-12-31T23:00:00Z') })).toMatchObject({
      kind: 'retry',
      afterSeconds: 0,
    });
  });
});

describe('status', () => {
  const statusOf = (changes: Partial<SignerObservation>) => {
    const seen = observation(changes);
    const findings = decide(seen);
    return status(seen, findings, tokenStep(seen, findings, now), now);
  };
  const verdictOf = (changes: Partial<SignerObservation>) => {
    const seen = observation(changes);
    const findings = decide(seen);
    return verdict(seen, findings, tokenStep(seen, findings, now));
  };
  const there = { token: made, pin: { kind: 'present' } } as const;

  it('is ready with a token and, where it runs one, a database', () => {
    expect(verdictOf(there)).toMatchObject({ kind: 'progressing', reason: 'DatabaseStarting' });
    expect(verdictOf({ ...there, postgres: { pod: readyPod(false) } })).toMatchObject({ reason: 'DatabaseStarting' });
    expect(verdictOf({ ...there, postgres: { pod: readyPod() } })).toMatchObject({ kind: 'ready' });
    expect(verdictOf({ ...there, postgres: undefined })).toMatchObject({ kind: 'ready' });
    expect(verdictOf({ postgres: { pod: readyPod() } })).toMatchObject({ kind: 'progressing', reason: 'TokenPending' });
  });

  it('names token, accounts and database', () => {
    const { token, accounts, database, conditions } = statusOf({ ...there, postgres: { pod: readyPod() } });
    expect(token).toEqual({ label: 'alpha-signer', serial: SERIAL });
    expect(accounts).toEqual([account]);
    expect(database).toEqual({
      kind: 'Provision',
      host: 'alpha-signer-postgres.demo-alpha.svc',
      port: 5432,
      name: 'signer',
      ready: true,
    });
    expect(conditions?.map(({ type, status: value }) => `${type}=${value}`)).toEqual([
      'TokenPresent=True',
      'DatabaseReady=True',
      'Ready=True',
    ]);
  });

  it('keeps token and accounts when they are lost', () => {
    const lost = statusOf({ signer: known });
    expect(lost).toMatchObject({ token: knownStatus.token, accounts: knownStatus.accounts });
    expect(lost.conditions).toContainEqual(
      expect.objectContaining({ type: 'Stalled', status: 'True', reason: 'KeyLost' }),
    );
    expect(lost.conditions).toContainEqual(
      expect.objectContaining({ type: 'TokenPresent', status: 'False', reason: 'KeyLost' }),
    );
  });

  it('does not take over another token than the known one', () => {
    const other = { ...made, file: { ...made.file, serial: 'eeee' } };
    expect(statusOf({ signer: known, token: other, pin: { kind: 'present' } }).token).toEqual(knownStatus.token);
  });
});
