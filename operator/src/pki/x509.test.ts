import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import tls from 'node:tls';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  belongsTogether,
  certificatesOf,
  inspect,
  needsRenewal,
  renewalTime,
  saysExactly,
  secondsUntil,
} from './inspect.ts';
import { type Authority, checkAuthority, createAuthority, type IssuedCertificate, issueCertificate } from './x509.ts';

const now = new Date();
const uri = 'quorum-operator://demo/alpha/node/alpha-validator';
const subject = {
  commonName: 'alpha-validator',
  dnsNames: ['alpha-validator.demo-alpha.svc', 'alpha-validator.demo-alpha.svc.cluster.local'],
  ipAddresses: ['127.0.0.1', 'fd00:0:0::1'],
  uris: [uri],
  usages: ['server', 'client'] as const,
};
let alpha: Authority;
let bravo: Authority;
let leaf: IssuedCertificate;

beforeAll(async () => {
  alpha = await createAuthority({ commonName: 'demo alpha CA', now, days: 3650 });
  bravo = await createAuthority({ commonName: 'demo bravo CA', now, days: 3650 });
  leaf = await issueCertificate({ ...subject, authority: alpha, now, days: 90 });
});

interface Handshake {
  client?: string;
  server?: string;
  uri?: string | undefined;
}

/** One mutual TLS handshake over loopback; errors of either side as text. */
async function handshake(
  client: Partial<IssuedCertificate>,
  clientTrusts: string,
  serverTrusts: string,
): Promise<Handshake> {
  const result: Handshake = {};
  const server = tls.createServer({
    key: leaf.keyPem,
    cert: leaf.certificatePem,
    ca: serverTrusts,
    requestCert: true,
    minVersion: 'TLSv1.3',
  });
  server.on('secureConnection', (socket) => {
    const peer = socket.getPeerCertificate();
    result.uri = peer.subjectaltname;
    socket.end('welcome');
  });
  server.on('tlsClientError', (error) => {
    result.server = error.message;
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const socket = tls.connect({
    host: '127.0.0.1',
    port: (server.address() as AddressInfo).port,
    servername: 'alpha-validator.demo-alpha.svc',
    key: client.keyPem,
    cert: client.certificatePem,
    ca: clientTrusts,
  });
  let greeting = '';
  socket.on('data', (chunk) => {
    greeting += chunk;
  });
  socket.on('error', (error) => {
    result.client = error.message;
  });
  // Under TLS 1.3 the client is done before the server refuses: only what arrives tells.
  await new Promise((resolve) => socket.on('close', resolve));
  if (result.client === undefined && greeting !== 'welcome') result.client = 'closed by the server';
  server.close();
  await once(server, 'close');
  return result;
}

describe('certificates in a real TLS 1.3 handshake', () => {
  it('of one authority know each other, and the URI SAN arrives', async () => {
    const client = await issueCertificate({
      commonName: 'c',
      uris: [uri],
      usages: ['client'],
      authority: alpha,
      now,
      days: 1,
    });
    expect(await handshake(client, alpha.certificatePem, alpha.certificatePem)).toEqual({ uri: `URI:${uri}` });
  });

  it('of another authority are refused by the server', async () => {
    const client = await issueCertificate({ commonName: 'c', usages: ['client'], authority: bravo, now, days: 1 });
    const result = await handshake(client, alpha.certificatePem, alpha.certificatePem);
    expect(result.uri).toBeUndefined();
    expect(result.client).toBeDefined();
  });

  it('are refused by a client that trusts another authority', async () => {
    const client = await issueCertificate({ commonName: 'c', usages: ['client'], authority: alpha, now, days: 1 });
    expect((await handshake(client, bravo.certificatePem, alpha.certificatePem)).client).toMatch(
      /unable to verify|unable to get|self-signed/i,
    );
  });

  it('are asked for: no client certificate, no connection', async () => {
    const result = await handshake({}, alpha.certificatePem, alpha.certificatePem);
    expect(result.uri).toBeUndefined();
  });

  it('without the usage "client" do not open the door', async () => {
    const client = await issueCertificate({ commonName: 'c', usages: ['server'], authority: alpha, now, days: 1 });
    const result = await handshake(client, alpha.certificatePem, alpha.certificatePem);
    expect(result.uri).toBeUndefined();
  });

  it('are trusted through a bundle of several authorities', async () => {
    const client = await issueCertificate({
      commonName: 'c',
      uris: [uri],
      usages: ['client'],
      authority: bravo,
      now,
      days: 1,
    });
    const bundle = alpha.certificatePem + bravo.certificatePem;
    expect(certificatesOf(bundle)).toEqual([alpha.certificatePem, bravo.certificatePem]);
    expect((await handshake(client, bundle, bundle)).uri).toBe(`URI:${uri}`);
  });
});

describe('a certificate', () => {
  it('says what was asked for', () => {
    const facts = inspect(leaf.certificatePem);
    expect(facts).toMatchObject({
      commonName: 'alpha-validator',
      issuer: 'CN=demo alpha CA',
      authority: false,
      dnsNames: subject.dnsNames,
      ipAddresses: ['127.0.0.1', 'fd00::1'],
      uris: [uri],
      usages: ['server', 'client'],
    });
    expect(saysExactly(facts, { ...subject, dnsNames: [...subject.dnsNames].reverse() })).toBe(true);
    expect(saysExactly(facts, { ...subject, dnsNames: subject.dnsNames.slice(1) })).toBe(false);
    expect(saysExactly(facts, { ...subject, uris: [] })).toBe(false);
    expect(saysExactly(facts, { ...subject, usages: ['server'] })).toBe(false);
  });

  it('belongs to its key and its authority only', async () => {
    const other = await issueCertificate({ ...subject, authority: alpha, now, days: 90 });
    expect(belongsTogether(leaf.certificatePem, leaf.keyPem, alpha.certificatePem)).toBe(true);
    expect(belongsTogether(leaf.certificatePem, other.keyPem, alpha.certificatePem)).toBe(false);
    expect(belongsTogether(leaf.certificatePem, leaf.keyPem, bravo.certificatePem)).toBe(false);
    const namesake = await createAuthority({ commonName: 'demo alpha CA', now, days: 3650 });
    expect(belongsTogether(leaf.certificatePem, leaf.keyPem, namesake.certificatePem)).toBe(false);
    expect(belongsTogether('', '', '')).toBe(false);
  });

  it('never outlives its authority', async () => {
    const short = await createAuthority({ commonName: 'short', now, days: 10 });
    const issued = await issueCertificate({ ...subject, authority: short, now, days: 90 });
    expect(inspect(issued.certificatePem).notAfter).toEqual(inspect(short.certificatePem).notAfter);
    await expect(
      issueCertificate({ ...subject, authority: short, now: new Date(now.getTime() + 11 * 86_400_000), days: 90 }),
    ).rejects.toThrow('expired');
  });

  it('is due before two thirds of its life are used and not before half', () => {
    const facts = { notBefore: new Date(0), notAfter: new Date(90 * 86_400_000) };
    expect(needsRenewal(facts, new Date(45 * 86_400_000))).toBe(false);
    expect(needsRenewal(facts, new Date(59 * 86_400_000))).toBe(true);
    expect(renewalTime(facts).getTime()).toBeLessThan(60 * 86_400_000);
  });

  it('is asked about again within a day and never at once in a loop', () => {
    expect(secondsUntil(new Date(0), new Date(5000))).toBe(1);
    expect(secondsUntil(new Date(7500), new Date(5000))).toBe(3);
    expect(secondsUntil(new Date(1e12), new Date(0))).toBe(86_400);
  });

  it('needs a name that X.509 can hold', async () => {
    await expect(
      issueCertificate({ ...subject, commonName: 'x'.repeat(65), authority: alpha, now, days: 1 }),
    ).rejects.toThrow('1 to 64');
  });
});

describe('an authority', () => {
  it.each<[string, () => Authority, RegExp]>([
    ['a leaf', () => leaf, /may not issue/],
    ['the key of another', () => ({ ...alpha, keyPem: bravo.keyPem }), /does not belong/],
    ['no key', () => ({ ...alpha, keyPem: 'secret stuff' }), /no PKCS#8/],
    ['no certificate', () => ({ ...alpha, certificatePem: '' }), /no PEM certificate/],
  ])('is refused when it is %s, and no key is quoted', (_, authority, message) => {
    expect(() => checkAuthority(authority())).toThrow(message);
    expect(() => checkAuthority(authority())).not.toThrow(/secret stuff|BEGIN/);
  });
});
