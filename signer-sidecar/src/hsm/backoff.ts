/** Delays between restarts: doubling, with jitter so that the sidecars of an organization do not meet at the HSM. */
export interface BackOffOptions {
  readonly firstMs: number;
  readonly maxMs: number;
  /** A number in [0, 1); injected for tests. */
  random(): number;
}

/** @param failures consecutive failures so far, at least 1 */
export function restartDelayMs(failures: number, options: BackOffOptions): number {
  const ceiling = Math.min(options.maxMs, options.firstMs * 2 ** Math.min(failures - 1, 20));
  return Math.round(ceiling / 2 + (ceiling / 2) * options.random());
}
