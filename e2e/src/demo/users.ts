import { exportJWK, generateKeyPair, importJWK, type JWK, SignJWT } from 'jose';

/** A login service of an organization, as small as it can be: one ES256 key, whose public half goes into `users-jwks`. */
export interface Issuer {
  readonly organization: string;
  readonly issuer: string;
  readonly audience: string;
  readonly jwks: { keys: Record<string, unknown>[] };
  /** A token for one user. `scope` is a list of `rpc://module_method` separated by blanks; lifetime in seconds. */
  token(subject: string, scope: string, lifetimeSeconds?: number): Promise<string>;
}

/** A private ES256 key as a JWK; what a login service keeps to itself. */
export async function createLoginKey(): Promise<JWK> {
  const { privateKey } = await generateKeyPair('ES256', { extractable: true });
  return exportJWK(privateKey);
}

/** The login service of an organization around its key. */
export async function issuerOf(consortium: string, organization: string, loginKey: JWK): Promise<Issuer> {
  const kid = `${organization}-1`;
  const issuer = `https://login.${organization}.example`;
  const audience = `quorum-operator:${consortium}:${organization}`;
  const key = await importJWK(loginKey, 'ES256');
  const { d: _private, ...publicKey } = loginKey;
  return {
    organization,
    issuer,
    audience,
    jwks: { keys: [{ ...publicKey, kid, alg: 'ES256', use: 'sig' }] },
    token: (subject, scope, lifetimeSeconds = 3600) =>
      new SignJWT({ scope })
        .setProtectedHeader({ alg: 'ES256', kid })
        .setIssuer(issuer)
        .setAudience(audience)
        .setSubject(subject)
        .setIssuedAt()
        .setExpirationTime(Math.floor(Date.now() / 1000) + lifetimeSeconds)
        .sign(key),
  };
}

/** What an application needs to transact: reading the chain, asking for accounts, sending. */
export const USER_SCOPE = 'rpc://eth_* rpc://net_version';
