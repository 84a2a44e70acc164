import type { KubeObject } from './types.ts';

/** Constants of client-go's tools/record/events_cache.go. */
const CACHE_SIZE = 4096;
const SIMILAR_LIMIT = 10;
const SIMILAR_WINDOW_MS = 600_000;
const BURST = 25;
const REFILL_MS = 300_000;
const COMBINED = '(combined from similar events): ';

export interface Recorded {
  message: string;
  /** How often this event happened, itself included. */
  count: number;
  at: Date;
  /** The event as sent; its name is filled in once it exists, and a repetition patches that one. */
  event: { name?: string };
}

interface Similar {
  messages: Set<string>;
  last: number;
}

interface Bucket {
  tokens: number;
  at: number;
}

interface Repeated {
  count: number;
  event: { name?: string };
}

/**
 * Decides what becomes of an event: a repetition counts up the earlier one; more than ten messages that differ only in
 * their text within ten minutes become one combined event; an object that causes more than 25 events at once and one in
 * five minutes afterwards is ignored.
 */
export class EventCorrelator {
  readonly #now: () => Date;
  readonly #similar = new Lru<Similar>(CACHE_SIZE);
  readonly #repeated = new Lru<Repeated>(CACHE_SIZE);
  readonly #buckets = new Lru<Bucket>(CACHE_SIZE);

  constructor(now: () => Date = () => new Date()) {
    this.#now = now;
  }

  /** What to send, or undefined to drop the event. */
  record(
    object: KubeObject,
    note: { type: string; reason: string; message: string; action?: string },
  ): Recorded | undefined {
    const at = this.#now();
    const { namespace = '', name, uid = '' } = object.metadata;
    const source = [object.apiVersion, object.kind, namespace, name, uid].join('/');
    if (!this.#admit(source, at.getTime())) {
      return undefined;
    }
    const kind = [source, note.type, note.reason, note.action ?? ''].join('\n');
    const combined = this.#isFlood(kind, note.message, at.getTime());
    const message = combined ? `${COMBINED}${note.message}` : note.message;
    const identity = combined ? kind : `${kind}\n${note.message}`;
    const before = this.#repeated.get(identity);
    const repeated = { count: (before?.count ?? 0) + 1, event: before?.event ?? {} };
    this.#repeated.set(identity, repeated);
    return { message, count: repeated.count, at, event: repeated.event };
  }

  #isFlood(kind: string, message: string, now: number): boolean {
    const known = this.#similar.get(kind);
    const similar =
      known !== undefined && now - known.last <= SIMILAR_WINDOW_MS ? known : { messages: new Set<string>(), last: now };
    similar.last = now;
    if (similar.messages.size <= SIMILAR_LIMIT) {
      similar.messages.add(message);
    }
    this.#similar.set(kind, similar);
    return similar.messages.size > SIMILAR_LIMIT;
  }

  #admit(source: string, now: number): boolean {
    const known = this.#buckets.get(source) ?? { tokens: BURST, at: now };
    const tokens = Math.min(BURST, known.tokens + (now - known.at) / REFILL_MS);
    const admitted = tokens >= 1;
    this.#buckets.set(source, { tokens: admitted ? tokens - 1 : tokens, at: now });
    return admitted;
  }
}

/** A map that forgets what was not used for longest. */
class Lru<V> {
  readonly #entries = new Map<string, V>();
  readonly #size: number;

  constructor(size: number) {
    this.#size = size;
  }

  get(key: string): V | undefined {
    const value = this.#entries.get(key);
    if (value !== undefined) {
      this.#entries.delete(key);
      this.#entries.set(key, value);
    }
    return value;
  }

  set(key: string, value: V): void {
    this.#entries.delete(key);
    this.#entries.set(key, value);
    if (this.#entries.size > this.#size) {
      this.#entries.delete(this.#entries.keys().next().value!);
    }
  }
}
