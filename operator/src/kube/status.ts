import { canonicalJson } from './apply.ts';
import type { KubeClient } from './client.ts';
import { KubeApiError } from './errors.ts';
import { OwnWrites } from './own-writes.ts';
import { type KubeObject, keyOf, type ResourceType, typeName } from './types.ts';

export interface StatusWriterOptions {
  /** Owner of the status; never rename it. */
  fieldManager: string;
}

/** Writes the status subresource by one server-side apply, only when it differs from what is live. */
export class StatusWriter {
  readonly #client: KubeClient;
  readonly #fieldManager: string;
  readonly #writes = new OwnWrites<object>();

  constructor(client: KubeClient, options: StatusWriterOptions) {
    this.#client = client;
    this.#fieldManager = options.fieldManager;
  }

  /**
   * A resource that is gone by now, or was replaced by another of its name, is no error: nobody waits for its status.
   * @param object the resource as read; its status is what is compared against. One read a moment too early is fine.
   * @param status the whole status that this field manager owns
   * @param equal tells whether two statuses are the same to readers (times aside, say). Default: deep equality,
   * in which the order of conditions does not matter.
   */
  async write<T extends KubeObject = KubeObject>(
    type: ResourceType,
    object: KubeObject,
    status: object,
    equal: (live: unknown, next: unknown) => boolean = sameStatus,
  ): Promise<{ object: T; changed: boolean }> {
    const key = `${typeName(type)}/${object.metadata.uid}`;
    const last = this.#writes.since(key, object.metadata.resourceVersion)?.value ?? object.status;
    if (last !== undefined && equal(last, status)) {
      return { object: object as T, changed: false };
    }
    try {
      return await this.#apply<T>(type, object, status);
    } catch (error) {
      if (error instanceof KubeApiError && error.isNotFound) {
        return { object: object as T, changed: false };
      }
      if (!(error instanceof KubeApiError && error.isConflict)) {
        throw error;
      }
    }
    const live = await this.#client.get<T>(type, keyOf(object));
    // Of a replaced object or an older spec the status is of no use; the change that was missed leads to a new one.
    if (live?.metadata.uid !== object.metadata.uid || live?.metadata.generation !== object.metadata.generation) {
      return { object: object as T, changed: false };
    }
    return this.#apply<T>(type, live as T, status);
  }

  async #apply<T extends KubeObject>(
    type: ResourceType,
    object: KubeObject,
    status: object,
  ): Promise<{ object: T; changed: boolean }> {
    const { apiVersion, kind } = object;
    // The API server ignores a uid in a status, so the resource version has to tell this object from its successor.
    const { resourceVersion } = object.metadata;
    const metadata = { ...keyOf(object), ...(resourceVersion === undefined ? {} : { resourceVersion }) };
    const written = await this.#client.applyStatus<T>(
      type,
      { apiVersion, kind, metadata, status },
      { fieldManager: this.#fieldManager },
    );
    const version = written.metadata.resourceVersion;
    this.#writes.remember(`${typeName(type)}/${written.metadata.uid}`, version, status);
    return { object: written, changed: version !== resourceVersion };
  }
}

function sameStatus(live: unknown, next: unknown): boolean {
  return sameJson(withSortedConditions(live), withSortedConditions(next));
}

/** Conditions are a map by type to the API server, which keeps an order of its own. */
function withSortedConditions(status: unknown): unknown {
  const { conditions } = status as { conditions?: { type: string }[] };
  return Array.isArray(conditions)
    ? { ...(status as object), conditions: conditions.toSorted((a, b) => (a.type < b.type ? -1 : 1)) }
    : status;
}

/** Equal as JSON: order of keys and undefined values do not matter, order of lists does. */
export function sameJson(a: unknown, b: unknown): boolean {
  return canonicalJson(a) === canonicalJson(b);
}

/** Equal but for the fields of these names at any depth, for values that move all the time: `ignoring('time', 'lastBlock')`. */
export function ignoring(...fields: string[]): (live: unknown, next: unknown) => boolean {
  const names = new Set(fields);
  const strip = (value: unknown): unknown =>
    Array.isArray(value)
      ? value.map(strip)
      : typeof value === 'object' && value !== null
        ? Object.fromEntries(
            Object.entries(value)
              .filter(([name]) => !names.has(name))
              .map(([name, nested]) => [name, strip(nested)]),
          )
        : value;
  return (live, next) => sameJson(strip(live), strip(next));
}
