import { randomBytes } from 'node:crypto';
import type { Logger } from 'pino';
import type { KubeClient } from './client.ts';
import { EventCorrelator, type Recorded } from './event-correlator.ts';
import { microTime } from './micro-time.ts';
import { EVENTS } from './resources.ts';
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
  /** Qualified name of the reporting controller, `quorum-operator.io/operator`. */
  controller: string;
  /** Name of the reporting process, its pod. At most 128 characters. */
  instance: string;
  log?: Logger;
  now?: () => Date;
}

/** Bytes of an event's note that the API server admits. */
const MAX_NOTE = 1024;

/** Events waiting to be sent; more are dropped, as events are for people and not for programs. */
const MAX_WAITING = 1000;

/** Records events of events.k8s.io/v1, aggregated and rate-limited as client-go does. Never throws. */
export class EventRecorder {
  readonly #client: KubeClient;
  readonly #options: EventRecorderOptions;
  readonly #correlator: EventCorrelator;
  #waiting = 0;
  #sending: Promise<void> = Promise.resolve();

  constructor(client: KubeClient, options: EventRecorderOptions) {
    this.#client = client;
    this.#options = options;
    this.#correlator = new EventCorrelator(options.now);
  }

  event(object: KubeObject, note: EventNote): void {
    const recorded = this.#correlator.record(object, note);
    if (recorded === undefined || this.#waiting >= MAX_WAITING) {
      return;
    }
    this.#waiting += 1;
    // One after the other, so that a repetition finds the event it repeats.
    this.#sending = this.#sending
      .then(() => this.#send(object, note, recorded))
      .catch((error: unknown) => {
        this.#options.log?.debug({ err: error, reason: note.reason }, 'An event could not be recorded');
      })
      .finally(() => {
        this.#waiting -= 1;
      });
  }

  /** Waits until what was recorded has been sent. */
  flush(): Promise<void> {
    return this.#sending;
  }

  async #send(object: KubeObject, note: EventNote, recorded: Recorded): Promise<void> {
    const namespace = object.metadata.namespace ?? 'default';
    const time = microTime(recorded.at);
    if (recorded.event.name !== undefined) {
      try {
        // Nothing else of an event may change, so a combined one keeps the first message it stood for.
        await this.#client.patch(
          EVENTS,
          { namespace, name: recorded.event.name },
          { series: { count: recorded.count, lastObservedTime: time } },
        );
        return;
      } catch {
        // Events live about an hour; a repetition after that is a new event.
      }
    }
    const { apiVersion, kind, metadata } = object;
    const name = `${metadata.name.slice(0, 200)}.${randomBytes(8).toString('hex')}`;
    await this.#client.create(EVENTS, {
      apiVersion: 'events.k8s.io/v1',
      kind: 'Event',
      metadata: { name, namespace },
      eventTime: time,
      type: note.type,
      reason: note.reason,
      action: note.action ?? 'Reconcile',
      note: cut(recorded.message),
      reportingController: this.#options.controller,
      reportingInstance: this.#options.instance.slice(0, 128),
      regarding: {
        apiVersion,
        kind,
        name: metadata.name,
        ...(metadata.namespace === undefined ? {} : { namespace: metadata.namespace }),
        ...(metadata.uid === undefined ? {} : { uid: metadata.uid }),
        ...(metadata.resourceVersion === undefined ? {} : { resourceVersion: metadata.resourceVersion }),
      },
    });
    recorded.event.name = name;
  }
}

function cut(message: string): string {
  const bytes = Buffer.from(message, 'utf8');
  // A character cut in half becomes U+FFFD, three bytes long.
  return bytes.length <= MAX_NOTE ? message : `${bytes.subarray(0, MAX_NOTE - 6).toString('utf8')}…`;
}
