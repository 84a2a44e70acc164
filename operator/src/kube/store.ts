import type { Key, KubeObject } from './types.ts';

/** Values under which an object is found by `byIndex`. */
export type Indexer<T extends KubeObject = KubeObject> = (object: T) => readonly string[];

/** What readers of a cache may do. Objects are shared: never change one in place. */
export interface StoreReader<T extends KubeObject = KubeObject> {
  get(key: Key): T | undefined;
  /** All objects, or those of one namespace. */
  list(namespace?: string): T[];
  byIndex(name: string, value: string): T[];
}

/** A cache of objects by key with secondary indexes. */
export class Store<T extends KubeObject = KubeObject> implements StoreReader<T> {
  constructor(_indexers: Record<string, Indexer<T>> = {}) {}

  get size(): number {
    throw new Error('not written yet');
  }

  get(_key: Key): T | undefined {
    throw new Error('not written yet');
  }

  list(_namespace?: string): T[] {
    throw new Error('not written yet');
  }

  byIndex(_name: string, _value: string): T[] {
    throw new Error('not written yet');
  }
}
