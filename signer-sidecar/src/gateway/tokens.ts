/**
 * Access tokens: JWTs of the issuers in the configuration, signed with ES256, RS256 or EdDSA. Keys come with the
 * configuration (inline JWKS); the door never fetches one.
 */
import { hash } from 'node:crypto';
import { createLocalJWKSet, decodeJwt, errors, type JSONWebKeySet, type JWTPayload, jwtVerify } from 'jose';
import type { DoorConfig } from '../config.ts';
import { badToken, RpcError } from '../errors.ts';
import type { Identity } from './identity.ts';
import { scopesOf } from './scopes.ts';

const ALGORITHMS = ['ES256', 'RS256', 'EdDSA'];
const CLOCK_TOLERANCE_SECONDS = 5;
const MAX_TOKEN_LENGTH = 8192;

interface Issuer {
  issuer: string;
  audience: string;
  keys: ReturnType<typeof createLocalJWKSet>;
}

export class TokenVerifier {
  readonly #issuers: Issuer[];
  readonly #now: () => number;
  readonly #maxCached: number;
  /** Verified tokens by their sha256, in order of last use. The token itself is not kept. */
  readonly #verified = new Map<string, Identity>();

  /** @param options.now milliseconds since 1970 */
  constructor(issuers: DoorConfig['issuers'], options: { now?: () => number; maxCached?: number } = {}) {
    this.#issuers = issuers.map(({ issuer, audience, jwks }) => ({
      issuer,
      audience,
      keys: createLocalJWKSet(jwks as JSONWebKeySet),
    }));
    this.#now = options.now ?? Date.now;
    this.#maxCached = options.maxCached ?? 4096;
  }

  /** Who a token stands for if it was verified before and has not ended; costs one sha256. */
  cached(token: string): Identity | undefined {
    const key = hash('sha256', token, 'base64');
    const identity = this.#verified.get(key);
    if (identity === undefined) return undefined;
    this.#verified.delete(key);
    if (identity.expiresAt <= this.#now()) return undefined;
    this.#verified.set(key, identity);
    return identity;
  }

  /** @throws RpcError -32001 that says what is wrong with the token and never repeats it */
  async verify(token: string): Promise<Identity> {
    const known = this.cached(token);
    if (known !== undefined) return known;
    if (token.length > MAX_TOKEN_LENGTH) throw badToken('it is too long', 'Use a token of at most 8 KiB.');
    const claims = await this.#verifyWith(this.#candidates(token), token);
    const identity: Identity = {
      kind: 'token',
      issuer: claims.iss as string,
      subject: claims.sub as string,
      scopes: scopesOf(claims),
      expiresAt: (claims.exp as number) * 1000,
    };
    if (identity.expiresAt > this.#now()) this.#remember(hash('sha256', token, 'base64'), identity);
    return identity;
  }

  /** The configured issuers that the token says it is from. */
  #candidates(token: string): Issuer[] {
    let issuer: unknown;
    try {
      issuer = decodeJwt(token).iss;
    } catch {
      throw badToken('it is not a JWT', 'Send a signed JWT (three parts joined by dots).');
    }
    const candidates = this.#issuers.filter((known) => known.issuer === issuer);
    if (candidates.length === 0) {
      throw badToken(
        'its issuer is not known here',
        'Add the issuer to spec.rpc.issuers, or use a token of a known one.',
      );
    }
    return candidates;
  }

  async #verifyWith(candidates: Issuer[], token: string): Promise<JWTPayload> {
    let last: unknown;
    for (const candidate of candidates) {
      try {
        const { payload } = await jwtVerify(token, candidate.keys, {
          algorithms: ALGORITHMS,
          issuer: candidate.issuer,
          audience: candidate.audience,
          clockTolerance: CLOCK_TOLERANCE_SECONDS,
          requiredClaims: ['iss', 'aud', 'exp', 'sub'],
          currentDate: new Date(this.#now()),
        });
        if (typeof payload.sub !== 'string' || payload.sub === '') {
          throw badToken('its claim "sub" is empty', 'Use a token that names its user.');
        }
        return payload;
      } catch (error) {
        last = error;
      }
    }
    throw last instanceof RpcError ? last : refusal(last);
  }

  #remember(key: string, identity: Identity): void {
    this.#verified.set(key, identity);
    if (this.#verified.size <= this.#maxCached) return;
    const [oldest] = this.#verified.keys();
    if (oldest !== undefined) this.#verified.delete(oldest);
  }
}

function refusal(error: unknown): RpcError {
  const another = 'Get a new token from your issuer.';
  if (error instanceof errors.JWTExpired) return badToken('it has expired', another);
  if (error instanceof errors.JWTClaimValidationFailed) {
    if (error.reason === 'missing') return badToken(`its claim "${error.claim}" is missing`, another);
    if (error.claim === 'aud') return badToken('it is for another audience', "Ask for this organization's audience.");
    if (error.claim === 'nbf') return badToken('it is not valid yet (nbf)', 'Wait, or set the clocks right.');
    return badToken(`its claim "${error.claim}" is not acceptable`, another);
  }
  if (error instanceof errors.JOSEAlgNotAllowed) {
    return badToken('its algorithm is not allowed', `Sign tokens with one of ${ALGORITHMS.join(', ')}.`);
  }
  if (error instanceof errors.JWKSNoMatchingKey || error instanceof errors.JWKSMultipleMatchingKeys) {
    return badToken('no key of its issuer fits', "Add the issuer's current keys (with kid) to its JWKS.");
  }
  if (error instanceof errors.JWSSignatureVerificationFailed) return badToken('its signature is wrong', another);
  return badToken('it cannot be verified', another);
}

/** The token of an Authorization header, undefined when there is none of the kind Bearer. */
export function bearer(authorization: string | undefined): string | undefined {
  const match = authorization === undefined ? null : /^Bearer +([^\s]+) *$/i.exec(authorization);
  return match?.[1];
}
