/** Writes remembered at most; forgetting one costs a needless request. */
const MAX_REMEMBERED = 10_000;

/**
 * What this process wrote and its caches may not show yet, so that a reconcile that comes before the cache's event does
 * not write the same again.
 */
export class OwnWrites<V> {
  readonly #writes = new Map<string, { version: string; value: V }>();

  /** @param version the resource version that the write led to */
  remember(key: string, version: string | undefined, value: V): void {
    if (version !== undefined) {
      this.#writes.delete(key);
      this.#writes.set(key, { version, value });
      if (this.#writes.size > MAX_REMEMBERED) {
        this.#writes.delete(this.#writes.keys().next().value!);
      }
    }
  }

  /** The last write, while what the cache has is older than it. */
  unseen(key: string, cachedVersion: string | undefined): { version: string; value: V } | undefined {
    const write = this.#writes.get(key);
    if (write === undefined || cachedVersion === undefined || isOlder(cachedVersion, write.version)) {
      return write;
    }
    this.#writes.delete(key);
    return undefined;
  }
}

/** Resource versions of one resource are decimal numbers that grow (KEP-5504); of unequal length the longer is newer. */
function isOlder(version: string, than: string): boolean {
  return version.length === than.length ? version < than : version.length < than.length;
}
