/**
 * Every error that a client of the door can meet, in one place. Each says what is wrong (`message`) and what to do
 * (`data.action`); `data.reason` is a stable word for programs.
 */

/** What accompanies every error of the door. `retryable`: the same request may succeed later, unchanged. */
export interface ErrorData {
  reason: string;
  action: string;
  retryable: boolean;
  [more: string]: unknown;
}

/** An error with its JSON-RPC form and the HTTP status of a single (not batched) request. */
export class RpcError extends Error {
  override name = 'RpcError';
  readonly code: number;
  readonly data: ErrorData;
  readonly httpStatus: number;

  constructor(
    code: number,
    message: string,
    data: Omit<ErrorData, 'retryable'> & { retryable?: boolean },
    options: { httpStatus?: number; cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.data = { retryable: false, ...data } as ErrorData;
    this.httpStatus = options.httpStatus ?? 200;
  }
}

/** JSON-RPC 2.0, EIP-1474, and -32001 as GoQuorum's security plugin uses it. */
export const codes = {
  parse: -32700,
  invalidRequest: -32600,
  methodNotFound: -32601,
  invalidParams: -32602,
  internal: -32603,
  server: -32000,
  access: -32001,
  limit: -32005,
} as const;

// --- who may what

export const missingToken = () =>
  new RpcError(
    codes.access,
    'missing access token',
    { reason: 'missing_token', action: 'Send the header "Authorization: Bearer <JWT>", or use a client certificate.' },
    { httpStatus: 401 },
  );

export const badToken = (why: string, action: string) =>
  new RpcError(codes.access, `invalid access token: ${why}`, { reason: 'invalid_token', action }, { httpStatus: 401 });

export const badCertificate = (why: string) =>
  new RpcError(
    codes.access,
    `client certificate not accepted: ${why}`,
    { reason: 'invalid_certificate', action: "Use a valid certificate of this organization's CA, or a token instead." },
    { httpStatus: 401 },
  );

export const accessDenied = (method: string, scope: string) =>
  new RpcError(
    codes.access,
    `access denied: token needs scope ${scope}`,
    { reason: 'missing_scope', method, scope, action: `Ask your token issuer for the scope ${scope}.` },
    { httpStatus: 403 },
  );

export const originDenied = (origin: string) =>
  new RpcError(
    codes.access,
    'access denied: this origin is not allowed',
    { reason: 'origin', origin, action: 'Add the exact origin to spec.rpc.cors of the QuorumNode.' },
    { httpStatus: 403 },
  );

// --- what was sent

export const parseError = (why: string) =>
  new RpcError(
    codes.parse,
    `parse error: ${why}`,
    { reason: 'parse_error', action: 'Send one JSON-RPC 2.0 request, or an array of them, as JSON in UTF-8.' },
    { httpStatus: 400 },
  );

export const invalidRequest = (why: string) =>
  new RpcError(
    codes.invalidRequest,
    `invalid request: ${why}`,
    {
      reason: 'invalid_request',
      action: 'Send {"jsonrpc":"2.0","id":1,"method":"…","params":[…]}; each request needs an id.',
    },
    { httpStatus: 400 },
  );

export const bodyTooLarge = (limit: number) =>
  new RpcError(
    codes.invalidRequest,
    `request too large: the limit is ${limit} bytes`,
    { reason: 'too_large', limit, action: 'Send smaller batches, or raise spec.rpc.limits.maxBodyBytes of the node.' },
    { httpStatus: 413 },
  );

export const batchTooLarge = (count: number, limit: number) =>
  new RpcError(
    codes.invalidRequest,
    `batch too large: ${count} requests, the limit is ${limit}`,
    {
      reason: 'batch_too_large',
      limit,
      action: 'Send smaller batches, or raise spec.rpc.limits.maxBatch of the node.',
    },
    { httpStatus: 413 },
  );

export const unsupportedMedia = (what: string) =>
  new RpcError(
    codes.invalidRequest,
    `unsupported ${what}`,
    { reason: 'media_type', action: 'Send the body as application/json, not compressed.' },
    { httpStatus: 415 },
  );

export const wrongHttp = (status: 404 | 405) =>
  new RpcError(
    codes.invalidRequest,
    status === 404 ? 'no such path' : 'no such HTTP method here',
    { reason: 'http', action: 'JSON-RPC is POST / (or a WebSocket at /).' },
    { httpStatus: status },
  );

export const invalidParams = (message: string, data: { action: string; [more: string]: unknown }) =>
  new RpcError(codes.invalidParams, message, { reason: 'invalid_params', ...data });

// --- what is not offered

export const methodNotExposed = (method: string, why: string, action: string) =>
  new RpcError(codes.methodNotFound, `the method ${method} is not available at this door: ${why}`, {
    reason: 'method_not_exposed',
    method,
    action,
  });

export const privateNotAvailable = () =>
  new RpcError(codes.invalidParams, 'private transactions are not available yet at this door', {
    reason: 'private_not_available',
    action:
      'Remove privateFor, privateFrom, mandatoryFor and privacyFlag. ' +
      'The door refuses them so that no private payload can reach the chain as plain text.',
  });

// --- limits

export const rateLimited = (retryAfterSeconds: number, who: 'subject' | 'address') =>
  new RpcError(
    codes.limit,
    'rate limit exceeded',
    {
      reason: 'rate_limited',
      retryable: true,
      retryAfterSeconds,
      action:
        who === 'subject'
          ? 'Wait, then retry; or raise spec.rpc.limits of the node.'
          : 'Too many requests from this address without a valid token. Wait, then send a valid token.',
    },
    { httpStatus: 429 },
  );

export const overloaded = (limit: number) =>
  new RpcError(
    codes.limit,
    `too many requests in flight: the limit is ${limit}`,
    { reason: 'overloaded', retryable: true, action: 'Retry after a second, or raise spec.rpc.limits.concurrency.' },
    { httpStatus: 503 },
  );

export const draining = () =>
  new RpcError(
    codes.limit,
    'this door is shutting down',
    {
      reason: 'draining',
      retryable: true,
      action: 'Retry; the Service leads to another door or to this one restarted.',
    },
    { httpStatus: 503 },
  );

// --- parts behind the door

export const upstreamUnavailable = (cause: unknown) =>
  new RpcError(
    codes.internal,
    'the node does not answer',
    {
      reason: 'node_unavailable',
      retryable: true,
      action: 'Retry. If it lasts, see the conditions of the QuorumNode (kubectl describe quorumnode).',
    },
    { httpStatus: 502, cause },
  );

export const databaseUnavailable = (cause: unknown) =>
  new RpcError(
    codes.internal,
    "the signer's database does not answer; nothing was sent and no nonce was used",
    {
      reason: 'database_unavailable',
      retryable: true,
      action: 'Retry. If it lasts, see the conditions of the HsmSigner (kubectl describe hsmsigner).',
    },
    { httpStatus: 503, cause },
  );

export const auditUnavailable = (cause: unknown) =>
  new RpcError(
    codes.internal,
    'the audit entry could not be written; nothing was signed and no nonce was used',
    {
      reason: 'audit_unavailable',
      retryable: true,
      action:
        'Retry. If it lasts, look at the log of the container "door" and at the database: is there room on its disk?',
    },
    { httpStatus: 503, cause },
  );

/** What a failed piece of work at the database means for the client; in either case nothing of it was stored. */
export const databaseError = (error: unknown): RpcError => {
  if (error instanceof RpcError) return error;
  return (error as Error).name === 'StoreUnavailableError' ? databaseUnavailable(error) : internalError(error);
};

/** Not -32603 and not a 5xx: clients retry those by themselves, and a blind retry could send twice. */
export const outcomeUnknown = (transactionId: string, cause: unknown) =>
  new RpcError(
    codes.server,
    'the database was lost while the transaction was being stored: it may or may not be sent',
    {
      reason: 'outcome_unknown',
      transactionId,
      action: 'Repeat the request with the same Idempotency-Key; without one, look at the nonce of the account first.',
    },
    { cause },
  );

export const hsmUnavailable = (code: string, retryable: boolean, cause: unknown) =>
  new RpcError(
    codes.internal,
    `the HSM did not sign (${code}); nothing was sent and no nonce was used`,
    {
      reason: 'hsm_unavailable',
      hsmCode: code,
      retryable,
      action: retryable ? 'Retry.' : 'See the conditions of the HsmSigner (kubectl describe hsmsigner).',
    },
    { httpStatus: 503, cause },
  );

export const internalError = (cause: unknown) =>
  new RpcError(
    codes.internal,
    'internal error of the door',
    { reason: 'internal', retryable: true, action: 'Retry. If it lasts, look at the log of the container "door".' },
    { httpStatus: 500, cause },
  );

// --- transactions

/** The node took a look at a finished transaction and refused it; its nonce is given back. */
export const transactionRejected = (message: string, action: string) =>
  new RpcError(codes.server, message, { reason: 'rejected', action });

export const idempotencyConflict = () =>
  new RpcError(codes.invalidParams, 'this Idempotency-Key was used with another request', {
    reason: 'idempotency_conflict',
    action: 'Use a new key for a new transaction; repeat a request unchanged to get its result again.',
  });

/** Makes an RpcError of anything that was thrown; what is not ours becomes an internal error without details. */
export function toRpcError(error: unknown): RpcError {
  return error instanceof RpcError ? error : internalError(error);
}
