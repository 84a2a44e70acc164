/** Time as the queue sees it, so that tests own it. Milliseconds. */
export interface Clock {
  now(): number;
  /** Calls back after a time; returns the way to cancel. */
  after(milliseconds: number, callback: () => void): () => void;
}

export const systemClock: Clock = {
  now: () => performance.now(),
  after: (milliseconds, callback) => {
    // Longer than setTimeout can: wakes early and looks again.
    const timer = setTimeout(callback, Math.min(milliseconds, 2 ** 31 - 1));
    return () => clearTimeout(timer);
  },
};

/** What was known at start-up must not stand in the way of what changes now. */
export const LOW_PRIORITY = -100;

export interface AddOptions {
  /** Higher first; within one priority first in, first out. Default 0. */
  priority?: number;
  /** Not before this time has passed. */
  afterMs?: number;
}

export interface Taken {
  key: string;
  priority: number;
  /** How long the key waited after it was due, in ms. */
  waitedMs: number;
}

export interface QueueOptions {
  /** Delays of addRateLimited: base × 2^failures, at most max. Default 5 ms and 1000 s. */
  backoff?: { baseMs: number; maxMs: number };
  clock?: Clock;
}

interface Pending {
  priority: number;
  /** When it became due, or will. */
  at: number;
}

interface Delayed extends Pending {
  key: string;
}

/** Keys of one priority in the order in which they came; entries that were moved or taken are skipped. */
interface Level {
  readonly priority: number;
  entries: Delayed[];
  head: number;
}

/** Taken entries are cut off in pieces of this size, so that taking costs the same however long the queue is. */
const CUT = 1024;

/**
 * Keys waiting to be processed. Invariants, as in controller-runtime's priority queue:
 * a key is held once however often it is added (earliest time and highest priority win); it is never handed out again
 * before `done`; added meanwhile, it is handed out once more afterwards; every added key is handed out eventually.
 */
export class WorkQueue {
  readonly #clock: Clock;
  readonly #backoff: { baseMs: number; maxMs: number };
  /** By priority, highest first. */
  readonly #levels: Level[] = [];
  /** Of each key that is due and not taken, the entry that counts. */
  readonly #due = new Map<string, Delayed>();
  readonly #delayed = new DelayHeap();
  readonly #processing = new Set<string>();
  readonly #dirty = new Map<string, Pending>();
  readonly #failures = new Map<string, number>();
  readonly #takers: ((taken: Taken | undefined) => void)[] = [];
  #cancelTimer: (() => void) | undefined;
  #timerAt = Number.POSITIVE_INFINITY;
  #closed = false;

  constructor(options: QueueOptions = {}) {
    this.#clock = options.clock ?? systemClock;
    this.#backoff = options.backoff ?? { baseMs: 5, maxMs: 1_000_000 };
  }

  /** Keys that are due and not taken, by priority. */
  depths(): Map<number, number> {
    const depths = new Map(this.#levels.map(({ priority }) => [priority, 0]));
    for (const { priority } of this.#due.values()) {
      depths.set(priority, depths.get(priority)! + 1);
    }
    return depths;
  }

  /** Keys that are due or will be. */
  get size(): number {
    return this.#due.size + this.#delayed.size + this.#dirty.size;
  }

  get closed(): boolean {
    return this.#closed;
  }

  add(key: string, options: AddOptions = {}): void {
    if (this.#closed) {
      return;
    }
    const now = this.#clock.now();
    const at = now + Math.max(0, options.afterMs ?? 0);
    const priority = options.priority ?? 0;
    const delayed = this.#delayed.get(key);
    const merged = Math.max(priority, delayed?.priority ?? priority);
    if (at > now) {
      if (!this.#raise(key, merged)) {
        this.#delayed.set({ key, at: Math.min(at, delayed?.at ?? at), priority: merged });
        this.#arm();
      }
      return;
    }
    this.#delayed.delete(key);
    this.#enqueue(key, merged, now);
    this.#arm();
  }

  /** Adds after a delay that grows with each call until `forget`. Returns the delay in ms. */
  addRateLimited(key: string, options: Omit<AddOptions, 'afterMs'> = {}): number {
    const failures = this.#failures.get(key) ?? 0;
    this.#failures.set(key, failures + 1);
    const afterMs = Math.min(this.#backoff.maxMs, this.#backoff.baseMs * 2 ** Math.min(failures, 60));
    this.add(key, { ...options, afterMs });
    return afterMs;
  }

  forget(key: string): void {
    this.#failures.delete(key);
  }

  /** Calls of addRateLimited since the last forget. */
  retries(key: string): number {
    return this.#failures.get(key) ?? 0;
  }

  /** The next key, when there is one; undefined once the queue is closed. Every key taken must be given back by `done`. */
  take(): Promise<Taken | undefined> {
    if (this.#closed) {
      return Promise.resolve(undefined);
    }
    const next = this.#shift();
    return next === undefined ? new Promise((resolve) => this.#takers.push(resolve)) : Promise.resolve(next);
  }

  done(key: string): void {
    if (!this.#processing.delete(key)) {
      return;
    }
    const again = this.#dirty.get(key);
    if (again !== undefined) {
      this.#dirty.delete(key);
      this.#enqueue(key, again.priority, again.at);
    }
  }

  /** Hands out nothing more. What was waiting is dropped: the next process finds it by listing. */
  close(): void {
    this.#closed = true;
    this.#cancelTimer?.();
    for (const taker of this.#takers.splice(0)) {
      taker(undefined);
    }
  }

  /** Makes a key due: queued, or marked to run again if it is being processed. */
  #enqueue(key: string, priority: number, at: number): void {
    if (this.#raise(key, priority)) {
      return;
    }
    if (this.#processing.has(key)) {
      this.#dirty.set(key, { priority, at });
      return;
    }
    this.#line({ key, priority, at });
    this.#serve();
  }

  /** Gives a key that is already due (or dirty) at least this priority; false when it is not. */
  #raise(key: string, priority: number): boolean {
    const dirty = this.#dirty.get(key);
    if (dirty !== undefined) {
      dirty.priority = Math.max(dirty.priority, priority);
      return true;
    }
    const held = this.#due.get(key);
    if (held === undefined) {
      return false;
    }
    if (priority > held.priority) {
      this.#line({ ...held, priority });
    }
    return true;
  }

  /** Puts an entry at the end of its level; it supersedes the key's earlier one. */
  #line(entry: Delayed): void {
    this.#due.set(entry.key, entry);
    const level = this.#levels.find(({ priority }) => priority === entry.priority);
    if (level === undefined) {
      this.#levels.push({ priority: entry.priority, entries: [entry], head: 0 });
      this.#levels.sort((a, b) => b.priority - a.priority);
    } else {
      level.entries.push(entry);
    }
  }

  #shift(): Taken | undefined {
    for (const level of this.#levels) {
      while (level.head < level.entries.length) {
        const entry = level.entries[level.head]!;
        level.head += 1;
        if (level.head >= CUT || level.head === level.entries.length) {
          level.entries = level.entries.slice(level.head);
          level.head = 0;
        }
        if (this.#due.get(entry.key) === entry) {
          this.#due.delete(entry.key);
          this.#processing.add(entry.key);
          return { key: entry.key, priority: entry.priority, waitedMs: this.#clock.now() - entry.at };
        }
      }
    }
    return undefined;
  }

  #serve(): void {
    while (this.#takers.length > 0) {
      const next = this.#shift();
      if (next === undefined) {
        return;
      }
      this.#takers.shift()!(next);
    }
  }

  #arm(): void {
    const next = this.#delayed.first()?.at ?? Number.POSITIVE_INFINITY;
    if (next === this.#timerAt) {
      return;
    }
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    this.#timerAt = next;
    if (next !== Number.POSITIVE_INFINITY) {
      this.#cancelTimer = this.#clock.after(Math.max(0, next - this.#clock.now()), () => this.#release());
    }
  }

  #release(): void {
    this.#timerAt = Number.POSITIVE_INFINITY;
    this.#cancelTimer = undefined;
    const now = this.#clock.now();
    for (let head = this.#delayed.first(); head !== undefined && head.at <= now; head = this.#delayed.first()) {
      this.#delayed.delete(head.key);
      this.#enqueue(head.key, head.priority, head.at);
    }
    this.#arm();
  }
}

/** Binary heap by time, with each key at most once. Replaced entries stay until they surface. */
class DelayHeap {
  readonly #heap: Delayed[] = [];
  readonly #current = new Map<string, Delayed>();

  get size(): number {
    return this.#current.size;
  }

  get(key: string): Delayed | undefined {
    return this.#current.get(key);
  }

  set(entry: Delayed): void {
    const existing = this.#current.get(entry.key);
    if (existing !== undefined && existing.at === entry.at) {
      existing.priority = entry.priority;
      return;
    }
    this.#current.set(entry.key, entry);
    this.#push(entry);
    this.#compact();
  }

  delete(key: string): void {
    this.#current.delete(key);
  }

  first(): Delayed | undefined {
    while (this.#heap.length > 0 && this.#current.get(this.#heap[0]!.key) !== this.#heap[0]) {
      this.#pop();
    }
    return this.#heap[0];
  }

  /** Keys are re-added far more often than delays run out, so dead entries must not pile up. */
  #compact(): void {
    if (this.#heap.length > 64 && this.#heap.length > 2 * this.#current.size) {
      const live = this.#heap.filter((entry) => this.#current.get(entry.key) === entry);
      this.#heap.length = 0;
      for (const entry of live) {
        this.#push(entry);
      }
    }
  }

  #push(entry: Delayed): void {
    const heap = this.#heap;
    let index = heap.push(entry) - 1;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (heap[parent]!.at <= entry.at) {
        break;
      }
      heap[index] = heap[parent]!;
      index = parent;
    }
    heap[index] = entry;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop()!;
    if (heap.length === 0) {
      return;
    }
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      if (child >= heap.length) {
        break;
      }
      if (child + 1 < heap.length && heap[child + 1]!.at < heap[child]!.at) {
        child += 1;
      }
      if (heap[child]!.at >= last.at) {
        break;
      }
      heap[index] = heap[child]!;
      index = child;
    }
    heap[index] = last;
  }
}
