/** The users' door: HTTPS and WSS on one port. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Logger } from 'pino';
import { WebSocketServer } from 'ws';
import type { DoorConfig } from '../config.ts';
import {
  draining,
  invalidRequest,
  originDenied,
  overloaded,
  type RpcError,
  rateLimited,
  toRpcError,
  wrongHttp,
} from '../errors.ts';
import type { Metrics } from '../ops/metrics.ts';
import type { Authenticator } from './authenticate.ts';
import { readBody } from './body.ts';
import type { Answer, Dispatcher } from './dispatch.ts';
import { type Identity, identityKey } from './identity.ts';
import { failure, parseBody } from './jsonrpc.ts';
import { InFlight, RateLimiter } from './limits.ts';
import type { TlsFiles } from './tls-files.ts';
import { WebSocketSession } from './websocket.ts';

export interface DoorParts {
  config: DoorConfig;
  tls: TlsFiles;
  authenticator: Authenticator;
  dispatcher: Dispatcher;
  metrics: Metrics;
  log: Logger;
}

/** TLS options shared by the listeners; also used when the files change. */
export function tlsOptions(files: TlsFiles) {
  return {
    cert: files.cert,
    key: files.key,
    ca: [files.organizationCa, files.operatorCa],
    minVersion: 'TLSv1.2' as const,
  };
}

export class Door {
  readonly #parts: DoorParts;
  readonly #server: Server;
  readonly #subjects: RateLimiter;
  readonly #inFlight: InFlight;
  readonly #sockets: WebSocketServer;
  readonly #sessions = new Set<WebSocketSession>();
  #draining = false;

  constructor(parts: DoorParts) {
    this.#parts = parts;
    const { limits } = parts.config;
    this.#subjects = new RateLimiter({ perSecond: limits.requestsPerSecond, burst: limits.burst });
    this.#inFlight = new InFlight(limits.concurrency);
    this.#sockets = new WebSocketServer({
      noServer: true,
      clientTracking: false,
      perMessageDeflate: false,
      maxPayload: limits.maxBodyBytes,
      handleProtocols: (offered) => (offered.has('quorum-rpc') ? 'quorum-rpc' : false),
    });
    this.#server = createServer({
      ...tlsOptions(parts.tls),
      requestCert: true,
      rejectUnauthorized: false, // a certificate is optional here; the authenticator verifies one that is shown
      handshakeTimeout: 10_000,
      headersTimeout: 10_000,
      requestTimeout: 60_000,
      keepAliveTimeout: 65_000,
      maxHeaderSize: 16_384,
    });
    this.#server.on('request', (request, response) => void this.#serve(request, response));
    this.#server.on('upgrade', (request, socket, head) => void this.#upgrade(request, socket, head));
    this.#server.on('tlsClientError', () => parts.metrics.refused('tls'));
    parts.metrics.gauge('quorum_door_in_flight', 'Requests in flight.', () => this.#inFlight.count);
    parts.metrics.gauge('quorum_door_websockets', 'Open WebSockets.', () => this.#sessions.size);
  }

  /** @returns the port that is listened on */
  async listen(): Promise<number> {
    const { host, port } = this.#parts.config.listen.door;
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(port, host, resolve);
    });
    return (this.#server.address() as AddressInfo).port;
  }

  /** New connections get the new certificate and CAs. Throws when the files do not fit together. */
  reload(files: TlsFiles): void {
    this.#server.setSecureContext(tlsOptions(files));
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const started = performance.now();
    try {
      if (this.#cors(request, response) === 'answered') return;
      checkTarget(request);
      const answer = await this.#answer(request);
      write(response, answer);
    } catch (thrown) {
      this.#refuse(request, response, toRpcError(thrown));
    } finally {
      this.#parts.metrics.request('http', (performance.now() - started) / 1000);
    }
  }

  async #answer(request: IncomingMessage): Promise<Answer> {
    const { authenticator, dispatcher, config } = this.#parts;
    if (this.#draining) throw draining();
    const identity = await authenticator.identify(request);
    return this.#counted(async () => {
      const parsed = parseBody(await readBody(request, config.limits.maxBodyBytes), config.limits.maxBatch);
      this.#spend(identity, parsed.calls.length);
      return dispatcher.answer(parsed, { identity, idempotencyKey: idempotencyKey(request) });
    });
  }

  #spend(identity: Identity, calls: number): void {
    const wait = this.#subjects.take(identityKey(identity), calls);
    if (wait > 0) throw rateLimited(wait, 'subject');
  }

  async #counted<T>(work: () => Promise<T>): Promise<T> {
    if (!this.#inFlight.enter()) throw overloaded(this.#inFlight.limit);
    try {
      return await work();
    } finally {
      this.#inFlight.leave();
    }
  }

  #allowed(origin: string): boolean {
    return this.#parts.config.cors.origins.includes(origin);
  }

  /** A page of another origin is refused outright, since a browser sends a client certificate by itself. */
  #cors(request: IncomingMessage, response: ServerResponse): 'answered' | 'goes on' {
    const { origin } = request.headers;
    if (origin === undefined) return 'goes on';
    if (!this.#allowed(origin)) throw originDenied(origin.slice(0, 200));
    response.setHeader('access-control-allow-origin', origin);
    response.setHeader('vary', 'origin');
    if (request.method !== 'OPTIONS') return 'goes on';
    response.writeHead(204, {
      'access-control-allow-methods': 'POST',
      'access-control-allow-headers': 'authorization, content-type, idempotency-key',
      'access-control-max-age': '600',
    });
    response.end();
    return 'answered';
  }

  #refuse(request: IncomingMessage, response: ServerResponse, error: RpcError): void {
    const { metrics, log } = this.#parts;
    metrics.refused(error.data.reason);
    if (error.data.reason === 'internal') log.error({ err: error.cause }, 'unexpected error');
    if (response.headersSent || response.destroyed) return;
    // what is left of a large body is not worth reading; a small one is, since a new TLS handshake costs more
    const small = Number(request.headers['content-length']) < 65_536;
    if (!request.complete && !small) response.setHeader('connection', 'close');
    write(response, { status: error.httpStatus, body: JSON.stringify(failure(null, error)), error });
  }

  async #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    socket.on('error', () => socket.destroy());
    try {
      const { origin } = request.headers;
      if (origin !== undefined && !this.#allowed(origin)) throw originDenied(origin.slice(0, 200));
      if (path(request) !== '/') throw wrongHttp(404);
      if (this.#draining) throw draining();
      const identity = await this.#parts.authenticator.identify(request);
      if (this.#sessions.size >= 1024) throw overloaded(1024);
      this.#sockets.handleUpgrade(request, socket, head, (client) => this.#open(client, identity));
    } catch (thrown) {
      const error = toRpcError(thrown);
      this.#parts.metrics.refused(error.data.reason);
      refuseUpgrade(socket, error);
    }
  }

  #open(client: import('ws').WebSocket, identity: Identity): void {
    const { config, dispatcher, metrics, log } = this.#parts;
    const session: WebSocketSession = new WebSocketSession({
      client,
      identity,
      upstreamUrl: config.upstream.ws,
      log,
      answer: async (text, subscriptions) => {
        const started = performance.now();
        try {
          if (this.#draining) throw draining();
          const parsed = parseBody(text, config.limits.maxBatch);
          this.#spend(identity, parsed.calls.length);
          return (await this.#counted(() => dispatcher.answer(parsed, { identity, subscriptions }))).body;
        } catch (thrown) {
          return JSON.stringify(failure(null, toRpcError(thrown)));
        } finally {
          metrics.request('websocket', (performance.now() - started) / 1000);
        }
      },
      onClose: () => this.#sessions.delete(session),
    });
    this.#sessions.add(session);
  }

  /** Stops accepting, lets what is in flight finish (at most `graceMs`), then closes. */
  async drain(graceMs: number): Promise<void> {
    this.#draining = true;
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#server.closeIdleConnections();
    let timer: NodeJS.Timeout | undefined;
    const grace = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, graceMs);
    });
    await Promise.race([this.#inFlight.idle(), grace]);
    clearTimeout(timer);
    for (const session of this.#sessions) session.close(1001, 'the door is shutting down');
    // answers that were just written reach the wire before their connections are closed
    await new Promise((resolve) => setTimeout(resolve, 50));
    this.#server.closeAllConnections();
    this.#sockets.close();
    await closed;
  }
}

function path(request: IncomingMessage): string {
  return (request.url ?? '').split('?')[0] ?? '';
}

function checkTarget(request: IncomingMessage): void {
  if (path(request) !== '/') throw wrongHttp(404);
  if (request.method !== 'POST') throw wrongHttp(405);
}

function idempotencyKey(request: IncomingMessage): string | undefined {
  const key = request.headers['idempotency-key'];
  if (key === undefined) return undefined;
  if (typeof key === 'string' && /^[\x21-\x7e]{1,200}$/.test(key)) return key;
  throw invalidRequest('Idempotency-Key must be 1 to 200 visible ASCII characters');
}

function headersOf(error: RpcError | undefined): Record<string, string> {
  if (error === undefined) return {};
  const headers: Record<string, string> = {};
  if (error.httpStatus === 401) headers['www-authenticate'] = 'Bearer';
  if (error.httpStatus === 405) headers.allow = 'POST';
  if (error.httpStatus === 429) headers['retry-after'] = String(error.data.retryAfterSeconds ?? 1);
  if (error.httpStatus === 503) headers['retry-after'] = '1';
  return headers;
}

function write(response: ServerResponse, { status, body, error }: Answer): void {
  response.writeHead(status, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(body),
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    ...headersOf(error),
  });
  response.end(body);
}

function refuseUpgrade(socket: Duplex, error: RpcError): void {
  const body = JSON.stringify(failure(null, error));
  const headers = {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(body),
    ...headersOf(error),
  };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.end(`HTTP/1.1 ${error.httpStatus} Refused\r\nconnection: close\r\n${lines.join('')}\r\n${body}`);
}
