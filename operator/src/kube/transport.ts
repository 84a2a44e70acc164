import { Agent, type Dispatcher, ProxyAgent, request } from 'undici';
import type { AccessSource, ApiServerAccess } from './credentials.ts';

export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

export interface SendOptions {
  method: Method;
  /** Path and query, from the slash on. */
  path: string;
  body?: string;
  contentType?: string;
  /** A response that never ends: on the agent without a limit on connections. */
  streaming?: boolean;
  signal: AbortSignal;
}

interface Pool {
  fingerprint: string;
  requests: Dispatcher;
  watches: Dispatcher;
}

/**
 * Two connection pools to one API server, made anew when the CA or a client certificate changes: one bounded for
 * requests, one for watches, each of which holds a connection for minutes.
 */
export class Transport {
  readonly #access: AccessSource;
  readonly #connections: number;
  readonly #userAgent: string;
  #pool: Pool | undefined;
  #host = '';

  constructor(access: AccessSource, connections: number, userAgent: string) {
    this.#access = access;
    this.#connections = connections;
    this.#userAgent = userAgent;
  }

  /** `host:port` of the API server, empty before the first request. */
  get host(): string {
    return this.#host;
  }

  async send(options: SendOptions): Promise<Dispatcher.ResponseData> {
    const response = await this.#sendOnce(options, false);
    if (response.statusCode !== 401) {
      return response;
    }
    // The token may have been rotated since it was read.
    await response.body.dump();
    return this.#sendOnce(options, true);
  }

  async close(): Promise<void> {
    const pool = this.#pool;
    this.#pool = undefined;
    await Promise.all([pool?.requests.destroy(), pool?.watches.destroy()]);
  }

  async #sendOnce(options: SendOptions, fresh: boolean): Promise<Dispatcher.ResponseData> {
    const access = await this.#access.current(fresh);
    options.signal.throwIfAborted();
    const pool = this.#poolFor(access);
    const headers: Record<string, string> = {
      accept: 'application/json',
      'user-agent': this.#userAgent,
      ...access.headers,
    };
    if (options.body !== undefined) {
      headers['content-type'] = options.contentType ?? 'application/json';
    }
    const server = access.server.replace(/\/$/, '');
    return request(`${server}${options.path}`, {
      method: options.method,
      headers,
      body: options.body ?? null,
      dispatcher: options.streaming === true ? pool.watches : pool.requests,
      signal: options.signal,
    });
  }

  #poolFor(access: ApiServerAccess): Pool {
    const { ca, cert, key, servername, rejectUnauthorized } = access.tls;
    const fingerprint = [access.server, access.proxyUrl, ca, cert, key, servername, rejectUnauthorized].join('\n');
    if (this.#pool?.fingerprint === fingerprint) {
      return this.#pool;
    }
    const old = this.#pool;
    this.#host = new URL(access.server).host;
    this.#pool = {
      fingerprint,
      requests: dispatcher(access, this.#connections),
      watches: dispatcher(access, undefined),
    };
    // Lets what is under way finish. Failures of the old pool's connections belong to those requests.
    void old?.requests.close().catch(() => {});
    void old?.watches.close().catch(() => {});
    return this.#pool;
  }
}

function dispatcher(access: ApiServerAccess, connections: number | undefined): Dispatcher {
  const tls = Object.fromEntries(Object.entries(access.tls).filter(([, value]) => value !== undefined));
  const common = {
    ...(connections === undefined ? {} : { connections }),
    // HTTP/2 would multiplex everything over one connection whose loss cuts all watches at once.
    allowH2: false,
    keepAliveTimeout: 30_000,
    // The caller's signal is the deadline; watches have none.
    headersTimeout: 0,
    bodyTimeout: 0,
  };
  if (access.proxyUrl !== undefined) {
    return new ProxyAgent({ ...common, uri: access.proxyUrl, requestTls: tls });
  }
  return new Agent({
    ...common,
    connect: { ...tls, timeout: 10_000, keepAlive: true, keepAliveInitialDelay: 30_000 },
  });
}
