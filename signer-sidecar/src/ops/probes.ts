/** The probes of kubelet: the one listener without authentication, so it says nothing but a status code. */
import { createServer, type Server } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import type { ChainClient } from '../gateway/upstream.ts';

const CACHE_MS = 1_000;

/** Asks at most once a second, whoever calls how often. */
function cached(ask: () => Promise<boolean>): () => Promise<boolean> {
  let last: { at: number; answer: Promise<boolean> } | undefined;
  return () => {
    const now = performance.now();
    if (last === undefined || now - last.at > CACHE_MS) last = { at: now, answer: ask() };
    return last.answer;
  };
}

/** True when geth answers a call. */
export function nodeAnswers(chain: ChainClient): () => Promise<boolean> {
  return cached(() =>
    chain.call('eth_blockNumber', []).then(
      (number) => typeof number === 'string',
      () => false,
    ),
  );
}

/** True when something listens at geth's HTTP port; a halted chain or a busy node does not make this false. */
export function nodeListens(url: string): () => Promise<boolean> {
  const { hostname, port } = new URL(url);
  return cached(
    () =>
      new Promise((resolve) => {
        const socket = connect({ host: hostname, port: Number(port || 80), timeout: 1_000 });
        const end = (up: boolean) => {
          socket.destroy();
          resolve(up);
        };
        socket.once('connect', () => end(true));
        socket.once('error', () => end(false));
        socket.once('timeout', () => end(false));
      }),
  );
}

export class ProbeServer {
  readonly #server: Server;
  #draining = false;

  /**
   * `/livez`: this program runs. `/readyz`: this node serves. `/livez/geth`: geth listens.
   */
  constructor(checks: { ready: () => Promise<boolean>; geth: () => Promise<boolean> }) {
    const paths: Record<string, () => Promise<boolean>> = {
      '/livez': async () => true,
      '/readyz': async () => !this.#draining && (await checks.ready()),
      '/livez/geth': checks.geth,
    };
    this.#server = createServer({ requestTimeout: 5_000, headersTimeout: 5_000 }, (request, response) => {
      const check = Object.hasOwn(paths, request.url ?? '') ? paths[request.url!] : undefined;
      const end = (status: number) => response.writeHead(status, { 'content-length': 0 }).end();
      if (check === undefined || (request.method !== 'GET' && request.method !== 'HEAD')) end(404);
      else void check().then((ok) => end(ok ? 200 : 503));
    });
  }

  /** @returns the port that is listened on */
  async listen(at: { host: string; port: number }): Promise<number> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(at.port, at.host, resolve);
    });
    return (this.#server.address() as AddressInfo).port;
  }

  /** Not ready any more, still alive. */
  drain(): void {
    this.#draining = true;
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#server.closeAllConnections();
    await closed;
  }
}
