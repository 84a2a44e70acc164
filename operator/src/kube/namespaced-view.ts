import type { ChangeHandler, Informer, InformerView } from './informer.ts';
import type { KubeMetrics } from './metrics.ts';
import type { Indexer, StoreReader } from './store.ts';
import type { Key, KubeObject, ResourceType } from './types.ts';

/**
 * One view over the informers of several namespaces, which come and go. Handlers and indexers registered here hold for
 * namespaces added later, too. Namespaces that nobody added are empty: that says nothing about what is in them.
 */
export class NamespacedView<T extends KubeObject = KubeObject> implements InformerView<T> {
  readonly type: ResourceType;
  readonly metrics: KubeMetrics;
  readonly #informers = new Map<string, Informer<T>>();
  readonly #handlers = new Map<ChangeHandler<T>, Map<Informer<T>, () => void>>();
  readonly #indexers = new Map<string, Indexer<T>>();

  constructor(type: ResourceType, metrics: KubeMetrics) {
    this.type = type;
    this.metrics = metrics;
  }

  get store(): StoreReader<T> {
    return this;
  }

  /** Resolves when the namespaces known at the moment of asking are in the cache. */
  get synced(): Promise<void> {
    return Promise.all([...this.#informers.values()].map(({ synced }) => synced)).then(() => undefined);
  }

  get hasSynced(): boolean {
    return [...this.#informers.values()].every(({ hasSynced }) => hasSynced);
  }

  get(key: Key): T | undefined {
    return this.#informers.get(key.namespace ?? '')?.get(key);
  }

  list(namespace?: string): T[] {
    return namespace === undefined
      ? [...this.#informers.values()].flatMap((informer) => informer.list())
      : (this.#informers.get(namespace)?.list() ?? []);
  }

  byIndex(name: string, value: string): T[] {
    if (!this.#indexers.has(name)) {
      throw new Error(`There is no index '${name}'; add it with addIndexer before reading it.`);
    }
    return [...this.#informers.values()].flatMap((informer) => informer.byIndex(name, value));
  }

  onChange(handler: ChangeHandler<T>): () => void {
    const undo = new Map<Informer<T>, () => void>();
    this.#handlers.set(handler, undo);
    for (const informer of this.#informers.values()) {
      undo.set(informer, informer.onChange(handler));
    }
    return () => {
      this.#handlers.delete(handler);
      for (const unregister of undo.values()) {
        unregister();
      }
    };
  }

  addIndexer(name: string, indexer: Indexer<T>): void {
    if (!this.#indexers.has(name)) {
      this.#indexers.set(name, indexer);
      for (const informer of this.#informers.values()) {
        informer.addIndexer(name, indexer);
      }
    }
  }

  /** Takes in the informer of a namespace, before it is started. */
  add(namespace: string, informer: Informer<T>): void {
    this.#informers.set(namespace, informer);
    for (const [name, indexer] of this.#indexers) {
      informer.addIndexer(name, indexer);
    }
    for (const [handler, undo] of this.#handlers) {
      undo.set(informer, informer.onChange(handler));
    }
  }

  /** Forgets a namespace; its objects are not told as deleted, because they are not. */
  remove(namespace: string): void {
    const informer = this.#informers.get(namespace);
    if (informer === undefined) {
      return;
    }
    this.#informers.delete(namespace);
    for (const undo of this.#handlers.values()) {
      undo.get(informer)?.();
      undo.delete(informer);
    }
    informer.forget();
  }
}
