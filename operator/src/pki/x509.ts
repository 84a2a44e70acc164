// The X.509 library resolves its parts by decorators and needs this loaded before it.
import 'reflect-metadata';
import { createPrivateKey, X509Certificate as NodeCertificate, webcrypto } from 'node:crypto';
import * as x509 from '@peculiar/x509';

/** A certificate authority. `keyPem` is secret (PKCS#8). */
export interface Authority {
  readonly certificatePem: string;
  readonly keyPem: string;
}

/** A leaf certificate with its key. `keyPem` is secret (PKCS#8); `certificatePem` is the leaf alone. */
export interface IssuedCertificate {
  readonly certificatePem: string;
  readonly keyPem: string;
}

export type CertificateUsage = 'server' | 'client';

/** What a leaf certificate says. */
export interface CertificateSubject {
  /** At most 64 characters, the limit of X.509. */
  readonly commonName: string;
  readonly dnsNames?: readonly string[] | undefined;
  readonly ipAddresses?: readonly string[] | undefined;
  readonly uris?: readonly string[] | undefined;
  readonly usages: readonly CertificateUsage[];
}

const KEY_ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256' } as const;
const SIGNATURE_ALGORITHM = { name: 'ECDSA', hash: 'SHA-256' } as const;
const DAY_MS = 86_400_000;
/** A certificate is valid a little before its issue, because clocks of two machines differ. */
const CLOCK_SKEW_MS = 5 * 60_000;

x509.cryptoProvider.set(webcrypto as unknown as Parameters<typeof x509.cryptoProvider.set>[0]);

/**
 * Makes a self-signed authority (ECDSA P-256) that may issue leaf certificates only.
 * @param options.unit tells an authority from the one that it replaces: both are trusted for a while, under the same common name
 */
export async function createAuthority(options: {
  commonName: string;
  unit?: string;
  now: Date;
  days: number;
}): Promise<Authority> {
  const keys = await webcrypto.subtle.generateKey(KEY_ALGORITHM, true, ['sign', 'verify']);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: serialNumber(),
    name: distinguishedName(options.commonName, options.unit),
    ...validity(options.now, options.days),
    signingAlgorithm: SIGNATURE_ALGORITHM,
    keys,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return { certificatePem: pem(certificate), keyPem: await privateKeyPem(keys.privateKey) };
}

/**
 * Issues a leaf certificate with a new key. It never outlives its authority: its end is moved to the authority's.
 * @throws Error when the authority's key and certificate are unreadable or do not belong together, or the authority has expired.
 */
export async function issueCertificate(
  options: CertificateSubject & { authority: Authority; now: Date; days: number },
): Promise<IssuedCertificate> {
  checkAuthority(options.authority);
  const authority = new x509.X509Certificate(options.authority.certificatePem);
  if (authority.notAfter <= options.now) {
    throw new Error(
      `certificate authority "${authority.subject}" expired at ${authority.notAfter.toISOString()}; it issues nothing any more`,
    );
  }
  const signingKey = await webcrypto.subtle.importKey(
    'pkcs8',
    pemBytes(options.authority.keyPem),
    KEY_ALGORITHM,
    false,
    ['sign'],
  );
  const keys = await webcrypto.subtle.generateKey(KEY_ALGORITHM, true, ['sign', 'verify']);
  const { notBefore, notAfter } = validity(options.now, options.days);
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: serialNumber(),
    subject: distinguishedName(options.commonName),
    issuer: authority.subjectName,
    notBefore,
    notAfter: new Date(Math.min(notAfter.getTime(), authority.notAfter.getTime())),
    signingAlgorithm: SIGNATURE_ALGORITHM,
    publicKey: keys.publicKey,
    signingKey,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension(options.usages.map((usage) => x509.ExtendedKeyUsage[`${usage}Auth`])),
      ...subjectAlternativeNames(options),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
      await x509.AuthorityKeyIdentifierExtension.create(await authority.publicKey.export()),
    ],
  });
  return { certificatePem: pem(certificate), keyPem: await privateKeyPem(keys.privateKey) };
}

/**
 * Checks that a key belongs to a certificate that may issue others.
 * @throws Error that says what is wrong and quotes no key.
 */
export function checkAuthority(authority: Authority): void {
  let certificate: NodeCertificate;
  try {
    certificate = new NodeCertificate(authority.certificatePem);
  } catch {
    throw new Error('tls.crt of the certificate authority is no PEM certificate');
  }
  if (!certificate.ca)
    throw new Error('tls.crt of the certificate authority may not issue certificates (no CA basic constraint)');
  if (!keyBelongs(certificate, authority.keyPem)) {
    throw new Error('tls.key of the certificate authority is no PKCS#8 PEM key or does not belong to tls.crt');
  }
}

export function pemBytes(text: string): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Buffer.from(text.replace(/-----[A-Z ]+-----|\s/g, ''), 'base64'));
}

function keyBelongs(certificate: NodeCertificate, keyPem: string): boolean {
  try {
    return certificate.checkPrivateKey(createPrivateKey(keyPem));
  } catch {
    return false;
  }
}

function subjectAlternativeNames(subject: CertificateSubject): x509.Extension[] {
  const names: x509.JsonGeneralNames = [
    ...(subject.dnsNames ?? []).map((value) => ({ type: 'dns' as const, value })),
    ...(subject.ipAddresses ?? []).map((value) => ({ type: 'ip' as const, value })),
    ...(subject.uris ?? []).map((value) => ({ type: 'url' as const, value })),
  ];
  return names.length === 0 ? [] : [new x509.SubjectAlternativeNameExtension(names)];
}

function distinguishedName(commonName: string, unit?: string): x509.JsonName {
  if (commonName.length < 1 || commonName.length > 64) {
    throw new Error(`common name ${JSON.stringify(commonName)} must have 1 to 64 characters`);
  }
  return unit === undefined ? [{ CN: [commonName] }] : [{ OU: [unit] }, { CN: [commonName] }];
}

function validity(now: Date, days: number): { notBefore: Date; notAfter: Date } {
  // X.509 counts whole seconds.
  const start = Math.floor(now.getTime() / 1000) * 1000;
  return { notBefore: new Date(start - CLOCK_SKEW_MS), notAfter: new Date(start + days * DAY_MS) };
}

/** 16 random bytes, positive: a zero bit in front, and never all zero. */
function serialNumber(): string {
  const bytes = webcrypto.getRandomValues(new Uint8Array(16));
  bytes[0] = (bytes[0]! & 0x7f) | 0x40;
  return Buffer.from(bytes).toString('hex');
}

function pem(certificate: x509.X509Certificate): string {
  return `${certificate.toString('pem').trim()}\n`;
}

async function privateKeyPem(key: webcrypto.CryptoKey): Promise<string> {
  const base64 = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', key)).toString('base64');
  return `-----BEGIN PRIVATE KEY-----\n${base64.replace(/.{64}(?=.)/g, '$&\n')}\n-----END PRIVATE KEY-----\n`;
}
