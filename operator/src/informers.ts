import type { Logger } from 'pino';
import type { Consortium } from './api/consortium.ts';
import type { HsmSigner } from './api/hsm-signer.ts';
import type { QuorumNode } from './api/quorum-node.ts';
import { CONSORTIUMS, HSMSIGNERS, QUORUMNODES, TESSERANODES } from './api/resources.ts';
import type { TesseraNode } from './api/tessera-node.ts';
import type { KubeClient } from './kube/client.ts';
import { Informer, type InformerOptions, type InformerView } from './kube/informer.ts';
import { NamespacedView } from './kube/namespaced-view.ts';
import {
  CONFIGMAPS,
  JOBS,
  LIMITRANGES,
  NAMESPACES,
  NETWORKPOLICIES,
  PERSISTENTVOLUMECLAIMS,
  PODDISRUPTIONBUDGETS,
  PODS,
  RESOURCEQUOTAS,
  ROLEBINDINGS,
  ROLES,
  SECRETS,
  SERVICEACCOUNTS,
  SERVICES,
  STATEFULSETS,
} from './kube/resources.ts';
import { type KubeObject, type ResourceType, typeName } from './kube/types.ts';
import { labels, MANAGED_BY } from './names.ts';

/** Watched in the whole cluster. */
export const CLUSTER_WIDE: readonly ResourceType[] = [CONSORTIUMS, QUORUMNODES, TESSERANODES, HSMSIGNERS, NAMESPACES];

/** Watched namespace by namespace, by the rights of a RoleBinding there, and only what carries our managed-by label. */
export const PER_NAMESPACE: readonly ResourceType[] = [
  SECRETS,
  CONFIGMAPS,
  SERVICES,
  STATEFULSETS,
  PODS,
  JOBS,
  NETWORKPOLICIES,
  PERSISTENTVOLUMECLAIMS,
  PODDISRUPTIONBUDGETS,
  ROLES,
  ROLEBINDINGS,
  SERVICEACCOUNTS,
  RESOURCEQUOTAS,
  LIMITRANGES,
];

/** Rights in a fresh namespace take a moment to settle, so the first attempts follow each other quickly. */
const NAMESPACE_TIMES = { backoffMs: 200 };

/** A namespace is tried again at once no more often than this, however often it is asked for. */
const KICK_MS = 2_000;

export interface InformersOptions {
  log?: Logger;
  clusterWide?: readonly ResourceType[];
  perNamespace?: readonly ResourceType[];
  /** For tests: times of the reflectors. */
  times?: InformerOptions['times'];
}

interface FollowedNamespace {
  informers: Informer[];
  stop: AbortController;
  kickedAt: number;
}

/** The caches of the process: one a type, over the whole cluster or over the namespaces of hosted organizations. */
export class Informers {
  readonly #client: KubeClient;
  readonly #options: InformersOptions;
  readonly #clusterWide = new Map<string, Informer>();
  readonly #perNamespace = new Map<string, NamespacedView>();
  readonly #namespaces = new Map<string, FollowedNamespace>();
  #signal: AbortSignal | undefined;

  constructor(client: KubeClient, options: InformersOptions = {}) {
    this.#client = client;
    this.#options = options;
    for (const type of options.clusterWide ?? CLUSTER_WIDE) {
      this.#clusterWide.set(typeName(type), new Informer(client, type, this.#informerOptions({})));
    }
    for (const type of options.perNamespace ?? PER_NAMESPACE) {
      this.#perNamespace.set(typeName(type), new NamespacedView(type, client.metrics));
    }
  }

  /** @throws Error when the type is not among those that are watched. */
  of<T extends KubeObject = KubeObject>(type: ResourceType): InformerView<T> {
    const name = typeName(type);
    const view = this.#clusterWide.get(name) ?? this.#perNamespace.get(name);
    if (view === undefined) {
      const known = [...this.#clusterWide.keys(), ...this.#perNamespace.keys()];
      throw new Error(`${name} are not cached, read them by the client; cached are: ${known.join(', ')}.`);
    }
    return view as unknown as InformerView<T>;
  }

  get consortiums(): InformerView<Consortium> {
    return this.of(CONSORTIUMS);
  }

  get quorumNodes(): InformerView<QuorumNode> {
    return this.of(QUORUMNODES);
  }

  get tesseraNodes(): InformerView<TesseraNode> {
    return this.of(TESSERANODES);
  }

  get hsmSigners(): InformerView<HsmSigner> {
    return this.of(HSMSIGNERS);
  }

  get namespaces(): InformerView {
    return this.of(NAMESPACES);
  }

  get secrets(): InformerView {
    return this.of(SECRETS);
  }

  get configMaps(): InformerView {
    return this.of(CONFIGMAPS);
  }

  get services(): InformerView {
    return this.of(SERVICES);
  }

  get statefulSets(): InformerView {
    return this.of(STATEFULSETS);
  }

  get pods(): InformerView {
    return this.of(PODS);
  }

  get jobs(): InformerView {
    return this.of(JOBS);
  }

  get networkPolicies(): InformerView {
    return this.of(NETWORKPOLICIES);
  }

  get persistentVolumeClaims(): InformerView {
    return this.of(PERSISTENTVOLUMECLAIMS);
  }

  get podDisruptionBudgets(): InformerView {
    return this.of(PODDISRUPTIONBUDGETS);
  }

  get roles(): InformerView {
    return this.of(ROLES);
  }

  get roleBindings(): InformerView {
    return this.of(ROLEBINDINGS);
  }

  get serviceAccounts(): InformerView {
    return this.of(SERVICEACCOUNTS);
  }

  get resourceQuotas(): InformerView {
    return this.of(RESOURCEQUOTAS);
  }

  get limitRanges(): InformerView {
    return this.of(LIMITRANGES);
  }

  /** Resolves when the cluster-wide caches are filled. */
  get synced(): Promise<void> {
    return Promise.all([...this.#clusterWide.values()].map(({ synced }) => synced)).then(() => undefined);
  }

  get hasSynced(): boolean {
    return [...this.#clusterWide.values()].every(({ hasSynced }) => hasSynced);
  }

  /** Names of the cluster-wide caches that are not filled yet, for /readyz. */
  get waitingFor(): string[] {
    return [...this.#clusterWide].filter(([, { hasSynced }]) => !hasSynced).map(([name]) => name);
  }

  /** Starts the cluster-wide caches and those of the namespaces added until now and later. Ends with the signal. */
  start(signal: AbortSignal): void {
    this.#signal = signal;
    for (const informer of this.#clusterWide.values()) {
      void informer.start(signal);
    }
    for (const namespace of this.#namespaces.values()) {
      this.#run(namespace, signal);
    }
    // A namespace that is gone would be asked for again and again, and each time refused: its RoleBinding went with it.
    const stop = this.#clusterWide.get(typeName(NAMESPACES))?.onChange(({ type, object }) => {
      if (type === 'deleted') this.removeNamespace(object.metadata.name);
    });
    signal.addEventListener('abort', () => stop?.(), { once: true });
  }

  /** Whether all children in the namespace are in the caches, so that what is not in them does not exist. */
  isFollowing(namespace: string): boolean {
    return this.#namespaces.get(namespace)?.informers.every(({ hasSynced }) => hasSynced) === true;
  }

  /**
   * Follows the children in a namespace. Idempotent and cheap: a controller may call it at the start of each reconcile.
   * @returns a promise that resolves when all are in the caches
   * @throws Error after timeoutMs (default 20 s), saying what fails; the caches go on trying, so call it again
   */
  async addNamespace(namespace: string, timeoutMs = 20_000): Promise<void> {
    const followed = this.#namespaces.get(namespace) ?? this.#follow(namespace);
    const waiting = followed.informers.filter(({ hasSynced }) => !hasSynced);
    // Also caches that were filled may be failing now: the namespace was deleted and made again.
    if (Date.now() - followed.kickedAt > KICK_MS) {
      followed.kickedAt = Date.now();
      for (const informer of followed.informers) {
        informer.kick();
      }
    }
    if (waiting.length === 0) {
      return;
    }
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(notFollowed(namespace, waiting, timeoutMs)), timeoutMs);
    });
    const removed = new Promise<void>((resolve) => followed.stop.signal.addEventListener('abort', () => resolve()));
    try {
      await Promise.race([Promise.all(waiting.map(({ synced }) => synced)), removed, late]);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Stops following a namespace and forgets its objects, without telling them as deleted. */
  removeNamespace(namespace: string): void {
    const followed = this.#namespaces.get(namespace);
    if (followed === undefined) {
      return;
    }
    this.#namespaces.delete(namespace);
    followed.stop.abort();
    for (const view of this.#perNamespace.values()) {
      view.remove(namespace);
    }
  }

  #follow(namespace: string): FollowedNamespace {
    const informers = [...this.#perNamespace.values()].map((view) => {
      const labelSelector = `${labels.managedBy}=${MANAGED_BY}`;
      const times = { ...NAMESPACE_TIMES, ...this.#options.times };
      const informer = new Informer(
        this.#client,
        view.type,
        this.#informerOptions({ namespace, labelSelector, times }),
      );
      view.add(namespace, informer);
      return informer;
    });
    const followed: FollowedNamespace = { informers, stop: new AbortController(), kickedAt: Date.now() };
    this.#namespaces.set(namespace, followed);
    if (this.#signal !== undefined) {
      this.#run(followed, this.#signal);
    }
    return followed;
  }

  #run({ informers, stop }: FollowedNamespace, signal: AbortSignal): void {
    const end = () => stop.abort();
    signal.addEventListener('abort', end, { once: true });
    stop.signal.addEventListener('abort', () => signal.removeEventListener('abort', end), { once: true });
    if (signal.aborted) {
      end();
    }
    for (const informer of informers) {
      void informer.start(stop.signal);
    }
  }

  #informerOptions(options: InformerOptions): InformerOptions {
    const { log, times } = this.#options;
    return { ...(log === undefined ? {} : { log }), ...(times === undefined ? {} : { times }), ...options };
  }
}

function notFollowed(namespace: string, waiting: readonly Informer[], timeoutMs: number): Error {
  const late = waiting.find(({ hasSynced, lastError }) => !hasSynced && lastError !== undefined);
  const names = waiting.filter(({ hasSynced }) => !hasSynced).map(({ type }) => typeName(type));
  const why = late?.lastError instanceof Error ? `: ${late.lastError.message}` : '';
  return new Error(
    `The caches of namespace ${namespace} are not filled after ${timeoutMs / 1000} s (${names.join(', ')})${why}. ` +
      'The operator needs its RoleBinding in that namespace.',
  );
}
