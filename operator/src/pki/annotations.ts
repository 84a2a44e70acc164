import { GROUP } from '../names.ts';

/** On pods whose main process reads certificates at its start only: SHA-256 of the certificate that it shows. */
export const CERTIFICATE_ANNOTATION = `${GROUP}/certificate-sha256`;
/** On the same pods: what it trusts, see EnsuredCertificate.trusts. */
export const TRUSTS_ANNOTATION = `${GROUP}/trusts`;
