import { createPrivateKey } from 'node:crypto';
import type { MemberDirectory } from '../consortium/directory.ts';
import { ports } from '../names.ts';
import { certificatesOf } from '../pki/inspect.ts';
import { trustedIn } from '../pki/request.ts';
import { regionsOf } from '../workload/affinity.ts';
import { peersOfHost } from '../workload/network-policy.ts';
import type { TesseraDatabase, TesseraPlan } from './build/config.ts';
import type { TesseraAccess } from './build/network-policy.ts';
import type { TesseraPodPlan } from './build/stateful-set.ts';
import { tesseraImage } from './decide.ts';
import { peerUrl, type TesseraFrame } from './frame.ts';
import type { TesseraObservation } from './observation.ts';

export function frameOf({ tessera }: Pick<TesseraObservation, 'tessera'>): TesseraFrame {
  return {
    owner: tessera,
    name: tessera.metadata.name,
    namespace: tessera.metadata.namespace!,
    consortium: tessera.spec.consortiumRef.name,
    organization: tessera.spec.organization,
    environment: tessera.spec.environment,
  };
}

export function accessOf({ tessera, consortium, operator }: TesseraObservation): TesseraAccess {
  const remote = (consortium?.spec.organizations ?? []).flatMap((organization) => organization.remote ?? []);
  const { postgres } = tessera.spec.database;
  const remotePorts = remote.flatMap(({ tesseraUrls }) => tesseraUrls.map((url) => Number(new URL(url).port || 443)));
  return {
    operatorNamespace: operator.namespace,
    remote: {
      cidrs: [...new Set(remote.flatMap(({ cidrs }) => cidrs))].sort(),
      ports: [...new Set(remotePorts)].sort((a, b) => a - b),
    },
    database: postgres && { peers: peersOfHost(postgres.host), port: postgres.port ?? ports.postgres },
  };
}

/** URLs of all other managers in the directory. */
export function peersOf(directory: MemberDirectory, own: Pick<TesseraFrame, 'name' | 'namespace'>): string[] {
  const all = directory.organizations.flatMap(({ tesseras }) => tesseras);
  const others = all.filter(({ name, namespace }) => name !== own.name || namespace !== own.namespace);
  return [...new Set(others.map(({ url }) => url))].filter((url) => url !== peerUrl(own)).sort();
}

/** What Tessera is started with. The observation must have no finding that blocks the template. */
export function planOf(observation: TesseraObservation): TesseraPlan {
  const { tessera, directory, authorities } = observation;
  if (!directory || !authorities.members) throw new Error('directory or authorities are unknown');
  return {
    peers: peersOf(directory, frameOf(observation)),
    keys: tessera.spec.keys.map(({ name }) => name),
    database: databaseOf(observation),
    memberAuthorities: certificatesOf(authorities.members),
  };
}

function databaseOf({ tessera, database }: TesseraObservation): TesseraDatabase {
  if (database.kind === 'unread') throw new Error('the namespace is not prepared');
  if (database.kind === 'embedded') {
    if (!database.password) throw new Error('the password of the embedded database is unknown');
    return { kind: 'embedded', password: database.password };
  }
  const { postgres } = tessera.spec.database;
  const { credentials, caBundle } = database;
  if (!postgres || !credentials || !caBundle) throw new Error('credentials of the database are unknown');
  const keyDer = createPrivateKey(credentials.key).export({ format: 'der', type: 'pkcs8' }).toString('base64');
  const { host, port, name, user } = postgres;
  return { kind: 'postgres', host, port, name, user, caBundle, certificate: credentials.certificate, keyDer };
}

export function podPlanOf(
  observation: TesseraObservation,
  configuration: { readonly name: string; readonly files: readonly string[] },
  certificateFingerprint: string,
): TesseraPodPlan {
  const { tessera, operator, keys } = observation;
  const image = tesseraImage(observation);
  if (!image) throw new Error('the image is unknown');
  return {
    images: { tessera: image, sidecar: operator.sidecarImage },
    configSecret: configuration.name,
    configFiles: configuration.files,
    keys: keys.flatMap((key) => (key.kind === 'ok' ? [{ name: key.name, secretName: key.secretName }] : [])),
    certificateFingerprint,
    trusts: trustedIn(observation.authorities.members ?? ''),
    resources: tessera.spec.resources as TesseraPodPlan['resources'],
    storage: tessera.spec.storage,
    deletionPolicy: tessera.spec.deletionPolicy,
    regions: regionsOf(observation.consortium, tessera.spec.organization),
  };
}
