import type { QuorumNode } from '../api/quorum-node.ts';
import { CONSORTIUMS, HSMSIGNERS, QUORUMNODES, TESSERANODES } from '../api/resources.ts';
import type { ControllerDeps } from '../deps.ts';
import { Controller, type Watch } from '../kube/controller.ts';
import {
  CONFIGMAPS,
  NETWORKPOLICIES,
  PERSISTENTVOLUMECLAIMS,
  PODDISRUPTIONBUDGETS,
  PODS,
  SECRETS,
  SERVICES,
  STATEFULSETS,
} from '../kube/resources.ts';
import { type Key, type KubeObject, keyOf } from '../kube/types.ts';
import { labels, objectNames } from '../names.ts';
import { BY_CONSORTIUM, nodesOf } from './gather.ts';
import { QuorumNodeReconciler } from './reconciler.ts';

/** A node waits for answers of its door now and then, so several are worked on at once. */
const CONCURRENCY = 16;

/** The controller of QuorumNodes. */
export function quorumNodeController(deps: ControllerDeps): Controller {
  const nodes = deps.informers.of<KubeObject>(QUORUMNODES);
  nodes.addIndexer(BY_CONSORTIUM, (node) => [node.spec.consortiumRef.name]);
  const reconciler = new QuorumNodeReconciler(deps);
  return new Controller({
    name: 'quorumnode',
    primary: nodes,
    concurrency: CONCURRENCY,
    log: deps.log,
    now: deps.now,
    reconcile: (key, context) => reconciler.reconcile(key, context),
    watches: watches(deps),
  });
}

function watches(deps: ControllerDeps): Watch[] {
  const nodes = deps.informers.of<KubeObject>(QUORUMNODES);
  const inNamespace = (namespace: string | undefined, named: (node: QuorumNode) => boolean): Key[] =>
    (nodes.list(namespace) as unknown as QuorumNode[]).filter(named).map(keyOf);
  const children = [
    STATEFULSETS,
    PODS,
    SERVICES,
    SECRETS,
    NETWORKPOLICIES,
    PODDISRUPTIONBUDGETS,
    PERSISTENTVOLUMECLAIMS,
  ];
  return [
    ...children.map((type) => ({ informer: deps.informers.of(type), keys: instanceKeys })),
    {
      informer: deps.informers.of(CONFIGMAPS),
      keys: (configMap: KubeObject) =>
        isShared(configMap) ? inNamespace(configMap.metadata.namespace, () => true) : instanceKeys(configMap),
    },
    {
      informer: deps.informers.of(CONSORTIUMS),
      keys: (consortium: KubeObject) => nodesOf(nodes, consortium.metadata.name).map(keyOf),
    },
    {
      informer: deps.informers.of(HSMSIGNERS),
      keys: ({ metadata }: KubeObject) =>
        inNamespace(metadata.namespace, (node) => node.spec.signerRef?.name === metadata.name),
    },
    {
      informer: deps.informers.of(TESSERANODES),
      keys: ({ metadata }: KubeObject) =>
        inNamespace(metadata.namespace, (node) => node.spec.tesseraRef?.name === metadata.name),
    },
  ];
}

/** The node that an object belongs to by its labels; keys and peer Services have no owner to go by. */
function instanceKeys({ metadata }: KubeObject): Key[] {
  const instance = metadata.labels?.[labels.instance];
  if (metadata.labels?.[labels.component] !== 'node' || !instance) return [];
  return [{ namespace: metadata.namespace!, name: instance }];
}

/** ConfigMaps of the Consortium that every node of the namespace reads. */
function isShared({ metadata }: KubeObject): boolean {
  const consortium = metadata.labels?.[labels.consortium] ?? '';
  const { organizationCa, operatorCa, genesis, members } = objectNames;
  return [organizationCa, operatorCa, genesis(consortium), members(consortium)].includes(metadata.name);
}
