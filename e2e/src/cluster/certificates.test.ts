import { X509Certificate } from 'node:crypto';
import { createServer, type TLSSocket, connect as tlsConnect } from 'node:tls';
import { expect, test } from 'vitest';
import { createAuthority } from './certificates.ts';

test('a leaf carries its names, groups and purpose, and is signed by its authority alone', () => {
  const authority = createAuthority('one');
  const leaf = authority.issue({
    subject: { commonName: 'system:node:a', organizations: ['system:nodes'] },
    usage: 'server',
    dns: ['localhost'],
    ips: ['127.0.0.1', '10.96.0.1'],
  });
  const certificate = new X509Certificate(leaf.certificate);
  const issuer = new X509Certificate(authority.certificate);
  expect(certificate.subject.split('\n')).toEqual(['O=system:nodes', 'CN=system:node:a']);
  expect(certificate.subjectAltName).toBe('DNS:localhost, IP Address:127.0.0.1, IP Address:10.96.0.1');
  expect(certificate.keyUsage).toEqual(['1.3.6.1.5.5.7.3.1']);
  expect([issuer.ca, certificate.ca]).toEqual([true, false]);
  expect(certificate.verify(issuer.publicKey)).toBe(true);
  expect(certificate.verify(new X509Certificate(createAuthority('one').certificate).publicKey)).toBe(false);
});

test('a TLS server and client accept each other by such certificates', async () => {
  const authority = createAuthority('one');
  const server = authority.issue({ subject: { commonName: 's' }, usage: 'server', ips: ['127.0.0.1'] });
  const client = authority.issue({ subject: { commonName: 'c' }, usage: 'client' });
  const seen = Promise.withResolvers<string>();
  const listener = createServer(
    {
      cert: server.certificate,
      key: server.key,
      ca: authority.certificate,
      requestCert: true,
      rejectUnauthorized: true,
    },
    (socket: TLSSocket) => {
      seen.resolve(String(socket.getPeerCertificate().subject.CN));
      socket.end();
    },
  );
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
  const { port } = listener.address() as { port: number };
  const socket = tlsConnect({
    host: '127.0.0.1',
    port,
    ca: authority.certificate,
    cert: client.certificate,
    key: client.key,
  });
  socket.on('error', seen.reject);
  expect(await seen.promise).toBe('c');
  expect(socket.authorized).toBe(true);
  socket.destroy();
  listener.close();
});
