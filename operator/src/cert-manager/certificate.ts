import type { KubeObject } from '../kube/types.ts';
import { inspect, saysExactly } from '../pki/inspect.ts';
import {
  AuthorityMissingError,
  type CertificateDeps,
  type CertificateRequest,
  type EnsuredCertificate,
  ensured,
  RENEWED_ANNOTATION,
  renewalRequest,
} from '../pki/request.ts';
import { secretText, tlsPair } from '../pki/secrets.ts';
import { CERTIFICATES, type IssuerRef } from './issuer.ts';
import { certificateManifest } from './manifest.ts';

/** Life of a leaf in days where the request names none. */
const DEFAULT_DAYS = 90;

/** cert-manager has not issued the certificate yet. */
export class CertificatePendingError extends AuthorityMissingError {}

/**
 * Sees to it that cert-manager keeps a Secret with the certificate that is asked for: names, usages, life and key are told to it once, renewal is
 * its business.
 * @throws CertificatePendingError with what cert-manager says, while the Secret does not hold what is asked for
 */
export async function ensureManagedCertificate(
  deps: CertificateDeps,
  request: CertificateRequest,
  source: { readonly issuer: IssuerRef; readonly bundle: string },
  readSecret: () => Promise<KubeObject | undefined>,
): Promise<EnsuredCertificate> {
  const { namespace, secretName: name, labels, owner } = request;
  const desired = certificateManifest({
    ...request,
    name,
    labels,
    owner,
    issuer: source.issuer,
    hours: (request.days ?? DEFAULT_DAYS) * 24,
  });
  const live = await deps.client.get(CERTIFICATES, { namespace, name });
  const { object: certificate } = await deps.applier.apply(CERTIFICATES, desired, live ?? null);
  const asked = await askForRenewal(deps, certificate, renewalRequest(request));
  const secret = await readSecret();
  const pair = tlsPair(secret);
  const facts = pair && inspect(pair.certificatePem);
  if (!facts || asked || !saysExactly(facts, request) || facts.notAfter <= deps.now()) {
    throw new CertificatePendingError(
      `waiting for cert-manager to issue Certificate ${namespace}/${name} by ${source.issuer.kind} ${source.issuer.name}${said(certificate)}`,
    );
  }
  const renewal = Date.parse(certificate.status?.renewalTime ?? '');
  // Trust is the organization's whole bundle; geth and Tessera read it beside their certificate, from what cert-manager wrote there.
  const trust = secretText(secret, 'ca.crt') ?? source.bundle;
  return ensured(name, facts, trust, false, Number.isNaN(renewal) ? undefined : new Date(renewal));
}

/** As `cmctl renew` does: the condition Issuing makes cert-manager issue again. @returns true when it was asked now */
async function askForRenewal(
  deps: CertificateDeps,
  certificate: KubeObject,
  request: string | undefined,
): Promise<boolean> {
  const { name, namespace, annotations, resourceVersion } = certificate.metadata;
  if (request === undefined || annotations?.[RENEWED_ANNOTATION] === request) return false;
  const key = { name, namespace: namespace! };
  const others = ((certificate.status?.conditions ?? []) as { type: string }[]).filter(
    ({ type }) => type !== 'Issuing',
  );
  const issuing = {
    type: 'Issuing',
    status: 'True',
    reason: 'ManuallyTriggered',
    message: 'Certificate re-issuance manually triggered',
    lastTransitionTime: `${deps.now().toISOString().slice(0, 19)}Z`,
    observedGeneration: certificate.metadata.generation,
  };
  await deps.client.patch(
    CERTIFICATES,
    key,
    { metadata: { resourceVersion }, status: { conditions: [...others, issuing] } },
    { subresource: 'status' },
  );
  await deps.client.patch(CERTIFICATES, key, { metadata: { annotations: { [RENEWED_ANNOTATION]: request } } });
  return true;
}

/** What cert-manager says of a certificate that is not ready. */
function said(certificate: KubeObject): string {
  const conditions = (certificate.status?.conditions ?? []) as { type: string; status: string; message?: string }[];
  const ready = conditions.find(({ type }) => type === 'Ready');
  return ready?.message && ready.status !== 'True' ? `: ${ready.message}` : '; is its controller running?';
}
