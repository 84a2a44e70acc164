import type { Applier } from '../kube/apply.ts';
import type { KubeClient } from '../kube/client.ts';
import type { InformerView } from '../kube/informer.ts';
import type { KubeObject, ResourceType } from '../kube/types.ts';
import { GROUP } from '../names.ts';
import type { IssuingAuthority } from './authority.ts';
import { type CertificateFacts, certificatesOf, renewalTime, shortFingerprint } from './inspect.ts';
import type { CertificateSubject } from './x509.ts';

/** Any new value on a QuorumNode, TesseraNode or HsmSigner has its certificates issued anew. */
export const RENEW_ANNOTATION = `${GROUP}/renew-certificates`;
/** On the certificate's Secret: the value for which it was issued. */
export const RENEWED_ANNOTATION = `${GROUP}/renewed-for`;

/** What issuing needs; ControllerDeps has it all. With `informers`, Secrets are read from the cache first. */
export interface CertificateDeps {
  readonly client: Pick<KubeClient, 'get' | 'patch'>;
  readonly applier: Pick<Applier, 'apply'>;
  readonly informers?:
    | { of<T extends KubeObject = KubeObject>(type: ResourceType): Pick<InformerView<T>, 'get'> }
    | undefined;
  now(): Date;
}

export interface CertificateRequest extends CertificateSubject {
  readonly namespace: string;
  readonly secretName: string;
  readonly labels: Record<string, string>;
  /** Object whose deletion takes the Secret along. A certificate is no identity to keep: a new one is issued when needed. */
  readonly owner?: KubeObject | undefined;
  /** Default: the organization's own, Secret `organization-ca` of the same namespace, or its cert-manager issuer. */
  readonly authority?: IssuingAuthority | undefined;
  /** Life in days. Default 90. */
  readonly days?: number | undefined;
}

export interface EnsuredCertificate {
  readonly secretName: string;
  /** RFC 3339, whole seconds. */
  readonly notAfter: string;
  /** When it will be replaced: reconcile again then (see `secondsUntil`). */
  readonly renewAt: Date;
  /** SHA-256 of the leaf, hex. */
  readonly fingerprint: string;
  /** What `ca.crt` beside it trusts, in one word: changes with the trusted authorities, not with their order. */
  readonly trusts: string;
  /** A new certificate was written by this call. */
  readonly renewed: boolean;
}

/** The namespace has no certificate authority yet; the Consortium controller makes it. Wait, do not stall. */
export class AuthorityMissingError extends Error {
  override readonly name = 'AuthorityMissingError';
}

/** The value of the owner's annotation by which a person asks for new certificates. */
export function renewalRequest({ owner }: Pick<CertificateRequest, 'owner'>): string | undefined {
  return owner?.metadata.annotations?.[RENEW_ANNOTATION] || undefined;
}

/** What is told of a certificate. @param trust the PEM bundle beside it */
export function ensured(
  secretName: string,
  facts: CertificateFacts,
  trust: string,
  renewed: boolean,
  renewAt: Date = renewalTime(facts),
): EnsuredCertificate {
  return {
    secretName,
    notAfter: `${facts.notAfter.toISOString().slice(0, 19)}Z`,
    renewAt,
    fingerprint: facts.fingerprint,
    trusts: trustedIn(trust),
    renewed,
  };
}

/** The certificates of a bundle in one word, in an order of its own: what a process that reads them at its start has read. */
export function trustedIn(bundle: string): string {
  return certificatesOf(bundle).map(shortFingerprint).sort().join('-');
}
