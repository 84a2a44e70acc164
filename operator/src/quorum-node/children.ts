import type { QuorumNode } from '../api/quorum-node.ts';
import { generateNodeKey, type NodeIdentity } from '../consensus/node-key.ts';
import { peerService } from '../consensus/peer-service.ts';
import { nodeKeySecret } from '../consortium/build/node-key-secret.ts';
import { allNodes } from '../consortium/directory.ts';
import type { ControllerDeps } from '../deps.ts';
import {
  CONFIGMAPS,
  NETWORKPOLICIES,
  PERSISTENTVOLUMECLAIMS,
  PODDISRUPTIONBUDGETS,
  SECRETS,
  SERVICES,
  STATEFULSETS,
} from '../kube/resources.ts';
import type { KubeObject, ResourceType } from '../kube/types.ts';
import { certificateUri, objectNames } from '../names.ts';
import { type EnsuredCertificate, ensureCertificate } from '../pki/certificate.ts';
import { podName } from '../workload/pod.ts';
import { databaseClaim } from './build/database-claim.ts';
import { disruptionBudget } from './build/disruption-budget.ts';
import { doorConfigSecret } from './build/door-config.ts';
import { externalPeerService } from './build/external-service.ts';
import { nodeNetworkPolicy } from './build/network-policy.ts';
import { peersConfigMap } from './build/peers.ts';
import { doorService } from './build/service.ts';
import { nodeStatefulSet } from './build/stateful-set.ts';
import { exposedByService } from './exposure.ts';
import { doorNames, frameLabels, type NodeFrame } from './frame.ts';
import { isDeclaredValidator, type NodeObservation } from './observation.ts';
import { accessOf, doorPlanOf, embeddedDatabaseClaim, frameOf, podPlanOf } from './plan.ts';

type ChildDeps = Pick<ControllerDeps, 'client' | 'applier' | 'informers' | 'now'>;

/** Applies a manifest against what the cache holds; null tells the applier that there is nothing yet. */
function apply(deps: ChildDeps, type: ResourceType, manifest: KubeObject) {
  const { name, namespace } = manifest.metadata;
  return deps.applier.apply(type, manifest, deps.informers.of(type).get({ name, namespace: namespace! }) ?? null);
}

/** What a node has from its first moment, whatever it still waits for: address, key, policies. */
export async function applyGround(deps: ChildDeps, observation: NodeObservation): Promise<void> {
  const frame = frameOf(observation);
  const { name, namespace, consortium, organization } = frame;
  await Promise.all([
    apply(deps, SERVICES, peerService({ node: name, namespace, consortium, organization })),
    apply(deps, SERVICES, doorService(frame)),
    apply(deps, NETWORKPOLICIES, nodeNetworkPolicy(frame, accessOf(observation))),
    apply(deps, PODDISRUPTIONBUDGETS, disruptionBudget(frame)),
    applyExternalService(deps, observation),
  ]);
}

/** The way in for peers outside the cluster; closed when it is not asked for any more. */
async function applyExternalService(deps: ChildDeps, observation: NodeObservation): Promise<void> {
  const frame = frameOf(observation);
  const type = observation.node.spec.exposure?.type;
  if (exposedByService(type)) {
    await apply(deps, SERVICES, externalPeerService(frame, type, accessOf(observation).remote.cidrs));
    return;
  }
  const { externalService } = observation;
  const ours = externalService?.metadata.ownerReferences?.some(({ uid }) => uid === frame.owner.metadata.uid);
  if (!ours) return;
  const { name, namespace, uid } = externalService!.metadata;
  await deps.client.delete(SERVICES, { name, namespace: namespace! }, { uid: uid! });
}

/**
 * The key of a node that is not a declared validator: made once, in the moment nobody knows the node yet.
 * @returns the identity when a key was made.
 */
export async function createNodeKey(deps: ChildDeps, observation: NodeObservation): Promise<NodeIdentity | undefined> {
  if (observation.identity || observation.node.status?.address || isDeclaredValidator(observation)) return undefined;
  const key = generateNodeKey();
  const { name, namespace, consortium, organization } = frameOf(observation);
  const { created } = await deps.applier.createOnly(
    SECRETS,
    nodeKeySecret({ node: name, namespace, consortium, organization }, key),
  );
  return created ? { address: key.address, publicKey: key.publicKey, nodeId: key.nodeId } : undefined;
}

/** Certificates of the door and of the way to the transaction manager, renewed as they age. */
export async function ensureCertificates(deps: ChildDeps, observation: NodeObservation): Promise<EnsuredCertificate[]> {
  const frame = frameOf(observation);
  const { name, namespace, consortium, organization } = frame;
  const common = {
    namespace,
    commonName: name,
    uris: [certificateUri(consortium, organization, 'node', name)],
    labels: frameLabels(frame),
    owner: frame.owner,
  };
  const door = ensureCertificate(deps, {
    ...common,
    secretName: objectNames.tls(name),
    dnsNames: doorNames(frame),
    usages: ['server', 'client'],
  });
  if (!observation.node.spec.tesseraRef) return [await door];
  const transactionManager = ensureCertificate(deps, {
    ...common,
    secretName: objectNames.ptmTls(name),
    usages: ['client'],
    // geth reads it at its start only, so a new one is a restart.
    days: 365,
  });
  return Promise.all([door, transactionManager]);
}

/** The lists of peers. @returns true when a running pod should be told to look at them. */
export async function applyPeers(deps: ChildDeps, observation: NodeObservation): Promise<boolean> {
  const { directory, identity, pod } = observation;
  if (!directory || !identity) return false;
  const lists = peersConfigMap(frameOf(observation), directory, identity.publicKey);
  const { name, namespace } = lists.metadata;
  const live = deps.informers.of(CONFIGMAPS).get({ name, namespace: namespace! });
  // A new node waits until the directory lists it; lists from before that would only be written again.
  if (!live && !allNodes(directory).some(({ publicKey }) => publicKey === identity.publicKey)) return false;
  const { changed } = await deps.applier.apply(CONFIGMAPS, lists, live ?? null);
  return changed && pod !== undefined;
}

/** The door's configuration and the pod's template. */
export async function applyWorkload(deps: ChildDeps, observation: NodeObservation): Promise<KubeObject> {
  const frame = frameOf(observation);
  const config = doorConfigSecret(frame, doorPlanOf(observation));
  const { name, namespace } = config.metadata;
  // Immutable and named after its content: what exists under the name is what is wanted.
  await deps.applier.createOnly(
    SECRETS,
    config,
    deps.informers.of(SECRETS).get({ name, namespace: namespace! }) ?? null,
  );
  const plan = podPlanOf(observation, name);
  if (plan.signer?.embeddedDatabaseClaim) await createDatabaseClaim(deps, frame);
  const template = claimTemplate(observation.statefulSet);
  const { object } = await apply(
    deps,
    STATEFULSETS,
    nodeStatefulSet(frame, { ...plan, storage: template ?? plan.storage }),
  );
  await growVolume(deps, observation.node, template?.size);
  return object;
}

async function createDatabaseClaim(deps: ChildDeps, frame: NodeFrame): Promise<void> {
  const claim = databaseClaim(frame, embeddedDatabaseClaim(frame.name));
  const { name, namespace } = claim.metadata;
  const live = deps.informers.of(PERSISTENTVOLUMECLAIMS).get({ name, namespace: namespace! });
  await deps.applier.createOnly(PERSISTENTVOLUMECLAIMS, claim, live ?? null);
}

/** The claim template of an existing StatefulSet, which the API server does not let anybody change. */
function claimTemplate(statefulSet: KubeObject | undefined): { size: string; storageClassName?: string } | undefined {
  const claim = statefulSet?.spec?.volumeClaimTemplates?.[0]?.spec;
  const size: unknown = claim?.resources?.requests?.storage;
  if (typeof size !== 'string') return undefined;
  return { size, ...(claim.storageClassName ? { storageClassName: claim.storageClassName } : {}) };
}

/** A larger volume is asked for at the claim itself; the storage class decides whether it can grow. */
async function growVolume(deps: ChildDeps, node: QuorumNode, templateSize: string | undefined): Promise<void> {
  const { size } = node.spec.storage;
  if (templateSize === undefined || templateSize === size) return;
  const key = { namespace: node.metadata.namespace!, name: `data-${podName(node.metadata.name)}` };
  const claim = deps.informers.of(PERSISTENTVOLUMECLAIMS).get(key);
  if (!claim || claim.spec?.resources?.requests?.storage === size) return;
  await deps.client.patch(PERSISTENTVOLUMECLAIMS, key, { spec: { resources: { requests: { storage: size } } } });
}
