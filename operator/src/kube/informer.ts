import type { Logger } from 'pino';
import type { KubeClient } from './client.ts';
import { KubeApiError } from './errors.ts';
import type { KubeMetrics } from './metrics.ts';
import { Reflector, type ReflectorOptions, type ReflectorSink } from './reflector.ts';
import { type Indexer, Store, type StoreReader } from './store.ts';
import { type Key, type KubeObject, keyOf, keyString, parseKey, type ResourceType, typeName } from './types.ts';

export interface ChangeEvent<T extends KubeObject = KubeObject> {
  type: 'added' | 'updated' | 'deleted';
  object: T;
  /** The object before, of an update. */
  old?: T;
  /** From the first list, so nobody waits for it. */
  initial: boolean;
}

export type ChangeHandler<T extends KubeObject = KubeObject> = (event: ChangeEvent<T>) => void;

/** A cache that follows the API server, as its users see it. */
export interface InformerView<T extends KubeObject = KubeObject> extends StoreReader<T> {
  readonly type: ResourceType;
  readonly metrics: KubeMetrics;
  readonly store: StoreReader<T>;
  /** Resolves when the first list is in the store and was told to the handlers. */
  readonly synced: Promise<void>;
  readonly hasSynced: boolean;
  /** Registers a handler; objects already in the store are told to it as `added`. Returns the way to unregister. */
  onChange(handler: ChangeHandler<T>): () => void;
  /** Adds an index (idempotent by name); objects already in the store are indexed at once. */
  addIndexer(name: string, indexer: Indexer<T>): void;
}

export interface InformerOptions<T extends KubeObject = KubeObject> extends ReflectorOptions {
  /** Applied before an object is cached. Default: drops metadata.managedFields. */
  transform?: (object: T) => T;
  indexers?: Record<string, Indexer<T>>;
  log?: Logger;
}

/** Keeps a Store equal to what the API server has, and tells handlers about changes. */
export class Informer<T extends KubeObject = KubeObject> implements InformerView<T> {
  readonly type: ResourceType;
  readonly metrics: KubeMetrics;
  readonly store: Store<T>;
  readonly synced: Promise<void>;
  readonly #handlers = new Set<ChangeHandler<T>>();
  readonly #reflector: Reflector<T>;
  readonly #transform: (object: T) => T;
  readonly #log: Logger | undefined;
  #hasSynced = false;
  #markSynced!: () => void;
  #lastError: unknown;
  #started = 0;

  constructor(client: KubeClient, type: ResourceType, options: InformerOptions<T> = {}) {
    const { transform, indexers, log, ...reflector } = options;
    this.type = type;
    this.metrics = client.metrics;
    this.store = new Store<T>(indexers);
    this.synced = new Promise((resolve) => {
      this.#markSynced = resolve;
    });
    this.#transform = transform ?? withoutManagedFields;
    this.#log = log;
    const sink: ReflectorSink<T> = {
      replace: (objects) => this.#replace(objects),
      change: (change, object) => this.#take(object, change === 'DELETED'),
      failed: (error, retryMs) => this.#failed(error, retryMs),
    };
    this.#reflector = new Reflector(client, type, sink, reflector);
  }

  get hasSynced(): boolean {
    return this.#hasSynced;
  }

  /** Why the last list or watch failed; undefined once it works. */
  get lastError(): unknown {
    return this.#lastError;
  }

  /** Follows the API server until the signal; the promise resolves after that and never rejects. */
  start(signal: AbortSignal): Promise<void> {
    this.#started = Date.now();
    return this.#reflector.run(signal);
  }

  /** Tries again now, if it waits after a failure. */
  kick(): void {
    this.#reflector.kick();
  }

  get(key: Key): T | undefined {
    return this.store.get(key);
  }

  list(namespace?: string): T[] {
    return this.store.list(namespace);
  }

  byIndex(name: string, value: string): T[] {
    return this.store.byIndex(name, value);
  }

  onChange(handler: ChangeHandler<T>): () => void {
    this.#handlers.add(handler);
    for (const object of this.store.list()) {
      this.#call(handler, { type: 'added', object, initial: true });
    }
    return () => this.#handlers.delete(handler);
  }

  addIndexer(name: string, indexer: Indexer<T>): void {
    this.store.addIndexer(name, indexer);
  }

  /** Empties the metrics of an informer that is no longer used. */
  forget(): void {
    this.#count(-this.store.size);
  }

  #replace(objects: T[]): void {
    const gone = new Set(this.store.keys());
    for (const object of objects) {
      gone.delete(keyString(keyOf(object)));
      this.#take(object, false);
    }
    for (const key of gone) {
      this.#drop(this.store.get(parseKey(key))!);
    }
    this.#lastError = undefined;
    if (!this.#hasSynced) {
      this.#hasSynced = true;
      this.metrics.cacheSyncSeconds.set({ resource: typeName(this.type) }, (Date.now() - this.#started) / 1000);
      this.#markSynced();
    }
  }

  /** A transform or indexer that throws costs that object its place in the cache, not the cache its connection. */
  #take(object: T, deleted: boolean): void {
    try {
      if (deleted) {
        this.#drop(object);
      } else {
        this.#put(this.#transform(object));
      }
    } catch (error) {
      this.#handlerFailed(error, object);
    }
  }

  #put(object: T): void {
    const key = keyOf(object);
    const old = this.store.get(key);
    if (old === undefined) {
      this.#count(1);
      this.store.set(object);
      this.#tell({ type: 'added', object, initial: !this.#hasSynced });
    } else if (old.metadata.uid !== object.metadata.uid) {
      // Deleted and made again while we were away: two things happened to two objects.
      this.#drop(old);
      this.#put(object);
    } else if (old.metadata.resourceVersion !== object.metadata.resourceVersion) {
      this.store.set(object);
      this.#tell({ type: 'updated', object, old, initial: false });
    }
  }

  #drop(object: T): void {
    const known = this.store.delete(keyOf(object));
    if (known === undefined) {
      return;
    }
    this.#count(-1);
    // The event has the last state, the store perhaps an earlier one; of another uid only the store's is about ours.
    const last = known.metadata.uid === object.metadata.uid ? this.#transform(object) : known;
    this.#tell({ type: 'deleted', object: last, initial: false });
  }

  #tell(event: ChangeEvent<T>): void {
    for (const handler of this.#handlers) {
      this.#call(handler, event);
    }
  }

  #call(handler: ChangeHandler<T>, event: ChangeEvent<T>): void {
    try {
      // A handler declared async returns a promise all the same, and its rejection would end the process.
      const result: unknown = handler(event);
      if (result instanceof Promise) {
        result.catch((error: unknown) => this.#handlerFailed(error, event.object));
      }
    } catch (error) {
      this.#handlerFailed(error, event.object);
    }
  }

  #handlerFailed(error: unknown, object: T): void {
    this.metrics.handlerErrors.inc({ resource: typeName(this.type) });
    this.#log?.error(
      { err: error, resource: typeName(this.type), object: keyString(keyOf(object)) },
      'A handler, transform or indexer threw',
    );
  }

  #failed(error: unknown, retryMs: number): void {
    this.#lastError = error;
    // Forbidden is expected while a RoleBinding settles; it is told when it prevents the first sync for long.
    const expected = error instanceof KubeApiError && error.isForbidden && !this.#hasSynced;
    this.#log?.[expected ? 'debug' : 'warn'](
      { err: error, resource: typeName(this.type), retryMs: Math.round(retryMs) },
      'List or watch failed, trying again',
    );
  }

  #count(difference: number): void {
    this.metrics.cacheObjects.inc({ resource: typeName(this.type) }, difference);
  }
}

/** managedFields is about half of many objects and nobody here reads it. */
export function withoutManagedFields<T extends KubeObject>(object: T): T {
  const { managedFields: _, ...metadata } = object.metadata;
  return { ...object, metadata };
}
