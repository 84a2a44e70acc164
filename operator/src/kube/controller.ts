import type { Logger } from 'pino';
import type { InformerView } from './informer.ts';
import type { KubeMetrics } from './metrics.ts';
import type { Key, KubeObject } from './types.ts';

/**
 * How a reconcile ended. `done`: nothing to do until something changes. `requeue`: look again after that time.
 * `stalled`: only a change of the resource or its surroundings helps, so no retry. A transient failure is thrown.
 */
export type Outcome =
  | { kind: 'done' }
  | { kind: 'requeue'; afterSeconds: number }
  | { kind: 'stalled'; reason: string; message: string };

export interface ReconcileContext {
  /** Carries controller, namespace, name and reconcileID. */
  log: Logger;
  /** Aborts when the process stops. */
  signal: AbortSignal;
  now(): Date;
}

/** Maps a change of another resource to the keys to reconcile; asked for the old and the new object. */
export interface Watch {
  // biome-ignore lint/suspicious/noExplicitAny: informers of different types stand in one list
  informer: InformerView<any>;
  // biome-ignore lint/suspicious/noExplicitAny: see above
  keys(object: any): Key[];
}

export interface ControllerOptions {
  name: string;
  // biome-ignore lint/suspicious/noExplicitAny: the type of the primary resource is of no matter here
  primary: InformerView<any>;
  /** Workers. Default 1. */
  concurrency?: number;
  reconcile(key: Key, context: ReconcileContext): Promise<Outcome>;
  watches?: readonly Watch[];
  log: Logger;
  metrics?: KubeMetrics;
  now?: () => Date;
  /** Retry delays of a key whose reconcile threw. Default 5 ms doubling to 1000 s. */
  backoff?: { baseMs: number; maxMs: number };
  /** A reconcile that takes longer is logged and counted. Default 60 s. */
  timeoutMs?: number;
}

/** Runs one reconcile a key at a time, for each change of the primary resource or of what is watched. */
export class Controller {
  readonly name: string;

  constructor(options: ControllerOptions) {
    this.name = options.name;
  }

  /** Asks for a reconcile of a key, at once or after a time. */
  enqueue(_key: Key, _afterSeconds?: number): void {
    throw new Error('not written yet');
  }

  /** Waits for the caches, then works until the signal; resolves when the reconciles under way have ended. */
  run(_signal: AbortSignal): Promise<void> {
    throw new Error('not written yet');
  }
}

/** For `watches`: the keys of the owners of that kind (controlling owners only). */
export function ownerKeys(kind: string): (object: KubeObject) => Key[] {
  return (object) =>
    (object.metadata.ownerReferences ?? [])
      .filter((reference) => reference.controller === true && reference.kind === kind)
      .map((reference) =>
        object.metadata.namespace === undefined
          ? { name: reference.name }
          : { namespace: object.metadata.namespace, name: reference.name },
      );
}
