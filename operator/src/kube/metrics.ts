import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';

/** Durations in seconds, controller-runtime's buckets for reconciles. */
const RECONCILE_BUCKETS = [
  0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.6, 0.7, 0.8, 0.9, 1, 1.25, 1.5, 1.75, 2,
  2.5, 3, 3.5, 4, 4.5, 5, 6, 7, 8, 9, 10, 15, 20, 25, 30, 40, 50, 60,
];

/** client-go's exponential buckets for work queues: 10 ns to 100 s. */
const QUEUE_BUCKETS = [1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 0.01, 0.1, 1, 10, 100, 1000];

const REQUEST_BUCKETS = [0.005, 0.025, 0.1, 0.25, 0.5, 1, 2, 4, 8, 15, 30, 60];

/** Metrics under the names that controller-runtime and client-go use, so that dashboards and alerts made for those work. */
export class KubeMetrics {
  readonly registry: Registry;
  readonly reconcileTotal: Counter<'controller' | 'result'>;
  readonly reconcileErrors: Counter<'controller'>;
  readonly terminalReconcileErrors: Counter<'controller'>;
  readonly reconcilePanics: Counter<'controller'>;
  readonly reconcileTimeouts: Counter<'controller'>;
  readonly reconcileTime: Histogram<'controller'>;
  readonly maxConcurrentReconciles: Gauge<'controller'>;
  readonly activeWorkers: Gauge<'controller'>;
  readonly queueDepth: Gauge<'name' | 'controller' | 'priority'>;
  readonly queueAdds: Counter<'name' | 'controller'>;
  readonly queueDuration: Histogram<'name' | 'controller'>;
  readonly workDuration: Histogram<'name' | 'controller'>;
  readonly unfinishedWork: Gauge<'name' | 'controller'>;
  readonly longestRunning: Gauge<'name' | 'controller'>;
  readonly queueRetries: Counter<'name' | 'controller'>;
  readonly leader: Gauge<'name'>;
  readonly leaderSlowpath: Counter<'name'>;
  readonly requests: Counter<'code' | 'method' | 'host'>;
  readonly requestDuration: Histogram<'verb' | 'host'>;
  readonly relists: Counter<'resource' | 'cause'>;
  readonly watchStarts: Counter<'resource'>;
  readonly handlerErrors: Counter<'resource'>;
  readonly cacheObjects: Gauge<'resource'>;
  readonly cacheSyncSeconds: Gauge<'resource'>;
  readonly #scrapes = new Set<() => void>();

  constructor(registry: Registry = new Registry()) {
    this.registry = registry;
    const registers = [registry];
    const counter = <L extends string>(name: string, help: string, labelNames: L[]) =>
      new Counter<L>({ name, help, labelNames, registers });
    const gauge = <L extends string>(name: string, help: string, labelNames: L[]) =>
      new Gauge<L>({ name, help, labelNames, registers });
    const histogram = <L extends string>(name: string, help: string, labelNames: L[], buckets: number[]) =>
      new Histogram<L>({ name, help, labelNames, buckets, registers });

    const reconcile = 'controller_runtime_';
    this.reconcileTotal = counter(`${reconcile}reconcile_total`, 'Reconciliations by result', ['controller', 'result']);
    this.reconcileErrors = counter(`${reconcile}reconcile_errors_total`, 'Reconciliation errors', ['controller']);
    this.terminalReconcileErrors = counter(
      `${reconcile}terminal_reconcile_errors_total`,
      'Reconciliations that ended in a state which only a change of the resource can cure',
      ['controller'],
    );
    this.reconcilePanics = counter(`${reconcile}reconcile_panics_total`, 'Programming errors thrown by a reconcile', [
      'controller',
    ]);
    this.reconcileTimeouts = counter(`${reconcile}reconcile_timeouts_total`, 'Reconciliations past their deadline', [
      'controller',
    ]);
    this.reconcileTime = histogram(
      `${reconcile}reconcile_time_seconds`,
      'Duration of reconciliations',
      ['controller'],
      RECONCILE_BUCKETS,
    );
    this.maxConcurrentReconciles = gauge(`${reconcile}max_concurrent_reconciles`, 'Workers', ['controller']);
    this.activeWorkers = gauge(`${reconcile}active_workers`, 'Workers that reconcile now', ['controller']);

    const queue: ('name' | 'controller')[] = ['name', 'controller'];
    // The first of the metrics known by looking, so the others are set before they are read.
    this.queueDepth = new Gauge({
      name: 'workqueue_depth',
      help: 'Items waiting',
      labelNames: ['name', 'controller', 'priority'],
      registers,
      collect: () => {
        for (const scrape of this.#scrapes) {
          scrape();
        }
      },
    });
    this.queueAdds = counter('workqueue_adds_total', 'Items added', queue);
    this.queueDuration = histogram(
      'workqueue_queue_duration_seconds',
      'Seconds an item waits before it is processed',
      queue,
      QUEUE_BUCKETS,
    );
    this.workDuration = histogram(
      'workqueue_work_duration_seconds',
      'Seconds it takes to process an item',
      queue,
      QUEUE_BUCKETS,
    );
    this.unfinishedWork = gauge('workqueue_unfinished_work_seconds', 'Seconds of work in progress', queue);
    this.longestRunning = gauge(
      'workqueue_longest_running_processor_seconds',
      'Seconds the longest running worker has been at its item',
      queue,
    );
    this.queueRetries = counter('workqueue_retries_total', 'Retries after a failure', queue);

    this.leader = gauge('leader_election_master_status', '1 while this process holds the lease', ['name']);
    this.leaderSlowpath = counter('leader_election_slowpath_total', 'Renewals that had to read the lease first', [
      'name',
    ]);

    this.requests = counter(
      'rest_client_requests_total',
      'Requests to the API server; code is <error> without an answer',
      ['code', 'method', 'host'],
    );
    this.requestDuration = histogram(
      'rest_client_request_duration_seconds',
      'Duration of requests to the API server, watches excepted',
      ['verb', 'host'],
      REQUEST_BUCKETS,
    );

    this.relists = counter('informer_relists_total', 'Lists from the beginning by cause', ['resource', 'cause']);
    this.watchStarts = counter('informer_watches_total', 'Watches opened', ['resource']);
    this.handlerErrors = counter('informer_handler_errors_total', 'Exceptions thrown by change handlers', ['resource']);
    this.cacheObjects = gauge('informer_objects', 'Objects in the cache', ['resource']);
    this.cacheSyncSeconds = gauge('informer_sync_seconds', 'Seconds the first list took', ['resource']);
  }
  /** Calls back whenever the metrics are read, for values that are known by looking. Returns the way to stop that. */
  onScrape(callback: () => void): () => void {
    this.#scrapes.add(callback);
    return () => this.#scrapes.delete(callback);
  }

  /** Adds the process' own: memory, CPU, handles, event-loop lag (nodejs_eventloop_lag_*). Once a process. */
  collectProcessMetrics(): void {
    collectDefaultMetrics({ register: this.registry });
  }
}
