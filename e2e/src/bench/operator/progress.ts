import type { AuditEntry } from '../../cluster/audit.ts';

const CHILD_RESOURCES = new Set([
  'services',
  'secrets',
  'configmaps',
  'networkpolicies',
  'poddisruptionbudgets',
  'statefulsets',
]);

interface Node {
  readonly children: Set<string>;
  /** When the first status after the last child was written; undefined until then. */
  done: number | undefined;
}

/** Follows, by the API server's audit log, how the nodes of a bench come up. */
export class Progress {
  readonly #nodes: number;
  readonly #children: number;
  readonly #byNode = new Map<string, Node>();
  #done = 0;
  #first: number | undefined;
  #completed: number | undefined;
  #last = 0;
  #writes = 0;

  /** @param children that each node has */
  constructor(nodes: number, children: number) {
    this.#nodes = nodes;
    this.#children = children;
  }

  /** Writes that succeeded, but for the bench's own creation of the nodes. */
  get writes(): number {
    return this.#writes;
  }

  /** Seconds from the first node's creation to when all children and status of all nodes were written. */
  get upSeconds(): number {
    return (this.#completed! - this.#first!) / 1000;
  }

  /** Seconds from the first node's creation to the last write. */
  get settledSeconds(): number {
    return (this.#last - this.#first!) / 1000;
  }

  /** @returns true once all nodes are up */
  add(entries: readonly AuditEntry[]): boolean {
    for (const entry of entries) if (entry.code < 300) this.#addOne(entry);
    return this.#done === this.#nodes;
  }

  #addOne({ time, verb, resource, namespace, name = '', code }: AuditEntry): void {
    const at = Date.parse(time);
    if (resource === 'quorumnodes' && verb === 'create') {
      this.#first ??= at;
      return;
    }
    this.#writes++;
    this.#last = Math.max(this.#last, at);
    const own = /^node-\d+/.exec(name)?.[0];
    if (own === undefined) return;
    const node = this.#nodeOf(`${namespace}/${own}`);
    if (CHILD_RESOURCES.has(resource) && code === 201) node.children.add(`${resource}/${name}`);
    if (resource === 'quorumnodes/status' && node.done === undefined && node.children.size >= this.#children) {
      node.done = at;
      this.#done++;
      this.#completed = Math.max(this.#completed ?? 0, at);
    }
  }

  #nodeOf(key: string): Node {
    const known = this.#byNode.get(key);
    if (known !== undefined) return known;
    const node: Node = { children: new Set(), done: undefined };
    this.#byNode.set(key, node);
    return node;
  }
}
