import type { KubeObject } from '../kube/types.ts';
import { GROUP } from '../names.ts';
import { certificatesOf, inspect } from './inspect.ts';
import { secretData, secretText, tlsPair } from './secrets.ts';
import { type Authority, checkAuthority } from './x509.ts';

/** A person asks for a new authority by any new value of this annotation on the authority's Secret. */
export const ROTATE_ANNOTATION = `${GROUP}/rotate`;
/** The value of the request that was followed last. */
const ROTATED_ANNOTATION = `${GROUP}/rotated`;
/** Since when everybody here trusts the new authority, RFC 3339. */
const TRUSTED_ANNOTATION = `${GROUP}/trusted-since`;
/** Since when no certificate of the old authority is in use, RFC 3339. */
const UNUSED_ANNOTATION = `${GROUP}/unused-since`;

/** Keys of the Secret beside `tls.crt` and `tls.key`, which are those of the authority that issues. */
const NEXT_CERTIFICATE = 'next.crt';
const NEXT_KEY = 'next.key';
const PREVIOUS_CERTIFICATE = 'previous.crt';

/** How far the change of an authority is; all of it is read from the authority's Secret. Certificates only, no key. */
export interface AuthorityState {
  /** Resource version of the Secret: a change rests on it. */
  readonly version?: string | undefined;
  /** PEM of the authority that issues. */
  readonly current: string;
  /** PEM of the one that will issue as soon as everybody trusts it. */
  readonly next?: string | undefined;
  /** PEM of the one that issued before and is trusted until nothing of it is in use. */
  readonly previous?: string | undefined;
  readonly trustedSince?: Date | undefined;
  readonly unusedSince?: Date | undefined;
  /** What a person asks for, and what was done last. */
  readonly request?: string | undefined;
  readonly handled?: string | undefined;
}

/** An authority as leaves need it: what signs them, and what everybody trusts. */
export interface IssuingAuthority extends Authority {
  /** PEM of all that is to be trusted, the issuing one first. Default: the issuing one alone. */
  readonly bundle?: string | undefined;
}

/**
 * Reads an authority's Secret.
 * @returns undefined when `tls.crt` or `tls.key` are missing
 * @throws Error when what is there cannot be used; quotes no key
 */
export function authorityState(secret: KubeObject): AuthorityState | undefined {
  const pair = tlsPair(secret);
  if (!pair) return undefined;
  checkAuthority(pair);
  const [next, nextKey] = [secretText(secret, NEXT_CERTIFICATE), secretText(secret, NEXT_KEY)];
  if (next !== undefined || nextKey !== undefined) {
    try {
      checkAuthority({ certificatePem: next ?? '', keyPem: nextKey ?? '' });
    } catch {
      throw new Error(
        `${NEXT_CERTIFICATE} and ${NEXT_KEY} do not belong together; remove both to begin the rotation again`,
      );
    }
  }
  const { annotations = {} } = secret.metadata;
  return {
    version: secret.metadata.resourceVersion,
    current: pair.certificatePem,
    next,
    previous: secretText(secret, PREVIOUS_CERTIFICATE),
    trustedSince: time(annotations[TRUSTED_ANNOTATION]),
    unusedSince: time(annotations[UNUSED_ANNOTATION]),
    request: annotations[ROTATE_ANNOTATION] || undefined,
    handled: annotations[ROTATED_ANNOTATION],
  };
}

/** What is to be trusted, the issuing one first. */
export function trustBundle(state: Pick<AuthorityState, 'current' | 'next' | 'previous'>): string {
  return bundle([state.current, state.next ?? '', state.previous ?? '']);
}

/** The same in an order that does not change when the new authority begins to issue: oldest first. */
export function stableTrustBundle(state: Pick<AuthorityState, 'current' | 'next' | 'previous'>): string {
  const all = certificatesOf(trustBundle(state));
  // One alone is not looked into.
  if (all.length < 2) return all.join('');
  const begins = (pem: string) => inspect(pem).notBefore.getTime();
  return all.sort((a, b) => begins(a) - begins(b) || (a < b ? -1 : 1)).join('');
}

/** One bundle of several PEM texts: each certificate once, in the order given. */
export function bundle(pems: readonly string[]): string {
  return [...new Set(pems.flatMap(certificatesOf))].join('');
}

/** The issuing authority of a Secret with the bundle to trust. */
export function issuingAuthority(secret: KubeObject | undefined): IssuingAuthority | undefined {
  const pair = tlsPair(secret);
  if (!pair) return undefined;
  const [next, previous] = [NEXT_CERTIFICATE, PREVIOUS_CERTIFICATE].map((key) => secretText(secret, key));
  return { ...pair, bundle: trustBundle({ current: pair.certificatePem, next, previous }) };
}

/** A change of the authority's Secret, as a JSON merge patch; each is one step that is done wholly or not at all. */
export type AuthorityChange =
  | { readonly kind: 'begin'; readonly authority: Authority }
  | { readonly kind: 'markTrusted'; readonly at: Date | undefined }
  | { readonly kind: 'switch' }
  | { readonly kind: 'markUnused'; readonly at: Date | undefined }
  | { readonly kind: 'finish' };

/** The patch of a change. It holds the resource version that it rests on, so that of two writers one fails. */
export function authorityPatch(secret: KubeObject, change: AuthorityChange): object {
  const { resourceVersion, annotations = {} } = secret.metadata;
  const patch = (values: { [name: string]: string | null }, data?: Record<string, string | null>) => ({
    metadata: { resourceVersion, annotations: values },
    ...(data ? { data } : {}),
  });
  switch (change.kind) {
    case 'begin': {
      const { certificatePem, keyPem } = change.authority;
      const request = annotations[ROTATE_ANNOTATION];
      return patch(
        request ? { [ROTATED_ANNOTATION]: request } : {},
        secretData({ [NEXT_CERTIFICATE]: certificatePem, [NEXT_KEY]: keyPem }),
      );
    }
    case 'markTrusted':
      return patch({ [TRUSTED_ANNOTATION]: change.at ? seconds(change.at) : null });
    case 'switch':
      // The old key goes in the same moment: what it signed is verified by its certificate alone.
      return patch(
        { [TRUSTED_ANNOTATION]: null },
        {
          'tls.crt': secret.data[NEXT_CERTIFICATE],
          'tls.key': secret.data[NEXT_KEY],
          [PREVIOUS_CERTIFICATE]: secret.data['tls.crt'],
          [NEXT_CERTIFICATE]: null,
          [NEXT_KEY]: null,
        },
      );
    case 'markUnused':
      return patch({ [UNUSED_ANNOTATION]: change.at ? seconds(change.at) : null });
    case 'finish':
      return patch({ [UNUSED_ANNOTATION]: null }, { [PREVIOUS_CERTIFICATE]: null });
  }
}

function seconds(at: Date): string {
  return `${at.toISOString().slice(0, 19)}Z`;
}

function time(text: string | undefined): Date | undefined {
  const value = text === undefined ? Number.NaN : Date.parse(text);
  return Number.isNaN(value) ? undefined : new Date(value);
}
