import type { ControllerDeps } from '../deps.ts';
import {
  CONFIGMAPS,
  JOBS,
  NETWORKPOLICIES,
  PERSISTENTVOLUMECLAIMS,
  PODS,
  ROLEBINDINGS,
  ROLES,
  SECRETS,
  SERVICEACCOUNTS,
  SERVICES,
  STATEFULSETS,
} from '../kube/resources.ts';
import { controllerReference, type Key, type KubeObject, type ResourceType } from '../kube/types.ts';
import { certificateUri, objectNames } from '../names.ts';
import { type EnsuredCertificate, ensureCertificate } from '../pki/certificate.ts';
import { podName, podRevision } from '../workload/pod.ts';
import {
  type PostgresPlan,
  postgresDnsNames,
  postgresNetworkPolicy,
  postgresService,
  postgresStatefulSet,
} from './build/postgres.ts';
import { databaseCommonName, postgresConfigMap } from './build/postgres-config.ts';
import { pinSecret, tokenSecret } from './build/secrets.ts';
import { signerService } from './build/service.ts';
import { tokenNetworkPolicy, tokenRole, tokenRoleBinding, tokenServiceAccount } from './build/token-access.ts';
import { type TokenPlan, tokenConfigMap, tokenJob } from './build/token-job.ts';
import { frameOf, type SignerFrame, signerLabels } from './frame.ts';
import { pinSecretName, type SignerObservation, serviceTokenLabel, tokenLabel, wantedKeys } from './observation.ts';

type ChildDeps = Pick<ControllerDeps, 'client' | 'applier' | 'informers' | 'now'>;

/** Applies a manifest against what the cache holds; null tells the applier that there is nothing yet. */
function apply(deps: ChildDeps, type: ResourceType, manifest: KubeObject) {
  return deps.applier.apply(type, manifest, cached(deps, type, manifest.metadata.namespace!, manifest.metadata.name));
}

function cached(deps: ChildDeps, type: ResourceType, namespace: string, name: string): KubeObject | null {
  return deps.informers.of<KubeObject>(type).get({ namespace, name }) ?? null;
}

/** What a signer has from its first moment. */
export async function applyGround(deps: ChildDeps, observation: SignerObservation): Promise<void> {
  const frame = frameOf(observation.signer);
  await apply(deps, SERVICES, signerService(frame));
  await Promise.all(
    [objectNames.pin(frame.name), objectNames.token(frame.name)].map((name) => followPolicy(deps, frame, name)),
  );
}

/** Whether a Secret with keys goes when the HsmSigner goes: by `deletionPolicy`, also when that changes later. */
async function followPolicy(deps: ChildDeps, frame: SignerFrame, name: string): Promise<void> {
  const secret = cached(deps, SECRETS, frame.namespace, name);
  if (!secret) return;
  const wanted = frame.keyOwner ? [controllerReference(frame.keyOwner)] : [];
  const uids = (references: readonly { uid: string }[]) => references.map((reference) => reference.uid).join();
  if (uids(secret.metadata.ownerReferences ?? []) === uids(wanted)) return;
  const key = { name, namespace: frame.namespace };
  await deps.client.patch(SECRETS, key, { metadata: { ownerReferences: wanted } });
}

/** PINs, unless the user brings them, and the empty Secret for the token; both only while no token is known. */
export async function createSecrets(deps: ChildDeps, observation: SignerObservation): Promise<void> {
  const frame = frameOf(observation.signer);
  const { pin, signer, token } = observation;
  if (pin.kind === 'absent' && !signer.spec.token.pinSecretRef) {
    await deps.applier.createOnly(SECRETS, pinSecret(frame), null);
  }
  if (token.kind === 'absent') await deps.applier.createOnly(SECRETS, tokenSecret(frame), null);
}

/** Everything that the Job needs, then the Job. */
export async function makeToken(deps: ChildDeps, observation: SignerObservation): Promise<void> {
  const frame = frameOf(observation.signer);
  const plan = tokenPlan(observation);
  await createSecrets(deps, observation);
  await Promise.all([
    apply(deps, SERVICEACCOUNTS, tokenServiceAccount(frame)),
    apply(deps, ROLES, tokenRole(frame)),
    apply(deps, ROLEBINDINGS, tokenRoleBinding(frame)),
    apply(deps, NETWORKPOLICIES, tokenNetworkPolicy(frame, observation.apiServer)),
    apply(deps, CONFIGMAPS, tokenConfigMap(frame, plan)),
  ]);
  await deps.applier.createOnly(JOBS, tokenJob(frame, plan), observation.job ?? null);
}

function tokenPlan({ signer, operator }: SignerObservation): TokenPlan {
  const moduleImage = signer.spec.module.image ?? operator.defaultSofthsmImage;
  if (!moduleImage) throw new Error(`HsmSigner ${signer.metadata.name} has no image of its module`);
  return {
    sidecarImage: operator.sidecarImage,
    moduleImage,
    modulePath: signer.spec.module.path,
    pinSecret: pinSecretName(signer),
    label: tokenLabel(signer),
    serviceLabel: serviceTokenLabel(signer),
    keys: wantedKeys(signer),
  };
}

/** Removes a Job with its pods. */
export async function deleteJob(deps: ChildDeps, job: KubeObject): Promise<void> {
  const { name, namespace, uid } = job.metadata;
  await deps.client.delete(JOBS, { name, namespace: namespace! }, { uid: uid!, propagationPolicy: 'Background' });
}

/**
 * Takes away what only the Job needed, its rights first and the Job last: while the Job is there, the rest is looked for.
 * A right to write the token's Secret must not stay behind.
 */
export async function removeTokenJob(deps: ChildDeps, observation: SignerObservation, job: KubeObject): Promise<void> {
  const { name, namespace } = observation.signer.metadata;
  const key: Key = { namespace: namespace!, name: objectNames.token(name) };
  await deps.client.delete(ROLEBINDINGS, key, {});
  await Promise.all(
    [ROLES, SERVICEACCOUNTS, NETWORKPOLICIES, CONFIGMAPS].map((type) => deps.client.delete(type, key, {})),
  );
  await deleteJob(deps, job);
}

/** The database and the certificate that opens it. */
export async function applyDatabase(deps: ChildDeps, observation: SignerObservation): Promise<EnsuredCertificate[]> {
  const { provision, postgres } = observation.signer.spec.database;
  const frame = frameOf(observation.signer);
  if (postgres) {
    return postgres.certificate && !postgres.certificate.secretRef
      ? [await clientCertificate(deps, frame, postgres.user)]
      : [];
  }
  if (!provision) return [];
  const certificates = await Promise.all([
    clientCertificate(deps, frame, databaseCommonName(frame.name)),
    ensureCertificate(deps, {
      namespace: frame.namespace,
      secretName: objectNames.postgresTls(frame.name),
      commonName: objectNames.postgres(frame.name),
      dnsNames: postgresDnsNames(frame),
      uris: [certificateUri(frame.consortium, frame.organization, 'postgres', frame.name)],
      usages: ['server'],
      labels: signerLabels(frame, 'postgres'),
      owner: frame.owner,
    }),
  ]);
  await applyPostgres(deps, observation, frame);
  return certificates;
}

function clientCertificate(deps: ChildDeps, frame: SignerFrame, commonName: string): Promise<EnsuredCertificate> {
  return ensureCertificate(deps, {
    namespace: frame.namespace,
    secretName: objectNames.databaseTls(frame.name),
    commonName,
    uris: [certificateUri(frame.consortium, frame.organization, 'signer', frame.name)],
    usages: ['client'],
    labels: signerLabels(frame, 'postgres'),
    owner: frame.owner,
  });
}

async function applyPostgres(deps: ChildDeps, observation: SignerObservation, frame: SignerFrame): Promise<void> {
  const live = observation.postgres?.statefulSet;
  const plan = postgresPlan(observation, live);
  await Promise.all([
    apply(deps, SERVICES, postgresService(frame)),
    apply(deps, NETWORKPOLICIES, postgresNetworkPolicy(frame)),
    apply(deps, CONFIGMAPS, postgresConfigMap(frame)),
  ]);
  await apply(deps, STATEFULSETS, postgresStatefulSet(frame, plan));
  await growVolume(deps, observation, plan.storage.size);
  await replaceOutdatedPod(deps, observation);
}

function postgresPlan({ signer, operator }: SignerObservation, live: KubeObject | undefined): PostgresPlan {
  const provision = signer.spec.database.provision!;
  const image = provision.image ?? operator.defaultPostgresImage;
  if (!image) throw new Error(`HsmSigner ${signer.metadata.name} has no image of Postgres`);
  // The claim template of an existing StatefulSet cannot change; a larger volume is asked for at the claim.
  const size: unknown = live?.spec?.volumeClaimTemplates?.[0]?.spec?.resources?.requests?.storage;
  const storage = typeof size === 'string' ? { ...provision.storage, size } : provision.storage;
  return { image, storage, deletionPolicy: signer.spec.deletionPolicy };
}

async function growVolume(deps: ChildDeps, { signer }: SignerObservation, templateSize: string): Promise<void> {
  const { size } = signer.spec.database.provision!.storage;
  if (size === templateSize) return;
  const { name, namespace } = signer.metadata;
  const claim = cached(deps, PERSISTENTVOLUMECLAIMS, namespace!, `data-${podName(objectNames.postgres(name))}`);
  if (!claim || claim.spec?.resources?.requests?.storage === size) return;
  await deps.client.patch(
    PERSISTENTVOLUMECLAIMS,
    { name: claim.metadata.name, namespace: namespace! },
    { spec: { resources: { requests: { storage: size } } } },
  );
}

/** The database is not part of the chain's quorum, so an outdated server is replaced at once. */
async function replaceOutdatedPod(deps: ChildDeps, { postgres }: SignerObservation): Promise<void> {
  const { statefulSet, pod } = postgres ?? {};
  if (!statefulSet || !pod || pod.metadata.deletionTimestamp) return;
  if (podRevision(statefulSet, pod) !== 'outdated') return;
  const { name, namespace, uid } = pod.metadata;
  await deps.client.delete(PODS, { name, namespace: namespace! }, { uid: uid! });
}
