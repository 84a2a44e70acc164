import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pino from 'pino';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Authority, createAuthority, issueCertificate } from '../../../operator/src/pki/x509.ts';
import { companionConfigSchema, readCompanionConfig } from './config.ts';
import { tesseraMetrics } from './metrics.ts';
import { type Companion, startCompanion } from './server.ts';

const OPERATOR = 'quorum-operator://operator/operator/operator/quorum-operator';
const now = new Date();
let organization: Authority;
let operator: Authority;
let stranger: Authority;

async function leaf(authority: Authority, uri: string) {
  return issueCertificate({
    authority,
    now,
    days: 1,
    commonName: 'test',
    uris: [uri],
    dnsNames: ['localhost'],
    usages: ['client', 'server'],
  });
}

beforeAll(async () => {
  [organization, operator, stranger] = (await Promise.all(
    ['organization', 'operator', 'stranger'].map((commonName) => createAuthority({ commonName, now, days: 1 })),
  )) as [Authority, Authority, Authority];
});

describe('metrics', () => {
  const labels = { consortium: 'demo', organization: 'alpha', tessera: 'alpha-tessera' };
  it('get type, help, labels and snake case; other lines are counted', () => {
    const text = tesseraMetrics(
      'tessera_ThirdParty_GET_upCheck_AverageTime_ms 1.2\ntessera_ThirdParty_GET_upCheck_RequestCount 7\n<html>\n\n',
      labels,
    );
    const suffix = '{consortium="demo",organization="alpha",tessera="alpha-tessera"}';
    expect(text.split('\n')).toEqual([
      "# HELP tessera_third_party_get_up_check_average_time_ms As reported by Tessera's third-party server.",
      '# TYPE tessera_third_party_get_up_check_average_time_ms gauge',
      `tessera_third_party_get_up_check_average_time_ms${suffix} 1.2`,
      "# HELP tessera_third_party_get_up_check_request_count_total As reported by Tessera's third-party server.",
      '# TYPE tessera_third_party_get_up_check_request_count_total counter',
      `tessera_third_party_get_up_check_request_count_total${suffix} 7`,
      '# HELP tessera_metrics_lines_dropped Lines of Tessera that are not metrics.',
      '# TYPE tessera_metrics_lines_dropped gauge',
      `tessera_metrics_lines_dropped${suffix} 1`,
      '',
    ]);
  });
});

describe('the listeners', () => {
  let folder: string;
  let tessera: Server;
  let companion: Companion;
  let answers = true;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'companion-'));
    tessera = createServer((request, response) => {
      if (!answers) return response.writeHead(503).end();
      const body: Record<string, string> = {
        '/upcheck': "I'm up!",
        '/version': '24.4.1',
        '/keys': '{"keys":[{"key":"a2V5"}]}',
        '/metrics': 'tessera_ThirdParty_GET_upCheck_RequestCount 3\n',
      };
      response.writeHead(body[request.url!] === undefined ? 404 : 200).end(body[request.url!]);
    });
    await new Promise<void>((resolve) => tessera.listen(0, '127.0.0.1', resolve));
    const server = await leaf(organization, 'quorum-operator://demo/alpha/tessera/alpha-tessera');
    const files = {
      certFile: server.certificatePem,
      keyFile: server.keyPem,
      organizationCaFile: organization.certificatePem,
      operatorCaFile: operator.certificatePem,
    };
    for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
    const config = companionConfigSchema.parse({
      node: { name: 'alpha-tessera', namespace: 'demo-alpha', organization: 'alpha', consortium: 'demo' },
      listen: { ops: { host: '127.0.0.1', port: 0 }, probes: { host: '127.0.0.1', port: 0 } },
      tls: Object.fromEntries(Object.keys(files).map((name) => [name, join(folder, name)])),
      tessera: { thirdParty: `http://127.0.0.1:${(tessera.address() as AddressInfo).port}` },
      evidence: { processes: [{ container: 'tessera', uid: 4_000_000_000 }] },
    });
    companion = await startCompanion(config, pino({ level: 'silent' }));
  });

  afterAll(async () => {
    await companion.stop();
    tessera.close();
    rmSync(folder, { recursive: true });
  });

  function get(path: string, client?: { certificatePem: string; keyPem: string }, method = 'GET') {
    return new Promise<{ status: number; body: string }>((resolve, reject) => {
      const call = httpsRequest(
        {
          host: 'localhost',
          port: companion.opsPort,
          path,
          method,
          agent: false,
          ca: organization.certificatePem,
          cert: client?.certificatePem,
          key: client?.keyPem,
        },
        (response) => {
          let body = '';
          response.on('data', (chunk) => {
            body += chunk;
          });
          response.on('end', () => resolve({ status: response.statusCode!, body }));
        },
      );
      call.on('error', reject);
      call.end();
    });
  }

  it('answer the operator: status, metrics, evidence', async () => {
    const client = await leaf(operator, OPERATOR);
    const status = await get('/status', client);
    expect(JSON.parse(status.body)).toMatchObject({ reachable: true, version: '24.4.1', publicKeys: ['a2V5'] });
    const metrics = await get('/metrics', client);
    expect(metrics.body).toContain(
      'quorum_tessera_up{consortium="demo",organization="alpha",tessera="alpha-tessera"} 1',
    );
    expect(metrics.body).toMatch(/request_count_total\{.*\} 3/);
    const evidence = JSON.parse((await get('/evidence', client)).body);
    expect(evidence).toMatchObject({ processes: [], missing: ['tessera'], own: { uid: process.getuid!() } });
    expect((await get('/other', client)).status).toBe(404);
    expect((await get('/status', client, 'POST')).status).toBe(405);
  });

  it('take monitoring of this organization and refuse everybody else', async () => {
    await expect(get('/status')).rejects.toThrow();
    await expect(get('/status', await leaf(stranger, OPERATOR))).rejects.toThrow();
    // An organization's authority cannot name an operator, neither the real one nor one of its own.
    for (const uri of [OPERATOR, 'quorum-operator://demo/alpha/operator/quorum-operator']) {
      expect((await get('/status', await leaf(organization, uri))).status).toBe(403);
    }
    const monitoring = (of: string) => leaf(organization, `quorum-operator://demo/${of}/monitoring/prometheus`);
    expect((await get('/metrics', await monitoring('alpha'))).status).toBe(200);
    expect((await get('/metrics', await monitoring('bravo'))).status).toBe(403);
    expect((await get('/status', await leaf(organization, 'quorum-operator://demo/alpha/node/n'))).status).toBe(403);
  });

  it('give the kubelet codes and nothing else, and follow Tessera', async () => {
    const probe = async (path: string) => {
      const response = await fetch(`http://127.0.0.1:${companion.probesPort}${path}`);
      return [response.status, await response.text()];
    };
    expect(await probe('/livez')).toEqual([200, '']);
    expect(await probe('/readyz')).toEqual([200, '']);
    expect(await probe('/livez/tessera')).toEqual([200, '']);
    expect(await probe('/evidence')).toEqual([404, '']);
    answers = false;
    try {
      expect(await probe('/livez')).toEqual([200, '']);
      expect(await probe('/readyz')).toEqual([503, '']);
      expect(await probe('/livez/tessera')).toEqual([503, '']);
      const { body } = await get('/metrics', await leaf(operator, OPERATOR));
      expect(body).toMatch(/quorum_tessera_up\{.*\} 0/);
    } finally {
      answers = true;
    }
  });
});

it('a configuration that is wrong names its fields', () => {
  const folder = mkdtempSync(join(tmpdir(), 'companion-'));
  writeFileSync(join(folder, 'companion.json'), '{"node":{"name":"x"},"tls":{}}');
  expect(() => readCompanionConfig(join(folder, 'companion.json'))).toThrow(/node\.namespace: .*tls\.certFile: /);
  rmSync(folder, { recursive: true });
});
