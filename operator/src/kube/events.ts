import type { KubeClient } from './client.ts';
import type { KubeObject } from './types.ts';

export interface EventNote {
  type: 'Normal' | 'Warning';
  /** CamelCase, the same word as in condition and log. */
  reason: string;
  /** Cut at 1 kB. */
  message: string;
  /** What the controller did. Default `Reconcile`. */
  action?: string;
}

export interface EventRecorderOptions {
  /** `quorum-operator.io/…` style name of the reporting controller. */
  controller: string;
  /** Name of the reporting process, its pod. */
  instance: string;
}

/** Records events of events.k8s.io/v1, aggregated and rate-limited as client-go does. Never throws. */
export class EventRecorder {
  constructor(_client: KubeClient, _options: EventRecorderOptions) {}

  event(_object: KubeObject, _note: EventNote): void {
    throw new Error('not written yet');
  }

  /** Waits until what was recorded has been sent. */
  flush(): Promise<void> {
    throw new Error('not written yet');
  }
}
