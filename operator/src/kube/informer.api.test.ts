import { describe, expect, inject, it, onTestFinished } from 'vitest';
import { eventually, testClient, testNamespace } from './api-testing.ts';
import { KubeClient } from './client.ts';
import { FaultProxy } from './fault-proxy.ts';
import { type ChangeEvent, Informer, type InformerOptions } from './informer.ts';
import { CONFIGMAPS } from './resources.ts';
import type { KubeObject } from './types.ts';

const FAST = { backoffMs: 20, maxBackoffMs: 200, idleMs: 60_000 };

/** A direct client, a proxy that can break things, and an informer behind it. */
async function setup(options: InformerOptions = {}) {
  const direct = testClient(inject('kubeconfig'));
  const namespace = await testNamespace(direct);
  const proxy = await FaultProxy.start(inject('kubeconfig'));
  const client = new KubeClient({ current: async () => ({ server: proxy.url, headers: {}, tls: {} }) });
  const informer = new Informer(client, CONFIGMAPS, { namespace, labelSelector: 'test=yes', times: FAST, ...options });
  const events: ChangeEvent[] = [];
  informer.onChange((event) => events.push(event));
  const stop = new AbortController();
  onTestFinished(async () => {
    stop.abort();
    await client.close();
    await proxy.stop();
  });
  const object = (name: string, value = '1'): KubeObject => ({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { namespace, name, labels: { test: 'yes' } },
    data: { value },
  });
  const put = (name: string, value = '1') => direct.apply(CONFIGMAPS, object(name, value), { fieldManager: 'test' });
  const remove = (name: string) => direct.delete(CONFIGMAPS, { namespace, name });
  const value = (name: string) => informer.get({ namespace, name })?.data.value as string | undefined;
  const start = async () => {
    void informer.start(stop.signal);
    await informer.synced;
    await eventually(() => proxy.openWatches === 1, 'the first watch');
  };
  const relists = async () => {
    const { values } = await client.metrics.relists.get();
    return Object.fromEntries(values.map(({ labels, value: count }) => [labels.cause, count]));
  };
  return { direct, namespace, proxy, client, informer, events, stop, put, remove, value, start, relists };
}

const told = (events: ChangeEvent[]) =>
  events.map(({ type, object, initial }) => `${type} ${object.metadata.name}${initial ? ' initial' : ''}`);

describe('Informer', () => {
  it('lists in pages, follows changes, and drops managedFields', async () => {
    const { informer, proxy, events, put, remove, value, start, namespace } = await setup({ pageSize: 2 });
    for (const name of ['a', 'b', 'c', 'd', 'e']) {
      await put(name);
    }
    await start();
    expect(informer.hasSynced).toBe(true);
    expect(informer.list()).toHaveLength(5);
    expect(proxy.lists.map(({ query }) => query.get('limit'))).toEqual(['2', '2', '2']);
    expect(informer.get({ namespace, name: 'a' })).toMatchObject({ apiVersion: 'v1', kind: 'ConfigMap' });
    expect(informer.get({ namespace, name: 'a' })?.metadata.managedFields).toBeUndefined();

    await put('a', '2');
    await remove('b');
    await eventually(() => value('a') === '2' && value('b') === undefined, 'the changes');
    expect(told(events).slice(5)).toEqual(['updated a', 'deleted b']);
    expect(events[5]!.old?.data.value).toBe('1');
    expect(events.slice(0, 5).every(({ initial }) => initial)).toBe(true);
  });

  it('goes on from where a cut stream ended, without a new list', async () => {
    const { proxy, put, value, start, relists } = await setup();
    await start();
    await put('a');
    await eventually(() => value('a'), 'the first object');
    proxy.fault = ({ isWatch }) => (isWatch ? { kind: 'reset' } : undefined);
    proxy.cutWatches();
    await put('a', 'while away');
    await put('b');
    proxy.fault = () => undefined;
    await eventually(() => value('a') === 'while away' && value('b'), 'what happened meanwhile');
    expect(await relists()).toEqual({ first: 1 });
  });

  it.each(['as an answer', 'as an event'])('lists again after 410 %s, and tells what went meanwhile', async (how) => {
    const { proxy, events, put, remove, value, start, relists } = await setup();
    await put('a');
    await put('b');
    await start();
    let gone = how === 'as an answer';
    proxy.fault = ({ isWatch }) =>
      isWatch && (gone || how === 'as an event') ? { kind: 'answer', status: 410, reason: 'Expired' } : undefined;
    if (how === 'as an event') {
      const status = { kind: 'Status', apiVersion: 'v1', code: 410, reason: 'Expired', message: 'too old' };
      proxy.injectIntoWatches(`${JSON.stringify({ type: 'ERROR', object: status })}\n`);
      proxy.fault = () => undefined;
    } else {
      proxy.cutWatches();
      await remove('b');
      await eventually(async () => ((await relists()).expired ?? 0) > 0, 'a new list');
      gone = false;
    }
    await remove('b');
    await put('c');
    await eventually(() => value('c') && value('b') === undefined, 'the state after the gap');
    expect((await relists()).expired).toBeGreaterThan(0);
    expect(proxy.lists.length).toBeGreaterThan(1);
    expect(told(events)).toContain('deleted b');
    expect(told(events).filter((event) => event.includes(' a'))).toEqual(['added a initial']);
  });

  it('starts the list over when its snapshot expires between pages', async () => {
    const { informer, proxy, put, start } = await setup({ pageSize: 2 });
    for (const name of ['a', 'b', 'c']) {
      await put(name);
    }
    proxy.fault = ({ query }) =>
      query.has('continue') ? { kind: 'answer', status: 410, reason: 'Expired' } : undefined;
    await start();
    expect(informer.list()).toHaveLength(3);
  });

  it('waits as long as a 429 says', async () => {
    const { proxy, client, informer, start } = await setup();
    const times: number[] = [];
    proxy.fault = () => {
      times.push(Date.now());
      return times.length <= 2
        ? { kind: 'answer', status: 429, reason: 'TooManyRequests', headers: { 'retry-after': '1' } }
        : undefined;
    };
    await start();
    expect(informer.hasSynced).toBe(true);
    expect(times[1]! - times[0]!).toBeGreaterThanOrEqual(1000);
    expect(times[2]! - times[1]!).toBeGreaterThanOrEqual(1000);
    expect((await client.metrics.requests.get()).values.find(({ labels }) => labels.code === '429')?.value).toBe(2);
  });

  it('does not take a 429 of a watch for a reason to list again', async () => {
    const { proxy, put, value, start, relists } = await setup();
    await start();
    let refusals = 0;
    proxy.fault = ({ isWatch }) =>
      isWatch && refusals++ < 3 ? { kind: 'answer', status: 429, reason: 'TooManyRequests' } : undefined;
    proxy.cutWatches();
    await put('a');
    await eventually(() => value('a'), 'the object');
    expect(refusals).toBe(4);
    expect(await relists()).toEqual({ first: 1 });
  });

  it('replaces a watch that fell silent', async () => {
    const { proxy, put, value, start, relists } = await setup({ times: { ...FAST, idleMs: 300 } });
    await start();
    proxy.silenceWatches();
    await put('a');
    await eventually(() => value('a'), 'the object');
    expect(proxy.watches.length).toBeGreaterThan(1);
    expect(await relists()).toEqual({ first: 1 });
  });

  it('keeps a watch on which something is heard', async () => {
    const { proxy, put, value, start } = await setup({ times: { ...FAST, idleMs: 600 } });
    await start();
    for (let round = 0; round < 10; round += 1) {
      await put('a', `round ${round}`);
      await new Promise((resolve) => setTimeout(resolve, 150));
    }
    await eventually(() => value('a') === 'round 9', 'the last round');
    expect(proxy.watches).toHaveLength(1);
  });

  it('tells delete and add when an object was made anew while it was away', async () => {
    const { proxy, events, put, remove, value, start } = await setup();
    await put('a', 'old');
    await start();
    let away = true;
    proxy.fault = ({ isWatch }) => (isWatch && away ? { kind: 'answer', status: 410, reason: 'Expired' } : undefined);
    // Both the list and the watch are away, so that only the uid can tell.
    const first = proxy.fault;
    proxy.fault = (request) => (away ? { kind: 'answer', status: 500 } : first(request));
    proxy.cutWatches();
    await remove('a');
    await put('a', 'new');
    away = false;
    let expired = true;
    proxy.fault = ({ isWatch }) => {
      const fail = isWatch && expired;
      expired = expired && !isWatch;
      return fail ? { kind: 'answer', status: 410, reason: 'Expired' } : undefined;
    };
    await eventually(() => value('a') === 'new', 'the new object');
    expect(told(events)).toEqual(['added a initial', 'deleted a', 'added a']);
    expect(events[1]!.object.metadata.uid).toBe(events[0]!.object.metadata.uid);
    expect(events[2]!.object.metadata.uid).not.toBe(events[0]!.object.metadata.uid);
  });

  it('outlives handlers, transforms and indexers that throw, and tells the others', async () => {
    const { informer, events, put, value, start, client } = await setup({
      transform: (object) => {
        if (object.metadata.name === 'poison') {
          throw new Error('transform');
        }
        return object;
      },
    });
    informer.onChange(() => {
      throw new Error('handler');
    });
    informer.onChange(async () => {
      throw new Error('async handler');
    });
    const after: string[] = [];
    informer.onChange(({ object }) => after.push(object.metadata.name));
    await put('poison');
    await put('a');
    await start();
    await put('a', '2');
    await eventually(() => value('a') === '2', 'the update');
    expect(told(events)).toEqual(['added a initial', 'updated a']);
    expect(after).toEqual(['a', 'a']);
    const errors = (await client.metrics.handlerErrors.get()).values[0]?.value;
    expect(errors).toBe(5);
  });

  it('advances by bookmarks while nothing of its own changes', async () => {
    const { direct, namespace, proxy, start } = await setup({ times: { ...FAST, watchSeconds: [3, 3] } });
    await start();
    const listed = Number(proxy.watches[0]!.query.get('resourceVersion'));
    expect(proxy.watches[0]!.query.get('allowWatchBookmarks')).toBe('true');
    const noise = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { namespace, name: 'noise' } };
    await direct.create(CONFIGMAPS, noise);
    await eventually(() => proxy.watches.length > 1, 'the second watch');
    expect(Number(proxy.watches[1]!.query.get('resourceVersion'))).toBeGreaterThan(listed);
  });

  it('does not spin on a server that ends each watch at once', async () => {
    const { proxy, start } = await setup({ times: { ...FAST, backoffMs: 100, maxBackoffMs: 10_000 } });
    await start();
    const before = proxy.watches.length;
    proxy.fault = ({ isWatch }) => (isWatch ? { kind: 'empty' } : undefined);
    proxy.cutWatches();
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    expect(proxy.watches.length - before).toBeLessThanOrEqual(5);
  });

  it('keeps what it knows and comes back when the API server does', async () => {
    const { proxy, informer, put, value, start } = await setup();
    await put('a');
    await start();
    proxy.fault = () => ({ kind: 'answer', status: 503, reason: 'ServiceUnavailable' });
    proxy.cutWatches();
    await eventually(() => informer.lastError !== undefined, 'a failure');
    expect(value('a')).toBe('1');
    proxy.fault = () => undefined;
    informer.kick();
    await put('a', '2');
    await eventually(() => value('a') === '2', 'the update');
  });

  it('leaves no watch behind when it stops, also when it stops during the list', async () => {
    const { proxy, stop, start, client, namespace } = await setup();
    await start();
    const early = new AbortController();
    const second = new Informer(client, CONFIGMAPS, { namespace });
    const ended = second.start(early.signal);
    early.abort();
    await ended;
    stop.abort();
    await eventually(() => proxy.openWatches === 0, 'the end of all watches');
    const seen = proxy.watches.length;
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(proxy.watches.length).toBe(seen);
  });

  it('holds what the API server holds after any mixture of changes and faults', async () => {
    const { direct, namespace, proxy, informer, put, remove, start, events } = await setup({
      pageSize: 3,
      times: { ...FAST, backoffMs: 5, maxBackoffMs: 50 },
    });
    await start();
    // Deterministic noise, so that a failure can be repeated.
    let seed = 42;
    const random = () => {
      seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31;
      return seed / 2 ** 31;
    };
    const faults = [
      () => ({ kind: 'answer', status: 410, reason: 'Expired' }) as const,
      () => ({ kind: 'answer', status: 500 }) as const,
      () => ({ kind: 'answer', status: 429, reason: 'TooManyRequests' }) as const,
      () => ({ kind: 'reset' }) as const,
      () => ({ kind: 'empty' }) as const,
    ];
    proxy.fault = () => (random() < 0.4 ? faults[Math.floor(random() * faults.length)]!() : undefined);
    for (let step = 0; step < 150; step += 1) {
      const name = `o${Math.floor(random() * 8)}`;
      await (random() < 0.35 ? remove(name) : put(name, String(step)));
      if (random() < 0.15) {
        proxy.cutWatches();
      }
    }
    proxy.fault = () => undefined;
    const truth = await direct.listAll(CONFIGMAPS, { namespace, labelSelector: 'test=yes' });
    const versions = (list: KubeObject[]) =>
      list.map(({ metadata }) => `${metadata.name} ${metadata.uid} ${metadata.resourceVersion}`).sort();
    await eventually(
      () => JSON.stringify(versions(informer.list())) === JSON.stringify(versions(truth.items)),
      'the cache to equal the API server',
    );
    // What the handlers were told adds up to the same: each object added once, deleted at most once.
    const alive = new Map<string, string>();
    for (const { type, object } of events) {
      const { name, uid } = object.metadata;
      expect(alive.get(name)).toBe(type === 'added' ? undefined : uid);
      if (type === 'deleted') {
        alive.delete(name);
      } else {
        alive.set(name, uid!);
      }
    }
    expect([...alive.keys()].sort()).toEqual(truth.items.map(({ metadata }) => metadata.name).sort());
  });
});
