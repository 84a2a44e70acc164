import { type Key, type KubeObject, keyOf, keyString } from './types.ts';

/** Values under which an object is found by `byIndex`. */
export type Indexer<T extends KubeObject = KubeObject> = (object: T) => readonly string[];

/** What readers of a cache may do. Objects are shared: never change one in place. */
export interface StoreReader<T extends KubeObject = KubeObject> {
  get(key: Key): T | undefined;
  /** All objects, or those of one namespace. */
  list(namespace?: string): T[];
  /** @throws Error when there is no index of that name. */
  byIndex(name: string, value: string): T[];
}

interface Index<T extends KubeObject> {
  readonly values: Indexer<T>;
  readonly keys: Map<string, Set<string>>;
}

/** Name of the index that every store has. */
const NAMESPACE_INDEX = ' namespace';

/** A cache of objects by key with secondary indexes. */
export class Store<T extends KubeObject = KubeObject> implements StoreReader<T> {
  readonly #objects = new Map<string, T>();
  readonly #indexes = new Map<string, Index<T>>();

  constructor(indexers: Record<string, Indexer<T>> = {}) {
    this.addIndexer(NAMESPACE_INDEX, (object) => [object.metadata.namespace ?? '']);
    for (const [name, values] of Object.entries(indexers)) {
      this.addIndexer(name, values);
    }
  }

  get size(): number {
    return this.#objects.size;
  }

  get(key: Key): T | undefined {
    return this.#objects.get(keyString(key));
  }

  list(namespace?: string): T[] {
    return namespace === undefined ? [...this.#objects.values()] : this.byIndex(NAMESPACE_INDEX, namespace);
  }

  byIndex(name: string, value: string): T[] {
    const index = this.#indexes.get(name);
    if (index === undefined) {
      throw new Error(`There is no index '${name}'; add it with addIndexer before reading it.`);
    }
    return Array.from(index.keys.get(value) ?? [], (key) => this.#objects.get(key)!);
  }

  /** Adds an index and fills it; the same name twice is taken as the same index. */
  addIndexer(name: string, values: Indexer<T>): void {
    if (this.#indexes.has(name)) {
      return;
    }
    const index: Index<T> = { values, keys: new Map() };
    this.#indexes.set(name, index);
    for (const [key, object] of this.#objects) {
      insert(index, key, object);
    }
  }

  keys(): IterableIterator<string> {
    return this.#objects.keys();
  }

  set(object: T): void {
    const key = keyString(keyOf(object));
    const old = this.#objects.get(key);
    this.#objects.set(key, object);
    for (const index of this.#indexes.values()) {
      if (old !== undefined) {
        remove(index, key, old);
      }
      insert(index, key, object);
    }
  }

  delete(key: Key): T | undefined {
    const text = keyString(key);
    const old = this.#objects.get(text);
    if (old !== undefined) {
      this.#objects.delete(text);
      for (const index of this.#indexes.values()) {
        remove(index, text, old);
      }
    }
    return old;
  }
}

function insert<T extends KubeObject>(index: Index<T>, key: string, object: T): void {
  for (const value of index.values(object)) {
    const keys = index.keys.get(value);
    if (keys === undefined) {
      index.keys.set(value, new Set([key]));
    } else {
      keys.add(key);
    }
  }
}

function remove<T extends KubeObject>(index: Index<T>, key: string, object: T): void {
  for (const value of index.values(object)) {
    const keys = index.keys.get(value);
    keys?.delete(key);
    if (keys?.size === 0) {
      index.keys.delete(value);
    }
  }
}
