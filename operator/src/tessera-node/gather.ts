import type { Consortium } from '../api/consortium.ts';
import { CONSORTIUMS, TESSERANODES } from '../api/resources.ts';
import type { TesseraNode } from '../api/tessera-node.ts';
import { MEMBERS_KEY, type MemberDirectory, parseDirectory } from '../consortium/directory.ts';
import type { ControllerDeps } from '../deps.ts';
import { CONFIGMAPS, PODS, SECRETS, STATEFULSETS } from '../kube/resources.ts';
import type { StoreReader } from '../kube/store.ts';
import { type KubeObject, keyOf, keyString, type ResourceType } from '../kube/types.ts';
import { objectNames } from '../names.ts';
import { secretText, tlsPair } from '../pki/secrets.ts';
import { podIsReady, podName } from '../workload/pod.ts';
import { databasePasswordName } from './build/secrets.ts';
import { publicKeyOf } from './keys.ts';
import type { DatabaseReading, KeyReading, TesseraObservation } from './observation.ts';

type GatherDeps = Pick<ControllerDeps, 'client' | 'informers' | 'config'>;

/** Index of TesseraNodes by the name of their Consortium; the controller adds it. */
export const BY_CONSORTIUM = 'consortium';

export function managersOf(tesseras: Pick<StoreReader, 'byIndex'>, consortium: string): TesseraNode[] {
  return tesseras.byIndex(BY_CONSORTIUM, consortium) as unknown as TesseraNode[];
}

/**
 * Reads everything about a transaction manager once. Secrets of users are not cached, so those are asked for.
 * @param prepared the operator may read in the namespace; before that keys and credentials are not looked for
 */
export async function gather(deps: GatherDeps, tessera: TesseraNode, prepared: boolean): Promise<TesseraObservation> {
  const namespace = tessera.metadata.namespace!;
  const cached = (type: ResourceType, name: string) => deps.informers.of<KubeObject>(type).get({ name, namespace });
  const consortiumName = tessera.spec.consortiumRef.name;
  const managers = managersOf(deps.informers.of<KubeObject>(TESSERANODES), consortiumName);
  return {
    tessera,
    consortium: deps.informers.of<KubeObject>(CONSORTIUMS).get({ name: consortiumName }) as Consortium | undefined,
    operator: {
      namespace: deps.config.namespace,
      sidecarImage: deps.config.sidecarImage,
      defaultTesseraImage: deps.config.defaultImages.tessera,
    },
    directory: readDirectory(cached(CONFIGMAPS, objectNames.members(consortiumName))),
    authorities: {
      organization: cached(CONFIGMAPS, objectNames.organizationCa)?.data?.['ca.crt'],
      operator: cached(CONFIGMAPS, objectNames.operatorCa)?.data?.['ca.crt'],
      members: cached(CONFIGMAPS, objectNames.membersCa)?.data?.['ca.crt'],
    },
    keys: prepared ? await Promise.all(tessera.spec.keys.map((key) => readKey(deps, namespace, key))) : [],
    database: prepared ? await readDatabase(deps, tessera) : { kind: 'unread' },
    managers: managers.map((manager) => keyString(keyOf(manager))).sort(),
    statefulSet: cached(STATEFULSETS, tessera.metadata.name),
    pod: cached(PODS, podName(tessera.metadata.name)),
    restartingElsewhere: restartingElsewhere(deps, tessera, managers),
  };
}

function readDirectory(configMap: KubeObject | undefined): MemberDirectory | undefined {
  const text: unknown = configMap?.data?.[MEMBERS_KEY];
  return typeof text === 'string' ? parseDirectory(text) : undefined;
}

/** Secrets that the operator made are in the cache; what is not there is asked for before anybody calls it missing. */
async function readSecret(deps: GatherDeps, namespace: string, name: string): Promise<KubeObject | undefined> {
  return (
    deps.informers.of<KubeObject>(SECRETS).get({ namespace, name }) ??
    (await deps.client.get(SECRETS, { namespace, name }))
  );
}

async function readKey(
  deps: GatherDeps,
  namespace: string,
  key: TesseraNode['spec']['keys'][number],
): Promise<KeyReading> {
  const { name, secretRef } = key;
  if (!secretRef) return { kind: 'unsupported', name, source: key.vault ? 'vault' : 'hsmSealed' };
  const secretName = secretRef.name;
  const secret = await readSecret(deps, namespace, secretName);
  if (!secret) return { kind: 'missing', name, secretName, generate: secretRef.generate };
  const privateKey = secretText(secret, 'privateKey');
  const publicKey = secretText(secret, 'publicKey')?.trim();
  if (!privateKey || !publicKey)
    return { kind: 'invalid', name, secretName, problem: 'it lacks privateKey or publicKey' };
  try {
    if (publicKeyOf(privateKey) === publicKey) return { kind: 'ok', name, secretName, publicKey };
    return { kind: 'invalid', name, secretName, problem: 'publicKey does not belong to privateKey' };
  } catch (error) {
    return { kind: 'invalid', name, secretName, problem: (error as Error).message };
  }
}

async function readDatabase(deps: GatherDeps, tessera: TesseraNode): Promise<DatabaseReading> {
  const { name, namespace } = tessera.metadata as { name: string; namespace: string };
  const { postgres } = tessera.spec.database;
  if (!postgres) {
    const secret = await readSecret(deps, namespace, databasePasswordName(name));
    return { kind: 'embedded', password: secretText(secret, 'password') };
  }
  const given = postgres.certificate?.secretRef?.name;
  const secretName = given ?? objectNames.databaseTls(name);
  const pair = tlsPair(await readSecret(deps, namespace, secretName));
  const authority = postgres.caConfigMapRef ?? { name: objectNames.organizationCa, key: 'ca.crt' };
  const configMap =
    deps.informers.of<KubeObject>(CONFIGMAPS).get({ namespace, name: authority.name }) ??
    (await deps.client.get(CONFIGMAPS, { namespace, name: authority.name }));
  return {
    kind: 'postgres',
    credentials: pair && { certificate: pair.certificatePem, key: pair.keyPem },
    issued: given === undefined,
    secretName,
    caBundle: configMap?.data?.[authority.key],
  };
}

function restartingElsewhere(
  deps: GatherDeps,
  tessera: TesseraNode,
  managers: readonly TesseraNode[],
): string | undefined {
  const restarting = managers.find((manager) => {
    if (manager.metadata.uid === tessera.metadata.uid) return false;
    const { namespace, name } = manager.metadata;
    const pod = deps.informers.of<KubeObject>(PODS).get({ namespace: namespace!, name: podName(name) });
    return pod !== undefined && (pod.metadata.deletionTimestamp !== undefined || !podIsReady(pod));
  });
  return restarting?.metadata.name;
}
