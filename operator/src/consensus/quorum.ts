/**
 * How many of `validators` may be down or dishonest while the chain stays alive and safe: f = ⌊(n−1)/3⌋.
 * 0 for fewer than four, so with those every restart of a validator halts the chain.
 */
export function faultTolerance(validators: number): number {
  return Math.max(0, Math.floor((validators - 1) / 3));
}

/** Votes that seal a block under QBFT and IBFT with `ceil2Nby3Block: 0`: ⌈2n/3⌉. */
export function quorumSize(validators: number): number {
  return Math.ceil((2 * validators) / 3);
}
