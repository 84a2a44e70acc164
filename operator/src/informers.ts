import type { Logger } from 'pino';
import type { KubeClient } from './kube/client.ts';
import type { InformerView } from './kube/informer.ts';
import type { KubeObject, ResourceType } from './kube/types.ts';

export interface InformersOptions {
  /** Types watched in the whole cluster: our own resources, Namespaces. */
  clusterWide: readonly ResourceType[];
  log: Logger;
}

/** The caches of the process: one a type, cluster-wide or over the namespaces of organizations. */
export class Informers {
  constructor(_client: KubeClient, _options: InformersOptions) {}

  /** @throws Error when the type is not among those that are watched. */
  of<T extends KubeObject = KubeObject>(_type: ResourceType): InformerView<T> {
    throw new Error('not written yet');
  }

  /** Starts the cluster-wide caches and those of namespaces added until now and later. */
  start(_signal: AbortSignal): void {
    throw new Error('not written yet');
  }

  /** Follows the children in a namespace. Idempotent; resolves when they are all in the caches. */
  addNamespace(_namespace: string): Promise<void> {
    throw new Error('not written yet');
  }

  /** Stops following a namespace and forgets its objects. */
  removeNamespace(_namespace: string): void {
    throw new Error('not written yet');
  }
}
