import type { Dispatcher } from 'undici';
import { type AccessSource, inClusterAccess, kubeconfigAccess } from './credentials.ts';
import { deadline, sleep } from './deadline.ts';
import { KubeApiError, KubeConnectionError, type StatusDetails } from './errors.ts';
import { KubeMetrics } from './metrics.ts';
import { retryDelay } from './retry.ts';
import { type Method, Transport } from './transport.ts';
import { apiVersionOf, type Key, type KubeList, type KubeObject, keyOf, type ResourceType, typeName } from './types.ts';
import { readWatch } from './watch-stream.ts';

export { KubeApiError, KubeConnectionError } from './errors.ts';

/** Deadline of one attempt, in ms. */
const DEFAULT_TIMEOUT_MS = 15_000;

const PAGE_SIZE = 500;

export interface RequestOptions {
  signal?: AbortSignal;
  /** Deadline of one attempt. Default 15 s. */
  timeoutMs?: number;
}

export interface ListOptions extends RequestOptions {
  namespace?: string;
  labelSelector?: string;
  fieldSelector?: string;
  /** Page size; the answer's metadata.continue asks for the next one. */
  limit?: number;
  continue?: string;
  resourceVersion?: string;
}

export interface WatchOptions {
  namespace?: string;
  labelSelector?: string;
  fieldSelector?: string;
  resourceVersion: string;
  /** The server ends the watch after this time. */
  timeoutSeconds: number;
  /** Without a byte for this time the watch is given up (KubeConnectionError). Default: never. */
  idleMs?: number;
  signal?: AbortSignal;
}

export interface WatchEvent<T extends KubeObject = KubeObject> {
  type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK';
  object: T;
}

export interface ApplyOptions extends RequestOptions {
  fieldManager: string;
  /** Default true: a controller owns what it declares. */
  force?: boolean;
  dryRun?: boolean;
}

export interface CreateOptions extends RequestOptions {
  fieldManager?: string;
  dryRun?: boolean;
}

export interface DeleteOptions extends RequestOptions {
  /** Deletes only this very object; 409 when another of the same name took its place. */
  uid?: string;
  propagationPolicy?: 'Background' | 'Foreground' | 'Orphan';
  gracePeriodSeconds?: number;
}

export interface ClientOptions {
  metrics?: KubeMetrics;
  /** Connections for requests other than watches. Default 16. */
  connections?: number;
  userAgent?: string;
}

interface Call extends RequestOptions {
  method: Method;
  path: string;
  query?: Record<string, string | number | boolean | undefined>;
  body?: unknown;
  contentType?: string;
}

/**
 * Talks raw JSON with one API server over a bounded pool of connections. Requests have deadlines; throttling and broken
 * connections are retried a few times where that is safe. Failures are KubeApiError (the server refused) or
 * KubeConnectionError (no answer).
 */
export class KubeClient {
  readonly metrics: KubeMetrics;
  readonly #transport: Transport;

  constructor(access: AccessSource, options: ClientOptions = {}) {
    this.metrics = options.metrics ?? new KubeMetrics();
    this.#transport = new Transport(access, options.connections ?? 16, options.userAgent ?? 'quorum-operator');
  }

  /** The object, or undefined when there is none. */
  async get<T extends KubeObject = KubeObject>(
    type: ResourceType,
    key: Key,
    options: RequestOptions = {},
  ): Promise<T | undefined> {
    try {
      return await this.send<T>({ method: 'GET', path: objectPath(type, key), ...options });
    } catch (error) {
      if (error instanceof KubeApiError && error.isNotFound) {
        return undefined;
      }
      throw error;
    }
  }

  /** One page, or everything without a limit. */
  async list<T extends KubeObject = KubeObject>(type: ResourceType, options: ListOptions = {}): Promise<KubeList<T>> {
    const { namespace, labelSelector, fieldSelector, limit, resourceVersion, continue: next, ...request } = options;
    const list = await this.send<KubeList<T>>({
      method: 'GET',
      path: collectionPath(type, namespace),
      query: { labelSelector, fieldSelector, limit, resourceVersion, continue: next },
      ...request,
    });
    const identity = { apiVersion: apiVersionOf(type), kind: type.kind };
    // Items of built-in lists come without apiVersion and kind.
    return { metadata: list.metadata, items: (list.items ?? []).map((item) => ({ ...identity, ...item })) };
  }

  /** Everything, read in pages. When the pages' snapshot expires on the way it starts again, in one page. */
  async listAll<T extends KubeObject = KubeObject>(
    type: ResourceType,
    options: Omit<ListOptions, 'continue'> = {},
  ): Promise<KubeList<T>> {
    const limit = options.limit ?? PAGE_SIZE;
    let page = await this.list<T>(type, { ...options, limit });
    const items = page.items;
    while (page.metadata.continue) {
      try {
        page = await this.list<T>(type, { ...options, limit, continue: page.metadata.continue });
      } catch (error) {
        if (error instanceof KubeApiError && error.isExpired) {
          const { limit: _, ...rest } = options;
          return this.list<T>(type, rest);
        }
        throw error;
      }
      items.push(...page.items);
    }
    return { metadata: page.metadata, items };
  }

  create<T extends KubeObject = KubeObject>(
    type: ResourceType,
    object: KubeObject,
    options: CreateOptions = {},
  ): Promise<T> {
    const { fieldManager, dryRun, ...request } = options;
    return this.send<T>({
      method: 'POST',
      path: collectionPath(type, needNamespace(type, object.metadata)),
      query: { fieldManager, dryRun: dryRun === true ? 'All' : undefined, fieldValidation: 'Strict' },
      body: object,
      ...request,
    });
  }

  /** Server-side apply. The object must carry only the fields that the field manager owns. */
  apply<T extends KubeObject = KubeObject>(type: ResourceType, object: KubeObject, options: ApplyOptions): Promise<T> {
    return this.#apply<T>(objectPath(type, keyOf(object)), object, options);
  }

  /** Server-side apply of `metadata` and `status` to the status subresource. */
  applyStatus<T extends KubeObject = KubeObject>(
    type: ResourceType,
    object: KubeObject,
    options: ApplyOptions,
  ): Promise<T> {
    return this.#apply<T>(`${objectPath(type, keyOf(object))}/status`, object, options);
  }

  /** JSON merge patch; put `metadata.resourceVersion` into it to guard against a lost update. */
  patch<T extends KubeObject = KubeObject>(
    type: ResourceType,
    key: Key,
    mergePatch: object,
    options: RequestOptions & { subresource?: string; fieldManager?: string } = {},
  ): Promise<T> {
    const { subresource, fieldManager, ...request } = options;
    return this.send<T>({
      method: 'PATCH',
      path: subresource === undefined ? objectPath(type, key) : `${objectPath(type, key)}/${subresource}`,
      query: { fieldManager },
      body: mergePatch,
      contentType: 'application/merge-patch+json',
      ...request,
    });
  }

  /** False when there was nothing to delete. */
  async delete(type: ResourceType, key: Key, options: DeleteOptions = {}): Promise<boolean> {
    const { uid, propagationPolicy, gracePeriodSeconds, ...request } = options;
    try {
      await this.send({
        method: 'DELETE',
        path: objectPath(type, key),
        body: {
          apiVersion: 'v1',
          kind: 'DeleteOptions',
          propagationPolicy: propagationPolicy ?? 'Background',
          ...(gracePeriodSeconds === undefined ? {} : { gracePeriodSeconds }),
          ...(uid === undefined ? {} : { preconditions: { uid } }),
        },
        ...request,
      });
      return true;
    } catch (error) {
      if (error instanceof KubeApiError && error.isNotFound) {
        return false;
      }
      throw error;
    }
  }

  /**
   * One bounded watch with bookmarks. Ends when the server ends it; throws KubeApiError (410: list again) or
   * KubeConnectionError (cut, silent). Leaving the loop closes the connection.
   */
  async *watch<T extends KubeObject = KubeObject>(
    type: ResourceType,
    options: WatchOptions,
  ): AsyncGenerator<WatchEvent<T>, void, undefined> {
    const { namespace, idleMs, signal, ...query } = options;
    const path = withQuery(collectionPath(type, namespace), { ...query, watch: true, allowWatchBookmarks: true });
    const name = `WATCH ${path}`;
    const opening = deadline(DEFAULT_TIMEOUT_MS, signal);
    const life = deadline(idleMs ?? 2 ** 31 - 1, opening.signal);
    try {
      const response = await this.#counted('GET', () =>
        this.#transport.send({ method: 'GET', path, streaming: true, signal: life.signal }),
      ).catch((error: unknown) => {
        throw signal?.aborted === true ? signal.reason : new KubeConnectionError(name, error);
      });
      if (response.statusCode !== 200) {
        throw await apiError(response, name);
      }
      opening.clear();
      // From here only the caller's signal and silence end it.
      const follow = () => response.body.destroy();
      signal?.addEventListener('abort', follow, { once: true });
      try {
        yield* readWatch<T>(response.body, name, () => life.touch());
      } finally {
        signal?.removeEventListener('abort', follow);
        response.body.on('error', () => {}).destroy();
      }
    } finally {
      opening.clear();
      life.clear();
    }
  }

  /**
   * Any request: `{ method: 'GET', path: '/version' }`.
   * @returns the parsed JSON body, undefined for an empty one
   */
  async send<T = unknown>(call: Call): Promise<T> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.#attempt<T>(call);
      } catch (error) {
        const wait = call.signal?.aborted === true ? undefined : retryDelay(error, call.method, attempt);
        if (wait === undefined) {
          throw error;
        }
        await sleep(wait, call.signal);
        call.signal?.throwIfAborted();
      }
    }
  }

  /** Closes all connections; what is under way fails. */
  close(): Promise<void> {
    return this.#transport.close();
  }

  #apply<T>(path: string, object: KubeObject, options: ApplyOptions): Promise<T> {
    const { fieldManager, force, dryRun, ...request } = options;
    const { managedFields: _, ...metadata } = object.metadata;
    return this.send<T>({
      method: 'PATCH',
      path,
      query: {
        fieldManager,
        force: force ?? true,
        dryRun: dryRun === true ? 'All' : undefined,
        // An unknown field would be dropped in silence and look like drift for ever.
        fieldValidation: 'Strict',
      },
      body: { ...object, metadata },
      contentType: 'application/apply-patch+yaml',
      ...request,
    });
  }

  async #attempt<T>(call: Call): Promise<T> {
    const path = withQuery(call.path, call.query ?? {});
    const name = `${call.method} ${call.path}`;
    const limit = deadline(call.timeoutMs ?? DEFAULT_TIMEOUT_MS, call.signal);
    const stop = this.metrics.requestDuration.startTimer();
    try {
      const response = await this.#counted(call.method, () =>
        this.#transport.send({
          method: call.method,
          path,
          signal: limit.signal,
          ...(call.body === undefined ? {} : { body: JSON.stringify(call.body) }),
          ...(call.contentType === undefined ? {} : { contentType: call.contentType }),
        }),
      );
      if (response.statusCode >= 300) {
        throw await apiError(response, name);
      }
      const text = await response.body.text();
      return (text === '' ? undefined : JSON.parse(text)) as T;
    } catch (error) {
      if (error instanceof KubeApiError) {
        throw error;
      }
      throw call.signal?.aborted === true ? call.signal.reason : new KubeConnectionError(name, error);
    } finally {
      limit.clear();
      stop({ verb: call.method, host: this.#transport.host });
    }
  }

  async #counted(method: Method, send: () => Promise<Dispatcher.ResponseData>): Promise<Dispatcher.ResponseData> {
    try {
      const response = await send();
      this.metrics.requests.inc({ code: String(response.statusCode), method, host: this.#transport.host });
      return response;
    } catch (error) {
      this.metrics.requests.inc({ code: '<error>', method, host: this.#transport.host });
      throw error;
    }
  }
}

/**
 * A client for the cluster the process runs in, or for a kubeconfig. Nothing is read or sent before the first request.
 * @param options.kubeconfig path of a kubeconfig file, or its text. Without it: the pod's ServiceAccount when in a
 * cluster, else KUBECONFIG or ~/.kube/config.
 * @param options.context context of the kubeconfig. Default: its current one.
 */
export function connect(options: ClientOptions & { kubeconfig?: string; context?: string } = {}): KubeClient {
  const { kubeconfig, context, ...rest } = options;
  const inCluster =
    kubeconfig === undefined &&
    context === undefined &&
    process.env.KUBECONFIG === undefined &&
    process.env.KUBERNETES_SERVICE_HOST !== undefined;
  return new KubeClient(inCluster ? inClusterAccess() : kubeconfigAccess(kubeconfig, context), rest);
}

function collectionPath(type: ResourceType, namespace: string | undefined): string {
  const root = type.group === '' ? `/api/${type.version}` : `/apis/${type.group}/${type.version}`;
  return namespace === undefined || !type.namespaced
    ? `${root}/${type.plural}`
    : `${root}/namespaces/${encodeURIComponent(namespace)}/${type.plural}`;
}

function objectPath(type: ResourceType, key: Key): string {
  if (!key.name) {
    throw new Error(`A request for one of ${typeName(type)} needs a name.`);
  }
  return `${collectionPath(type, needNamespace(type, key))}/${encodeURIComponent(key.name)}`;
}

function needNamespace(type: ResourceType, key: { name: string; namespace?: string }): string | undefined {
  if (type.namespaced && !key.namespace) {
    throw new Error(`${type.kind} '${key.name}' needs a namespace: ${typeName(type)} are namespaced.`);
  }
  return type.namespaced ? key.namespace : undefined;
}

function withQuery(path: string, query: Record<string, string | number | boolean | undefined>): string {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined && value !== '') {
      parameters.set(name, String(value));
    }
  }
  return parameters.size === 0 ? path : `${path}?${parameters}`;
}

async function apiError(response: Dispatcher.ResponseData, request: string): Promise<KubeApiError> {
  const code = response.statusCode;
  const text = await response.body.text().catch(() => '');
  const header = Number(response.headers['retry-after']);
  const retryAfterSeconds = Number.isFinite(header) && header >= 0 ? header : undefined;
  const rest = retryAfterSeconds === undefined ? {} : { retryAfterSeconds };
  try {
    const status = JSON.parse(text) as { kind?: string; reason?: string; message?: string; details?: StatusDetails };
    if (status.kind === 'Status') {
      const details = status.details === undefined ? {} : { details: status.details };
      return new KubeApiError({
        code,
        reason: status.reason ?? 'Unknown',
        message: status.message ?? '',
        request,
        ...details,
        ...rest,
      });
    }
  } catch {
    // Not the API server's own words, a proxy's perhaps: shown as they are.
  }
  return new KubeApiError({ code, reason: 'Unknown', message: text.slice(0, 500).trim(), request, ...rest });
}
