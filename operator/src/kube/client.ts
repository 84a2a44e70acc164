import { KubeMetrics } from './metrics.ts';
import type { Key, KubeList, KubeObject, ResourceType } from './types.ts';

export { KubeApiError, KubeConnectionError } from './errors.ts';

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
}

/** Talks raw JSON with one API server over a bounded pool of connections. */
export class KubeClient {
  readonly metrics: KubeMetrics;

  constructor(options: ClientOptions = {}) {
    this.metrics = options.metrics ?? new KubeMetrics();
  }

  /** The object, or undefined when there is none. */
  get<T extends KubeObject = KubeObject>(
    _type: ResourceType,
    _key: Key,
    _options?: RequestOptions,
  ): Promise<T | undefined> {
    throw new Error('not written yet');
  }

  /** One page (or everything, without a limit). */
  list<T extends KubeObject = KubeObject>(_type: ResourceType, _options?: ListOptions): Promise<KubeList<T>> {
    throw new Error('not written yet');
  }

  create<T extends KubeObject = KubeObject>(
    _type: ResourceType,
    _object: KubeObject,
    _options?: RequestOptions,
  ): Promise<T> {
    throw new Error('not written yet');
  }

  /** Server-side apply. The object must carry only the fields that the field manager owns. */
  apply<T extends KubeObject = KubeObject>(
    _type: ResourceType,
    _object: KubeObject,
    _options: ApplyOptions,
  ): Promise<T> {
    throw new Error('not written yet');
  }

  /** Server-side apply of `metadata.name`, `metadata.namespace` and `status` to the status subresource. */
  applyStatus<T extends KubeObject = KubeObject>(
    _type: ResourceType,
    _object: KubeObject,
    _options: ApplyOptions,
  ): Promise<T> {
    throw new Error('not written yet');
  }

  /** JSON merge patch; put `metadata.resourceVersion` into it to guard against a lost update. */
  patch<T extends KubeObject = KubeObject>(
    _type: ResourceType,
    _key: Key,
    _mergePatch: object,
    _options?: RequestOptions & { subresource?: string; fieldManager?: string },
  ): Promise<T> {
    throw new Error('not written yet');
  }

  /** False when there was nothing to delete. */
  delete(_type: ResourceType, _key: Key, _options?: DeleteOptions): Promise<boolean> {
    throw new Error('not written yet');
  }

  /** One bounded watch. Ends when the server ends it; throws KubeApiError (410: list again) or KubeConnectionError. */
  watch<T extends KubeObject = KubeObject>(_type: ResourceType, _options: WatchOptions): AsyncIterable<WatchEvent<T>> {
    throw new Error('not written yet');
  }

  /** Closes all connections. */
  close(): Promise<void> {
    throw new Error('not written yet');
  }
}

/**
 * A client for the cluster the process runs in, or for a kubeconfig.
 * @param options.kubeconfig path of a kubeconfig file, or its text. Default: KUBECONFIG, in-cluster, ~/.kube/config.
 * @param options.context context of the kubeconfig. Default: its current one.
 */
export function connect(options: ClientOptions & { kubeconfig?: string; context?: string } = {}): KubeClient {
  return new KubeClient(options);
}
