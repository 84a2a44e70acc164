import type { Scopes } from './scopes.ts';

/** Who is asking. `issuer` and `subject` together name a user; limits, idempotency keys and audit go by both. */
export interface Identity {
  kind: 'token' | 'certificate';
  issuer: string;
  subject: string;
  scopes: Scopes;
  /** When it ends, milliseconds since 1970. */
  expiresAt: number;
}

/** One string for one user, unambiguous whatever the two parts contain. */
export function identityKey(identity: Identity): string {
  return JSON.stringify([identity.issuer, identity.subject]);
}
