import type { WatchEvent } from './client.ts';
import { KubeApiError, KubeConnectionError, type StatusDetails } from './errors.ts';
import type { KubeObject } from './types.ts';

interface StatusObject {
  code?: number;
  reason?: string;
  message?: string;
  details?: StatusDetails;
}

/**
 * Events of a watch's body, one JSON object a line.
 * @param heard called for each chunk, so that a watchdog knows the connection is alive
 * @throws KubeApiError for an ERROR event, KubeConnectionError for a cut stream or a line that is not JSON: an event that
 * cannot be read must not be skipped, the cache would be wrong ever after
 */
export async function* readWatch<T extends KubeObject>(
  body: AsyncIterable<Buffer>,
  request: string,
  heard: () => void,
): AsyncGenerator<WatchEvent<T>, void, undefined> {
  for await (const line of lines(body, request, heard)) {
    const event = parseEvent<T>(line, request);
    if (event !== undefined) {
      yield event;
    }
  }
}

async function* lines(body: AsyncIterable<Buffer>, request: string, heard: () => void): AsyncGenerator<string> {
  let parts: Buffer[] = [];
  try {
    for await (const chunk of body) {
      heard();
      let start = 0;
      for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, start)) {
        parts.push(chunk.subarray(start, end));
        yield Buffer.concat(parts).toString('utf8');
        parts = [];
        start = end + 1;
      }
      if (start < chunk.length) {
        parts.push(chunk.subarray(start));
      }
    }
  } catch (error) {
    throw error instanceof KubeApiError || error instanceof KubeConnectionError
      ? error
      : new KubeConnectionError(request, error);
  }
  // The rest of a line that never ended is of a cut stream: its event comes again from the last resource version.
}

function parseEvent<T extends KubeObject>(line: string, request: string): WatchEvent<T> | undefined {
  if (line.trim() === '') {
    return undefined;
  }
  let event: { type: WatchEvent['type'] | 'ERROR'; object: T };
  try {
    event = JSON.parse(line);
  } catch (error) {
    throw new KubeConnectionError(request, error);
  }
  if (event.type !== 'ERROR') {
    return event as WatchEvent<T>;
  }
  const status = event.object as unknown as StatusObject;
  throw new KubeApiError({
    code: status.code ?? 500,
    reason: status.reason ?? 'Unknown',
    message: status.message ?? 'the watch ended with an error',
    request,
    ...(status.details === undefined ? {} : { details: status.details }),
  });
}
