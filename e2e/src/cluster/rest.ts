import { type ClientRequest, request as httpRequest, type IncomingMessage } from 'node:http';
import { Agent, request as httpsRequest } from 'node:https';
import { createInterface } from 'node:readline';
import type { Credential } from './certificates.ts';

export interface RestOptions {
  /** e.g. https://127.0.0.1:6443 */
  server: string;
  ca?: string;
  user?: Credential;
}

export interface Reply {
  status: number;
  text: string;
  // biome-ignore lint/suspicious/noExplicitAny: raw JSON of any resource
  json(): any;
}

/**
 * The few calls that bringing up a cluster needs, with node:https alone, so that the long-lived programs of a cluster
 * (the volume provisioner) start in a moment and depend on nothing.
 */
export class Rest {
  readonly #options: RestOptions;
  readonly #agent: Agent | undefined;

  constructor(options: RestOptions) {
    this.#options = options;
    if (options.server.startsWith('https:')) {
      this.#agent = new Agent({
        keepAlive: true,
        ca: options.ca,
        cert: options.user?.certificate,
        key: options.user?.key,
      });
    }
  }

  /** Any status is a reply; only a broken connection or `timeoutMs` (default 10 s) throws. */
  request(
    method: string,
    path: string,
    options: { body?: unknown; contentType?: string; timeoutMs?: number } = {},
  ): Promise<Reply> {
    return new Promise((resolve, reject) => {
      const request = this.#open(method, path, options.contentType, (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () => {
          const text = Buffer.concat(chunks).toString();
          resolve({ status: response.statusCode ?? 0, text, json: () => JSON.parse(text) });
        });
      });
      const milliseconds = options.timeoutMs ?? 10_000;
      request.setTimeout(milliseconds, () => request.destroy(new Error(`no answer within ${milliseconds} ms`)));
      request.on('error', reject);
      request.end(options.body === undefined ? undefined : JSON.stringify(options.body));
    });
  }

  /** Server-side apply of one object under its own path. Throws the API server's words when it refuses. */
  async apply(path: string, object: object): Promise<void> {
    const query = 'fieldManager=quorum-operator-cluster&force=true';
    const reply = await this.request('PATCH', `${path}?${query}`, {
      body: object,
      contentType: 'application/apply-patch+yaml',
    });
    if (reply.status >= 300) throw new Error(`apply ${path}: ${reply.status} ${reply.text.slice(0, 500)}`);
  }

  /** Reads one watch stream until the server or `signal` ends it; each line is an event `{type, object}`. */
  watch(
    path: string,
    // biome-ignore lint/suspicious/noExplicitAny: raw JSON of any resource
    onEvent: (event: { type: string; object: any }) => void,
    signal?: AbortSignal,
  ): Promise<void> {
    return new Promise((resolve, reject) => {
      const request = this.#open('GET', path, undefined, (response) => {
        if (response.statusCode !== 200) {
          response.resume();
          reject(new Error(`watch ${path}: status ${response.statusCode}`));
          return;
        }
        const lines = createInterface({ input: response });
        lines.on('line', (line) => onEvent(JSON.parse(line)));
        response.on('error', reject);
        lines.on('close', resolve);
      });
      request.on('error', reject);
      signal?.addEventListener('abort', () => request.destroy(), { once: true });
      request.end();
    });
  }

  close(): void {
    this.#agent?.destroy();
  }

  #open(
    method: string,
    path: string,
    contentType: string | undefined,
    onResponse: (response: IncomingMessage) => void,
  ): ClientRequest {
    const headers = { accept: 'application/json', 'content-type': contentType ?? 'application/json' };
    const options = { method, headers, agent: this.#agent };
    const url = new URL(path, this.#options.server);
    return (this.#agent ? httpsRequest : httpRequest)(url, options, onResponse);
  }
}
