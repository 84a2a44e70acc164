/** Client certificates: which CA vouches for one, and what role its URI SAN gives it. */
import { X509Certificate } from 'node:crypto';
import { badCertificate, type RpcError } from '../errors.ts';

export type CertificateRole = 'node' | 'tessera' | 'signer' | 'postgres' | 'operator' | 'monitoring';

/** A client certificate that was verified. */
export interface CertificateIdentity {
  role: CertificateRole;
  consortium: string;
  organization: string;
  name: string;
  /** Milliseconds since 1970. */
  expiresAt: number;
}

export interface TrustedAuthorities {
  /** PEM, one or several certificates. */
  operatorCa: string;
  organizationCa: string;
}

const roles = new Set<string>(['node', 'tessera', 'signer', 'postgres', 'operator', 'monitoring']);
const uriPattern = /^quorum-operator:\/\/([^/]+)\/([^/]+)\/([^/]+)\/([^/]+)$/;

/** Splits a PEM bundle into its certificates. */
export function parseBundle(pem: string): X509Certificate[] {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  return blocks.map((block) => new X509Certificate(block));
}

function valid(certificate: X509Certificate, now: number): boolean {
  return Date.parse(certificate.validFrom) <= now && now < Date.parse(certificate.validTo);
}

function vouchedBy(leaf: X509Certificate, authorities: X509Certificate[], now: number): boolean {
  return authorities.some(
    (authority) =>
      authority.ca && valid(authority, now) && leaf.checkIssued(authority) && leaf.verify(authority.publicKey),
  );
}

/**
 * Which role a presented certificate has, and whether the right authority gave it: `operator` by the operator's CA
 * alone, all others by the organization's CA and for this organization. (Both CAs are trusted by the TLS layer, so
 * without this check an organization's CA could make an operator.) Does not rely on state of the TLS session, which a
 * resumed session may lack.
 * @param raw DER
 */
export function identifyCertificate(
  raw: Uint8Array,
  trusted: TrustedAuthorities,
  own: { consortium: string; organization: string },
  now = Date.now(),
): CertificateIdentity | RpcError {
  const leaf = new X509Certificate(raw);
  if (!valid(leaf, now)) return badCertificate('it is not valid at this time');
  const uris = (leaf.subjectAltName ?? '')
    .split(', ')
    .flatMap((name) => (name.startsWith('URI:') ? [name.slice(4)] : []));
  const parsed = uris.map((uri) => uriPattern.exec(uri)).filter((match) => match !== null);
  if (parsed.length !== 1) return badCertificate('it needs exactly one URI SAN quorum-operator://…');
  const [, consortium, organization, role, name] = parsed[0] as unknown as [string, string, string, string, string];
  if (!roles.has(role)) return badCertificate('its URI SAN names an unknown role');
  const identity = {
    role: role as CertificateRole,
    consortium,
    organization,
    name,
    expiresAt: Date.parse(leaf.validTo),
  };
  if (vouchedBy(leaf, parseBundle(trusted.operatorCa), now)) {
    return role === 'operator' || role === 'monitoring'
      ? identity
      : badCertificate("the operator's CA gives no such role");
  }
  if (!vouchedBy(leaf, parseBundle(trusted.organizationCa), now))
    return badCertificate('its issuer is not trusted here');
  if (role === 'operator') return badCertificate("the role operator needs the operator's CA");
  if (consortium !== own.consortium || organization !== own.organization) {
    return badCertificate('it belongs to another organization');
  }
  return identity;
}
