import type { Logger } from 'pino';
import type { DoorClient, DoorTarget } from '../door/client.ts';
import { expectedPeers } from './health.ts';
import type { NodeObservation } from './observation.ts';

/** Seconds between two reminders of one node; geth itself dials static peers about every 30 s. */
const EVERY_MS = 15_000;

/**
 * Tells a node about members that it is not connected to. geth reads its list of static peers once, at its start; peers that came later it
 * would only meet when they dial in.
 */
export class PeerReminder {
  readonly #doors: Pick<DoorClient, 'consensus'>;
  readonly #now: () => Date;
  readonly #last = new Map<string, number>();

  constructor(doors: Pick<DoorClient, 'consensus'>, now: () => Date) {
    this.#doors = doors;
    this.#now = now;
  }

  async remind(node: string, observation: NodeObservation, target: DoorTarget, log: Logger): Promise<void> {
    const { status } = observation.door ?? {};
    if (!status?.reachable || !status.peerIds) return;
    const connected = new Set(status.peerIds);
    const missing = expectedPeers(observation).filter((peer) => !connected.has(peer.publicKey));
    const now = this.#now().getTime();
    if (missing.length === 0 || now - (this.#last.get(node) ?? 0) < EVERY_MS) return;
    this.#last.set(node, now);
    const calls = missing.map((peer) =>
      this.#doors
        .consensus(target, 'admin_addPeer', [peer.enode])
        .catch((error: unknown) => log.debug({ err: error, peer: peer.name }, 'Peer not added; tried again later')),
    );
    await Promise.all(calls);
  }

  forget(node: string): void {
    this.#last.delete(node);
  }
}
