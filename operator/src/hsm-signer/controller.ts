import type { HsmSigner } from '../api/hsm-signer.ts';
import { CONSORTIUMS, HSMSIGNERS } from '../api/resources.ts';
import type { ControllerDeps } from '../deps.ts';
import { Controller, type Watch } from '../kube/controller.ts';
import {
  CONFIGMAPS,
  JOBS,
  NETWORKPOLICIES,
  PERSISTENTVOLUMECLAIMS,
  PODS,
  SECRETS,
  SERVICES,
  STATEFULSETS,
} from '../kube/resources.ts';
import { type Key, type KubeObject, keyOf } from '../kube/types.ts';
import { labels, objectNames } from '../names.ts';
import { reconcileSigner } from './reconcile.ts';

const CONCURRENCY = 4;

/** The controller of HsmSigners. */
export function hsmSignerController(deps: ControllerDeps): Controller {
  return new Controller({
    name: 'hsmsigner',
    primary: deps.informers.of<KubeObject>(HSMSIGNERS),
    concurrency: CONCURRENCY,
    log: deps.log,
    now: deps.now,
    reconcile: (key) => reconcileSigner(deps, key),
    watches: watches(deps),
  });
}

function watches(deps: ControllerDeps): Watch[] {
  const signers = deps.informers.of<KubeObject>(HSMSIGNERS);
  const all = (namespace: string | undefined, chosen: (signer: HsmSigner) => boolean): Key[] =>
    (signers.list(namespace) as unknown as HsmSigner[]).filter(chosen).map(keyOf);
  const children = [JOBS, SECRETS, STATEFULSETS, PODS, SERVICES, NETWORKPOLICIES, PERSISTENTVOLUMECLAIMS];
  return [
    ...children.map((type) => ({ informer: deps.informers.of<KubeObject>(type), keys: instanceKeys })),
    {
      informer: deps.informers.of<KubeObject>(CONFIGMAPS),
      // The first object that the Consortium's controller puts into a namespace tells that it is prepared.
      keys: (configMap: KubeObject) =>
        configMap.metadata.name === objectNames.organizationCa
          ? all(configMap.metadata.namespace, () => true)
          : instanceKeys(configMap),
    },
    {
      informer: deps.informers.of<KubeObject>(CONSORTIUMS),
      keys: (consortium: KubeObject) =>
        all(undefined, (signer) => signer.spec.consortiumRef.name === consortium.metadata.name),
    },
  ];
}

/** The signer that an object belongs to by its labels; keys have no owner to go by. */
function instanceKeys({ metadata }: KubeObject): Key[] {
  const instance = metadata.labels?.[labels.instance];
  const component = metadata.labels?.[labels.component];
  if (!instance || (component !== 'signer-token' && component !== 'postgres')) return [];
  return [{ namespace: metadata.namespace!, name: instance }];
}
