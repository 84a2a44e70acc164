import 'reflect-metadata';
import { createHash, createPrivateKey, X509Certificate as NodeCertificate } from 'node:crypto';
import * as x509 from '@peculiar/x509';
import { memoize } from '../memoize.ts';
import { type CertificateSubject, type CertificateUsage, pemBytes } from './x509.ts';

/** What a certificate says, without trusting it. */
export interface CertificateFacts {
  readonly commonName: string;
  readonly issuer: string;
  readonly notBefore: Date;
  readonly notAfter: Date;
  /** SHA-256 of the DER bytes, 64 lower-case hex digits. */
  readonly fingerprint: string;
  readonly authority: boolean;
  /** Sorted; host names in lower case. */
  readonly dnsNames: readonly string[];
  readonly ipAddresses: readonly string[];
  readonly uris: readonly string[];
  readonly usages: readonly CertificateUsage[];
}

/** Share of a certificate's life after which it is replaced: before two thirds, with room for a retry. */
const RENEW_AFTER = 0.6;

/**
 * Reads the first certificate of a PEM text. Results are remembered: the same few certificates are looked at in every reconcile.
 * @throws Error when there is none.
 */
export const inspect: (pem: string) => CertificateFacts = memoize(readCertificate);

function readCertificate(pem: string): CertificateFacts {
  const certificate = new x509.X509Certificate(firstCertificate(pem));
  const names = certificate.getExtension(x509.SubjectAlternativeNameExtension)?.names.items ?? [];
  const of = (type: string) => names.filter((name) => name.type === type).map((name) => name.value);
  const purposes = certificate.getExtension(x509.ExtendedKeyUsageExtension)?.usages.map(String) ?? [];
  return {
    commonName: certificate.subjectName.getField('CN')[0] ?? '',
    issuer: certificate.issuer,
    notBefore: certificate.notBefore,
    notAfter: certificate.notAfter,
    fingerprint: createHash('sha256').update(Buffer.from(certificate.rawData)).digest('hex'),
    authority: certificate.getExtension(x509.BasicConstraintsExtension)?.ca ?? false,
    dnsNames: of('dns')
      .map((name) => name.toLowerCase())
      .sort(),
    ipAddresses: of('ip').map(normalAddress).sort(),
    uris: of('url').sort(),
    usages: (['server', 'client'] as const).filter((usage) => purposes.includes(x509.ExtendedKeyUsage[`${usage}Auth`])),
  };
}

/** When a certificate is to be replaced. */
export function renewalTime(certificate: Pick<CertificateFacts, 'notBefore' | 'notAfter'>): Date {
  const [start, end] = [certificate.notBefore.getTime(), certificate.notAfter.getTime()];
  return new Date(start + (end - start) * RENEW_AFTER);
}

/** A certificate is replaced before two thirds of its life are used. */
export function needsRenewal(certificate: Pick<CertificateFacts, 'notBefore' | 'notAfter'>, now: Date): boolean {
  return now >= renewalTime(certificate);
}

/** Seconds from now until the time, at least 1 and at most a day, so that timers stay in range and a changed clock is noticed. */
export function secondsUntil(time: Date, now: Date): number {
  return Math.min(86_400, Math.max(1, Math.ceil((time.getTime() - now.getTime()) / 1000)));
}

/** The certificate says exactly what is wanted: names, addresses, URIs and usages, in any order. */
export function saysExactly(facts: CertificateFacts, subject: CertificateSubject): boolean {
  return (
    facts.commonName === subject.commonName &&
    same(
      facts.dnsNames,
      (subject.dnsNames ?? []).map((name) => name.toLowerCase()),
    ) &&
    same(facts.ipAddresses, (subject.ipAddresses ?? []).map(normalAddress)) &&
    same(facts.uris, subject.uris ?? []) &&
    same(facts.usages, subject.usages)
  );
}

/**
 * True when `authorityPem` (its first certificate) signed the first certificate of `leafPem` and the key belongs to the leaf. Answers are
 * remembered, as those of `inspect` are.
 */
export function belongsTogether(leafPem: string, keyPem: string, authorityPem: string): boolean {
  return checkTogether(JSON.stringify([leafPem, keyPem, authorityPem]));
}

const checkTogether = memoize((texts) => {
  const [leafPem, keyPem, authorityPem] = JSON.parse(texts) as [string, string, string];
  try {
    const leaf = new NodeCertificate(firstCertificate(leafPem));
    const authority = new NodeCertificate(firstCertificate(authorityPem));
    return (
      leaf.checkIssued(authority) && leaf.verify(authority.publicKey) && leaf.checkPrivateKey(createPrivateKey(keyPem))
    );
  } catch {
    return false;
  }
});

/** The certificates of a PEM text, each on its own with a new line at the end. */
export function certificatesOf(pem: string): string[] {
  return (pem.match(/-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g) ?? []).map(
    (block) => `${block}\n`,
  );
}

/** The first 16 hex digits of the SHA-256 of a certificate: names it where people and annotations speak of it. */
export function shortFingerprint(pem: string): string {
  return createHash('sha256')
    .update(pemBytes(firstCertificate(pem)))
    .digest('hex')
    .slice(0, 16);
}

/** True when `authorityPem` (its first certificate) signed the first certificate of `leafPem`. */
export function issuedBy(leafPem: string, authorityPem: string): boolean {
  try {
    const leaf = new NodeCertificate(firstCertificate(leafPem));
    const authority = new NodeCertificate(firstCertificate(authorityPem));
    return leaf.checkIssued(authority) && leaf.verify(authority.publicKey);
  } catch {
    return false;
  }
}

function firstCertificate(pem: string): string {
  const [first] = certificatesOf(pem);
  if (first === undefined) throw new Error('the text holds no PEM certificate');
  return first;
}

/** One spelling for an IPv6 address. */
function normalAddress(address: string): string {
  return address.includes(':') ? new URL(`http://[${address}]`).hostname.slice(1, -1) : address;
}

function same(a: readonly string[], b: readonly string[]): boolean {
  const [left, right] = [[...new Set(a)].sort(), [...new Set(b)].sort()];
  return left.length === right.length && left.every((value, index) => value === right[index]);
}
