import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { OPERATOR_URI } from '../names.ts';
import { type Authority, createAuthority, type IssuedCertificate, issueCertificate } from '../pki/x509.ts';
import { DoorClient, type DoorTarget } from './client.ts';
import { operatorCredentials } from './credentials.ts';

const now = new Date();
const servername = 'alpha-validator.demo-alpha.svc';
let organization: Authority;
let other: Authority;
let operator: Authority;
let server: Server;
let target: DoorTarget;
let credentials: IssuedCertificate;
/** Serial numbers of the client certificates seen, in order; sockets by remote port. */
const seen: { serial: string; socket: number | undefined; body: string; url: string | undefined }[] = [];

const authority = (commonName: string) => createAuthority({ commonName, now, days: 1 });
const leaf = (by: Authority, uris: string[], dnsNames: string[] = []) =>
  issueCertificate({ authority: by, now, days: 1, commonName: 'x', uris, dnsNames, usages: ['server', 'client'] });
const client = (use: () => IssuedCertificate | undefined, timeoutMs = 1000) =>
  new DoorClient({
    timeoutMs,
    credentials: () => {
      const pair = use();
      return pair && { certificate: pair.certificatePem, key: pair.keyPem };
    },
  });

beforeAll(async () => {
  [organization, other, operator] = await Promise.all([authority('alpha'), authority('bravo'), authority('operator')]);
  credentials = await leaf(operator, [OPERATOR_URI]);
  const own = await leaf(organization, [], [servername]);
  server = createServer(
    {
      cert: own.certificatePem,
      key: own.keyPem,
      ca: operator.certificatePem,
      requestCert: true,
      rejectUnauthorized: true,
    },
    async (request, response) => {
      let body = '';
      for await (const chunk of request) body += chunk;
      const serial = (request.socket as TLSSocket).getPeerCertificate().serialNumber;
      seen.push({ serial, socket: request.socket.remotePort, body, url: request.url });
      if (request.url === '/status') return response.end('{"reachable":true,"blockNumber":7}');
      if (request.url === '/metrics') return response.end('chain_head_block 7\n');
      if (request.url === '/evidence') return response.writeHead(403).end();
      const { method } = JSON.parse(body) as { method: string };
      if (method === 'net_peerCount') return response.end('{"result":"0x3"}');
      if (method === 'istanbul_candidates') return response.end('not json');
      if (method === 'admin_peers') return undefined; // never answers
      return response.end('{"error":{"code":-32601,"message":"no such method"}}');
    },
  ).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as AddressInfo;
  target = { address: '127.0.0.1', port, servername, caBundle: organization.certificatePem };
});

afterAll(() => {
  server.closeAllConnections();
  server.close();
});

describe('the client of the ops port', () => {
  it('reads status, metrics and results, and uses its connections again', async () => {
    const doors = client(() => credentials);
    expect(await doors.status(target)).toEqual({ reachable: true, blockNumber: 7 });
    expect(await doors.metrics(target)).toBe('chain_head_block 7\n');
    expect(await doors.consensus(target, 'net_peerCount')).toBe('0x3');
    for (let call = 0; call < 5; call++) await doors.status(target);
    expect(new Set(seen.map(({ socket }) => socket)).size).toBeLessThan(4);
    await doors.close();
  });

  it.each([
    ['has another name in its certificate', () => ({ servername: 'bravo-validator.demo-bravo.svc' }), 'unreachable'],
    ['belongs to another organization', () => ({ caBundle: other.certificatePem }), 'unreachable'],
    ['is not there', () => ({ port: 1 }), 'unreachable'],
  ])('refuses a door that %s', async (_, change, kind) => {
    const doors = client(() => credentials);
    await expect(doors.status({ ...target, ...change() })).rejects.toMatchObject({ name: 'DoorError', kind });
    await doors.close();
  });

  it('says that its certificate is refused', async () => {
    const stranger = await leaf(other, [OPERATOR_URI]);
    const doors = client(() => stranger);
    await expect(doors.status(target)).rejects.toMatchObject({ kind: 'unreachable' });
    await doors.close();
  });

  it('says that there is no certificate yet', async () => {
    await expect(client(() => undefined).status(target)).rejects.toMatchObject({ kind: 'credentials' });
  });

  it.each([
    ['a status other than 2xx', (doors: DoorClient) => doors.evidence(target), 'refused'],
    ['an error of the node', (doors: DoorClient) => doors.consensus(target, 'istanbul_propose', ['0x1', true]), 'rpc'],
    ['no JSON', (doors: DoorClient) => doors.consensus(target, 'istanbul_candidates'), 'answer'],
    ['no answer', (doors: DoorClient) => doors.consensus(target, 'admin_peers'), 'unreachable'],
  ])('tells apart %s', async (_, call, kind) => {
    const doors = client(() => credentials, 300);
    await expect(call(doors)).rejects.toMatchObject({ kind });
    await doors.close();
  });

  it('uses a renewed certificate with the next call', async () => {
    let current = credentials;
    const doors = client(() => current);
    await doors.status(target);
    current = await leaf(operator, [OPERATOR_URI]);
    await doors.status(target);
    const [before, after] = seen.slice(-2);
    expect(after!.serial).not.toBe(before!.serial);
    await doors.close();
  });
});

describe("the operator's certificate", () => {
  const encoded = (text: string) => Buffer.from(text).toString('base64');

  it('is looked for until it exists, then kept for a minute', async () => {
    let secret: object | undefined;
    let reads = 0;
    let time = 0;
    const get = async () => {
      reads++;
      return secret as never;
    };
    const read = operatorCredentials({ get }, 'quorum-operator', () => new Date(time));
    expect(await read()).toBeUndefined();
    secret = { data: { 'tls.crt': encoded('certificate'), 'tls.key': encoded('key') } };
    expect(await read()).toEqual({ certificate: 'certificate', key: 'key' });
    await read();
    expect(reads).toBe(2);
    time = 61_000;
    await read();
    expect(reads).toBe(3);
  });
});
