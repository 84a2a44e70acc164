import { describe, expect, it } from 'vitest';
import { pod, statefulSet } from '../quorum-node/testing.ts';
import { decide, headline } from './decide.ts';
import { generateTesseraKey, publicKeyOf } from './keys.ts';
import type { TesseraObservation } from './observation.ts';
import { rollout } from './rollout.ts';
import { status, verdict } from './status.ts';
import { keyReading, observe, PUBLIC_KEY, tesseraNode } from './testing.ts';

const known = { ...tesseraNode(), status: { publicKeys: [PUBLIC_KEY] } };
const missing = (generate: boolean): TesseraObservation['keys'] => [
  { kind: 'missing', name: 'default', secretName: 'alpha-tessera-key', generate },
];
const unsupported = tesseraNode({
  keys: [{ name: 'default', hsmSealed: { signerRef: { name: 's' }, secretRef: { name: 'k' } } }],
});

const cases: [string, Partial<TesseraObservation>, 'waiting' | 'stalled', string, string[]][] = [
  ['no Consortium', { consortium: undefined }, 'waiting', 'ConsortiumNotFound', ['Consortium demo']],
  [
    'another environment',
    { tessera: { ...tesseraNode(), spec: { ...tesseraNode().spec, environment: 'Production' } } },
    'stalled',
    'EnvironmentMismatch',
    ['Production', 'Development'],
  ],
  [
    'a namespace of its own',
    { tessera: tesseraNode({ segment: 'Namespace' }) },
    'stalled',
    'SegmentUnsupported',
    ['Shared'],
  ],
  [
    'no image',
    { operator: { namespace: 'o', sidecarImage: 's' } },
    'stalled',
    'ImageMissing',
    ['DEFAULT_TESSERA_IMAGE'],
  ],
  [
    'no bundle of members',
    { authorities: { organization: 'P', operator: 'P' } },
    'waiting',
    'OrganizationNotPrepared',
    ['members-ca'],
  ],
  [
    'no key, none to be made',
    { keys: missing(false) },
    'waiting',
    'KeyNotFound',
    ['alpha-tessera-key', 'generate: true'],
  ],
  ['key gone', { tessera: known, keys: missing(true) }, 'stalled', 'KeyLost', ['alpha-tessera-key', PUBLIC_KEY]],
  [
    'no key pair',
    { keys: [{ kind: 'invalid', name: 'd', secretName: 's', problem: 'too short' }] },
    'stalled',
    'KeyInvalid',
    ['too short'],
  ],
  [
    'a sealed key',
    { tessera: unsupported, keys: [{ kind: 'unsupported', name: 'default', source: 'hsmSealed' }] },
    'stalled',
    'KeySourceUnsupported',
    ['hsmSealed'],
  ],
  [
    'password of the database gone',
    { tessera: known, database: { kind: 'embedded' } },
    'stalled',
    'KeyLost',
    ['alpha-tessera-database'],
  ],
  ['no directory', { directory: undefined }, 'waiting', 'DirectoryNotReady', ['demo']],
  [
    'a manager not listed yet',
    { managers: ['demo-delta/delta-tessera'] },
    'waiting',
    'DirectoryNotReady',
    ['demo-delta/delta-tessera'],
  ],
];

describe('what stands in the way of a transaction manager', () => {
  it('is nothing when everything is there', () => expect(decide(observe())).toEqual([]));

  it.each(cases)('%s', (_, change, kind, reason, words) => {
    const finding = headline(decide(observe(change)));
    expect(finding).toMatchObject({ kind, reason });
    for (const word of words) expect(finding!.message).toContain(word);
  });

  it('is not a key that is about to be made', () => expect(decide(observe({ keys: missing(true) }))).toEqual([]));

  it('is not a new manager elsewhere, once it runs', () => {
    const managers = ['demo-delta/delta-tessera'];
    expect(decide(observe({ managers, statefulSet: statefulSet('one') }))).toEqual([]);
  });
});

describe('restart of', () => {
  const outdated = { statefulSet: statefulSet('two'), pod: pod({ revision: 'one' }) };
  it.each([
    ['a current pod', { statefulSet: statefulSet('one'), pod: pod() }, undefined, 'none'],
    ['an outdated pod', outdated, undefined, 'restart'],
    [
      'an outdated pod while another restarts',
      { ...outdated, restartingElsewhere: 'bravo-tessera' },
      undefined,
      'wait',
    ],
    ['an outdated pod while another holds the lock', outdated, 'demo-bravo/bravo-tessera', 'wait'],
    [
      'an outdated pod that is not Ready while another restarts',
      { ...outdated, pod: pod({ ready: false }), restartingElsewhere: 'b' },
      undefined,
      'restart',
    ],
    ['a pod that stops', { ...outdated, pod: pod({ deleting: true }) }, undefined, 'underway'],
  ])('%s', (_, observation, lockedBy, kind) => {
    expect(rollout(observation, lockedBy).kind).toBe(kind);
  });
});

describe('status', () => {
  const now = new Date('2026-03-01T12:00:00Z');
  const tell = (observation: TesseraObservation) =>
    status(observation, verdict(observation, decide(observation), { kind: 'none' }), now);

  it('says address and keys of a manager that serves', () => {
    const serving = tell(observe({ statefulSet: statefulSet('one'), pod: pod() }));
    expect(serving).toMatchObject({
      observedGeneration: 1,
      url: 'https://alpha-tessera.demo-alpha.svc.cluster.local:9000/',
      publicKeys: [PUBLIC_KEY],
    });
    expect(serving.conditions?.[0]).toMatchObject({ type: 'Ready', status: 'True', reason: 'Serving' });
  });

  it('keeps a public key whose Secret is gone, and one whose Secret was not read', () => {
    expect(tell(observe({ tessera: known, keys: missing(true) })).publicKeys).toEqual([PUBLIC_KEY]);
    expect(tell(observe({ tessera: known, keys: [], database: { kind: 'unread' } })).publicKeys).toEqual([PUBLIC_KEY]);
  });

  it('adds a key that was appended', () => {
    const tessera = {
      ...tesseraNode({ keys: [...known.spec.keys, { name: 'next', secretRef: { name: 'n' } }] }),
      status: known.status,
    };
    const keys = [keyReading, { ...keyReading, name: 'next', publicKey: 'second' }];
    expect(tell(observe({ tessera, keys })).publicKeys).toEqual([PUBLIC_KEY, 'second']);
  });
});

describe('a key', () => {
  it('is X25519: the public key follows from the private one (RFC 7748, 6.1)', () => {
    const privateKey = Buffer.from('5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb', 'hex');
    const publicKey = Buffer.from('de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f', 'hex');
    expect(publicKeyOf(privateKey.toString('base64'))).toBe(publicKey.toString('base64'));
  });

  it('is new each time and consistent', () => {
    const [one, two] = [generateTesseraKey(), generateTesseraKey()];
    expect(one.privateKey).not.toBe(two.privateKey);
    expect(publicKeyOf(one.privateKey)).toBe(one.publicKey);
    expect(Buffer.from(one.privateKey, 'base64')).toHaveLength(32);
  });

  it('of another length is refused, and the error does not quote it', () => {
    expect(() => publicKeyOf('c2VjcmV0')).toThrow(/32 bytes/);
    expect(() => publicKeyOf('c2VjcmV0')).not.toThrow(/c2VjcmV0/);
  });
});
