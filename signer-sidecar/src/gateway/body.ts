import type { IncomingMessage } from 'node:http';
import { bodyTooLarge, parseError, unsupportedMedia } from '../errors.ts';

const decoder = new TextDecoder('utf-8', { fatal: true });

/**
 * Reads a JSON body.
 * @throws RpcError: 415 not JSON or compressed, 413 too large (found before or while reading), 400 not UTF-8
 */
export async function readBody(request: IncomingMessage, maxBytes: number): Promise<string> {
  const { 'content-type': type, 'content-encoding': encoding, 'content-length': length } = request.headers;
  if (encoding !== undefined && encoding !== 'identity')
    throw unsupportedMedia(`content encoding ${encoding.slice(0, 40)}`);
  if (type !== undefined && !/^application\/(json|[a-z.-]+\+json)\s*(;|$)/i.test(type)) {
    throw unsupportedMedia(`content type ${type.slice(0, 80)}`);
  }
  if (length !== undefined && Number(length) > maxBytes) throw bodyTooLarge(maxBytes);
  const chunks: Buffer[] = [];
  let total = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    total += chunk.length;
    if (total > maxBytes) throw bodyTooLarge(maxBytes);
    chunks.push(chunk);
  }
  try {
    return decoder.decode(chunks.length === 1 ? chunks[0] : Buffer.concat(chunks));
  } catch {
    throw parseError('the body is not UTF-8');
  }
}
