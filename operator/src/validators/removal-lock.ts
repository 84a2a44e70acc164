/**
 * One removal at a time in a consortium: two that begin at once would each see a set that the other is about to shrink. It bridges the
 * moment until the first proposals can be read from the nodes, which outlast a restart of this process.
 */
export class RemovalLock {
  readonly #holders = new Map<string, string>();

  /** @returns false when another node of the consortium is being voted out. */
  take(consortium: string, node: string): boolean {
    const holder = this.#holders.get(consortium);
    if (holder !== undefined && holder !== node) return false;
    this.#holders.set(consortium, node);
    return true;
  }

  /** Gives back what the node holds, if anything. */
  release(node: string): void {
    for (const [consortium, holder] of this.#holders) if (holder === node) this.#holders.delete(consortium);
  }
}
