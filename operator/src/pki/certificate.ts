import type { Applier } from '../kube/apply.ts';
import type { KubeClient } from '../kube/client.ts';
import type { InformerView } from '../kube/informer.ts';
import { SECRETS } from '../kube/resources.ts';
import type { Key, KubeObject, ResourceType } from '../kube/types.ts';
import { objectNames } from '../names.ts';
import { manifest } from '../workload/manifest.ts';
import { belongsTogether, type CertificateFacts, inspect, needsRenewal, renewalTime, saysExactly } from './inspect.ts';
import { secretData, secretText, tlsPair } from './secrets.ts';
import { type Authority, type CertificateSubject, issueCertificate } from './x509.ts';

/** What issuing needs; ControllerDeps has it all. With `informers`, Secrets are read from the cache first. */
export interface CertificateDeps {
  readonly client: Pick<KubeClient, 'get'>;
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
  /** Default: the organization's own, Secret `organization-ca` of the same namespace. */
  readonly authority?: Authority | undefined;
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
  /** A new certificate was written by this call. */
  readonly renewed: boolean;
}

/** The namespace has no certificate authority yet; the Consortium controller makes it. Wait, do not stall. */
export class AuthorityMissingError extends Error {
  override readonly name = 'AuthorityMissingError';
}

const DEFAULT_DAYS = 90;

/**
 * Sees to it that a Secret (kubernetes.io/tls: `tls.crt` leaf, `tls.key` PKCS#8, `ca.crt`) holds a good certificate.
 *
 * It is issued when missing, and again when two thirds of its life are nearly used, its names or usages changed, its authority changed, or what
 * the Secret holds does not belong together. Otherwise nothing is written.
 * @throws AuthorityMissingError when the authority's Secret is not there; Error when it is unusable.
 */
export async function ensureCertificate(
  deps: CertificateDeps,
  request: CertificateRequest,
): Promise<EnsuredCertificate> {
  const authority = request.authority ?? (await organizationAuthority(deps, request.namespace));
  const live = await readSecret(deps, { namespace: request.namespace, name: request.secretName });
  const held = goodCertificate(live, request, authority, deps.now());
  if (held) return result(request.secretName, held, false);

  const issued = await issueCertificate({
    ...request,
    authority,
    now: deps.now(),
    days: request.days ?? DEFAULT_DAYS,
  });
  const { namespace, secretName: name, labels, owner } = request;
  const secret = manifest(
    { apiVersion: 'v1', kind: 'Secret', name, namespace, labels, owner },
    {
      type: 'kubernetes.io/tls',
      data: secretData({
        'tls.crt': issued.certificatePem,
        'tls.key': issued.keyPem,
        'ca.crt': authority.certificatePem,
      }),
    },
  );
  await deps.applier.apply(SECRETS, secret, live ?? null);
  return result(name, inspect(issued.certificatePem), true);
}

/**
 * The certificate authority of the organization in a namespace.
 * @throws AuthorityMissingError when there is none (yet).
 */
export async function organizationAuthority(
  deps: Pick<CertificateDeps, 'client' | 'informers'>,
  namespace: string,
): Promise<Authority> {
  const pair = tlsPair(await readSecret(deps, { namespace, name: objectNames.organizationCa }));
  if (pair) return pair;
  throw new AuthorityMissingError(
    `waiting for Secret ${namespace}/${objectNames.organizationCa}, the certificate authority that the Consortium makes`,
  );
}

/** A Secret from the cache; one that the cache does not have is asked for, so a cache that lags cannot cause a second issue. */
async function readSecret(
  deps: Pick<CertificateDeps, 'client' | 'informers'>,
  key: Key,
): Promise<KubeObject | undefined> {
  return deps.informers?.of(SECRETS).get(key) ?? (await deps.client.get(SECRETS, key));
}

function goodCertificate(
  live: KubeObject | undefined,
  request: CertificateRequest,
  authority: Authority,
  now: Date,
): CertificateFacts | undefined {
  const pair = tlsPair(live);
  if (!pair || secretText(live, 'ca.crt') !== authority.certificatePem) return undefined;
  if (!belongsTogether(pair.certificatePem, pair.keyPem, authority.certificatePem)) return undefined;
  const facts = inspect(pair.certificatePem);
  return needsRenewal(facts, now) || !saysExactly(facts, request) ? undefined : facts;
}

function result(secretName: string, facts: CertificateFacts, renewed: boolean): EnsuredCertificate {
  return {
    secretName,
    notAfter: `${facts.notAfter.toISOString().slice(0, 19)}Z`,
    renewAt: renewalTime(facts),
    fingerprint: facts.fingerprint,
    renewed,
  };
}
