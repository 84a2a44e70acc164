import type { Consortium } from '../api/consortium.ts';
import type { HsmSigner } from '../api/hsm-signer.ts';
import type { QuorumNode } from '../api/quorum-node.ts';
import { CONSORTIUMS, HSMSIGNERS, QUORUMNODES, TESSERANODES } from '../api/resources.ts';
import type { TesseraNode } from '../api/tessera-node.ts';
import { sha256Hex } from '../consensus/canonical-json.ts';
import { type NodeIdentity, nodeIdentity } from '../consensus/node-key.ts';
import { MEMBERS_KEY, type MemberDirectory, parseDirectory } from '../consortium/directory.ts';
import type { ControllerDeps } from '../deps.ts';
import { isTrue } from '../kube/conditions.ts';
import { CONFIGMAPS, PODS, SECRETS, SERVICES, STATEFULSETS } from '../kube/resources.ts';
import type { StoreReader } from '../kube/store.ts';
import type { Condition, Key, KubeObject, ResourceType } from '../kube/types.ts';
import { audience, objectNames } from '../names.ts';
import { secretText } from '../pki/secrets.ts';
import { podIsReady, podName } from '../workload/pod.ts';
import { readJwks } from './jwks.ts';
import type {
  DoorReading,
  GenesisReading,
  IssuerReading,
  JwksReading,
  NodeObservation,
  OtherNode,
} from './observation.ts';

type GatherDeps = Pick<ControllerDeps, 'client' | 'informers' | 'config'>;

/**
 * Reads everything about a node once, from the caches but for what users own: ConfigMaps with their keys.
 * @param now.prepared the operator may read in the node's namespace; before that only the caches are looked at
 */
export async function gather(
  deps: GatherDeps,
  node: QuorumNode,
  now: { readonly door: DoorReading | undefined; readonly prepared: boolean },
): Promise<NodeObservation> {
  const cached = <T extends KubeObject = KubeObject>(
    type: ResourceType,
    name: string,
    namespace = node.metadata.namespace,
  ) => deps.informers.of<T>(type).get({ name, ...(namespace ? { namespace } : {}) });
  const { name } = node.metadata;
  const { consortiumRef, signerRef, tesseraRef } = node.spec;
  const consortium = deps.informers.of<KubeObject>(CONSORTIUMS).get({ name: consortiumRef.name }) as
    | Consortium
    | undefined;
  const signer = signerRef && (cached(HSMSIGNERS, signerRef.name) as HsmSigner | undefined);
  const tessera = tesseraRef && (cached(TESSERANODES, tesseraRef.name) as TesseraNode | undefined);
  return {
    node,
    consortium,
    operator: {
      namespace: deps.config.namespace,
      sidecarImage: deps.config.sidecarImage,
      defaultQuorumImage: deps.config.defaultImages.quorum,
      defaultSofthsmImage: deps.config.defaultImages.softhsm,
    },
    genesis: readGenesis(cached(CONFIGMAPS, objectNames.genesis(consortiumRef.name))),
    directory: readDirectory(cached(CONFIGMAPS, objectNames.members(consortiumRef.name))),
    authorities: {
      organization: cached(CONFIGMAPS, objectNames.organizationCa)?.data?.['ca.crt'],
      operator: cached(CONFIGMAPS, objectNames.operatorCa)?.data?.['ca.crt'],
    },
    identity: now.prepared ? await readIdentity(deps, node) : undefined,
    peerService: cached(SERVICES, objectNames.peerService(name)),
    externalService: cached(SERVICES, objectNames.externalPeerService(name)),
    signer,
    tessera,
    issuers: now.prepared ? await readIssuers(deps, node, signer) : [],
    statefulSet: cached(STATEFULSETS, name),
    pod: cached(PODS, podName(name)),
    door: now.door,
    others: otherNodes(deps, node),
  };
}

function readGenesis(configMap: KubeObject | undefined): GenesisReading | undefined {
  const text: unknown = configMap?.data?.['genesis.json'];
  const configHash: unknown = configMap?.data?.configHash;
  if (typeof text !== 'string' || typeof configHash !== 'string') return undefined;
  const genesis = JSON.parse(text) as { gasLimit: string | number; config: { chainId: number } };
  return {
    sha256: sha256Hex(text),
    configHash,
    chainId: Number(genesis.config.chainId),
    gasLimit: BigInt(genesis.gasLimit).toString(),
  };
}

function readDirectory(configMap: KubeObject | undefined): MemberDirectory | undefined {
  const text: unknown = configMap?.data?.[MEMBERS_KEY];
  return typeof text === 'string' ? parseDirectory(text) : undefined;
}

/** A key that the cache does not have is asked for before anybody calls it lost. */
async function readIdentity(deps: GatherDeps, node: QuorumNode): Promise<NodeIdentity | undefined> {
  const key: Key = { namespace: node.metadata.namespace!, name: objectNames.nodeKey(node.metadata.name) };
  let secret = deps.informers.of(SECRETS).get(key);
  if (!secret && node.status?.address) secret = await deps.client.get(SECRETS, key);
  const nodekey = secretText(secret, 'nodekey');
  return nodekey === undefined ? undefined : nodeIdentity(nodekey);
}

type IssuerSpec = QuorumNode['spec']['rpc']['issuers'][number];

/** The node's issuers, then those of its signer whose name is not among them. */
async function readIssuers(
  deps: GatherDeps,
  node: QuorumNode,
  signer: HsmSigner | undefined,
): Promise<IssuerReading[]> {
  const wanted = [
    ...node.spec.rpc.issuers.map((spec, index) => ({ spec, field: `spec.rpc.issuers[${index}]` })),
    ...(signer?.spec.issuers ?? []).map((spec, index) => ({
      spec,
      field: `spec.issuers[${index}] of HsmSigner ${signer!.metadata.name}`,
    })),
  ];
  const first = wanted.filter(
    ({ spec }, index) => wanted.findIndex((other) => other.spec.issuer === spec.issuer) === index,
  );
  const configMaps = new Map<string, Promise<KubeObject | undefined>>();
  const read = (name: string) => {
    const known = configMaps.get(name) ?? deps.client.get(CONFIGMAPS, { namespace: node.metadata.namespace!, name });
    configMaps.set(name, known);
    return known;
  };
  return Promise.all(
    first.map(async ({ spec, field }) => ({
      issuer: spec.issuer,
      audience: spec.audience ?? audience(node.spec.consortiumRef.name, node.spec.organization),
      field,
      keys: await readKeys(spec, read),
    })),
  );
}

async function readKeys(
  spec: IssuerSpec,
  read: (name: string) => Promise<KubeObject | undefined>,
): Promise<JwksReading> {
  const reference = spec.jwksConfigMapRef;
  if (!reference) return readJwks(spec.jwks ?? '', 'The field jwks');
  const source = `ConfigMap ${reference.name}, key ${reference.key}`;
  const text: unknown = (await read(reference.name))?.data?.[reference.key];
  return typeof text === 'string' ? readJwks(text, source) : { kind: 'missing', source };
}

/** Index of QuorumNodes by the name of their Consortium; the controller adds it. */
export const BY_CONSORTIUM = 'consortium';

export function nodesOf(nodes: Pick<StoreReader, 'byIndex'>, consortium: string): QuorumNode[] {
  return nodes.byIndex(BY_CONSORTIUM, consortium) as unknown as QuorumNode[];
}

function otherNodes(deps: GatherDeps, node: QuorumNode): OtherNode[] {
  return nodesOf(deps.informers.of<KubeObject>(QUORUMNODES), node.spec.consortiumRef.name)
    .filter((other) => other.metadata.uid !== node.metadata.uid)
    .map((other) => {
      const pod = deps.informers
        .of(PODS)
        .get({ namespace: other.metadata.namespace!, name: podName(other.metadata.name) });
      return {
        name: other.metadata.name,
        namespace: other.metadata.namespace!,
        role: other.spec.role,
        serving:
          pod !== undefined &&
          podIsReady(pod) &&
          isTrue(other.status?.conditions as Condition[] | undefined, 'Sealing'),
        restarting: pod !== undefined && (pod.metadata.deletionTimestamp !== undefined || !podIsReady(pod)),
      };
    });
}
