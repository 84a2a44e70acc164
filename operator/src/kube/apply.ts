import { createHash } from 'node:crypto';
import type { KubeClient } from './client.ts';
import { KubeApiError } from './errors.ts';
import { holds } from './holds.ts';
import { OwnWrites } from './own-writes.ts';
import { type KubeObject, keyOf, keyString, type ResourceType, typeName } from './types.ts';

export interface ApplierOptions {
  /** Owner of the fields; never rename it, the old owner's fields would stay for ever. */
  fieldManager: string;
  /** Annotation that carries the hash of what was last applied. Default `<field manager>.io/applied`. */
  hashAnnotation?: string;
}

/**
 * Server-side apply that makes no request at all when the live object already holds what is desired. Two things must
 * agree for that: an annotation with the hash of the last desired object (so a field no longer declared is removed) and
 * the desired values in the live object (so an edit by hand is put back). Both survive a restart of the process.
 */
export class Applier {
  readonly #client: KubeClient;
  readonly #fieldManager: string;
  readonly #hashAnnotation: string;
  readonly #writes = new OwnWrites<string>();

  constructor(client: KubeClient, options: ApplierOptions) {
    this.#client = client;
    this.#fieldManager = options.fieldManager;
    this.#hashAnnotation = options.hashAnnotation ?? `${options.fieldManager}.io/applied`;
  }

  /**
   * Makes the live object hold `desired`: repairs fields edited by others, removes fields no longer declared.
   * @param desired only the fields to own, deterministic for the same input
   * @param live the object from a cache; undefined fetches it, null says that it is known to be absent
   * @throws KubeApiError; `isInvalid` when an immutable field would have to change
   */
  async apply<T extends KubeObject = KubeObject>(
    type: ResourceType,
    desired: KubeObject,
    live?: KubeObject | null,
  ): Promise<{ object: T; changed: boolean }> {
    const existing = live === undefined ? await this.#client.get(type, keyOf(desired)) : (live ?? undefined);
    const hash = hashOf(desired);
    const key = `${typeName(type)}/${keyString(keyOf(desired))}`;
    const version = existing?.metadata.resourceVersion;
    const last = this.#writes.since(key, version);
    if (existing !== undefined) {
      // What the cache shows from before our last write proves nothing.
      const current = last === undefined || last.version === version;
      const same = existing.metadata.annotations?.[this.#hashAnnotation] === hash && holds(desired, existing);
      if (last?.value === hash || (current && same)) {
        return { object: existing as T, changed: false };
      }
    }
    const object = await this.#client.apply<T>(type, this.#withHash(desired, hash), {
      fieldManager: this.#fieldManager,
    });
    const written = object.metadata.resourceVersion;
    this.#writes.remember(key, written, hash);
    return { object, changed: written !== version && written !== last?.version };
  }

  /**
   * Creates an object that is never overwritten, a key for example; an existing one is returned as it is.
   * @param live the object from a cache; undefined asks the API server first
   */
  async createOnly<T extends KubeObject = KubeObject>(
    type: ResourceType,
    desired: KubeObject,
    live?: KubeObject | null,
  ): Promise<{ object: T; created: boolean }> {
    const existing = live === undefined ? await this.#client.get<T>(type, keyOf(desired)) : live;
    if (existing !== undefined && existing !== null) {
      return { object: existing as T, created: false };
    }
    try {
      const object = await this.#client.create<T>(type, desired, { fieldManager: this.#fieldManager });
      return { object, created: true };
    } catch (error) {
      if (!(error instanceof KubeApiError && error.isAlreadyExists)) {
        throw error;
      }
      // The cache was behind, or another process was first: what it made counts.
      const made = await this.#client.get<T>(type, keyOf(desired));
      if (made === undefined) {
        throw error;
      }
      return { object: made, created: false };
    }
  }

  #withHash(desired: KubeObject, hash: string): KubeObject {
    const annotations = { ...desired.metadata.annotations, [this.#hashAnnotation]: hash };
    return { ...desired, metadata: { ...desired.metadata, annotations } };
  }
}

/** SHA-256 of the object's canonical JSON, 32 hex digits. Order of map keys and undefined values do not matter. */
export function hashOf(value: unknown): string {
  return createHash('sha256').update(canonicalJson(value)).digest('hex').slice(0, 32);
}

/** JSON with sorted keys and without undefined values: equal values give equal text. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_, nested: unknown) =>
    typeof nested === 'object' && nested !== null && !Array.isArray(nested)
      ? Object.fromEntries(Object.entries(nested).sort(([a], [b]) => (a < b ? -1 : 1)))
      : nested,
  );
}
