import { HsmError } from './errors.ts';
import type { HsmSignature } from './types.ts';

interface Pending {
  readonly deadline: number;
  readonly sentAt: number;
  resolve(signature: HsmSignature): void;
  reject(error: HsmError): void;
}

/**
 * Signatures that are waited for. All have the same time-out, so the order in which they came is the order in which
 * they expire, and one timer serves all.
 */
export class Requests {
  readonly #pending = new Map<number, Pending>();
  readonly #timeoutMs: number;
  readonly #onTimeout: (sentAt: number) => void;
  #timer: NodeJS.Timeout | undefined;
  #nextId = 1;

  /** @param onTimeout called with the time (performance.now) at which the expired request was sent */
  constructor(timeoutMs: number, onTimeout: (sentAt: number) => void) {
    this.#timeoutMs = timeoutMs;
    this.#onTimeout = onTimeout;
  }

  get size(): number {
    return this.#pending.size;
  }

  /** Registers a request; `send` is given its id, which is never used again in the life of the sidecar's counter. */
  add(send: (id: number) => void): Promise<HsmSignature> {
    const id = this.#nextId;
    this.#nextId = id === 0xffff_ffff ? 1 : id + 1;
    const now = performance.now();
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { deadline: now + this.#timeoutMs, sentAt: now, resolve, reject });
      if (this.#timer === undefined) this.#arm(this.#timeoutMs);
      send(id);
    });
  }

  resolve(id: number, signature: HsmSignature): void {
    const pending = this.#pending.get(id);
    this.#pending.delete(id);
    pending?.resolve(signature);
  }

  reject(id: number, error: HsmError): void {
    const pending = this.#pending.get(id);
    this.#pending.delete(id);
    pending?.reject(error);
  }

  rejectAll(error: HsmError): void {
    const all = [...this.#pending.values()];
    this.#pending.clear();
    for (const pending of all) pending.reject(error);
  }

  /** Resolves when nothing is waited for, at the latest when the last one expires. */
  async settled(): Promise<void> {
    while (this.#pending.size > 0) await new Promise((resolve) => setTimeout(resolve, 5));
  }

  #arm(delayMs: number): void {
    // Answers that have arrived already are read first: a pause of our own must not turn them into time-outs.
    this.#timer = setTimeout(() => setImmediate(() => this.#expire()), Math.max(1, Math.ceil(delayMs)));
  }

  #expire(): void {
    this.#timer = undefined;
    const now = performance.now();
    const expired: Pending[] = [];
    for (const [id, pending] of this.#pending) {
      if (pending.deadline > now) break;
      this.#pending.delete(id);
      expired.push(pending);
    }
    for (const pending of expired) {
      pending.reject(new HsmError('HSM_TIMEOUT', `The HSM did not sign within ${this.#timeoutMs} ms.`));
    }
    if (expired.length > 0) this.#onTimeout(expired[0]!.sentAt);
    const first = this.#pending.values().next().value;
    if (first !== undefined) this.#arm(first.deadline - performance.now());
  }
}
