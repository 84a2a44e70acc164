import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Registry } from 'prom-client';

/** A named check; a text says what is wrong, undefined that all is well. */
export interface HealthCheck {
  name: string;
  check(): string | undefined;
}

export interface HealthOptions {
  /** Port of /healthz and /readyz; 0 takes a free one. */
  healthPort: number;
  /** Port of /metrics; 0 takes a free one. */
  metricsPort: number;
  /** Address to listen on. Default: all. */
  host?: string;
  /** Reasons to restart the process. That it answers shows that its event loop turns. */
  alive?: readonly HealthCheck[];
  /** Reasons not to count on the process yet. Following instead of leading is none. */
  ready?: readonly HealthCheck[];
  registry: Registry;
}

export interface HealthServer {
  healthPort: number;
  metricsPort: number;
  close(): Promise<void>;
}

type Answer = { status: number; type: string; body: string };

/** Serves /healthz, /readyz (each check with its verdict, as the API server does) and, on a port of its own, /metrics. */
export async function serveHealth(options: HealthOptions): Promise<HealthServer> {
  const verdict = (checks: readonly HealthCheck[] = []) => answerChecks(checks);
  const health = createRouter({
    '/healthz': async () => verdict(options.alive),
    '/readyz': async () => verdict(options.ready),
  });
  const metrics = createRouter({
    '/metrics': async () => ({
      status: 200,
      type: options.registry.contentType,
      body: await options.registry.metrics(),
    }),
  });
  const [healthPort, metricsPort] = await Promise.all([
    listen(health, options.healthPort, options.host),
    listen(metrics, options.metricsPort, options.host),
  ]);
  return {
    healthPort,
    metricsPort,
    close: async () => {
      await Promise.all([close(health), close(metrics)]);
    },
  };
}

function answerChecks(checks: readonly HealthCheck[]): Answer {
  const results = checks.map(({ name, check }) => {
    try {
      return { name, problem: check() };
    } catch (error) {
      return { name, problem: error instanceof Error ? error.message : String(error) };
    }
  });
  const failed = results.some(({ problem }) => problem !== undefined);
  const lines = results.map(({ name, problem }) =>
    problem === undefined ? `[+]${name} ok` : `[-]${name}: ${problem}`,
  );
  return {
    status: failed ? 503 : 200,
    type: 'text/plain',
    body: `${[...lines, failed ? 'failed' : 'ok'].join('\n')}\n`,
  };
}

function createRouter(routes: Record<string, () => Promise<Answer>>): Server {
  return createServer((request, response) => {
    const path = (request.url ?? '').replace(/\?.*$/, '');
    const route = request.method === 'GET' || request.method === 'HEAD' ? routes[path] : undefined;
    const answer = route?.() ?? Promise.resolve({ status: 404, type: 'text/plain', body: 'not found\n' });
    answer
      .catch((error: unknown) => ({ status: 500, type: 'text/plain', body: `${String(error)}\n` }))
      .then(({ status, type, body }) => response.writeHead(status, { 'content-type': type }).end(body));
  });
}

function listen(server: Server, port: number, host: string | undefined): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) =>
      reject(
        new Error(`Cannot listen on port ${port} for health or metrics: ${error.code ?? error.message}`, {
          cause: error,
        }),
      ),
    );
    server.listen({ port, host }, () => resolve((server.address() as AddressInfo).port));
  });
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}
