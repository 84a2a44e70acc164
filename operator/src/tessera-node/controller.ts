import { CONSORTIUMS, TESSERANODES } from '../api/resources.ts';
import type { ControllerDeps } from '../deps.ts';
import { Controller } from '../kube/controller.ts';
import {
  CONFIGMAPS,
  NETWORKPOLICIES,
  PODDISRUPTIONBUDGETS,
  PODS,
  SECRETS,
  SERVICES,
  STATEFULSETS,
} from '../kube/resources.ts';
import { type Key, type KubeObject, keyOf } from '../kube/types.ts';
import { labels, objectNames } from '../names.ts';
import { BY_CONSORTIUM, managersOf } from './gather.ts';
import { TesseraNodeReconciler } from './reconciler.ts';

const CONCURRENCY = 4;

/** The controller of TesseraNodes. */
export function tesseraNodeController(deps: ControllerDeps): Controller {
  const tesseras = deps.informers.of<KubeObject>(TESSERANODES);
  tesseras.addIndexer(BY_CONSORTIUM, (tessera) => [tessera.spec.consortiumRef.name]);
  const reconciler = new TesseraNodeReconciler(deps);
  const children = [STATEFULSETS, PODS, SERVICES, SECRETS, NETWORKPOLICIES, PODDISRUPTIONBUDGETS];
  return new Controller({
    name: 'tesseranode',
    primary: tesseras,
    concurrency: CONCURRENCY,
    log: deps.log,
    now: deps.now,
    reconcile: (key) => reconciler.reconcile(key),
    watches: [
      ...children.map((type) => ({ informer: deps.informers.of(type), keys: instanceKeys })),
      {
        informer: deps.informers.of(CONFIGMAPS),
        keys: (configMap: KubeObject) =>
          isShared(configMap) ? tesseras.list(configMap.metadata.namespace).map(keyOf) : [],
      },
      {
        informer: deps.informers.of(CONSORTIUMS),
        keys: (consortium: KubeObject) => managersOf(tesseras, consortium.metadata.name).map(keyOf),
      },
    ],
  });
}

/** The transaction manager that an object belongs to by its labels; keys have no owner to go by. */
function instanceKeys({ metadata }: KubeObject): Key[] {
  const instance = metadata.labels?.[labels.instance];
  if (metadata.labels?.[labels.component] !== 'tessera' || !instance) return [];
  return [{ namespace: metadata.namespace!, name: instance }];
}

/** ConfigMaps of the Consortium that every manager of the namespace reads. */
function isShared({ metadata }: KubeObject): boolean {
  const { organizationCa, operatorCa, membersCa, members } = objectNames;
  const directory = members(metadata.labels?.[labels.consortium] ?? '');
  return [organizationCa, operatorCa, membersCa, directory].includes(metadata.name);
}
