import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer as createHttpServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createHttpsServer, type Server as HttpsServer, type ServerOptions } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { Logger } from 'pino';
import { readEvidence } from '../evidence/read.ts';
import { identifyCaller } from './caller.ts';
import type { CompanionConfig } from './config.ts';
import { type MetricLabels, tesseraMetrics, upMetric } from './metrics.ts';
import { Tessera } from './tessera.ts';

export interface Companion {
  readonly opsPort: number;
  readonly probesPort: number;
  stop(): Promise<void>;
}

/** The answer of `GET /status` beside Tessera. */
export interface TesseraStatus {
  /** RFC 3339. */
  readonly time: string;
  readonly reachable: boolean;
  readonly version?: string;
  /** Public keys that this transaction manager answers for, base64. */
  readonly publicKeys?: readonly string[];
}

const CERTIFICATE_POLL_MS = 30_000;

/** Starts the two listeners: mutual TLS for operator and monitoring, and plain status codes for the kubelet. */
export async function startCompanion(config: CompanionConfig, log: Logger): Promise<Companion> {
  const tessera = new Tessera(config.tessera.thirdParty);
  const ops = createHttpsServer(tlsOptions(config), (request, response) => {
    answerOps(config, tessera, request, response).catch((error) => {
      log.error({ error: String(error) }, 'ops request failed');
      if (!response.headersSent) send(response, 500, 'text/plain', 'internal error\n');
    });
  });
  const probes = createHttpServer((request, response) => {
    answerProbe(tessera, request.url ?? '').then(
      (status) => response.writeHead(status).end(),
      () => response.writeHead(503).end(),
    );
  });
  const reload = followCertificate(ops, config, log);
  await Promise.all([listen(ops, config.listen.ops), listen(probes, config.listen.probes)]);
  log.info({ ops: config.listen.ops.port, probes: config.listen.probes.port }, 'companion listens');
  return {
    opsPort: (ops.address() as AddressInfo).port,
    probesPort: (probes.address() as AddressInfo).port,
    async stop() {
      clearInterval(reload);
      await Promise.all([close(ops), close(probes)]);
    },
  };
}

async function answerOps(
  config: CompanionConfig,
  tessera: Tessera,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const peer = (request.socket as TLSSocket).getPeerX509Certificate();
  const caller =
    peer === undefined ? { refused: 'no certificate' } : identifyCaller(new X509Certificate(peer.raw), trust(config));
  if ('refused' in caller) return send(response, 403, 'text/plain', `refused: ${caller.refused}\n`);
  if (request.method !== 'GET') return send(response, 405, 'text/plain', 'only GET\n');
  const path = (request.url ?? '').split('?')[0];
  if (path === '/metrics') return send(response, 200, 'text/plain; version=0.0.4', await metrics(config, tessera));
  if (path === '/status') return sendJson(response, await status(tessera));
  if (path === '/evidence') return sendJson(response, readEvidence(config.evidence.processes));
  return send(response, 404, 'text/plain', 'no such path\n');
}

async function metrics(config: CompanionConfig, tessera: Tessera): Promise<string> {
  const { consortium, organization, name } = config.node;
  const labels: MetricLabels = { consortium, organization, tessera: name };
  const text = await tessera.metrics();
  return upMetric(text !== undefined, labels) + (text === undefined ? '' : tesseraMetrics(text, labels));
}

async function status(tessera: Tessera): Promise<TesseraStatus> {
  const [reachable, facts] = await Promise.all([tessera.up(), tessera.facts()]);
  return { time: new Date().toISOString(), reachable, ...facts };
}

/** Codes only: this listener has no authentication, so it says nothing else. */
async function answerProbe(tessera: Tessera, url: string): Promise<number> {
  if (url === '/livez') return 200;
  if (url === '/readyz' || url === '/livez/tessera') return (await tessera.up()) ? 200 : 503;
  return 404;
}

function trust(config: CompanionConfig) {
  return {
    consortium: config.node.consortium,
    organization: config.node.organization,
    organizationCa: readFileSync(config.tls.organizationCaFile, 'utf8'),
    operatorCa: readFileSync(config.tls.operatorCaFile, 'utf8'),
  };
}

function tlsOptions(config: CompanionConfig): ServerOptions {
  const { organizationCa, operatorCa } = trust(config);
  return {
    cert: readFileSync(config.tls.certFile),
    key: readFileSync(config.tls.keyFile),
    ca: [organizationCa, operatorCa],
    requestCert: true,
    rejectUnauthorized: true,
    minVersion: 'TLSv1.3',
  };
}

/** Certificates are renewed in place; new connections use the new one within half a minute of its arrival. */
function followCertificate(server: HttpsServer, config: CompanionConfig, log: Logger): NodeJS.Timeout {
  const read = (): string => {
    const { certFile, keyFile, organizationCaFile, operatorCaFile } = config.tls;
    return [certFile, keyFile, organizationCaFile, operatorCaFile].map((file) => readFileSync(file, 'utf8')).join('');
  };
  let current = read();
  return setInterval(() => {
    try {
      const now = read();
      if (now === current) return;
      server.setSecureContext(tlsOptions(config));
      current = now;
      log.info('TLS files read again');
    } catch (error) {
      log.warn({ error: String(error) }, 'TLS files cannot be read again; the old ones stay in use');
    }
  }, CERTIFICATE_POLL_MS).unref();
}

function sendJson(response: ServerResponse, body: unknown): void {
  send(response, 200, 'application/json', JSON.stringify(body));
}

function send(response: ServerResponse, status: number, type: string, body: string): void {
  response.writeHead(status, { 'content-type': type, 'cache-control': 'no-store' }).end(body);
}

function listen(server: Server | HttpsServer, at: { host: string; port: number }): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(at.port, at.host, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

function close(server: Server | HttpsServer): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}
