import type { KubeClient } from './client.ts';
import type { KubeObject, ResourceType } from './types.ts';

export interface StatusWriterOptions {
  fieldManager: string;
}

/** Writes the status subresource by one server-side apply, only when it differs from what is live. */
export class StatusWriter {
  constructor(_client: KubeClient, _options: StatusWriterOptions) {}

  /**
   * @param object the resource as read; its status is what is compared against
   * @param status the whole status that this field manager owns
   * @param equal tells whether a difference is not worth a write (times only, say)
   */
  write<T extends KubeObject = KubeObject>(
    _type: ResourceType,
    _object: KubeObject,
    _status: object,
    _equal?: (live: unknown, next: unknown) => boolean,
  ): Promise<{ object: T; changed: boolean }> {
    throw new Error('not written yet');
  }
}
