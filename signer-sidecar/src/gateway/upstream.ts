/** geth on loopback: a pool of connections, calls of our own, and the passing of users' calls. */
import { Pool } from 'undici';
import { codes, RpcError, upstreamUnavailable } from '../errors.ts';
import type { RpcCall, RpcResponse } from './jsonrpc.ts';

/** geth's answer to one call. */
export type UpstreamAnswer = { result: unknown } | { error: { code: number; message: string; data?: unknown } };

/** An error that geth itself answered with, passed to the client as it is. */
export class UpstreamRpcError extends RpcError {
  override name = 'UpstreamRpcError';
  readonly upstream: { code: number; message: string; data?: unknown };

  constructor(upstream: { code: number; message: string; data?: unknown }) {
    super(upstream.code, upstream.message, { reason: 'node', action: 'The node refused this; see its message.' });
    this.upstream = upstream;
  }
}

/** What transactions, status and repair need of a node. */
export interface ChainClient {
  /** @throws UpstreamRpcError (geth refused), RpcError (geth does not answer) */
  call(method: string, params: unknown[]): Promise<unknown>;
  /** One HTTP request, answered in order, each with a result or an error of its own. */
  batch(calls: { method: string; params: unknown[] }[]): Promise<UpstreamAnswer[]>;
}

export class Upstream implements ChainClient {
  readonly #pool: Pool;
  readonly #path: string;

  constructor(url: string, options: { connections?: number; timeoutMs?: number } = {}) {
    const { origin, pathname, search } = new URL(url);
    const timeout = options.timeoutMs ?? 30_000;
    this.#path = pathname + search;
    this.#pool = new Pool(origin, {
      connections: options.connections ?? 64,
      connect: { timeout: 2_000 },
      headersTimeout: timeout,
      bodyTimeout: timeout,
      keepAliveTimeout: 30_000,
    });
  }

  async call(method: string, params: unknown[]): Promise<unknown> {
    const answer = (await this.#post({ jsonrpc: '2.0', id: 1, method, params })) as UpstreamAnswer;
    if ('error' in answer) throw new UpstreamRpcError(answer.error);
    return answer.result;
  }

  async batch(calls: { method: string; params: unknown[] }[]): Promise<UpstreamAnswer[]> {
    if (calls.length === 0) return [];
    const requests = calls.map(({ method, params }, id) => ({ jsonrpc: '2.0', id, method, params }));
    const answers = await this.#post(requests);
    if (!Array.isArray(answers)) throw upstreamUnavailable(new Error('geth answered a batch with something else'));
    const byId = new Map(answers.map((answer: { id: number }) => [answer.id, answer as unknown as UpstreamAnswer]));
    const missing: UpstreamAnswer = { error: { code: codes.internal, message: 'the node did not answer this call' } };
    return calls.map((_, id) => byId.get(id) ?? missing);
  }

  /** Passes one call of a user; the answer's text is geth's own, so that nothing is lost in numbers. */
  async pass(call: RpcCall): Promise<string> {
    return this.#text({ jsonrpc: '2.0', id: call.id, method: call.method, params: call.params });
  }

  /** Passes several calls of a user in one request. */
  async passBatch(calls: RpcCall[]): Promise<RpcResponse[]> {
    const requests = calls.map(({ method, params }, id) => ({ jsonrpc: '2.0', id, method, params }));
    const answers = await this.#post(requests);
    if (!Array.isArray(answers)) throw upstreamUnavailable(new Error('geth answered a batch with something else'));
    const byId = new Map((answers as RpcResponse[]).map((answer) => [answer.id, answer]));
    const error = { code: codes.internal, message: 'the node did not answer this call' };
    return calls.map((call, id) => ({ ...(byId.get(id) ?? { jsonrpc: '2.0', error }), id: call.id }) as RpcResponse);
  }

  async #post(body: unknown): Promise<unknown> {
    const text = await this.#text(body);
    try {
      return JSON.parse(text);
    } catch (error) {
      throw upstreamUnavailable(error);
    }
  }

  async #text(body: unknown): Promise<string> {
    try {
      const response = await this.#pool.request({
        method: 'POST',
        path: this.#path,
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
      });
      const text = await response.body.text();
      if (response.statusCode !== 200) throw new Error(`HTTP ${response.statusCode}`);
      return text;
    } catch (error) {
      throw upstreamUnavailable(error);
    }
  }

  close(): Promise<void> {
    return this.#pool.destroy();
  }
}
