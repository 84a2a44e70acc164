/** JSON-RPC 2.0: what comes in, strictly; what goes out. */
import { batchTooLarge, invalidRequest, parseError, type RpcError } from '../errors.ts';

export type RpcId = string | number | null;

export interface RpcCall {
  id: RpcId;
  method: string;
  params: unknown[] | Record<string, unknown>;
}

export type RpcResponse = { jsonrpc: '2.0'; id: RpcId } & (
  | { result: unknown }
  | { error: { code: number; message: string; data?: unknown } }
);

export interface ParsedBody {
  batch: boolean;
  /** In order of the request; what was no valid call is its error. */
  calls: (RpcCall | { id: RpcId; error: RpcError })[];
}

const MAX_DEPTH = 64;
const MAX_METHOD_LENGTH = 128;
const MAX_ID_LENGTH = 256;

/**
 * Parses a body. What is passed on later is made from this result, never from the text, so that a duplicate key or
 * an odd encoding cannot show geth another request than the one that was checked.
 * @throws RpcError when there is nothing that could be answered call by call
 */
export function parseBody(text: string, maxBatch: number): ParsedBody {
  checkDepth(text);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw parseError('the body is not JSON');
  }
  if (!Array.isArray(value)) {
    const call = parseCall(value);
    if ('error' in call && call.id === null) throw call.error;
    return { batch: false, calls: [call] };
  }
  if (value.length === 0) throw invalidRequest('the batch is empty');
  if (value.length > maxBatch) throw batchTooLarge(value.length, maxBatch);
  return { batch: true, calls: value.map(parseCall) };
}

function parseCall(value: unknown): ParsedBody['calls'][number] {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return { id: null, error: invalidRequest('a request must be an object') };
  }
  const { jsonrpc, id, method, params } = value as Record<string, unknown>;
  if (!isId(id)) return { id: null, error: invalidRequest('id must be a string or a whole number, and present') };
  const refuse = (why: string) => ({ id, error: invalidRequest(why) });
  if (jsonrpc !== '2.0') return refuse('jsonrpc must be "2.0"');
  if (typeof method !== 'string' || method === '') return refuse('method must be a string');
  if (method.length > MAX_METHOD_LENGTH) return refuse('method is too long');
  if (params !== undefined && params !== null && typeof params !== 'object') return refuse('params must be an array');
  return { id, method, params: (params ?? []) as RpcCall['params'] };
}

function isId(id: unknown): id is RpcId {
  if (typeof id === 'string') return id.length <= MAX_ID_LENGTH;
  return id === null || Number.isSafeInteger(id);
}

/** Refuses nesting that no call needs before it costs anybody a stack. */
function checkDepth(text: string): void {
  let depth = 0;
  let inString = false;
  for (let index = 0; index < text.length; index += 1) {
    const code = text.charCodeAt(index);
    if (inString) {
      if (code === 0x5c) index += 1;
      else if (code === 0x22) inString = false;
    } else if (code === 0x22) inString = true;
    else if (code === 0x5b || code === 0x7b) {
      depth += 1;
      if (depth > MAX_DEPTH) throw parseError(`nested deeper than ${MAX_DEPTH} levels`);
    } else if (code === 0x5d || code === 0x7d) depth -= 1;
  }
}

export function success(id: RpcId, result: unknown): RpcResponse {
  return { jsonrpc: '2.0', id, result };
}

export function failure(id: RpcId, error: RpcError): RpcResponse {
  return { jsonrpc: '2.0', id, error: { code: error.code, message: error.message, data: error.data } };
}
