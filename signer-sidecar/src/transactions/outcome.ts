/** What a node's answer to eth_sendRawTransaction means for the transaction and its nonce. */
import type { UpstreamAnswer } from '../gateway/upstream.ts';

export type Outcome =
  /** The node has it. */
  | { kind: 'accepted' }
  /** Another transaction has its nonce: mined (too low), or in the pool (underpriced). */
  | { kind: 'taken'; message: string }
  /** Not now: the pool is full, the node has a problem of its own. It is sent again later. */
  | { kind: 'later'; message: string }
  /** Never, as it is. */
  | { kind: 'refused'; message: string };

const patterns: [RegExp, Outcome['kind']][] = [
  [/already known|known transaction|already imported|already in mempool/i, 'accepted'],
  [/nonce too low|replacement transaction underpriced|replacement underpriced/i, 'taken'],
  [/pool is full|txpool|transaction pool|timeout|timed out|not synced|syncing/i, 'later'],
  [
    new RegExp(
      'gas price not 0|exceeds block gas limit|intrinsic gas too low|insufficient funds|oversized data|' +
        'replay-protected|type not supported|less than block base fee|priority fee|gas limit reached|exceeds the configured cap|' +
        'invalid sender|invalid chain id|negative value|does not have permission|not authorized|underpriced|rlp|max initcode|' +
        'gas uint64 overflow|ether value is not supported',
      'i',
    ),
    'refused',
  ],
];

/** Unknown words count as `later`: the transaction stays, is sent again, and its error is seen in metrics and log. */
export function outcomeOf(answer: UpstreamAnswer): Outcome {
  if (!('error' in answer)) return { kind: 'accepted' };
  const { message } = answer.error;
  const kind = patterns.find(([pattern]) => pattern.test(message))?.[1] ?? 'later';
  return kind === 'accepted' ? { kind } : { kind, message };
}
