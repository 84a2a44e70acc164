import { KubeApiError, KubeConnectionError } from './errors.ts';
import type { Method } from './transport.ts';

export const MAX_ATTEMPTS = 5;

/** Longest time that a server's Retry-After is obeyed within one call, in ms; a controller's own backoff is better after. */
const MAX_RETRY_AFTER_MS = 10_000;

/** The connection was never made, so the request cannot have had an effect. */
const NOT_SENT = new Set(['ECONNREFUSED', 'UND_ERR_CONNECT_TIMEOUT', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH']);

/** The connection broke; whether the request had an effect is unknown. */
const BROKEN = new Set(['ECONNRESET', 'EPIPE', 'UND_ERR_SOCKET', 'UND_ERR_CLOSED']);

/**
 * How long to wait before the same request is sent again, in ms, or undefined when it must not be.
 * 429, and 5xx with Retry-After: the server did not act, so any method. Broken connections: only requests that may
 * safely be sent twice; a POST that got through would fail the second time.
 * @param attempt how many attempts have failed, from 1
 */
export function retryDelay(error: unknown, method: Method, attempt: number, random = Math.random): number | undefined {
  if (attempt >= MAX_ATTEMPTS) {
    return undefined;
  }
  const backoff = 100 * 2 ** (attempt - 1) * (0.5 + random());
  if (error instanceof KubeApiError) {
    const told = error.retryAfterSeconds;
    if (error.code === 429) {
      return told === undefined ? backoff : Math.min(told * 1000, MAX_RETRY_AFTER_MS) + backoff;
    }
    return error.code >= 500 && told !== undefined ? Math.min(told * 1000, MAX_RETRY_AFTER_MS) + backoff : undefined;
  }
  if (error instanceof KubeConnectionError) {
    const code = errorCode(error.cause);
    if (NOT_SENT.has(code) || (BROKEN.has(code) && method !== 'POST')) {
      return backoff;
    }
  }
  return undefined;
}

/** The system's or undici's word for what happened, looked for through causes and aggregates. */
function errorCode(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) {
    return errorCode(error.errors[0]);
  }
  if (error instanceof Error) {
    const code = (error as { code?: unknown }).code;
    return typeof code === 'string' ? code : errorCode(error.cause);
  }
  return '';
}
