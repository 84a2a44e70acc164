import type { KubeClient, WatchEvent } from './client.ts';
import { aborted, sleep } from './deadline.ts';
import { KubeApiError } from './errors.ts';
import { type KubeObject, type ResourceType, typeName } from './types.ts';

/** Times in ms; the defaults are client-go's, except idleMs. */
export interface ReflectorTimes {
  /** First wait after a failure; doubles up to maxBackoffMs. Default 800. */
  backoffMs: number;
  maxBackoffMs: number;
  /** A watch that lived this long, or delivered something, starts the backoff over. */
  healthyMs: number;
  /** A watch without a byte for this time is replaced. API servers send a bookmark about each minute. Default 3 min. */
  idleMs: number;
  /** Bounds of the life of a watch, in seconds. */
  watchSeconds: readonly [number, number];
}

const DEFAULT_TIMES: ReflectorTimes = {
  backoffMs: 800,
  maxBackoffMs: 30_000,
  healthyMs: 120_000,
  idleMs: 180_000,
  watchSeconds: [300, 600],
};

/** A watch that ends sooner than this without an event is a failure in disguise. */
const SHORT_WATCH_MS = 1_000;

export interface ReflectorOptions {
  namespace?: string;
  labelSelector?: string;
  fieldSelector?: string;
  pageSize?: number;
  times?: Partial<ReflectorTimes>;
  random?: () => number;
}

/** Where a reflector puts what it learns. Neither call may throw. */
export interface ReflectorSink<T extends KubeObject> {
  /** The whole truth; whatever is not in it is gone. */
  replace(objects: T[]): void;
  change(type: 'ADDED' | 'MODIFIED' | 'DELETED', object: T): void;
  /** A list or watch failed and is tried again in a while. */
  failed(error: unknown, retryMs: number): void;
}

/** Lists once, then watches from the last resource version seen; lists again only when the API server has forgotten it. */
export class Reflector<T extends KubeObject = KubeObject> {
  readonly #client: KubeClient;
  readonly #type: ResourceType;
  readonly #sink: ReflectorSink<T>;
  readonly #options: ReflectorOptions;
  readonly #times: ReflectorTimes;
  readonly #random: () => number;
  #version: string | undefined;
  #failures = 0;
  #wake: (() => void) | undefined;
  #listed = false;

  constructor(client: KubeClient, type: ResourceType, sink: ReflectorSink<T>, options: ReflectorOptions = {}) {
    this.#client = client;
    this.#type = type;
    this.#sink = sink;
    this.#options = options;
    this.#times = { ...DEFAULT_TIMES, ...options.times };
    this.#random = options.random ?? Math.random;
  }

  /** Follows until the signal aborts; never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        if (this.#version === undefined) {
          await this.#list(signal);
        }
        await this.#watch(signal);
      } catch (error) {
        if (signal.aborted) {
          return;
        }
        await this.#recover(error, signal);
      }
    }
  }

  /** Ends a wait after failures at once: there is reason to believe that it works now. */
  kick(): void {
    this.#wake?.();
  }

  async #list(signal: AbortSignal): Promise<void> {
    const { namespace, labelSelector, fieldSelector, pageSize } = this.#options;
    const list = await this.#client.listAll<T>(this.#type, {
      ...(namespace === undefined ? {} : { namespace }),
      ...(labelSelector === undefined ? {} : { labelSelector }),
      ...(fieldSelector === undefined ? {} : { fieldSelector }),
      ...(pageSize === undefined ? {} : { limit: pageSize }),
      timeoutMs: 60_000,
      signal,
    });
    signal.throwIfAborted();
    this.#sink.replace(list.items);
    this.#version = list.metadata.resourceVersion;
    if (!this.#listed) {
      this.#listed = true;
      this.#failures = 0;
      this.#countRelist('first');
    }
  }

  async #watch(signal: AbortSignal): Promise<void> {
    const { namespace, labelSelector, fieldSelector } = this.#options;
    const [shortest, longest] = this.#times.watchSeconds;
    const started = Date.now();
    let events = 0;
    this.#client.metrics.watchStarts.inc({ resource: typeName(this.#type) });
    try {
      const watch = this.#client.watch<T>(this.#type, {
        ...(namespace === undefined ? {} : { namespace }),
        ...(labelSelector === undefined ? {} : { labelSelector }),
        ...(fieldSelector === undefined ? {} : { fieldSelector }),
        resourceVersion: this.#version!,
        timeoutSeconds: Math.round(shortest + this.#random() * (longest - shortest)),
        idleMs: this.#times.idleMs,
        signal,
      });
      for await (const event of watch) {
        if (signal.aborted) {
          return;
        }
        this.#take(event);
        events += 1;
      }
    } finally {
      if (events > 0 || Date.now() - started > this.#times.healthyMs) {
        this.#failures = 0;
      }
    }
    if (events === 0 && Date.now() - started < SHORT_WATCH_MS && !signal.aborted) {
      throw new Error(`The watch of ${typeName(this.#type)} ended at once without an event.`);
    }
  }

  #take(event: WatchEvent<T>): void {
    const version = event.object.metadata.resourceVersion;
    if (event.type !== 'BOOKMARK') {
      this.#sink.change(event.type, event.object);
    }
    // After the sink: an event is not done with before it is in the store.
    if (version !== undefined) {
      this.#version = version;
    }
  }

  async #recover(error: unknown, signal: AbortSignal): Promise<void> {
    if (error instanceof KubeApiError && mustRelist(error)) {
      this.#version = undefined;
      this.#countRelist(error.isExpired ? 'expired' : 'version');
      // One list at once; a server that keeps saying 410 meets the backoff.
      this.#failures += 1;
      if (this.#failures === 1) {
        return;
      }
    } else {
      this.#failures += 1;
    }
    const { backoffMs, maxBackoffMs } = this.#times;
    const backoff = Math.min(maxBackoffMs, backoffMs * 2 ** Math.min(this.#failures - 1, 30));
    const told = error instanceof KubeApiError ? (error.retryAfterSeconds ?? 0) * 1000 : 0;
    const wait = Math.max(told, backoff) * (1 + this.#random());
    this.#sink.failed(error, wait);
    const waiting = new AbortController();
    this.#wake = () => waiting.abort();
    await Promise.race([sleep(wait, waiting.signal), aborted(signal)]);
    this.#wake = undefined;
    waiting.abort();
  }

  #countRelist(cause: string): void {
    this.#client.metrics.relists.inc({ resource: typeName(this.#type), cause });
  }
}

/** The resource version is unknown to the server: too old, or, after a restore of etcd, too new. */
function mustRelist(error: KubeApiError): boolean {
  return (
    error.isExpired ||
    (error.code === 400 && error.message.includes('resourceVersion')) ||
    (error.details?.causes ?? []).some((cause) => cause.reason === 'ResourceVersionTooLarge')
  );
}
