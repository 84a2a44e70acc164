import { randomUUID } from 'node:crypto';
import type { Logger } from 'pino';
import { aborted, sleep } from './deadline.ts';
import { KubeApiError } from './errors.ts';
import type { ChangeEvent, InformerView } from './informer.ts';
import type { KubeMetrics } from './metrics.ts';
import { LOW_PRIORITY, type Taken, WorkQueue } from './queue.ts';
import { type Key, type KubeObject, keyOf, keyString, parseKey } from './types.ts';

/**
 * How a reconcile ended. `done`: nothing to do until something changes. `requeue`: look again after that time.
 * `stalled`: only a change of the resource or its surroundings helps, so no retry. A transient failure is thrown.
 */
export type Outcome =
  | { kind: 'done' }
  | { kind: 'requeue'; afterSeconds: number }
  | { kind: 'stalled'; reason: string; message: string };

export interface ReconcileContext {
  /** Carries controller, namespace, name and reconcileID. */
  log: Logger;
  /** Aborts when the process stops. */
  signal: AbortSignal;
  now(): Date;
}

/** Maps a change of another resource to the keys to reconcile; asked for the old and the new object. */
export interface Watch {
  // biome-ignore lint/suspicious/noExplicitAny: informers of different types stand in one list
  informer: InformerView<any>;
  // biome-ignore lint/suspicious/noExplicitAny: see above
  keys(object: any): Key[];
}

export interface ControllerOptions {
  name: string;
  // biome-ignore lint/suspicious/noExplicitAny: the type of the primary resource is of no matter here
  primary: InformerView<any>;
  /** Workers. Default 1. */
  concurrency?: number;
  reconcile(key: Key, context: ReconcileContext): Promise<Outcome>;
  watches?: readonly Watch[];
  log: Logger;
  /** Default: those of the primary informer. */
  metrics?: KubeMetrics;
  now?: () => Date;
  /** Retry delays of a key whose reconcile threw. Default 5 ms doubling to 1000 s. */
  backoff?: { baseMs: number; maxMs: number };
  /** A reconcile that takes longer is logged and counted; it is not stopped. Default 60 s. */
  timeoutMs?: number;
  /** A key is looked at again at least this often (± 10 %), whatever the watches say. Default 10 h. */
  resyncSeconds?: number;
  /** How long `run` waits for reconciles under way when it stops. Default 30 s. */
  graceMs?: number;
}

const RESULTS = ['success', 'error', 'requeue', 'requeue_after'] as const;

/** Thrown by mistakes in the program rather than by its surroundings. */
const PROGRAMMING_ERRORS = [TypeError, ReferenceError, RangeError, SyntaxError];

/** Runs one reconcile a key at a time, for each change of the primary resource or of what is watched. */
export class Controller {
  readonly name: string;
  readonly #options: ControllerOptions;
  readonly #queue: WorkQueue;
  readonly #metrics: KubeMetrics;
  readonly #log: Logger;
  readonly #now: () => Date;
  /** Since when each worker has been at its key, ms. */
  readonly #running = new Map<string, number>();

  constructor(options: ControllerOptions) {
    this.name = options.name;
    this.#options = options;
    this.#metrics = options.metrics ?? options.primary.metrics;
    this.#log = options.log.child({ controller: options.name });
    this.#now = options.now ?? (() => new Date());
    this.#queue = new WorkQueue(options.backoff === undefined ? {} : { backoff: options.backoff });
    this.#initialiseMetrics();
  }

  /** Asks for a reconcile of a key, at once or after a time. */
  enqueue(key: Key, afterSeconds = 0): void {
    this.#add(key, 0, afterSeconds);
  }

  /** Waits for the caches, then works until the signal; resolves when the reconciles under way have ended. */
  async run(signal: AbortSignal): Promise<void> {
    const { primary, watches = [], concurrency = 1, graceMs = 30_000 } = this.#options;
    const unregister = [
      this.#metrics.onScrape(() => this.#scrape()),
      primary.onChange((event) => this.#changed(event, (object) => [keyOf(object)])),
      ...watches.map(({ informer, keys }) => informer.onChange((event) => this.#changed(event, keys))),
    ];
    try {
      const synced = Promise.all([primary.synced, ...watches.map(({ informer }) => informer.synced)]);
      await Promise.race([synced, aborted(signal)]);
      if (signal.aborted) {
        return;
      }
      this.#log.debug('Caches are in sync, workers start');
      const workers = Array.from({ length: concurrency }, () => this.#work(signal));
      await aborted(signal);
      this.#queue.close();
      await Promise.race([Promise.all(workers), sleep(graceMs)]);
      if (this.#running.size > 0) {
        this.#log.warn({ keys: [...this.#running.keys()] }, 'Stopped before these reconciles ended');
      }
    } finally {
      this.#queue.close();
      for (const undo of unregister) {
        undo();
      }
    }
  }

  #changed(event: ChangeEvent, keys: (object: KubeObject) => Key[]): void {
    const priority = event.initial ? LOW_PRIORITY : 0;
    const found = new Map<string, Key>();
    // An object that changed hands concerns its owner of before, too.
    for (const object of event.old === undefined ? [event.object] : [event.old, event.object]) {
      for (const key of keys(object)) {
        found.set(keyString(key), key);
      }
    }
    for (const key of found.values()) {
      this.#add(key, priority, 0);
    }
  }

  #add(key: Key, priority: number, afterSeconds: number): void {
    this.#metrics.queueAdds.inc(this.#queueLabels());
    this.#queue.add(keyString(key), { priority, afterMs: afterSeconds * 1000 });
  }

  async #work(signal: AbortSignal): Promise<void> {
    for (;;) {
      const taken = await this.#queue.take();
      if (taken === undefined) {
        return;
      }
      this.#metrics.queueDuration.observe(this.#queueLabels(), taken.waitedMs / 1000);
      this.#metrics.activeWorkers.inc({ controller: this.name });
      const started = performance.now();
      this.#running.set(taken.key, started);
      try {
        await this.#reconcile(taken, signal);
      } finally {
        this.#running.delete(taken.key);
        this.#metrics.activeWorkers.dec({ controller: this.name });
        this.#metrics.workDuration.observe(this.#queueLabels(), (performance.now() - started) / 1000);
        this.#queue.done(taken.key);
      }
    }
  }

  async #reconcile(taken: Taken, signal: AbortSignal): Promise<void> {
    const key = parseKey(taken.key);
    const log = this.#log.child({ ...key, reconcileID: randomUUID() });
    const limitMs = this.#options.timeoutMs ?? 60_000;
    const overdue = setTimeout(() => {
      this.#metrics.reconcileTimeouts.inc({ controller: this.name });
      log.warn({ seconds: limitMs / 1000 }, 'Reconcile takes longer than expected and goes on');
    }, limitMs);
    const stop = this.#metrics.reconcileTime.startTimer({ controller: this.name });
    try {
      const outcome = await this.#options.reconcile(key, { log, signal, now: this.#now });
      this.#settle(taken, outcome, log);
    } catch (error) {
      this.#fail(taken, error, log, signal);
    } finally {
      clearTimeout(overdue);
      stop();
    }
  }

  #settle(taken: Taken, outcome: Outcome, log: Logger): void {
    const labels = { controller: this.name };
    this.#queue.forget(taken.key);
    switch (outcome.kind) {
      case 'done':
        this.#metrics.reconcileTotal.inc({ ...labels, result: 'success' });
        this.#resync(taken.key);
        return;
      case 'requeue':
        this.#metrics.reconcileTotal.inc({ ...labels, result: 'requeue_after' });
        this.#queue.add(taken.key, { afterMs: outcome.afterSeconds * 1000 });
        return;
      case 'stalled':
        this.#metrics.reconcileTotal.inc({ ...labels, result: 'error' });
        this.#metrics.reconcileErrors.inc(labels);
        this.#metrics.terminalReconcileErrors.inc(labels);
        log.info({ reason: outcome.reason, message: outcome.message }, 'Stalled');
        this.#resync(taken.key);
    }
  }

  #fail(taken: Taken, error: unknown, log: Logger, signal: AbortSignal): void {
    if (signal.aborted) {
      return;
    }
    const labels = { controller: this.name };
    this.#metrics.reconcileTotal.inc({ ...labels, result: 'error' });
    this.#metrics.reconcileErrors.inc(labels);
    this.#metrics.queueRetries.inc(this.#queueLabels());
    const panic = PROGRAMMING_ERRORS.some((mistake) => error instanceof mistake);
    if (panic) {
      this.#metrics.reconcilePanics.inc(labels);
    }
    const retryMs = this.#queue.addRateLimited(taken.key, { priority: taken.priority });
    const level = error instanceof KubeApiError && error.isConflict ? 'debug' : 'error';
    log[level]({ err: error, retryMs }, panic ? 'Reconcile failed by a programming error' : 'Reconcile failed');
  }

  /** Against changes that no watch tells. Keys whose resource is gone are not kept. */
  #resync(key: string): void {
    if (this.#options.primary.get(parseKey(key)) !== undefined) {
      const seconds = (this.#options.resyncSeconds ?? 36_000) * (0.9 + 0.2 * Math.random());
      this.#queue.add(key, { afterMs: seconds * 1000, priority: LOW_PRIORITY });
    }
  }

  #queueLabels(): { name: string; controller: string } {
    return { name: this.name, controller: this.name };
  }

  #initialiseMetrics(): void {
    const labels = { controller: this.name };
    for (const result of RESULTS) {
      this.#metrics.reconcileTotal.inc({ ...labels, result }, 0);
    }
    const { reconcileErrors, terminalReconcileErrors, reconcilePanics, reconcileTimeouts } = this.#metrics;
    for (const counter of [reconcileErrors, terminalReconcileErrors, reconcilePanics, reconcileTimeouts]) {
      counter.inc(labels, 0);
    }
    this.#metrics.queueAdds.inc(this.#queueLabels(), 0);
    this.#metrics.queueRetries.inc(this.#queueLabels(), 0);
    this.#metrics.reconcileTime.zero(labels);
    this.#metrics.activeWorkers.set(labels, 0);
    this.#metrics.maxConcurrentReconciles.set(labels, this.#options.concurrency ?? 1);
  }

  #scrape(): void {
    const now = performance.now();
    const seconds = [...this.#running.values()].map((since) => (now - since) / 1000);
    const labels = this.#queueLabels();
    this.#metrics.unfinishedWork.set(
      labels,
      seconds.reduce((sum, value) => sum + value, 0),
    );
    this.#metrics.longestRunning.set(labels, Math.max(0, ...seconds));
    const depths = this.#queue.depths();
    for (const priority of new Set([0, LOW_PRIORITY, ...depths.keys()])) {
      this.#metrics.queueDepth.set({ ...labels, priority: String(priority) }, depths.get(priority) ?? 0);
    }
  }
}

/** For `watches`: the keys of the controlling owners of that kind (and group, if given). */
export function ownerKeys(kind: string, group?: string): (object: KubeObject) => Key[] {
  return (object) => {
    const { namespace, ownerReferences = [] } = object.metadata;
    return ownerReferences
      .filter((owner) => owner.controller === true && owner.kind === kind)
      .filter((owner) => group === undefined || owner.apiVersion.startsWith(`${group}/`))
      .map(({ name }) => (namespace === undefined ? { name } : { namespace, name }));
  };
}
