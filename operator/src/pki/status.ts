import type { EnsuredCertificate } from './request.ts';

/** `status.certificates` of a resource. */
export interface CertificateStatus {
  readonly name: string;
  readonly notAfter: string;
  readonly renewAt?: string | undefined;
}

/**
 * What a status tells of certificates, by name of Secret.
 * @param known what it told before; stays while the certificates were not looked at
 */
export function certificateStatuses(
  certificates: readonly EnsuredCertificate[] | undefined,
  known?: readonly CertificateStatus[],
): { certificates?: CertificateStatus[] } {
  if (!certificates) return known ? { certificates: [...known] } : {};
  const entries = certificates.map(({ secretName, notAfter, renewAt }) => ({
    name: secretName,
    notAfter,
    renewAt: `${renewAt.toISOString().slice(0, 19)}Z`,
  }));
  return entries.length > 0 ? { certificates: entries.sort((a, b) => (a.name < b.name ? -1 : 1)) } : {};
}
