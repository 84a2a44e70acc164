import type { DoorClient, DoorTarget } from '../door/client.ts';
import { DoorError } from '../door/errors.ts';
import type { DoorReading } from './observation.ts';

/** How often a door is asked, in milliseconds: an answer that is younger is used again. */
export const POLL_MS = { ready: 25_000, notReady: 1_500 } as const;

/** Remembers what each node's door said last, and asks again when that is too old. */
export class DoorWatch {
  readonly #doors: Pick<DoorClient, 'status'>;
  readonly #now: () => Date;
  readonly #readings = new Map<string, { readonly pod: string; readonly reading: DoorReading }>();

  constructor(doors: Pick<DoorClient, 'status'>, now: () => Date) {
    this.#doors = doors;
    this.#now = now;
  }

  /**
   * @param node key of the node
   * @param podUid the pod asked; another pod's answer is never used again
   * @param maxAgeMs see POLL_MS
   */
  async read(node: string, podUid: string, target: DoorTarget, maxAgeMs: number): Promise<DoorReading> {
    const known = this.#readings.get(node);
    if (known?.pod === podUid && this.#now().getTime() - known.reading.at.getTime() < maxAgeMs) return known.reading;
    const reading = await this.#ask(target);
    this.#readings.set(node, { pod: podUid, reading });
    return reading;
  }

  /** The last answer of that pod, however old. */
  last(node: string, podUid: string | undefined): DoorReading | undefined {
    const known = this.#readings.get(node);
    return known && known.pod === podUid ? known.reading : undefined;
  }

  forget(node: string): void {
    this.#readings.delete(node);
  }

  async #ask(target: DoorTarget): Promise<DoorReading> {
    try {
      const status = await this.#doors.status(target);
      return { at: this.#now(), status };
    } catch (error) {
      if (!(error instanceof DoorError)) throw error;
      return { at: this.#now(), error: error.message };
    }
  }
}
