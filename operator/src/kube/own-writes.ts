/** Writes remembered at most; forgetting one costs a needless request. */
const MAX_REMEMBERED = 10_000;

/**
 * What this process wrote last, valid until somebody else's change is seen. So a reconcile that comes before the cache's
 * event does not write the same again, nor does one whose comparison knows less than the API server.
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

  /** The last write, unless the version at hand is a later one. */
  since(key: string, version: string | undefined): { version: string; value: V } | undefined {
    const write = this.#writes.get(key);
    if (write !== undefined && version !== undefined && isNewer(version, write.version)) {
      this.#writes.delete(key);
      return undefined;
    }
    return write;
  }
}

/** Resource versions of one resource are decimal numbers that grow (KEP-5504); of unequal length the longer is newer. */
function isNewer(version: string, than: string): boolean {
  return version.length === than.length ? version > than : version.length > than.length;
}
