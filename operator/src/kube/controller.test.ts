import { pino } from 'pino';
import { Registry } from 'prom-client';
import { describe, expect, it, onTestFinished } from 'vitest';
import { eventually } from './api-testing.ts';
import { Controller, type ControllerOptions, ownerKeys } from './controller.ts';
import { KubeApiError } from './errors.ts';
import type { ChangeEvent, ChangeHandler, InformerView } from './informer.ts';
import { KubeMetrics } from './metrics.ts';
import { Store } from './store.ts';
import { type Key, type KubeObject, keyString } from './types.ts';

/** An informer that follows nothing but what the test says. */
class ScriptedInformer implements InformerView {
  readonly type = { group: '', version: 'v1', plural: 'things', kind: 'Thing', namespaced: true };
  readonly metrics = new KubeMetrics(new Registry());
  readonly store = new Store();
  readonly synced: Promise<void>;
  readonly #handlers = new Set<ChangeHandler>();
  sync!: () => void;
  hasSynced = false;

  constructor(synced = true) {
    this.synced = new Promise((resolve) => {
      this.sync = () => {
        this.hasSynced = true;
        resolve();
      };
    });
    if (synced) {
      this.sync();
    }
  }

  get(key: Key) {
    return this.store.get(key);
  }

  list() {
    return this.store.list();
  }

  byIndex() {
    return [];
  }

  addIndexer() {}

  onChange(handler: ChangeHandler) {
    this.#handlers.add(handler);
    return () => this.#handlers.delete(handler);
  }

  get handlers() {
    return this.#handlers.size;
  }

  put(object: KubeObject, initial = false) {
    const old = this.store.get(object.metadata);
    this.store.set(object);
    this.tell(old ? { type: 'updated', object, old, initial } : { type: 'added', object, initial });
  }

  tell(event: ChangeEvent) {
    for (const handler of this.#handlers) {
      handler(event);
    }
  }
}

const thing = (name: string, more: Partial<KubeObject['metadata']> = {}): KubeObject => ({
  apiVersion: 'v1',
  kind: 'Thing',
  metadata: { namespace: 'n', name, ...more },
});

function setup(options: Partial<ControllerOptions> & Pick<ControllerOptions, 'reconcile'>) {
  const primary = new ScriptedInformer();
  const lines: Record<string, unknown>[] = [];
  const log = pino({ level: 'debug' }, { write: (line: string) => void lines.push(JSON.parse(line)) });
  const controller = new Controller({ name: 'thing', primary, log, ...options });
  const stop = new AbortController();
  onTestFinished(() => stop.abort());
  const metrics = (options.primary ?? primary).metrics;
  const metric = async (name: string) => {
    const { values } = await metrics.registry.getSingleMetric(name)!.get();
    return Object.fromEntries(values.map(({ labels, value }) => [labels.result ?? '', value]));
  };
  return { primary, controller, stop, lines, metric, metrics };
}

describe('Controller', () => {
  it('reconciles each key once for many changes, with a log that carries the key and an id', async () => {
    const seen: string[] = [];
    const { primary, controller, stop, lines } = setup({
      reconcile: async (key, { log, now }) => {
        seen.push(keyString(key));
        log.info({ at: now() }, 'looked');
        return { kind: 'done' };
      },
      now: () => new Date(0),
    });
    const running = controller.run(stop.signal);
    primary.put(thing('a'));
    primary.put(thing('a'));
    primary.put(thing('b'));
    await eventually(() => seen.length >= 2, 'reconciles');
    expect(seen).toEqual(['n/a', 'n/b']);
    expect(lines.find(({ msg }) => msg === 'looked')).toMatchObject({
      controller: 'thing',
      namespace: 'n',
      name: 'a',
      at: '1970-01-01T00:00:00.000Z',
      reconcileID: expect.stringMatching(/^[0-9a-f-]{36}$/),
    });
    stop.abort();
    await running;
    expect(primary.handlers).toBe(0);
  });

  it('waits for every cache before it starts, and works first on what changed since', async () => {
    const late = new ScriptedInformer(false);
    const seen: string[] = [];
    const { primary, controller, stop } = setup({
      reconcile: async ({ name }) => {
        seen.push(name);
        return { kind: 'done' };
      },
      watches: [{ informer: late, keys: () => [] }],
    });
    void controller.run(stop.signal);
    primary.put(thing('old'), true);
    primary.put(thing('new'));
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(seen).toEqual([]);
    late.sync();
    await eventually(() => seen.length === 2, 'reconciles');
    expect(seen).toEqual(['new', 'old']);
  });

  it('maps a watched object to its owner of before and of now', async () => {
    const children = new ScriptedInformer();
    const seen: string[] = [];
    const { controller, stop } = setup({
      reconcile: async (key) => {
        seen.push(keyString(key));
        return { kind: 'done' };
      },
      watches: [{ informer: children, keys: ownerKeys('Thing', 'example.io') }],
    });
    const owned = (name: string) =>
      thing('child', {
        ownerReferences: [
          { apiVersion: 'example.io/v1', kind: 'Thing', name, uid: '1', controller: true },
          { apiVersion: 'other.io/v1', kind: 'Thing', name: 'stranger', uid: '2', controller: true },
          { apiVersion: 'example.io/v1', kind: 'Thing', name: 'bystander', uid: '3' },
        ],
      });
    void controller.run(stop.signal);
    children.put(owned('a'));
    await eventually(() => seen.length === 1, 'the owner');
    children.put(owned('b'));
    await eventually(() => seen.length === 3, 'both owners');
    expect(seen.sort()).toEqual(['n/a', 'n/a', 'n/b']);
  });

  it('tries a failure again with growing delays, and starts over after a success', async () => {
    const times: number[] = [];
    const { primary, controller, stop, metric, lines } = setup({
      reconcile: async () => {
        times.push(performance.now());
        if (times.length <= 4) {
          throw new KubeApiError({ code: 500, reason: 'X', message: 'm', request: 'GET /' });
        }
        return { kind: 'done' };
      },
      backoff: { baseMs: 20, maxMs: 1_000 },
    });
    void controller.run(stop.signal);
    primary.put(thing('a'));
    await eventually(() => times.length === 5, 'the retries');
    const gaps = times.slice(1).map((time, index) => time - times[index]!);
    for (const [index, gap] of gaps.entries()) {
      expect(gap).toBeGreaterThanOrEqual(20 * 2 ** index - 1);
    }
    expect(await metric('controller_runtime_reconcile_total')).toMatchObject({ error: 4, success: 1 });
    expect(await metric('controller_runtime_reconcile_panics_total')).toEqual({ '': 0 });
    expect(await metric('workqueue_retries_total')).toEqual({ '': 4 });
    expect(lines.filter(({ msg }) => msg === 'Reconcile failed').map(({ retryMs }) => retryMs)).toEqual([
      20, 40, 80, 160,
    ]);
  });

  it('survives programming errors and tells them apart', async () => {
    let runs = 0;
    const { primary, controller, stop, metric, lines } = setup({
      reconcile: (() => {
        runs += 1;
        if (runs === 1) {
          // Not even a promise.
          throw new TypeError('bug');
        }
        return Promise.resolve({ kind: 'done' });
      }) as ControllerOptions['reconcile'],
    });
    void controller.run(stop.signal);
    primary.put(thing('a'));
    await eventually(() => runs === 2, 'the retry');
    expect(await metric('controller_runtime_reconcile_panics_total')).toEqual({ '': 1 });
    expect(lines.some(({ msg }) => msg === 'Reconcile failed by a programming error')).toBe(true);
  });

  it('looks again after the time asked for, at once when something changes', async () => {
    const times: number[] = [];
    const { primary, controller, stop, metric } = setup({
      reconcile: async () => {
        times.push(performance.now());
        return times.length === 1 ? { kind: 'requeue', afterSeconds: 0.1 } : { kind: 'requeue', afterSeconds: 3600 };
      },
    });
    void controller.run(stop.signal);
    primary.put(thing('a'));
    await eventually(() => times.length === 2, 'the second look');
    expect(times[1]! - times[0]!).toBeGreaterThanOrEqual(99);
    primary.put(thing('a'));
    await eventually(() => times.length === 3, 'the look after the change', 1_000);
    expect(await metric('controller_runtime_reconcile_total')).toMatchObject({ requeue_after: 3, error: 0 });
  });

  it('does not try again what has stalled, until something changes', async () => {
    let runs = 0;
    const { primary, controller, stop, metric } = setup({
      reconcile: async () => {
        runs += 1;
        return { kind: 'stalled', reason: 'KeyLost', message: 'm' };
      },
    });
    void controller.run(stop.signal);
    primary.put(thing('a'));
    await eventually(() => runs === 1, 'the first run');
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(runs).toBe(1);
    expect(await metric('controller_runtime_terminal_reconcile_errors_total')).toEqual({ '': 1 });
    primary.put(thing('a'));
    await eventually(() => runs === 2, 'the second run');
  });

  it('looks at each resource again after the resync period, and never at one that is gone', async () => {
    const seen: string[] = [];
    const { primary, controller, stop } = setup({
      reconcile: async ({ name }) => {
        seen.push(name);
        return { kind: 'done' };
      },
      resyncSeconds: 0.05,
    });
    void controller.run(stop.signal);
    primary.put(thing('a'));
    controller.enqueue({ namespace: 'n', name: 'gone' });
    await eventually(() => seen.filter((name) => name === 'a').length >= 3, 'resyncs');
    expect(seen.filter((name) => name === 'gone')).toHaveLength(1);
  });

  it('works on several keys at a time, never twice on one, and shows it in its metrics', async () => {
    let active = 0;
    let most = 0;
    const busy = new Set<string>();
    let release!: () => void;
    const gate = new Promise<void>((resolve) => {
      release = resolve;
    });
    let done = 0;
    const { primary, controller, stop, metrics } = setup({
      concurrency: 3,
      reconcile: async ({ name }) => {
        expect(busy.has(name)).toBe(false);
        busy.add(name);
        most = Math.max(most, ++active);
        await gate;
        active -= 1;
        busy.delete(name);
        done += 1;
        return { kind: 'done' };
      },
    });
    void controller.run(stop.signal);
    for (const name of ['a', 'b', 'c', 'd', 'e', 'a', 'b']) {
      primary.put(thing(name));
    }
    await eventually(() => active === 3, 'three workers');
    primary.put(thing('a'));
    const text = await metrics.registry.metrics();
    expect(text).toContain('controller_runtime_active_workers{controller="thing"} 3');
    expect(text).toContain('controller_runtime_max_concurrent_reconciles{controller="thing"} 3');
    expect(text).toContain('workqueue_depth{name="thing",controller="thing",priority="0"} 2');
    expect(text).toContain('workqueue_depth{name="thing",controller="thing",priority="-100"} 0');
    release();
    await eventually(() => done === 6, 'all keys, and the one that changed meanwhile again');
    expect(most).toBe(3);
  });

  it('tells of a reconcile that takes too long', async () => {
    let release!: () => void;
    const { primary, controller, stop, metric, lines } = setup({
      timeoutMs: 20,
      reconcile: () =>
        new Promise((resolve) => {
          release = () => resolve({ kind: 'done' });
        }),
    });
    void controller.run(stop.signal);
    primary.put(thing('a'));
    await eventually(() => lines.some(({ level }) => level === 40), 'the warning');
    expect(await metric('controller_runtime_reconcile_timeouts_total')).toEqual({ '': 1 });
    release();
  });

  it('ends the reconciles under way before it stops, and begins no other', async () => {
    const seen: string[] = [];
    let ended = false;
    const { primary, controller, stop } = setup({
      reconcile: async ({ name }, { signal }) => {
        seen.push(name);
        await new Promise((resolve) => signal.addEventListener('abort', resolve));
        await new Promise((resolve) => setTimeout(resolve, 50));
        ended = true;
        return { kind: 'done' };
      },
    });
    const running = controller.run(stop.signal);
    primary.put(thing('a'));
    primary.put(thing('b'));
    await eventually(() => seen.length === 1, 'the first');
    stop.abort();
    await running;
    expect(ended).toBe(true);
    expect(seen).toEqual(['a']);
  });

  it('has all its series from the start', async () => {
    const { metrics } = setup({ reconcile: async () => ({ kind: 'done' }) });
    const text = await metrics.registry.metrics();
    for (const result of ['success', 'error', 'requeue', 'requeue_after']) {
      expect(text).toContain(`controller_runtime_reconcile_total{controller="thing",result="${result}"} 0`);
    }
    expect(text).toContain('controller_runtime_reconcile_panics_total{controller="thing"} 0');
    expect(text).toContain('workqueue_adds_total{name="thing",controller="thing"} 0');
    expect(text).toContain('controller_runtime_reconcile_time_seconds_count{controller="thing"} 0');
  });
});
