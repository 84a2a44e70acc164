import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { AddressInfo } from 'node:net';
import { kubeconfigAccess } from './credentials.ts';

/** What to do with a request instead of passing it on. */
export type Fault =
  | { kind: 'answer'; status: number; reason?: string; headers?: Record<string, string> }
  /** The connection is reset without an answer. */
  | { kind: 'reset' }
  /** Nothing is answered, ever. */
  | { kind: 'hang' }
  /** 200, and the stream ends at once. */
  | { kind: 'empty' };

export interface SeenRequest {
  method: string;
  path: string;
  query: URLSearchParams;
  isWatch: boolean;
}

/** Stands before a real API server and breaks what it is told to, for tests of clients. Plain HTTP towards the client. */
export class FaultProxy {
  readonly seen: SeenRequest[] = [];
  /** Decides about each request; undefined passes it on. */
  fault: (request: SeenRequest) => Fault | undefined = () => undefined;
  readonly #server: Server;
  readonly #watches = new Set<{ response: ServerResponse; upstream: IncomingMessage }>();

  private constructor(kubeconfig: string) {
    const access = kubeconfigAccess(kubeconfig);
    this.#server = createServer((request, response) => {
      const url = new URL(request.url ?? '/', 'http://proxy');
      const seen: SeenRequest = {
        method: request.method ?? 'GET',
        path: url.pathname,
        query: url.searchParams,
        isWatch: url.searchParams.get('watch') === 'true',
      };
      this.seen.push(seen);
      const fault = this.fault(seen);
      if (fault !== undefined) {
        answerFault(fault, response);
        return;
      }
      void access.current().then(({ server, tls, headers }) => {
        const target = new URL(request.url ?? '/', server);
        const forwarded = httpsRequest(
          target,
          { ...tls, method: seen.method, headers: { ...request.headers, ...headers, host: target.host } },
          (upstream) => this.#answer(seen, upstream, response),
        );
        forwarded.on('error', () => response.destroy());
        request.pipe(forwarded);
      });
    });
  }

  static async start(kubeconfig: string): Promise<FaultProxy> {
    const proxy = new FaultProxy(kubeconfig);
    await new Promise<void>((resolve) => proxy.#server.listen({ port: 0, host: '127.0.0.1' }, resolve));
    return proxy;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  get openWatches(): number {
    return this.#watches.size;
  }

  get watches(): SeenRequest[] {
    return this.seen.filter(({ isWatch }) => isWatch);
  }

  get lists(): SeenRequest[] {
    return this.seen.filter(({ method, isWatch }) => method === 'GET' && !isWatch);
  }

  /** Resets the connections of all open watches. */
  cutWatches(): void {
    for (const { response } of this.#watches) {
      response.socket?.resetAndDestroy();
    }
  }

  /** Nothing more arrives on the watches that are open now, and they stay open. */
  silenceWatches(): void {
    for (const { response, upstream } of this.#watches) {
      upstream.unpipe(response);
      upstream.resume();
    }
  }

  /** Writes into the open watches what the API server would not. */
  injectIntoWatches(text: string): void {
    for (const { response } of this.#watches) {
      response.write(text);
    }
  }

  async stop(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.#server.closeAllConnections();
    await closed;
  }

  #answer(seen: SeenRequest, upstream: IncomingMessage, response: ServerResponse): void {
    response.writeHead(upstream.statusCode ?? 502, upstream.headers);
    response.flushHeaders();
    upstream.pipe(response);
    upstream.on('error', () => response.destroy());
    const watch = { response, upstream };
    if (seen.isWatch) {
      this.#watches.add(watch);
    }
    response.on('close', () => {
      this.#watches.delete(watch);
      upstream.destroy();
    });
  }
}

function answerFault(fault: Fault, response: ServerResponse): void {
  switch (fault.kind) {
    case 'answer': {
      const { status, reason = 'Unknown', headers = {} } = fault;
      const body = { kind: 'Status', apiVersion: 'v1', status: 'Failure', code: status, reason, message: 'injected' };
      response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));
      return;
    }
    case 'reset':
      response.socket?.resetAndDestroy();
      return;
    case 'empty':
      response.writeHead(200, { 'content-type': 'application/json' }).end();
      return;
    case 'hang':
  }
}
