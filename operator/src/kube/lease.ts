import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import type { Logger } from 'pino';
import type { KubeClient } from './client.ts';
import { sleep } from './deadline.ts';
import { KubeApiError } from './errors.ts';
import { microTime } from './micro-time.ts';
import { LEASES } from './resources.ts';
import type { KubeObject } from './types.ts';

export interface LeaseOptions {
  namespace: string;
  name: string;
  /** Unique to the process. Default host name and a random UUID. */
  identity?: string;
  /** Others may take the lease when they saw no renewal for this time. Default 15 s. */
  leaseMs?: number;
  /** The holder gives up when it could not renew for this time. Default 10 s. */
  renewDeadlineMs?: number;
  /** Between attempts. Default 2 s. */
  retryMs?: number;
  /** The lease was lost: the process must stop acting at once, best by exiting. Not called after `release`. */
  onLost(): void;
  log?: Logger;
  now?: () => Date;
}

interface LeaseSpec {
  holderIdentity?: string;
  leaseDurationSeconds?: number;
  acquireTime?: string;
  renewTime?: string;
  leaseTransitions?: number;
}

/**
 * Leader election by a Lease, as client-go does it: who sees the lease unrenewed for its whole duration, by its own
 * monotonic clock, takes it; so clocks of different machines need not agree.
 */
export class LeaderElector {
  readonly identity: string;
  readonly #client: KubeClient;
  readonly #options: Required<Pick<LeaseOptions, 'leaseMs' | 'renewDeadlineMs' | 'retryMs'>> & LeaseOptions;
  /** What was last seen of the lease, and when by our clock. */
  #observed: { state: string; at: number; lease: KubeObject } | undefined;
  #renewedAt = 0;
  #leading = false;
  #stopped = new AbortController();
  #renewing: Promise<void> = Promise.resolve();

  constructor(client: KubeClient, options: LeaseOptions) {
    const { leaseMs = 15_000, renewDeadlineMs = 10_000, retryMs = 2_000 } = options;
    if (!(leaseMs > renewDeadlineMs && renewDeadlineMs > retryMs * 1.2)) {
      throw new Error(
        `Leader election needs lease > renew deadline > 1.2 × retry, got ${leaseMs}, ${renewDeadlineMs}, ${retryMs} ms.`,
      );
    }
    this.#client = client;
    this.#options = { ...options, leaseMs, renewDeadlineMs, retryMs };
    this.identity = options.identity ?? `${hostname()}_${randomUUID()}`;
    client.metrics.leader.set({ name: options.name }, 0);
    client.metrics.leaderSlowpath.inc({ name: options.name }, 0);
  }

  get isLeader(): boolean {
    return this.#leading;
  }

  /** False when this process believes to lead although its lease ran out long ago: it hangs and must be restarted. */
  get isHealthy(): boolean {
    const { leaseMs } = this.#options;
    return !this.#leading || performance.now() - this.#renewedAt < leaseMs + 20_000;
  }

  /** Resolves with true when this process leads, with false when the signal aborted before. */
  async acquire(signal: AbortSignal): Promise<boolean> {
    this.#stopped = new AbortController();
    while (!signal.aborted) {
      if (await this.#attempt()) {
        this.#lead();
        return true;
      }
      await sleep(this.#jittered(), signal);
    }
    return false;
  }

  /** Stops renewing and lets the next one in at once. Call it when everything that acts has stopped. */
  async release(): Promise<void> {
    this.#stopped.abort();
    await this.#renewing;
    const lease = this.#observed?.lease;
    if (!this.#leading || lease === undefined) {
      return;
    }
    this.#follow();
    try {
      await this.#write(lease, {
        ...specOf(lease),
        holderIdentity: '',
        leaseDurationSeconds: 1,
        renewTime: this.#time(),
      });
    } catch (error) {
      this.#options.log?.warn({ err: error }, 'The lease could not be released and will run out');
    }
  }

  #lead(): void {
    const { name, log } = this.#options;
    this.#leading = true;
    this.#client.metrics.leader.set({ name }, 1);
    log?.info({ lease: name, identity: this.identity }, 'This process leads');
    this.#renewing = this.#renew(this.#stopped.signal);
  }

  #follow(): void {
    this.#leading = false;
    this.#client.metrics.leader.set({ name: this.#options.name }, 0);
  }

  async #renew(stopped: AbortSignal): Promise<void> {
    const { renewDeadlineMs, retryMs, log, name } = this.#options;
    for (;;) {
      await sleep(retryMs, stopped);
      if (stopped.aborted) {
        return;
      }
      // After a stall longer than the deadline somebody else may lead: no attempt is made to win it back unseen.
      const late = performance.now() - this.#renewedAt > renewDeadlineMs;
      const renewed = !late && (await this.#attempt());
      if (stopped.aborted) {
        return;
      }
      const taken = this.#observed !== undefined && specOf(this.#observed.lease).holderIdentity !== this.identity;
      if (late || (!renewed && (taken || performance.now() - this.#renewedAt > renewDeadlineMs))) {
        this.#follow();
        log?.error({ lease: name, identity: this.identity }, 'The lease is lost, this process must stop');
        this.#options.onLost();
        return;
      }
    }
  }

  /** One attempt to take or renew the lease. */
  async #attempt(): Promise<boolean> {
    const started = performance.now();
    try {
      if (this.#leading && this.#observed !== undefined) {
        const renewed = await this.#renewFast(this.#observed.lease);
        if (renewed) {
          this.#renewedAt = started;
          return true;
        }
        this.#client.metrics.leaderSlowpath.inc({ name: this.#options.name });
      }
      const won = await this.#takeOrRenew();
      if (won) {
        this.#renewedAt = started;
      }
      return won;
    } catch (error) {
      const race = error instanceof KubeApiError && (error.isConflict || error.isAlreadyExists);
      this.#options.log?.[race ? 'debug' : 'warn']({ err: error }, 'The lease could not be taken or renewed');
      return false;
    }
  }

  /** Renews by what is known of the lease, which saves reading it. False on any sign that somebody else wrote it. */
  async #renewFast(lease: KubeObject): Promise<boolean> {
    try {
      await this.#write(lease, { ...specOf(lease), renewTime: this.#time() });
      return true;
    } catch (error) {
      if (error instanceof KubeApiError && (error.isConflict || error.isNotFound)) {
        return false;
      }
      throw error;
    }
  }

  async #takeOrRenew(): Promise<boolean> {
    const { namespace, name, leaseMs } = this.#options;
    const lease = await this.#client.get(LEASES, { namespace, name }, { timeoutMs: this.#timeoutMs() });
    const now = this.#time();
    const mine = { holderIdentity: this.identity, leaseDurationSeconds: Math.ceil(leaseMs / 1000), renewTime: now };
    if (lease === undefined) {
      const made = await this.#client.create(
        LEASES,
        {
          apiVersion: 'coordination.k8s.io/v1',
          kind: 'Lease',
          metadata: { namespace, name },
          spec: { ...mine, acquireTime: now, leaseTransitions: 0 },
        },
        { timeoutMs: this.#timeoutMs() },
      );
      this.#observe(made);
      return true;
    }
    this.#observe(lease);
    const spec = specOf(lease);
    const holder = spec.holderIdentity ?? '';
    if (holder !== '' && holder !== this.identity && !this.#isExpired(spec)) {
      return false;
    }
    const transition =
      holder === this.identity ? {} : { acquireTime: now, leaseTransitions: (spec.leaseTransitions ?? 0) + 1 };
    await this.#write(lease, { ...spec, ...mine, ...transition });
    return true;
  }

  /** By our own clock, from when we first saw the lease in its present state. */
  #isExpired(spec: LeaseSpec): boolean {
    const durationMs = (spec.leaseDurationSeconds ?? this.#options.leaseMs / 1000) * 1000;
    return performance.now() - this.#observed!.at >= durationMs;
  }

  #observe(lease: KubeObject): void {
    const state = JSON.stringify(lease.spec);
    if (this.#observed?.state === state) {
      this.#observed.lease = lease;
    } else {
      this.#observed = { state, at: performance.now(), lease };
    }
  }

  async #write(lease: KubeObject, spec: LeaseSpec): Promise<void> {
    const { namespace, name } = this.#options;
    const written = await this.#client.patch(
      LEASES,
      { namespace, name },
      { metadata: { resourceVersion: lease.metadata.resourceVersion }, spec },
      { timeoutMs: this.#timeoutMs() },
    );
    this.#observe(written);
  }

  #timeoutMs(): number {
    return Math.max(1_000, this.#options.renewDeadlineMs / 2);
  }

  #jittered(): number {
    return this.#options.retryMs * (1 + 0.2 * Math.random());
  }

  #time(): string {
    return microTime((this.#options.now ?? (() => new Date()))());
  }
}

function specOf(lease: KubeObject): LeaseSpec {
  return (lease.spec ?? {}) as LeaseSpec;
}
