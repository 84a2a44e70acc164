/** How long a node may hold the lock without coming back, before others that are free to restart go on. */
const LONGEST_MS = 15 * 60_000;

/**
 * One restart at a time in a consortium. It bridges the moment between the deletion of a pod and its appearance in the caches; what the
 * caches say about other pods is judged besides, so nothing is lost when the process restarts.
 */
export class RolloutLock {
  readonly #holders = new Map<string, { readonly node: string; readonly since: number; readonly pod: string }>();
  readonly #now: () => Date;

  constructor(now: () => Date) {
    this.#now = now;
  }

  /** The node that holds the lock, when it is another one. */
  heldByOther(consortium: string, node: string): string | undefined {
    const holder = this.#holder(consortium);
    return holder && holder.node !== node ? holder.node : undefined;
  }

  /** Takes the lock for the restart of a pod; false when another node has it. */
  take(consortium: string, node: string, podUid: string): boolean {
    if (this.heldByOther(consortium, node)) return false;
    this.#holders.set(consortium, { node, since: this.#now().getTime(), pod: podUid });
    return true;
  }

  /** Gives the lock back once the node is Ready with another pod than the one that was deleted. */
  release(consortium: string, node: string, readyPodUid: string | undefined): void {
    const holder = this.#holder(consortium);
    if (holder?.node === node && readyPodUid !== undefined && readyPodUid !== holder.pod)
      this.#holders.delete(consortium);
  }

  /** Forgets a node that no longer exists. */
  forget(node: string): void {
    for (const [consortium, holder] of this.#holders) if (holder.node === node) this.#holders.delete(consortium);
  }

  #holder(consortium: string) {
    const holder = this.#holders.get(consortium);
    if (!holder) return undefined;
    if (this.#now().getTime() - holder.since <= LONGEST_MS) return holder;
    this.#holders.delete(consortium);
    return undefined;
  }
}
