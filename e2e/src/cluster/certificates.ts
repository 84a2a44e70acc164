import { generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto';

/** A certificate with its private key, both PEM. */
export interface Credential {
  certificate: string;
  key: string;
}

export interface Subject {
  commonName: string;
  /** Kubernetes reads the organizations of a client certificate as groups. */
  organizations?: string[];
}

export interface Request {
  subject: Subject;
  usage: 'client' | 'server';
  dns?: string[];
  /** IPv4 addresses. */
  ips?: string[];
}

/** A certificate authority of one throw-away cluster; P-256, valid one year. */
export interface Authority extends Credential {
  issue(request: Request): Credential;
}

/**
 * Node can read certificates but not make them, and this needs only a handful of fields, so they are written as DER by
 * hand (RFC 5280) instead of starting openssl twenty times.
 */
export function createAuthority(commonName: string): Authority {
  const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const name = { commonName };
  const certificate = makeCertificate({
    issuer: name,
    subject: name,
    publicKey: pair.publicKey,
    signer: pair.privateKey,
    extensions: [
      extension('2.5.29.19', true, sequence(BOOLEAN_TRUE)),
      extension('2.5.29.15', true, tlv(0x03, Buffer.from([1, 0x86]))), // digitalSignature, keyCertSign, cRLSign
    ],
  });
  return {
    certificate,
    key: pair.privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
    issue(request) {
      const leaf = generateKeyPairSync('ec', { namedCurve: 'P-256' });
      const purpose = request.usage === 'client' ? '1.3.6.1.5.5.7.3.2' : '1.3.6.1.5.5.7.3.1';
      const extensions = [
        extension('2.5.29.19', true, sequence()),
        extension('2.5.29.15', true, tlv(0x03, Buffer.from([7, 0x80]))), // digitalSignature
        extension('2.5.29.37', false, sequence(oid(purpose))),
      ];
      const names = [
        ...(request.dns ?? []).map((dns) => tlv(0x82, Buffer.from(dns))),
        ...(request.ips ?? []).map((ip) => tlv(0x87, Buffer.from(ip.split('.').map(Number)))),
      ];
      if (names.length > 0) extensions.push(extension('2.5.29.17', false, sequence(...names)));
      return {
        certificate: makeCertificate({
          issuer: name,
          subject: request.subject,
          publicKey: leaf.publicKey,
          signer: pair.privateKey,
          extensions,
        }),
        key: leaf.privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
      };
    },
  };
}

const DAY = 24 * 3600 * 1000;
const BOOLEAN_TRUE = Buffer.from([0x01, 0x01, 0xff]);

function makeCertificate(parts: {
  issuer: Subject;
  subject: Subject;
  publicKey: KeyObject;
  signer: KeyObject;
  extensions: Buffer[];
}): string {
  const algorithm = sequence(oid('1.2.840.10045.4.3.2')); // ecdsa-with-SHA256
  const serial = randomBytes(16);
  serial[0] = (serial[0]! & 0x7f) | 0x40; // positive, no leading zero
  const now = Date.now();
  const body = sequence(
    tlv(0xa0, tlv(0x02, Buffer.from([2]))),
    tlv(0x02, serial),
    algorithm,
    distinguishedName(parts.issuer),
    sequence(utcTime(now - DAY), utcTime(now + 365 * DAY)),
    distinguishedName(parts.subject),
    parts.publicKey.export({ type: 'spki', format: 'der' }),
    tlv(0xa3, sequence(...parts.extensions)),
  );
  const signature = sign('sha256', body, parts.signer);
  const der = sequence(body, algorithm, tlv(0x03, Buffer.concat([Buffer.from([0]), signature])));
  const lines = der.toString('base64').match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`;
}

function tlv(tag: number, content: Buffer): Buffer {
  const size = content.length;
  if (size < 0x80) return Buffer.concat([Buffer.from([tag, size]), content]);
  const length = size < 0x100 ? [0x81, size] : [0x82, size >> 8, size & 0xff];
  return Buffer.concat([Buffer.from([tag, ...length]), content]);
}

function sequence(...parts: Buffer[]): Buffer {
  return tlv(0x30, Buffer.concat(parts));
}

function oid(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number);
  const bytes = [first * 40 + second];
  for (const arc of rest) {
    const digits = [arc & 0x7f];
    for (let left = Math.floor(arc / 128); left > 0; left = Math.floor(left / 128))
      digits.unshift((left & 0x7f) | 0x80);
    bytes.push(...digits);
  }
  return tlv(0x06, Buffer.from(bytes));
}

function distinguishedName(subject: Subject): Buffer {
  const attribute = (type: string, value: string) => tlv(0x31, sequence(oid(type), tlv(0x0c, Buffer.from(value))));
  return sequence(
    ...(subject.organizations ?? []).map((organization) => attribute('2.5.4.10', organization)),
    attribute('2.5.4.3', subject.commonName),
  );
}

function utcTime(milliseconds: number): Buffer {
  const text = new Date(milliseconds).toISOString().replace(/[-:T]/g, '').slice(2, 14);
  return tlv(0x17, Buffer.from(`${text}Z`));
}

function extension(id: string, critical: boolean, content: Buffer): Buffer {
  return sequence(oid(id), ...(critical ? [BOOLEAN_TRUE] : []), tlv(0x04, content));
}
