/** One client's WebSocket. Calls go the same way as over HTTP; subscriptions have a WebSocket of their own to geth. */
import type { Logger } from 'pino';
import { WebSocket } from 'ws';
import { upstreamUnavailable } from '../errors.ts';
import type { Caller } from './dispatch.ts';
import type { Identity } from './identity.ts';
import { failure, type RpcCall, type RpcResponse } from './jsonrpc.ts';

const MAX_BUFFERED_BYTES = 16 * 1024 * 1024;
const PING_MS = 30_000;
const MAX_TIMEOUT_MS = 2 ** 31 - 1;

export interface SessionParts {
  client: WebSocket;
  identity: Identity;
  upstreamUrl: string;
  log: Logger;
  answer(text: string, subscriptions: NonNullable<Caller['subscriptions']>): Promise<string>;
  onClose(): void;
}

export class WebSocketSession {
  readonly #parts: SessionParts;
  readonly #subscriptions: Subscriptions;
  readonly #expiry: NodeJS.Timeout;
  readonly #ping: NodeJS.Timeout;
  #alive = true;

  constructor(parts: SessionParts) {
    this.#parts = parts;
    const { client, identity, upstreamUrl, onClose } = parts;
    this.#subscriptions = new Subscriptions(upstreamUrl, {
      notify: (text) => this.#send(text),
      lost: () => this.close(1013, 'the node closed its subscriptions: connect and subscribe again'),
    });
    const left = Math.max(identity.expiresAt - Date.now(), 0);
    this.#expiry = setTimeout(() => this.close(1008, 'the access token has expired'), Math.min(left, MAX_TIMEOUT_MS));
    this.#ping = setInterval(() => this.#checkAlive(), PING_MS);
    client.on('pong', () => {
      this.#alive = true;
    });
    client.on('message', (frame) => void this.#frame(frame));
    client.on('error', (error) => parts.log.debug({ err: error }, 'WebSocket error'));
    client.on('close', () => {
      clearTimeout(this.#expiry);
      clearInterval(this.#ping);
      this.#subscriptions.close();
      onClose();
    });
  }

  async #frame(frame: import('ws').RawData): Promise<void> {
    const bytes = Array.isArray(frame) ? Buffer.concat(frame) : Buffer.from(frame as Buffer);
    this.#send(await this.#parts.answer(bytes.toString('utf8'), this.#subscriptions));
  }

  /** A client that does not read is cut off before it fills our memory. */
  #send(text: string): void {
    const { client } = this.#parts;
    if (client.readyState !== WebSocket.OPEN) return;
    if (client.bufferedAmount > MAX_BUFFERED_BYTES) this.close(1008, 'the client reads too slowly');
    else client.send(text);
  }

  #checkAlive(): void {
    if (!this.#alive) {
      this.#parts.client.terminate();
      return;
    }
    this.#alive = false;
    this.#parts.client.ping();
  }

  close(code: number, reason: string): void {
    const { client } = this.#parts;
    client.close(code, reason);
    setTimeout(() => client.terminate(), 2_000).unref();
  }
}

/** geth's WebSocket for one client, opened at its first subscription. */
class Subscriptions {
  readonly #url: string;
  readonly #to: { notify(text: string): void; lost(): void };
  readonly #waiting = new Map<number, (response: RpcResponse) => void>();
  #socket: Promise<WebSocket> | undefined;
  #next = 0;
  #closed = false;

  constructor(url: string, to: { notify(text: string): void; lost(): void }) {
    this.#url = url;
    this.#to = to;
  }

  async call(call: RpcCall): Promise<RpcResponse> {
    this.#socket ??= this.#connect();
    let socket: WebSocket;
    try {
      socket = await this.#socket;
    } catch (error) {
      this.#socket = undefined;
      return failure(call.id, upstreamUnavailable(error));
    }
    this.#next += 1;
    const id = this.#next;
    return new Promise((resolve) => {
      this.#waiting.set(id, (response) => resolve({ ...response, id: call.id }));
      socket.send(JSON.stringify({ jsonrpc: '2.0', id, method: call.method, params: call.params }));
    });
  }

  #connect(): Promise<WebSocket> {
    return new Promise((resolve, reject) => {
      const socket = new WebSocket(this.#url, { perMessageDeflate: false, handshakeTimeout: 5_000 });
      let opened = false;
      socket.on('open', () => {
        opened = true;
        if (this.#closed) socket.close();
        resolve(socket);
      });
      socket.on('error', reject);
      socket.on('message', (frame) => this.#message(frame.toString()));
      socket.on('close', () => {
        reject(new Error('closed'));
        const error = failure(null, upstreamUnavailable(new Error('closed')));
        for (const resolveCall of this.#waiting.values()) resolveCall(error);
        this.#waiting.clear();
        if (opened && !this.#closed) this.#to.lost();
      });
    });
  }

  #message(text: string): void {
    let message: RpcResponse & { method?: string };
    try {
      message = JSON.parse(text);
    } catch {
      return;
    }
    if (message.method === 'eth_subscription') this.#to.notify(text);
    else {
      const resolve = this.#waiting.get(message.id as number);
      this.#waiting.delete(message.id as number);
      resolve?.(message);
    }
  }

  close(): void {
    this.#closed = true;
    this.#socket?.then((socket) => socket.close()).catch(() => undefined);
  }
}
