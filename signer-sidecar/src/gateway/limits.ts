/** Token buckets and a count of requests in flight. Memory is bounded: the bucket unused for longest is forgotten. */

interface Bucket {
  tokens: number;
  at: number;
}

export class RateLimiter {
  readonly #perSecond: number;
  readonly #burst: number;
  readonly #maxKeys: number;
  readonly #now: () => number;
  /** In order of last use, the oldest first. */
  readonly #buckets = new Map<string, Bucket>();

  /** @param options.now milliseconds, monotonic */
  constructor(options: { perSecond: number; burst: number; maxKeys?: number; now?: () => number }) {
    this.#perSecond = options.perSecond;
    this.#burst = options.burst;
    this.#maxKeys = options.maxKeys ?? 10_000;
    this.#now = options.now ?? (() => performance.now());
  }

  /**
   * Takes `cost` tokens of `key`. A cost above the burst is taken as the whole burst, so that it can pass at all.
   * @returns 0 when taken, else the seconds to wait (at least 1, rounded up), with nothing taken
   */
  take(key: string, cost = 1): number {
    const now = this.#now();
    const wanted = Math.min(cost, this.#burst);
    const bucket = this.#buckets.get(key) ?? { tokens: this.#burst, at: now };
    bucket.tokens = Math.min(this.#burst, bucket.tokens + ((now - bucket.at) / 1000) * this.#perSecond);
    bucket.at = now;
    this.#buckets.delete(key);
    this.#buckets.set(key, bucket);
    this.#forget();
    if (bucket.tokens < wanted) return Math.max(1, Math.ceil((wanted - bucket.tokens) / this.#perSecond));
    bucket.tokens -= wanted;
    return 0;
  }

  /** Gives one token back: what was taken turned out not to count. */
  refund(key: string): void {
    const bucket = this.#buckets.get(key);
    if (bucket !== undefined) bucket.tokens = Math.min(this.#burst, bucket.tokens + 1);
  }

  get size(): number {
    return this.#buckets.size;
  }

  #forget(): void {
    if (this.#buckets.size <= this.#maxKeys) return;
    const [oldest] = this.#buckets.keys();
    if (oldest !== undefined) this.#buckets.delete(oldest);
  }
}

/** Counts what is in flight, up to a limit. */
export class InFlight {
  readonly limit: number;
  #count = 0;
  #idle: (() => void)[] = [];

  constructor(limit: number) {
    this.limit = limit;
  }

  get count(): number {
    return this.#count;
  }

  /** False when full. Every true must be followed by one leave(). */
  enter(): boolean {
    if (this.#count >= this.limit) return false;
    this.#count += 1;
    return true;
  }

  leave(): void {
    this.#count -= 1;
    if (this.#count > 0) return;
    for (const resolve of this.#idle.splice(0)) resolve();
  }

  /** Resolves when nothing is in flight. */
  idle(): Promise<void> {
    return this.#count === 0 ? Promise.resolve() : new Promise((resolve) => this.#idle.push(resolve));
  }
}
