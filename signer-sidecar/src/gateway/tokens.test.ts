import { exportJWK, exportSPKI, generateKeyPair, SignJWT, UnsecuredJWT } from 'jose';
import { beforeAll, describe, expect, test } from 'vitest';
import { RpcError } from '../errors.ts';
import { bearer, TokenVerifier } from './tokens.ts';

const now = 1_800_000_000_000;
const seconds = now / 1000;
const issuer = 'https://login.alpha.example';
const audience = 'quorum-operator:demo:alpha';

type Keys = Awaited<ReturnType<typeof generateKeyPair>>;
let alpha: Keys;
let bravo: Keys;
let rsa: Keys;
let eddsa: Keys;
let verifier: TokenVerifier;

const claims = { iss: issuer, aud: audience, sub: 'alice', exp: seconds + 60, scope: 'rpc://eth_*' };

async function token(changes: Record<string, unknown> = {}, keys = alpha, header: Record<string, string> = {}) {
  const payload = Object.fromEntries(
    Object.entries({ ...claims, ...changes }).filter(([, value]) => value !== undefined),
  );
  return new SignJWT(payload).setProtectedHeader({ alg: 'ES256', kid: 'a', ...header }).sign(keys.privateKey);
}

async function publicJwk(keys: Keys, kid: string, alg: string) {
  return { ...(await exportJWK(keys.publicKey)), kid, alg } as { kty: 'EC'; kid: string; alg: string };
}

beforeAll(async () => {
  [alpha, bravo, rsa, eddsa] = await Promise.all([
    generateKeyPair('ES256', { extractable: true }),
    generateKeyPair('ES256', { extractable: true }),
    generateKeyPair('RS256', { extractable: true }),
    generateKeyPair('EdDSA', { extractable: true }),
  ]);
  verifier = new TokenVerifier(
    [
      {
        issuer,
        audience,
        jwks: {
          keys: [
            await publicJwk(alpha, 'a', 'ES256'),
            await publicJwk(rsa, 'r', 'RS256'),
            await publicJwk(eddsa, 'e', 'EdDSA'),
          ],
        },
      },
      { issuer: 'https://login.bravo.example', audience, jwks: { keys: [await publicJwk(bravo, 'a', 'ES256')] } },
    ],
    { now: () => now },
  );
});

const refusal = async (text: string | Promise<string>): Promise<string> => {
  try {
    await verifier.verify(await text);
  } catch (error) {
    expect(error).toBeInstanceOf(RpcError);
    expect((error as RpcError).code).toBe(-32001);
    expect((error as RpcError).httpStatus).toBe(401);
    expect((error as RpcError).data.action).not.toBe('');
    return (error as RpcError).message;
  }
  return 'accepted';
};

describe('tokens', () => {
  test('good ones of each algorithm', async () => {
    const identity = await verifier.verify(await token());
    expect(identity).toMatchObject({ kind: 'token', issuer, subject: 'alice', expiresAt: now + 60_000 });
    expect(identity.scopes.allows('eth_call')).toBe(true);
    expect(await refusal(token({}, rsa, { alg: 'RS256', kid: 'r' }))).toBe('accepted');
    expect(await refusal(token({}, eddsa, { alg: 'EdDSA', kid: 'e' }))).toBe('accepted');
    expect(await refusal(token({ aud: ['x', audience] }))).toBe('accepted');
  });

  test('alg none, with and without a signature part', async () => {
    const none = new UnsecuredJWT(claims).encode();
    expect(await refusal(none)).toContain('algorithm is not allowed');
    expect(await refusal(`${none}AAAA`)).not.toBe('accepted');
  });

  test("HS256 with the issuer's public key as the secret", async () => {
    const secret = new TextEncoder().encode(await exportSPKI(alpha.publicKey));
    const forged = await new SignJWT(claims).setProtectedHeader({ alg: 'HS256', kid: 'a' }).sign(secret);
    expect(await refusal(forged)).toContain('algorithm is not allowed');
  });

  test.each([
    [{ aud: 'quorum-operator:demo:bravo' }, 'another audience'],
    [{ aud: undefined }, '"aud" is missing'],
    [{ iss: 'https://evil.example' }, 'issuer is not known'],
    [{ iss: undefined }, 'issuer is not known'],
    [{ exp: seconds - 6 }, 'has expired'],
    [{ exp: undefined }, '"exp" is missing'],
    [{ exp: 'tomorrow' }, '"exp" is not acceptable'],
    [{ nbf: seconds + 6 }, 'not valid yet'],
    [{ sub: undefined }, '"sub" is missing'],
    [{ sub: '' }, '"sub" is empty'],
  ])('%j: %s', async (changes, why) => {
    expect(await refusal(token(changes as Record<string, unknown>))).toContain(why);
  });

  test('clocks may differ by five seconds', async () => {
    expect(await refusal(token({ exp: seconds - 4 }))).toBe('accepted');
    expect(await refusal(token({ nbf: seconds + 5 }))).toBe('accepted');
  });

  test("another organization's key under our issuer's name, and the other way round", async () => {
    expect(await refusal(token({}, bravo))).toContain('signature is wrong');
    expect(await refusal(token({ iss: 'https://login.bravo.example' }, alpha))).toContain('signature is wrong');
  });

  test('a key that is not in the set, a changed payload, garbage', async () => {
    expect(await refusal(token({}, bravo, { kid: 'z' }))).toContain('no key of its issuer');
    const [header, , signature] = (await token()).split('.');
    const payload = Buffer.from(JSON.stringify({ ...claims, sub: 'root' })).toString('base64url');
    expect(await refusal(`${header}.${payload}.${signature}`)).toContain('signature is wrong');
    for (const garbage of ['', 'x', 'a.b.c', 'a.b.c.d.e', '.'.repeat(5000), 'x'.repeat(100_000)]) {
      expect(await refusal(garbage)).not.toBe('accepted');
    }
  });

  test('the cache answers until exp, is bounded, and holds no bad token', async () => {
    let clock = now;
    const keys = [await publicJwk(alpha, 'a', 'ES256')];
    const small = new TokenVerifier([{ issuer, audience, jwks: { keys } }], { now: () => clock, maxCached: 2 });
    const [one, two, three] = await Promise.all([token({ jti: '1' }), token({ jti: '2' }), token({ jti: '3' })]);
    for (const text of [one, two, three]) await small.verify(text);
    expect(small.cached(one)).toBeUndefined();
    expect(small.cached(three)).toBeDefined();
    clock += 60_000;
    expect(small.cached(three)).toBeUndefined();
    await expect(small.verify(await token({ aud: 'x', exp: seconds + 600 }))).rejects.toThrow('another audience');
    expect(small.cached(await token({ aud: 'x', exp: seconds + 600 }))).toBeUndefined();
  });
});

test.each([
  ['Bearer abc', 'abc'],
  ['bearer  abc ', 'abc'],
  ['Basic abc', undefined],
  ['Bearer', undefined],
  ['Bearer a b', undefined],
  [undefined, undefined],
])('Authorization: %s', (header, expected) => {
  expect(bearer(header)).toBe(expected);
});
