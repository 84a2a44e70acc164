import type { NodeStatus } from '../../../signer-sidecar/src/ops/types.ts';
import type { Consortium } from '../api/consortium.ts';
import { allNodes } from '../consortium/directory.ts';
import type { NodeObservation } from './observation.ts';

/**
 * Age in seconds up to which a last block is fresh: three block periods, or an empty period and the next block, and two
 * round changes on top, which is what one validator that is down costs now and then.
 */
export function freshBlockLimit(consortium: Consortium): number {
  const { blockPeriodSeconds, emptyBlockPeriodSeconds, requestTimeoutSeconds } = consortium.spec.consensus;
  const idle = emptyBlockPeriodSeconds === undefined ? 0 : emptyBlockPeriodSeconds + blockPeriodSeconds;
  return Math.max(3 * blockPeriodSeconds, idle) + 2 * requestTimeoutSeconds;
}

/** Age of the last block, seconds, by the clock of the machine that reported it. */
export function blockAge(status: NodeStatus | undefined): number | undefined {
  if (status?.blockTime === undefined) return undefined;
  return Math.max(0, Date.parse(status.time) / 1000 - status.blockTime);
}

/** The node has a recent block: the network seals, and the node follows it. */
export function isFresh(observation: Pick<NodeObservation, 'door' | 'consortium'>): boolean {
  const age = blockAge(observation.door?.status);
  return age !== undefined && observation.consortium !== undefined && age <= freshBlockLimit(observation.consortium);
}

/** Other nodes that the member directory knows. */
export function expectedPeers(
  observation: Pick<NodeObservation, 'directory' | 'identity'>,
): { publicKey: string; enode: string; name: string }[] {
  const { directory, identity } = observation;
  if (!directory) return [];
  return allNodes(directory).filter((node) => node.publicKey !== identity?.publicKey);
}
