import type { Consortium } from '../api/consortium.ts';
import type { QuorumNode } from '../api/quorum-node.ts';
import { CONSORTIUMS, QUORUMNODES, TESSERANODES } from '../api/resources.ts';
import type { TesseraNode } from '../api/tessera-node.ts';
import { type NodeIdentity, nodeIdentity } from '../consensus/node-key.ts';
import type { ControllerDeps } from '../deps.ts';
import { KubeApiError } from '../kube/errors.ts';
import { CONFIGMAPS, NAMESPACES, PERSISTENTVOLUMECLAIMS, SECRETS, SERVICES } from '../kube/resources.ts';
import type { Key, KubeObject, ResourceType } from '../kube/types.ts';
import { objectNames } from '../names.ts';
import type { OperatorAuthority } from '../pki/operator-authority.ts';
import { secretText } from '../pki/secrets.ts';
import { type Claim, decideClaims, hostedOrganizations, organizationNamespace } from './claims.ts';
import { gatherRotation } from './gather-rotation.ts';
import { gatherManaged } from './managed.ts';
import type { Held, ImportSource, Observation, ObservedNode, ObservedOrganization } from './observation.ts';

export type GatherDeps = Pick<ControllerDeps, 'client' | 'informers' | 'config' | 'now'>;

/**
 * Reads one object, from the cache first. One that the cache does not have is asked for at the API server: a key that only the cache has not seen
 * yet must not look lost, nor be made twice.
 */
export async function read<T extends KubeObject>(
  deps: Pick<GatherDeps, 'client' | 'informers'>,
  type: ResourceType,
  key: Key,
): Promise<T | undefined> {
  return deps.informers.of<T>(type).get(key) ?? (await deps.client.get<T>(type, key));
}

/** Reads what decides which namespaces this Consortium may work in. */
export async function gatherClaims(deps: GatherDeps, consortium: Consortium): Promise<Claim[]> {
  const namespaces = new Map<string, KubeObject>();
  for (const organization of hostedOrganizations(consortium)) {
    const name = organizationNamespace(consortium, organization);
    const found = await read(deps, NAMESPACES, { name });
    if (found) namespaces.set(name, found);
  }
  return decideClaims(consortium, deps.informers.of<Consortium>(CONSORTIUMS).list(), namespaces);
}

/** Reads everything else; the namespaces of `claims` that are ours must be in the caches. */
export async function gather(
  deps: GatherDeps,
  consortium: Consortium,
  claims: readonly Claim[],
  operatorAuthority: OperatorAuthority,
): Promise<Observation> {
  const ours = claims.filter((claim) => claim.state !== 'blocked');
  return {
    consortium,
    now: deps.now(),
    operator: { namespace: deps.config.namespace, serviceAccount: deps.config.serviceAccount },
    trustSpreadSeconds: deps.config.trustSpreadSeconds,
    operatorAuthority,
    claims,
    organizations: await Promise.all(ours.map((claim) => gatherOrganization(deps, consortium, claim, ours))),
    nodes: (await Promise.all(ours.map((claim) => gatherNodes(deps, consortium, claim)))).flat(),
    imported: await gatherImport(deps, consortium),
  };
}

async function gatherOrganization(
  deps: GatherDeps,
  consortium: Consortium,
  claim: Claim,
  all: readonly Claim[],
): Promise<ObservedOrganization> {
  const { namespace, organization } = claim;
  const [authority, genesis] = await Promise.all([
    gatherAuthority(deps, consortium, claim, all),
    read(deps, CONFIGMAPS, { namespace, name: objectNames.genesis(consortium.metadata.name) }),
  ]);
  return {
    name: organization.name,
    namespace,
    ...authority,
    // A ConfigMap without the key is a damaged genesis, not an absent one.
    genesis: genesis && String(genesis.data?.['genesis.json'] ?? ''),
    tesseraNodes: deps.informers
      .of<TesseraNode & KubeObject>(TESSERANODES)
      .list(namespace)
      .filter((tessera) => belongs(tessera, consortium, claim)),
  };
}

/** Of the organization's own Secret, or of cert-manager where the Consortium names an issuer. */
async function gatherAuthority(
  deps: GatherDeps,
  consortium: Consortium,
  { namespace }: Claim,
  all: readonly Claim[],
): Promise<Pick<ObservedOrganization, 'authority' | 'rotation' | 'managed'>> {
  const { issuerRef } = consortium.spec;
  if (issuerRef) {
    const managed = await gatherManaged(deps, namespace, issuerRef);
    const authority: Held<string> =
      managed.bundle === undefined ? { kind: 'absent' } : { kind: 'present', value: managed.bundle };
    return { authority, managed };
  }
  const secret = await read(deps, SECRETS, { namespace, name: objectNames.organizationCa });
  if (!secret) return { authority: { kind: 'absent' } };
  const rotation = held(() => gatherRotation(deps, secret, namespace, all));
  if (rotation.kind !== 'present') return { authority: rotation };
  return rotation.value
    ? { authority: { kind: 'present', value: rotation.value.state.current }, rotation: rotation.value }
    : { authority: { kind: 'invalid', message: 'tls.crt or tls.key is missing' } };
}

async function gatherNodes(deps: GatherDeps, consortium: Consortium, claim: Claim): Promise<ObservedNode[]> {
  const quorumNodes = deps.informers
    .of<QuorumNode & KubeObject>(QUORUMNODES)
    .list(claim.namespace)
    .filter((node) => belongs(node, consortium, claim));
  const declared = consortium.spec.validators.flatMap(({ organization, node }) =>
    organization === claim.organization.name && node !== undefined ? [node] : [],
  );
  const others = quorumNodes.map((node) => node.metadata.name).filter((name) => !declared.includes(name));
  return Promise.all(
    [...declared, ...others.sort()].map((name) =>
      gatherNode(deps, claim, name, {
        declared: declared.includes(name),
        quorumNode: quorumNodes.find((node) => node.metadata.name === name),
      }),
    ),
  );
}

async function gatherNode(
  deps: GatherDeps,
  claim: Claim,
  name: string,
  rest: Pick<ObservedNode, 'declared' | 'quorumNode'>,
): Promise<ObservedNode> {
  const { namespace } = claim;
  // A member that never had a key is being made by its own controller, which the caches tell: no need to ask for each.
  const existed = rest.declared || rest.quorumNode?.status?.address !== undefined;
  const find = async (type: ResourceType, key: Key) =>
    existed ? read(deps, type, key) : deps.informers.of<KubeObject>(type).get(key);
  const [secret, service] = await Promise.all([
    find(SECRETS, { namespace, name: objectNames.nodeKey(name) }),
    find(SERVICES, { namespace, name: objectNames.peerService(name) }),
  ]);
  const key = heldNodeKey(secret);
  const volume = { namespace, name: `data-${name}-0` };
  const clusterIP: unknown = service?.spec?.clusterIP;
  return {
    organization: claim.organization.name,
    namespace,
    name,
    ...rest,
    key,
    volume:
      rest.declared && key.kind === 'absent' && (await deps.client.get(PERSISTENTVOLUMECLAIMS, volume)) !== undefined,
    clusterIP: typeof clusterIP === 'string' && clusterIP !== '' && clusterIP !== 'None' ? clusterIP : undefined,
  };
}

async function gatherImport(deps: GatherDeps, consortium: Consortium): Promise<ImportSource | undefined> {
  const source = consortium.spec.genesis.import;
  if (!source) return undefined;
  if (source.genesis !== undefined) return { kind: 'text', text: source.genesis };
  const { namespace, name, key } = source.configMapRef!;
  const where = `ConfigMap ${namespace}/${name}, named by spec.genesis.import.configMapRef,`;
  try {
    const text: unknown = (await deps.client.get(CONFIGMAPS, { namespace, name }))?.data?.[key];
    if (typeof text === 'string') return { kind: 'text', text };
    return {
      kind: 'missing',
      message: `${where} with key ${key} does not exist; create it with the genesis.json of the network`,
    };
  } catch (error) {
    if (!(error instanceof KubeApiError && error.isForbidden)) throw error;
    return {
      kind: 'missing',
      message: `${where} may not be read by the operator; put it into an organization's namespace`,
    };
  }
}

function belongs(resource: QuorumNode | TesseraNode, consortium: Consortium, claim: Claim): boolean {
  return (
    resource.spec.consortiumRef.name === consortium.metadata.name &&
    resource.spec.organization === claim.organization.name
  );
}

function heldNodeKey(secret: KubeObject | undefined): Held<NodeIdentity> {
  if (!secret) return { kind: 'absent' };
  const nodekey = secretText(secret, 'nodekey');
  if (nodekey === undefined) return { kind: 'invalid', message: 'key nodekey is missing' };
  return held(() => {
    const identity = nodeIdentity(nodekey);
    const address = secretText(secret, 'address')?.trim().toLowerCase();
    if (address !== undefined && address !== identity.address) {
      throw new Error(`its address is ${address}, but its nodekey is that of ${identity.address}`);
    }
    return identity;
  });
}

function held<T>(value: () => T): Exclude<Held<T>, { kind: 'absent' }> {
  try {
    return { kind: 'present', value: value() };
  } catch (error) {
    return { kind: 'invalid', message: error instanceof Error ? error.message : String(error) };
  }
}
