/** From parsed calls to answers: which are refused, answered here, or passed to geth. HTTP and WebSocket share it. */
import type { Logger } from 'pino';
import { accessDenied, methodNotExposed, type RpcError, toRpcError } from '../errors.ts';
import type { CallResult, Metrics } from '../ops/metrics.ts';
import type { Signer } from '../transactions/signer.ts';
import type { Identity } from './identity.ts';
import { failure, type ParsedBody, type RpcCall, type RpcResponse, success } from './jsonrpc.ts';
import { type LocalMethod, methodKind } from './methods.ts';
import { refusePrivate, refusePrivateRaw } from './private-guard.ts';
import { scopeFor } from './scopes.ts';
import { type Upstream, UpstreamRpcError } from './upstream.ts';

export interface Caller {
  identity: Identity;
  idempotencyKey?: string | undefined;
  /** Of a WebSocket: answers eth_subscribe and eth_unsubscribe through geth's own WebSocket. */
  subscriptions?: { call(call: RpcCall): Promise<RpcResponse> } | undefined;
}

export interface Answer {
  /** HTTP status; a batch is always 200. */
  status: number;
  body: string;
  error?: RpcError;
}

export class Dispatcher {
  readonly #upstream: Upstream;
  readonly #signer: Signer | undefined;
  readonly #metrics: Metrics;
  readonly #log: Logger;

  constructor(parts: { upstream: Upstream; signer: Signer | undefined; metrics: Metrics; log: Logger }) {
    this.#upstream = parts.upstream;
    this.#signer = parts.signer;
    this.#metrics = parts.metrics;
    this.#log = parts.log;
  }

  /** Never rejects. */
  async answer(parsed: ParsedBody, caller: Caller): Promise<Answer> {
    return parsed.batch ? this.#batch(parsed.calls, caller) : this.#single(parsed.calls[0]!, caller);
  }

  async #single(call: ParsedBody['calls'][number], caller: Caller): Promise<Answer> {
    try {
      if ('error' in call) throw call.error;
      if (this.#admit(call, caller) === 'passed') {
        const body = await this.#upstream.pass(call);
        this.#metrics.call(call.method, 'ok');
        return { status: 200, body };
      }
      const response = await this.#local(call, caller, caller.idempotencyKey);
      return { status: 200, body: JSON.stringify(response) };
    } catch (thrown) {
      const { response, error } = this.#failed(call, thrown);
      return { status: error.httpStatus, body: JSON.stringify(response), error };
    }
  }

  /** Calls of a batch that geth answers go to it in one request; the rest is answered here, side by side. */
  async #batch(calls: ParsedBody['calls'], caller: Caller): Promise<Answer> {
    const answers: (RpcResponse | undefined)[] = calls.map(() => undefined);
    const passed: { index: number; call: RpcCall }[] = [];
    const local: Promise<void>[] = [];
    for (const [index, call] of calls.entries()) {
      try {
        if ('error' in call) throw call.error;
        if (this.#admit(call, caller) === 'passed') {
          passed.push({ index, call });
          continue;
        }
        const key = caller.idempotencyKey === undefined ? undefined : `${caller.idempotencyKey}#${index}`;
        local.push(
          this.#local(call, caller, key)
            .catch((error) => this.#failed(call, error).response)
            .then((response) => {
              answers[index] = response;
            }),
        );
      } catch (error) {
        answers[index] = this.#failed(call, error).response;
      }
    }
    await Promise.all([...local, this.#passBatch(passed, answers)]);
    return { status: 200, body: JSON.stringify(answers) };
  }

  async #passBatch(passed: { index: number; call: RpcCall }[], answers: (RpcResponse | undefined)[]): Promise<void> {
    if (passed.length === 0) return;
    try {
      const responses = await this.#upstream.passBatch(passed.map(({ call }) => call));
      for (const [at, { index, call }] of passed.entries()) {
        answers[index] = responses[at]!;
        this.#metrics.call(call.method, 'ok');
      }
    } catch (error) {
      for (const { index, call } of passed) answers[index] = this.#failed(call, error).response;
    }
  }

  /** @throws RpcError when the call may not go on */
  #admit(call: RpcCall, { identity, subscriptions }: Caller): 'passed' | 'here' {
    const kind = methodKind(call.method);
    if (kind.kind === 'refused') throw kind.error;
    if (!identity.scopes.allows(call.method)) throw accessDenied(call.method, scopeFor(call.method));
    if (kind.kind === 'local') return 'here';
    if (call.method === 'eth_sendRawTransaction') refusePrivateRaw(call.params);
    refusePrivate(call.params);
    const subscribes = call.method === 'eth_subscribe' || call.method === 'eth_unsubscribe';
    if (!subscribes) return 'passed';
    if (subscriptions !== undefined) return 'here';
    throw methodNotExposed(call.method, 'subscriptions need a WebSocket', 'Connect to the same address with wss://.');
  }

  async #local(call: RpcCall, caller: Caller, idempotencyKey: string | undefined): Promise<RpcResponse> {
    if (call.method === 'eth_subscribe' || call.method === 'eth_unsubscribe') {
      const response = await caller.subscriptions!.call(call);
      this.#metrics.call(call.method, 'error' in response ? 'error' : 'ok');
      return response;
    }
    const result = await this.#sign(call, caller.identity, idempotencyKey);
    this.#metrics.call(call.method, 'ok');
    return success(call.id, result);
  }

  async #sign(call: RpcCall, identity: Identity, idempotencyKey: string | undefined): Promise<unknown> {
    if (this.#signer !== undefined) {
      const granting = identity.scopes.granting(call.method);
      const rules = granting === undefined ? [] : [`scope ${granting}`];
      return this.#signer.handle(call.method as LocalMethod, call.params, identity, idempotencyKey, rules);
    }
    if (call.method === 'eth_accounts') return [];
    throw methodNotExposed(call.method, 'this node has no signer', 'Use a door of a node whose spec.signerRef is set.');
  }

  #failed(call: ParsedBody['calls'][number], thrown: unknown): { response: RpcResponse; error: RpcError } {
    const error = toRpcError(thrown);
    if (error.data.reason === 'internal') this.#log.error({ err: error.cause }, 'unexpected error');
    if ('method' in call) this.#metrics.call(call.method, resultOf(error));
    if (error instanceof UpstreamRpcError) {
      return { response: { jsonrpc: '2.0', id: call.id, error: error.upstream }, error };
    }
    return { response: failure(call.id, error), error };
  }
}

function resultOf(error: RpcError): CallResult {
  if (error.httpStatus === 401 || error.httpStatus === 403) return 'denied';
  if (error.httpStatus === 429) return 'limited';
  return error.httpStatus >= 500 ? 'unavailable' : 'error';
}
