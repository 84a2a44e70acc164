import type { AddressInfo } from 'node:net';
import { connect, createServer, type Server, type TLSSocket } from 'node:tls';
import { beforeAll, describe, expect, it } from 'vitest';
import type { KubeObject } from '../kube/types.ts';
import {
  type AuthorityState,
  authorityPatch,
  authorityState,
  issuingAuthority,
  stableTrustBundle,
} from './authority.ts';
import { certificatesOf, shortFingerprint } from './inspect.ts';
import { decideRotation, type RotationDecision, type RotationView } from './rotation.ts';
import { secretData, secretText } from './secrets.ts';
import { type Authority, createAuthority, type IssuedCertificate, issueCertificate } from './x509.ts';

const start = new Date(Math.floor(Date.now() / 1000) * 1000);
const minute = 60_000;
const later = (ms: number) => new Date(start.getTime() + ms);

let old: Authority;
let fresh: Authority;

beforeAll(async () => {
  const make = (unit?: string) =>
    createAuthority({ commonName: 'demo/alpha', now: start, days: 3650, ...(unit ? { unit } : {}) });
  [old, fresh] = await Promise.all([make(), make('since now')]);
});

const view = (state: Partial<AuthorityState>, change: Partial<RotationView> = {}): RotationView => ({
  state: { current: old.certificatePem, ...state },
  now: start,
  spreadMs: 10 * minute,
  untrusting: [],
  holding: [],
  awaited: [],
  ...change,
});

describe('the next step of a rotation', () => {
  type Case = [string, () => RotationView, Partial<RotationDecision>];
  const next = () => ({ next: fresh.certificatePem });
  const previous = () => ({ current: fresh.certificatePem, previous: old.certificatePem });
  const years = 365 * 24 * 60 * minute;
  const cases: Case[] = [
    ['nothing, while the authority is young', () => view({}), { kind: 'rest' }],
    ['nothing, shortly before 60 % of its life', () => view({}, { now: later(5.99 * years) }), { kind: 'rest' }],
    [
      'a new one, from 60 % of its life on',
      () => view({}, { now: later(6.01 * years) }),
      { kind: 'begin', why: 'age' },
    ],
    ['a new one, when a person asks', () => view({ request: 'one' }), { kind: 'begin', why: 'request' }],
    ['nothing, for a request that was followed', () => view({ request: 'one', handled: 'one' }), { kind: 'rest' }],
    ['another one, for another request', () => view({ request: 'two', handled: 'one' }), { kind: 'begin' }],
    [
      'to wait, while somebody does not trust it',
      () => view(next(), { untrusting: ['Pod a'] }),
      { kind: 'wait', phase: 'spreading', reason: { kind: 'untrusting', who: ['Pod a'] } },
    ],
    ['to note when everybody trusts it', () => view(next()), { kind: 'markTrusted' }],
    [
      'to begin the time anew, when somebody lost it',
      () => view({ ...next(), trustedSince: start }, { untrusting: ['Pod a'], now: later(60 * minute) }),
      { kind: 'unmarkTrusted' },
    ],
    [
      'to wait, until the bundle is everywhere',
      () => view({ ...next(), trustedSince: start }, { now: later(9 * minute) }),
      { kind: 'wait', reason: { kind: 'time' }, at: later(10 * minute) },
    ],
    [
      'to wait for members elsewhere',
      () => view({ ...next(), trustedSince: start }, { now: later(10 * minute), awaited: ['charlie'] }),
      { kind: 'wait', reason: { kind: 'awaited', who: ['charlie'] } },
    ],
    ['to issue by it', () => view({ ...next(), trustedSince: start }, { now: later(10 * minute) }), { kind: 'switch' }],
    [
      'to wait, while something of the old one is in use',
      () => view(previous(), { holding: ['Secret a'] }),
      { kind: 'wait', phase: 'reissuing', reason: { kind: 'holding', who: ['Secret a'] } },
    ],
    ['to note when nothing of the old one is in use', () => view(previous()), { kind: 'markUnused' }],
    [
      'to begin the time anew, when something of the old one came back',
      () => view({ ...previous(), unusedSince: start }, { holding: ['Secret a'] }),
      { kind: 'unmarkUnused' },
    ],
    [
      'to wait before trust ends',
      () => view({ ...previous(), unusedSince: start }, { now: later(9 * minute) }),
      { kind: 'wait', reason: { kind: 'time' } },
    ],
    [
      'to end the trust',
      () => view({ ...previous(), unusedSince: start }, { now: later(10 * minute) }),
      { kind: 'finish' },
    ],
    [
      'no second one while one is under way, whoever asks',
      () => view({ ...previous(), request: 'two' }, { holding: ['Secret a'] }),
      { kind: 'wait' },
    ],
  ];
  it.each(cases)('is %s', (_, of, expected) => expect(decideRotation(of())).toMatchObject(expected));
});

/** The Secret with a patch merged into it, as the API server does. */
function merged(secret: KubeObject, patch: object): KubeObject {
  const { metadata, data = {} } = patch as { metadata: { annotations: object }; data?: object };
  const kept = (values: object) => Object.fromEntries(Object.entries(values).filter(([, value]) => value !== null));
  return {
    ...secret,
    metadata: { ...secret.metadata, annotations: kept({ ...secret.metadata.annotations, ...metadata.annotations }) },
    data: kept({ ...secret.data, ...data }),
  };
}

/** A whole mutual handshake; true when each side took the other's certificate. */
async function handshake(
  server: { leaf: IssuedCertificate; trust: string },
  client: { leaf: IssuedCertificate; trust: string },
): Promise<boolean> {
  const options = ({ leaf, trust }: typeof server) => ({
    cert: leaf.certificatePem,
    key: leaf.keyPem,
    ca: certificatesOf(trust),
  });
  const listener: Server = createServer({ ...options(server), requestCert: true, rejectUnauthorized: true }, (socket) =>
    socket.end('hello'),
  );
  listener.on('tlsClientError', () => undefined);
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
  const { port } = listener.address() as AddressInfo;
  try {
    return await new Promise<boolean>((resolve) => {
      const socket: TLSSocket = connect({ host: '127.0.0.1', port, servername: 'localhost', ...options(client) });
      socket.on('data', () => resolve(true));
      socket.on('error', () => resolve(false));
      socket.on('close', () => resolve(false));
    });
  } finally {
    listener.close();
  }
}

describe('while an authority is replaced', () => {
  const leafOf = (authority: Authority) =>
    issueCertificate({
      authority,
      now: new Date(),
      days: 1,
      commonName: 'leaf',
      dnsNames: ['localhost'],
      usages: ['server', 'client'],
    });

  it('every certificate in use is trusted by everybody, also by those who are one step behind', async () => {
    let secret: KubeObject = {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: 'organization-ca', namespace: 'ns', resourceVersion: '1' },
      data: secretData({ 'tls.crt': old.certificatePem, 'tls.key': old.keyPem }),
    };
    const changes = [
      { kind: 'begin', authority: fresh },
      { kind: 'markTrusted', at: start },
      { kind: 'switch' },
      { kind: 'markUnused', at: start },
      { kind: 'finish' },
    ] as const;
    const first = issuingAuthority(secret)!;
    let sides = [{ leaf: await leafOf(first), trust: first.bundle! }];
    for (const change of changes) {
      secret = merged(secret, authorityPatch(secret, change));
      const authority = issuingAuthority(secret)!;
      const current = { leaf: await leafOf(authority), trust: authority.bundle! };
      // Two sides: one that has followed this step, and one that has not. Before the last step nothing is behind, which is what it waits for.
      const behind = change.kind === 'finish' ? [sides.at(-1)!] : sides;
      for (const other of behind) {
        expect(await handshake(current, other), `${change.kind}: server ahead`).toBe(true);
        expect(await handshake(other, current), `${change.kind}: client ahead`).toBe(true);
      }
      sides = [...behind.slice(-1), current];
    }
    expect(authorityState(secret)).toMatchObject({
      current: fresh.certificatePem,
      next: undefined,
      previous: undefined,
    });
    expect(secretText(secret, 'tls.key')).toBe(fresh.keyPem);
    const after = { leaf: await leafOf(fresh), trust: issuingAuthority(secret)!.bundle! };
    expect(await handshake(after, { leaf: await leafOf(old), trust: after.trust })).toBe(false);
  }, 60_000);

  it('without the overlap a handshake fails, so the test above means something', async () => {
    const before = { leaf: await leafOf(old), trust: old.certificatePem };
    const after = { leaf: await leafOf(fresh), trust: fresh.certificatePem };
    expect(await handshake(after, before)).toBe(false);
  });

  it('the old key is gone as soon as the new one issues, and the resource version is part of each write', () => {
    const secret: KubeObject = {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: 'organization-ca', resourceVersion: '7', annotations: { 'quorum-operator.io/rotate': 'now' } },
      data: secretData({ 'tls.crt': old.certificatePem, 'tls.key': old.keyPem }),
    };
    const begun = merged(secret, authorityPatch(secret, { kind: 'begin', authority: fresh }));
    expect(authorityState(begun)).toMatchObject({ request: 'now', handled: 'now', next: fresh.certificatePem });
    expect(authorityPatch(begun, { kind: 'switch' })).toMatchObject({ metadata: { resourceVersion: '7' } });
    const switched = merged(begun, authorityPatch(begun, { kind: 'switch' }));
    expect(Object.keys(switched.data).sort()).toEqual(['previous.crt', 'tls.crt', 'tls.key']);
    expect(JSON.stringify(switched.data)).not.toContain(Buffer.from(old.keyPem).toString('base64'));
    expect(stableTrustBundle(authorityState(begun)!)).toBe(stableTrustBundle(authorityState(switched)!));
    expect(shortFingerprint(issuingAuthority(switched)!.bundle!)).toBe(shortFingerprint(fresh.certificatePem));
  });
});
