import type { KubeClient } from './client.ts';
import type { KubeObject, ResourceType } from './types.ts';

export interface ApplierOptions {
  /** Owner of the fields; never rename it, the old owner's fields would stay for ever. */
  fieldManager: string;
  /** Annotation that carries the hash of what was last applied. */
  hashAnnotation: string;
}

/** Server-side apply that makes no request at all when the live object already holds what is desired. */
export class Applier {
  constructor(_client: KubeClient, _options: ApplierOptions) {}

  /**
   * Makes the live object hold `desired`: repairs fields edited by others, removes fields no longer declared.
   * @param live the object from a cache; without it the object is fetched. Pass null when the cache knows it is absent.
   */
  apply<T extends KubeObject = KubeObject>(
    _type: ResourceType,
    _desired: KubeObject,
    _live?: KubeObject | null,
  ): Promise<{ object: T; changed: boolean }> {
    throw new Error('not written yet');
  }

  /** Creates an object that is never overwritten; an existing one is returned as it is. */
  createOnly<T extends KubeObject = KubeObject>(
    _type: ResourceType,
    _desired: KubeObject,
    _live?: KubeObject | null,
  ): Promise<{ object: T; created: boolean }> {
    throw new Error('not written yet');
  }
}
