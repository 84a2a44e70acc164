import { constants } from 'node:crypto';
import { createServer as createHttpServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createHttpsServer, type Server as HttpsServer, type ServerOptions } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { Logger } from 'pino';
import { RpcError } from '../errors.ts';
import { readEvidence } from '../evidence/read.ts';
import { identifyCertificate } from '../gateway/certificates.ts';
import { readTlsFiles, type TlsFiles, TlsWatcher } from '../gateway/tls-files.ts';
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

/** Starts the two listeners: mutual TLS for operator and monitoring, and plain status codes for the kubelet. */
export async function startCompanion(config: CompanionConfig, log: Logger): Promise<Companion> {
  const tessera = new Tessera(config.tessera.thirdParty);
  let files = readTlsFiles(config.tls);
  const ops = createHttpsServer(serverOptions(files), (request, response) => {
    answerOps({ config, tessera, files }, request, response).catch((error) => {
      log.error({ error: String(error) }, 'ops request failed');
      if (!response.headersSent) send(response, 500, 'text/plain', 'internal error\n');
    });
  });
  const probes = createHttpServer({ headersTimeout: 5_000, requestTimeout: 5_000 }, (request, response) => {
    answerProbe(tessera, request.url ?? '').then(
      (status) => response.writeHead(status).end(),
      () => response.writeHead(503).end(),
    );
  });
  const reload = (next: TlsFiles): void => {
    ops.setSecureContext(secureContext(next));
    files = next;
    ops.closeIdleConnections();
  };
  const watcher = new TlsWatcher(config.tls, files, reload, log);
  await Promise.all([listen(ops, config.listen.ops), listen(probes, config.listen.probes)]);
  log.info({ ops: config.listen.ops.port, probes: config.listen.probes.port }, 'companion listens');
  return {
    opsPort: (ops.address() as AddressInfo).port,
    probesPort: (probes.address() as AddressInfo).port,
    async stop() {
      watcher.close();
      await Promise.all([close(ops), close(probes)]);
    },
  };
}

interface OpsParts {
  readonly config: CompanionConfig;
  readonly tessera: Tessera;
  readonly files: TlsFiles;
}

async function answerOps(
  { config, tessera, files }: OpsParts,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { raw } = (request.socket as TLSSocket).getPeerCertificate();
  const caller = identifyCertificate(raw, files, config.node);
  if (caller instanceof RpcError) return send(response, 403, 'text/plain', `${caller.message}\n`);
  if (caller.role !== 'operator' && caller.role !== 'monitoring') {
    return send(response, 403, 'text/plain', `the role ${caller.role} may not use this port\n`);
  }
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

function secureContext(files: TlsFiles) {
  const { cert, key, organizationCa, operatorCa } = files;
  return { cert, key, ca: [organizationCa, operatorCa], minVersion: 'TLSv1.3' as const };
}

function serverOptions(files: TlsFiles): ServerOptions {
  return {
    ...secureContext(files),
    requestCert: true,
    rejectUnauthorized: true,
    // A resumed session would carry the verdict of authorities that are trusted no more.
    secureOptions: constants.SSL_OP_NO_TICKET,
    handshakeTimeout: 10_000,
    headersTimeout: 10_000,
    requestTimeout: 20_000,
  };
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
