import type { TokenFile } from '../../../signer-sidecar/src/token/types.ts';
import type { Consortium } from '../api/consortium.ts';
import type { HsmSigner } from '../api/hsm-signer.ts';
import { CONSORTIUMS } from '../api/resources.ts';
import type { ControllerDeps } from '../deps.ts';
import { CONFIGMAPS, ENDPOINTSLICES, JOBS, PODS, SECRETS, SERVICES, STATEFULSETS } from '../kube/resources.ts';
import type { KubeObject, ResourceType } from '../kube/types.ts';
import { objectNames } from '../names.ts';
import { secretText } from '../pki/secrets.ts';
import { podName } from '../workload/pod.ts';
import {
  type ApiServerAddress,
  PIN_KEYS,
  type PinReading,
  pinSecretName,
  type SignerObservation,
  type TokenReading,
} from './observation.ts';

type GatherDeps = Pick<ControllerDeps, 'client' | 'informers' | 'config'>;

/** Reads everything about a signer once: from the caches, but for a PIN Secret of the user's and for what the caches lack. */
export async function gather(deps: GatherDeps, signer: HsmSigner): Promise<SignerObservation> {
  const { name, namespace } = signer.metadata;
  const cached = (type: ResourceType, child: string) =>
    deps.informers.of<KubeObject>(type).get({ namespace: namespace!, name: child });
  const consortium = deps.informers.of<KubeObject>(CONSORTIUMS).get({ name: signer.spec.consortiumRef.name });
  const token = readToken(await secret(deps, namespace!, objectNames.token(name)));
  return {
    signer,
    consortium: consortium as Consortium | undefined,
    operator: {
      sidecarImage: deps.config.sidecarImage,
      defaultSofthsmImage: deps.config.defaultImages.softhsm,
      defaultPostgresImage: deps.config.defaultImages.postgres,
    },
    prepared: cached(CONFIGMAPS, objectNames.organizationCa) !== undefined,
    pin: readPins(await secret(deps, namespace!, pinSecretName(signer))),
    token,
    apiServer: token.kind === 'made' ? [] : await apiServerAddresses(deps),
    job: cached(JOBS, objectNames.token(name)),
    postgres: signer.spec.database.provision && {
      statefulSet: cached(STATEFULSETS, objectNames.postgres(name)),
      pod: cached(PODS, podName(objectNames.postgres(name))),
    },
  };
}

/** A Secret that the cache does not have is asked for: a cache that lags must not make a key look lost, or be made twice. */
async function secret(deps: GatherDeps, namespace: string, name: string): Promise<KubeObject | undefined> {
  const key = { namespace, name };
  return deps.informers.of<KubeObject>(SECRETS).get(key) ?? (await deps.client.get(SECRETS, key));
}

function readPins(found: KubeObject | undefined): PinReading {
  if (!found) return { kind: 'absent' };
  const missing = PIN_KEYS.filter((key) => !secretText(found, key)?.trim());
  return missing.length === 0 ? { kind: 'present' } : { kind: 'incomplete', missing };
}

export function readToken(found: KubeObject | undefined): TokenReading {
  if (!found) return { kind: 'absent' };
  const text = secretText(found, 'token.json');
  const archive: unknown = found.data?.['token.tar.gz'];
  if (text === undefined && archive === undefined) return { kind: 'empty' };
  if (text === undefined || typeof archive !== 'string' || archive === '') {
    return { kind: 'invalid', message: 'it must hold both token.json and token.tar.gz' };
  }
  try {
    const file = JSON.parse(text) as TokenFile;
    const complete = (record: Partial<TokenFile>) =>
      typeof record.label === 'string' && typeof record.serial === 'string' && Array.isArray(record.keys);
    if (file.version === 1 && complete(file) && file.service && complete(file.service)) return { kind: 'made', file };
    return { kind: 'invalid', message: 'token.json is not of a form that this operator knows' };
  } catch {
    return { kind: 'invalid', message: 'token.json is no JSON' };
  }
}

/** Addresses behind Service default/kubernetes, and its own: which of them a policy sees depends on the network plugin. */
async function apiServerAddresses(deps: GatherDeps): Promise<ApiServerAddress[]> {
  const key = { namespace: 'default', name: 'kubernetes' };
  const [slice, service] = await Promise.all([
    deps.client.get<KubeObject>(ENDPOINTSLICES, key),
    deps.client.get<KubeObject>(SERVICES, key),
  ]);
  const endpoints = (slice?.endpoints ?? []) as { addresses: string[] }[];
  const ports = (slice?.ports ?? []) as { port: number }[];
  const found = endpoints.flatMap(({ addresses }) =>
    addresses.flatMap((address) => ports.map(({ port }) => ({ address, port }))),
  );
  const own = (service?.spec?.clusterIPs ?? []) as string[];
  const servicePorts = (service?.spec?.ports ?? []) as { port: number }[];
  return [...found, ...own.flatMap((address) => servicePorts.map(({ port }) => ({ address, port })))];
}
