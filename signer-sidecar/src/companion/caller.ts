import { X509Certificate } from 'node:crypto';

/** Who may call the ops port. */
export type Caller = { readonly role: 'operator' | 'monitoring' } | { readonly refused: string };

export interface Trust {
  readonly consortium: string;
  readonly organization: string;
  /** PEM of the organization's CA: may name monitoring of this organization. */
  readonly organizationCa: string;
  /** PEM of the operator's CA: may name the operator, and monitoring of any organization. */
  readonly operatorCa: string;
}

const OPERATOR_URI = 'quorum-operator://operator/operator/operator/quorum-operator';
const URI = /^quorum-operator:\/\/([^/]+)\/([^/]+)\/([^/]+)\/([^/]+)$/;

/**
 * Decides by the URI in a verified client certificate and by which CA signed it: an organization's CA must not be able
 * to name an operator.
 */
export function identifyCaller(certificate: X509Certificate, trust: Trust): Caller {
  const byOperatorCa = issuedBy(certificate, trust.operatorCa);
  if (!byOperatorCa && !issuedBy(certificate, trust.organizationCa)) return { refused: 'unknown issuer' };
  for (const uri of uris(certificate)) {
    if (uri === OPERATOR_URI) return byOperatorCa ? { role: 'operator' } : { refused: 'operator named by another CA' };
    const parts = URI.exec(uri);
    if (parts?.[3] !== 'monitoring') continue;
    if (byOperatorCa || (parts[1] === trust.consortium && parts[2] === trust.organization))
      return { role: 'monitoring' };
    return { refused: 'monitoring of another organization' };
  }
  return { refused: 'no URI that may call this port' };
}

/** Leaf certificates are issued by the CA itself; a bundle holds the old and the new one while a CA is replaced. */
function issuedBy(certificate: X509Certificate, bundle: string): boolean {
  return pemCertificates(bundle).some((pem) => {
    const authority = new X509Certificate(pem);
    return certificate.checkIssued(authority) && certificate.verify(authority.publicKey);
  });
}

function pemCertificates(bundle: string): string[] {
  return bundle.match(/-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g) ?? [];
}

/** Node quotes a name that holds a comma or a quote; such a URI is none of ours, so it simply does not match. */
function uris(certificate: X509Certificate): string[] {
  return (certificate.subjectAltName ?? '')
    .split(', ')
    .filter((name) => name.startsWith('URI:'))
    .map((name) => name.slice(4));
}
