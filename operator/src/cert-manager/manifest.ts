import type { KubeObject } from '../kube/types.ts';
import type { CertificateSubject } from '../pki/x509.ts';
import { manifest } from '../workload/manifest.ts';
import type { IssuerRef } from './issuer.ts';

export interface ManagedCertificate extends CertificateSubject {
  readonly namespace: string;
  /** Name of the Certificate and of its Secret. */
  readonly name: string;
  readonly labels: Record<string, string>;
  readonly owner?: KubeObject | undefined;
  readonly issuer: IssuerRef;
  readonly hours: number;
}

/** Share of a life, in hours, that is left at renewal: it is renewed at 60 %, as certificates of our own. */
const RENEW_BEFORE = 0.4;

/** A cert-manager.io/v1 Certificate. Its Secret gets our labels, so that it is found as all others are. */
export function certificateManifest(certificate: ManagedCertificate): KubeObject {
  const { namespace, name, labels, owner, issuer, hours } = certificate;
  return manifest(
    { apiVersion: 'cert-manager.io/v1', kind: 'Certificate', name, namespace, labels, owner },
    {
      spec: {
        secretName: name,
        secretTemplate: { labels },
        commonName: certificate.commonName,
        ...list('dnsNames', certificate.dnsNames),
        ...list('ipAddresses', certificate.ipAddresses),
        ...list('uris', certificate.uris),
        usages: ['digital signature', ...certificate.usages.map((usage) => `${usage} auth`)],
        duration: `${hours}h0m0s`,
        renewBefore: `${Math.round(hours * RENEW_BEFORE)}h0m0s`,
        privateKey: { algorithm: 'ECDSA', size: 256, encoding: 'PKCS8', rotationPolicy: 'Always' },
        revisionHistoryLimit: 1,
        issuerRef: { name: issuer.name, kind: issuer.kind, group: issuer.group },
      },
    },
  );
}

function list(key: string, values: readonly string[] | undefined): Record<string, readonly string[]> {
  return values && values.length > 0 ? { [key]: values } : {};
}
