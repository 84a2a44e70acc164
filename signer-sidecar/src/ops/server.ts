/** The ops port: the operator and Prometheus, by mutual TLS only. */

import { constants } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { Logger } from 'pino';
import type { Registry } from 'prom-client';
import { Pool } from 'undici';
import { z } from 'zod';
import { type ExportOptions, UnknownCheckpointError } from '../audit/export.ts';
import type { DoorConfig } from '../config.ts';
import { RpcError } from '../errors.ts';
import { readEvidence } from '../evidence/read.ts';
import { readBody } from '../gateway/body.ts';
import { type CertificateIdentity, identifyCertificate } from '../gateway/certificates.ts';
import { tlsOptions } from '../gateway/door.ts';
import type { TlsFiles } from '../gateway/tls-files.ts';
import { type ChainClient, UpstreamRpcError } from '../gateway/upstream.ts';
import type { StatusPoller } from './status.ts';
import { CONSENSUS_METHODS, type ConsensusResponse } from './types.ts';

const MAX_BODY_BYTES = 64 * 1024;

const consensusRequest = z.strictObject({
  method: z.enum(CONSENSUS_METHODS),
  params: z.array(z.unknown()).max(8).default([]),
});

/** What `?after=&limit=&tail=` of /audit may be. */
const auditQuery = z.strictObject({
  after: z.coerce.number().int().min(0).default(0),
  limit: z.coerce.number().int().min(1).max(1_000).default(100),
  tail: z.enum(['true', 'false']).default('false'),
});

class ReaderGoneError extends Error {
  override name = 'ReaderGoneError';
}

/** Writes audit lines; waits for each. */
export type AuditSource = (write: (line: string) => unknown, options: ExportOptions) => Promise<unknown>;

export interface OpsParts {
  config: DoorConfig;
  tls: () => TlsFiles;
  status: StatusPoller;
  registry: Registry;
  chain: ChainClient;
  /** Absent at a node that does not sign. */
  audit: AuditSource | undefined;
  log: Logger;
}

interface Reply {
  status: number;
  type: 'application/json' | 'text/plain; version=0.0.4; charset=utf-8';
  body: string;
}

/** An answer that is written piece by piece. */
interface Streamed {
  stream: (write: (text: string) => Promise<void>) => Promise<unknown>;
  type: 'application/x-ndjson';
}

export class OpsServer {
  readonly #parts: OpsParts;
  readonly #server: Server;
  readonly #gethMetrics: Pool;
  readonly #gethMetricsPath: string;

  constructor(parts: OpsParts) {
    this.#parts = parts;
    const { origin, pathname } = new URL(parts.config.upstream.metrics);
    this.#gethMetrics = new Pool(origin, {
      connections: 2,
      connect: { timeout: 1_000 },
      headersTimeout: 3_000,
      bodyTimeout: 3_000,
    });
    this.#gethMetricsPath = pathname;
    this.#server = createServer({
      ...tlsOptions(parts.tls()),
      requestCert: true,
      rejectUnauthorized: true,
      // a resumed session would carry the verdict of former CAs
      secureOptions: constants.SSL_OP_NO_TICKET,
      handshakeTimeout: 10_000,
      headersTimeout: 10_000,
      requestTimeout: 20_000,
      keepAliveTimeout: 65_000,
    });
    this.#server.on('request', (request, response) => void this.#serve(request, response));
  }

  /** @returns the port that is listened on */
  async listen(): Promise<number> {
    const { host, port } = this.#parts.config.listen.ops;
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(port, host, resolve);
    });
    return (this.#server.address() as AddressInfo).port;
  }

  reload(files: TlsFiles): void {
    this.#server.setSecureContext(tlsOptions(files));
    this.#server.closeIdleConnections();
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let reply: Reply | Streamed;
    try {
      reply = await this.#reply(request);
      if ('stream' in reply) return await this.#stream(reply, response);
    } catch (error) {
      if (error instanceof ReaderGoneError) return;
      const unknown = error instanceof UnknownCheckpointError;
      const status = error instanceof RpcError ? error.httpStatus : unknown ? 404 : 500;
      if (status === 500) this.#parts.log.error({ err: error, path: request.url }, 'ops request failed');
      if (response.headersSent) return void response.destroy(); // cut off, so that nobody takes a part for the whole
      const message = error instanceof RpcError || unknown ? error.message : 'internal error; see the log';
      reply = json({ error: message }, status);
    }
    response.writeHead(reply.status, { 'content-type': reply.type, 'cache-control': 'no-store' });
    response.end(reply.body);
  }

  async #stream({ stream, type }: Streamed, response: ServerResponse): Promise<void> {
    const headers = { 'content-type': type, 'cache-control': 'no-store' };
    await stream(async (text) => {
      if (!response.headersSent) response.writeHead(200, headers);
      if (response.closed) throw new ReaderGoneError();
      if (!response.write(text)) await drained(response);
    });
    if (!response.headersSent) response.writeHead(200, headers);
    response.end();
  }

  async #reply(request: IncomingMessage): Promise<Reply | Streamed> {
    const caller = this.#caller(request);
    if (!(caller.role === 'operator' || caller.role === 'monitoring')) {
      return json({ error: `the role ${caller.role} may not use this port; it is for operator and monitoring` }, 403);
    }
    const { pathname, searchParams } = new URL(request.url ?? '/', 'https://ops');
    switch (`${request.method} ${pathname}`) {
      case 'GET /metrics':
        return { status: 200, type: 'text/plain; version=0.0.4; charset=utf-8', body: await this.#metrics() };
      case 'GET /status':
        return json(await this.#parts.status.get());
      case 'GET /evidence':
        return json(
          readEvidence(
            this.#parts.config.evidence.processes.map(({ command, ...process }) => ({
              ...process,
              ...(command === undefined ? {} : { command }),
            })),
          ),
        );
      case 'GET /audit':
        return this.#audit(searchParams);
      case 'POST /consensus':
        return caller.role === 'operator' ? this.#consensus(request) : json({ error: 'for the operator only' }, 403);
      default:
        return json(
          { error: 'no such path: GET /metrics, GET /status, GET /evidence, GET /audit, POST /consensus' },
          404,
        );
    }
  }

  #caller(request: IncomingMessage): CertificateIdentity {
    const { raw } = (request.socket as TLSSocket).getPeerCertificate();
    const found = identifyCertificate(raw, this.#parts.tls(), this.#parts.config.node);
    if (found instanceof RpcError) throw found;
    return found;
  }

  /** Ours, then geth's own as they are. */
  async #metrics(): Promise<string> {
    const own = await this.#parts.registry.metrics();
    try {
      const { statusCode, body } = await this.#gethMetrics.request({ method: 'GET', path: this.#gethMetricsPath });
      const text = await body.text();
      return statusCode === 200 ? `${own}\n${text}` : own;
    } catch {
      return own; // quorum_door_node_up says that geth is away
    }
  }

  #audit(parameters: URLSearchParams): Reply | Streamed {
    const { audit } = this.#parts;
    if (audit === undefined) return json({ error: 'this node has no signer, so it has no audit log' }, 404);
    const parsed = auditQuery.safeParse(Object.fromEntries(parameters));
    if (!parsed.success) {
      return json({ error: 'the query takes after=CHECKPOINT, limit=1…1000 (checkpoints) and tail=true' }, 400);
    }
    const { after, limit, tail } = parsed.data;
    return {
      type: 'application/x-ndjson',
      stream: (write) => audit(write, { after, limit, tail: tail === 'true' }),
    };
  }

  async #consensus(request: IncomingMessage): Promise<Reply> {
    let input: unknown;
    try {
      input = JSON.parse(await readBody(request, MAX_BODY_BYTES));
    } catch (error) {
      if (error instanceof RpcError) throw error;
      return json({ error: 'the body is not JSON' }, 400);
    }
    const parsed = consensusRequest.safeParse(input);
    if (!parsed.success) {
      return json({ error: `the body must be {method, params}, method one of ${CONSENSUS_METHODS.join(', ')}` }, 400);
    }
    const { method, params } = parsed.data;
    let answer: ConsensusResponse;
    try {
      answer = { result: (await this.#parts.chain.call(method, params)) ?? null };
    } catch (error) {
      if (error instanceof UpstreamRpcError) answer = { error: error.upstream };
      else if (error instanceof RpcError)
        answer = { error: { code: error.code, message: error.message, data: error.data } };
      else throw error;
    }
    this.#parts.log.info({ method, ok: 'result' in answer }, 'consensus call of the operator');
    return json(answer);
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#server.closeIdleConnections();
    const timer = setTimeout(() => this.#server.closeAllConnections(), 1_000);
    await closed;
    clearTimeout(timer);
    await this.#gethMetrics.destroy();
  }
}

/** Resolves when more can be written, or the reader went away. */
function drained(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      response.off('drain', end).off('close', end);
      resolve();
    };
    response.on('drain', end).on('close', end);
  });
}

function json(value: unknown, status = 200): Reply {
  return { status, type: 'application/json', body: JSON.stringify(value) };
}
