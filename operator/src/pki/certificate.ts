import { ensureManagedCertificate } from '../cert-manager/certificate.ts';
import { type IssuerRef, issuerOf } from '../cert-manager/issuer.ts';
import { CONFIGMAPS, SECRETS } from '../kube/resources.ts';
import type { Key, KubeObject } from '../kube/types.ts';
import { objectNames } from '../names.ts';
import { manifest } from '../workload/manifest.ts';
import { type IssuingAuthority, issuingAuthority } from './authority.ts';
import { belongsTogether, type CertificateFacts, inspect, needsRenewal, saysExactly } from './inspect.ts';
import {
  AuthorityMissingError,
  type CertificateDeps,
  type CertificateRequest,
  type EnsuredCertificate,
  ensured,
  RENEWED_ANNOTATION,
  renewalRequest,
} from './request.ts';
import { secretData, secretText, tlsPair } from './secrets.ts';
import { issueCertificate } from './x509.ts';

export {
  AuthorityMissingError,
  type CertificateDeps,
  type CertificateRequest,
  type EnsuredCertificate,
} from './request.ts';

const DEFAULT_DAYS = 90;

/**
 * Sees to it that a Secret (kubernetes.io/tls: `tls.crt` leaf, `tls.key` PKCS#8, `ca.crt` authorities to trust) holds a good certificate.
 *
 * It is issued when missing, and again when two thirds of its life are nearly used, its names or usages changed, another authority issues now, a
 * person asks by annotation of the owner, or what the Secret holds does not belong together. When only the trusted authorities changed, `ca.crt`
 * follows and the leaf stays. Otherwise nothing is written.
 * @throws AuthorityMissingError when the authority's Secret is not there; Error when it is unusable.
 */
export async function ensureCertificate(
  deps: CertificateDeps,
  request: CertificateRequest,
): Promise<EnsuredCertificate> {
  const source = request.authority ?? (await certificateSource(deps, request.namespace));
  const key = { namespace: request.namespace, name: request.secretName };
  if ('issuer' in source) return ensureManagedCertificate(deps, request, source, () => readSecret(deps, key));
  const live = await readSecret(deps, key);
  const trust = source.bundle ?? source.certificatePem;
  const held = goodLeaf(live, request, source, deps.now());
  if (held && secretText(live, 'ca.crt') === trust) return ensured(request.secretName, held.facts, trust, false);

  const leaf =
    held?.pair ??
    (await issueCertificate({ ...request, authority: source, now: deps.now(), days: request.days ?? DEFAULT_DAYS }));
  const { namespace, secretName: name, labels, owner } = request;
  const renewedFor = renewalRequest(request);
  const annotations = renewedFor === undefined ? undefined : { [RENEWED_ANNOTATION]: renewedFor };
  const secret = manifest(
    { apiVersion: 'v1', kind: 'Secret', name, namespace, labels, annotations, owner },
    {
      type: 'kubernetes.io/tls',
      data: secretData({ 'tls.crt': leaf.certificatePem, 'tls.key': leaf.keyPem, 'ca.crt': trust }),
    },
  );
  await deps.applier.apply(SECRETS, secret, live ?? null);
  return ensured(name, inspect(leaf.certificatePem), trust, held === undefined);
}

/** Where the certificates of a namespace come from, by what the Consortium's controller left there. */
async function certificateSource(
  deps: Pick<CertificateDeps, 'client' | 'informers'>,
  namespace: string,
): Promise<IssuingAuthority | { readonly issuer: IssuerRef; readonly bundle: string }> {
  const key = { namespace, name: objectNames.organizationCa };
  const configMap = deps.informers?.of(CONFIGMAPS).get(key) ?? (await deps.client.get(CONFIGMAPS, key));
  const issuer = configMap && issuerOf(configMap);
  if (issuer) return { issuer, bundle: String(configMap.data?.['ca.crt'] ?? '') };
  const authority = issuingAuthority(await readSecret(deps, key));
  if (authority) return authority;
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

/** The leaf that a Secret holds, unless another one is needed. */
function goodLeaf(
  live: KubeObject | undefined,
  request: CertificateRequest,
  authority: IssuingAuthority,
  now: Date,
): { pair: { certificatePem: string; keyPem: string }; facts: CertificateFacts } | undefined {
  const pair = tlsPair(live);
  if (!pair || !belongsTogether(pair.certificatePem, pair.keyPem, authority.certificatePem)) return undefined;
  const asked = renewalRequest(request);
  if (asked !== undefined && live?.metadata.annotations?.[RENEWED_ANNOTATION] !== asked) return undefined;
  const facts = inspect(pair.certificatePem);
  return needsRenewal(facts, now) || !saysExactly(facts, request) ? undefined : { pair, facts };
}
