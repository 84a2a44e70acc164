import type { Consortium } from '../api/consortium.ts';
import { objectNames } from '../names.ts';
import { isSoftHsm, pinSecretName, type SignerObservation, tokenKnown, tokenLabel, wantedKeys } from './observation.ts';
import { type Reason, reasons } from './reasons.ts';

/**
 * Something that stands in the way of a signer. `waiting` ends by itself; `stalled` needs a person.
 * `blocks` says what must not be made while it holds: everything, or only what belongs to the token or the database.
 */
export interface Finding {
  readonly kind: 'waiting' | 'stalled';
  readonly reason: Reason;
  readonly message: string;
  readonly blocks: 'children' | 'token' | 'database' | 'nothing';
}

/** Looks at one thing; undefined when it is as it should be. */
export type Policy = (observation: SignerObservation) => Finding | undefined;

const waiting = (reason: Reason, message: string, blocks: Finding['blocks']): Finding => ({
  kind: 'waiting',
  reason,
  message,
  blocks,
});
const stalled = (reason: Reason, message: string, blocks: Finding['blocks'] = 'children'): Finding => ({
  kind: 'stalled',
  reason,
  message,
  blocks,
});

export const consortiumExists: Policy = ({ signer, consortium }) =>
  consortium
    ? undefined
    : waiting(
        reasons.ConsortiumNotFound,
        `Consortium ${signer.spec.consortiumRef.name} does not exist; create it, or correct spec.consortiumRef.name.`,
        'children',
      );

/** The resource says where it belongs, and the Consortium must say the same. */
export const membershipAgrees: Policy = ({ signer, consortium }) => {
  if (!consortium) return undefined;
  const { organization: name, environment } = signer.spec;
  const organization = consortium.spec.organizations.find((entry) => entry.name === name);
  if (!organization) {
    const listed = consortium.spec.organizations.map((entry) => entry.name).join(', ');
    return stalled(
      reasons.OrganizationUnknown,
      `spec.organization is ${name}, but Consortium ${consortium.metadata.name} lists ${listed}.`,
    );
  }
  if (!organization.hosted) {
    return stalled(
      reasons.OrganizationNotHosted,
      `Consortium ${consortium.metadata.name} says that organization ${name} runs elsewhere (hosted: false), so it cannot have a signer in this cluster.`,
    );
  }
  const expected = namespaceOf(consortium, organization);
  if (expected !== signer.metadata.namespace) {
    return stalled(
      reasons.NamespaceMismatch,
      `The signer is in namespace ${signer.metadata.namespace}, but organization ${name} has namespace ${expected}; create the signer there.`,
    );
  }
  if (consortium.spec.environment !== environment) {
    return stalled(
      reasons.EnvironmentMismatch,
      `spec.environment is ${environment}, but Consortium ${consortium.metadata.name} has ${consortium.spec.environment}; they must be equal.`,
    );
  }
  return undefined;
};

function namespaceOf(consortium: Consortium, organization: { name: string; namespace?: string | undefined }): string {
  return organization.namespace ?? `${consortium.metadata.name}-${organization.name}`;
}

export const placementSupported: Policy = ({ signer }) =>
  signer.spec.placement === 'Deployment'
    ? stalled(
        reasons.PlacementNotSupported,
        'spec.placement Deployment is not supported by this version of the operator; write Sidecar, and name the signer in spec.signerRef of the nodes that shall sign.',
      )
    : undefined;

export const moduleSupported: Policy = ({ signer }) =>
  isSoftHsm(signer)
    ? undefined
    : stalled(
        reasons.ModuleNotSupported,
        `spec.module.path is ${signer.spec.module.path}: this version of the operator makes and uses SoftHSM tokens only.`,
      );

export const modulePresent: Policy = ({ signer, operator }) =>
  (signer.spec.module.image ?? operator.defaultSofthsmImage)
    ? undefined
    : stalled(
        reasons.ImageMissing,
        'spec.module.image is not set and the operator has no default (DEFAULT_SOFTHSM_IMAGE); set one of them.',
      );

export const databaseUsable: Policy = ({ signer, operator }) => {
  const { provision, postgres } = signer.spec.database;
  if (postgres?.passwordSecretRef) {
    return stalled(
      reasons.DatabasePasswordNotSupported,
      'spec.database.postgres.passwordSecretRef: a signing sidecar authenticates by client certificate; write spec.database.postgres.certificate: {} instead.',
      'database',
    );
  }
  if (provision && !provision.image && !operator.defaultPostgresImage) {
    return stalled(
      reasons.ImageMissing,
      'spec.database.provision.image is not set and the operator has no default (DEFAULT_POSTGRES_IMAGE); set one of them.',
      'database',
    );
  }
  return undefined;
};

export const namespacePrepared: Policy = ({ signer, consortium, prepared }) =>
  !consortium || prepared
    ? undefined
    : waiting(
        reasons.OrganizationNotPrepared,
        `ConfigMap ${objectNames.organizationCa} does not exist in namespace ${signer.metadata.namespace} yet; the Consortium's controller makes it.`,
        'children',
      );

const RESTORE =
  'Keys are never made anew. Restore it from your backup; to give the account up, delete this HsmSigner and its Secrets and create one under another name.';

/** What was made once is never made again: another PIN or token would be another account. */
export const keyNotLost: Policy = (observation) => {
  const { signer, pin, token } = observation;
  if (!tokenKnown(observation)) return undefined;
  const accounts = (signer.status?.accounts ?? []).map((account) => account.address).join(', ') || 'its accounts';
  const secret = objectNames.token(signer.metadata.name);
  const known = signer.status?.token;
  if (token.kind === 'absent' || token.kind === 'empty') {
    return stalled(
      reasons.KeyLost,
      `Secret ${secret}, which holds the token with ${accounts}, is gone or empty. ${RESTORE}`,
      'token',
    );
  }
  if (token.kind === 'made' && known && token.file.serial !== known.serial) {
    return stalled(
      reasons.KeyLost,
      `Secret ${secret} holds token ${token.file.serial}, but ${accounts} were in token ${known.serial}. ${RESTORE}`,
      'token',
    );
  }
  if (pin.kind !== 'present') {
    const what = pin.kind === 'absent' ? 'is gone' : `lacks ${pin.missing.join(', ')}`;
    return stalled(
      reasons.KeyLost,
      `Secret ${pinSecretName(signer)} ${what}; without its PINs the token with ${accounts} cannot be opened. ${RESTORE}`,
      'token',
    );
  }
  return undefined;
};

export const tokenValid: Policy = ({ signer, token }) => {
  const secret = objectNames.token(signer.metadata.name);
  if (token.kind === 'invalid') {
    return stalled(
      reasons.TokenInvalid,
      `Secret ${secret} cannot be used: ${token.message}. Restore it from your backup.`,
      'token',
    );
  }
  if (token.kind === 'made' && token.file.label !== tokenLabel(signer)) {
    return stalled(
      reasons.TokenMismatch,
      `Secret ${secret} holds a token with label ${token.file.label}, but this resource asks for ${tokenLabel(signer)}; write spec.token.label: ${token.file.label}, or use another name.`,
      'token',
    );
  }
  return undefined;
};

export const keysInToken: Policy = ({ signer, token }) => {
  if (token.kind !== 'made') return undefined;
  const missing = wantedKeys(signer).filter((wanted) => !token.file.keys.some((key) => key.name === wanted.name));
  if (missing.length === 0) return undefined;
  const names = missing.map((key) => key.name).join(', ');
  return stalled(
    reasons.KeysNotInToken,
    `spec.keys lists ${names}, but the token was made without; this version of the operator adds no keys to a token: remove the entry, or create another HsmSigner.`,
    'nothing',
  );
};

/** The user's own PINs, before there is a token. Generated ones are simply made. */
export const pinsGiven: Policy = (observation) => {
  const { signer, pin } = observation;
  if (tokenKnown(observation)) return undefined;
  const name = pinSecretName(signer);
  if (pin.kind === 'incomplete') {
    return stalled(reasons.PinSecretInvalid, `Secret ${name} lacks ${pin.missing.join(', ')}; add them.`, 'token');
  }
  if (pin.kind === 'absent' && signer.spec.token.pinSecretRef) {
    return waiting(
      reasons.PinSecretNotFound,
      `Secret ${name}, named by spec.token.pinSecretRef, does not exist; create it with keys so-pin, service-pin and account-pin.`,
      'token',
    );
  }
  return undefined;
};

export const apiServerKnown: Policy = (observation) =>
  tokenKnown(observation) || observation.apiServer.length > 0
    ? undefined
    : waiting(
        reasons.ApiServerUnknown,
        'EndpointSlice default/kubernetes lists no address of the API server, to which the Job that makes the token must get.',
        'token',
      );

/** In the order in which a person would want to know. */
const policies: readonly Policy[] = [
  consortiumExists,
  membershipAgrees,
  placementSupported,
  moduleSupported,
  modulePresent,
  databaseUsable,
  namespacePrepared,
  keyNotLost,
  tokenValid,
  keysInToken,
  pinsGiven,
  apiServerKnown,
];

/** Everything that stands in the way, in order. */
export function decide(observation: SignerObservation): Finding[] {
  return policies.flatMap((policy) => policy(observation) ?? []);
}

/** What to tell first: a fault that needs a person before one that passes. */
export function headline(findings: readonly Finding[]): Finding | undefined {
  return findings.find((finding) => finding.kind === 'stalled') ?? findings[0];
}

/** Seconds that a failed Job stays, so that its logs can be read, before another one tries. */
export const JOB_RETRY_SECONDS = 60;

/** What is to be done about the token next. */
export type TokenStep =
  | { readonly kind: 'none' }
  /** Make what the Job needs, and the Job. */
  | { readonly kind: 'make' }
  /** The Job has given up; remove it, after a while. */
  | { readonly kind: 'retry'; readonly afterSeconds: number; readonly message: string }
  /** The token is there: take the Job and its rights away. */
  | { readonly kind: 'cleanUp' };

export function tokenStep(observation: SignerObservation, findings: readonly Finding[], now: Date): TokenStep {
  const { job, token } = observation;
  if (token.kind === 'made') return job && !running(job) ? { kind: 'cleanUp' } : { kind: 'none' };
  if (findings.some((finding) => finding.blocks === 'children' || finding.blocks === 'token')) return { kind: 'none' };
  // A Job that is complete has filled the Secret; where it is empty all the same, somebody emptied it.
  const ended = jobCondition(job, 'Failed') ?? jobCondition(job, 'Complete');
  if (!ended) return { kind: 'make' };
  const age = (now.getTime() - Date.parse(ended.lastTransitionTime ?? '')) / 1000;
  return {
    kind: 'retry',
    afterSeconds: Math.max(0, Math.ceil(JOB_RETRY_SECONDS - (Number.isFinite(age) ? age : 0))),
    message:
      ended.type === 'Complete'
        ? 'it ended well, but the Secret is empty'
        : (ended.message ?? ended.reason ?? 'no reason given'),
  };
}

function running(job: KubeJob): boolean {
  return !jobCondition(job, 'Complete') && !jobCondition(job, 'Failed');
}

interface JobCondition {
  readonly type: string;
  readonly status: string;
  readonly reason?: string;
  readonly message?: string;
  readonly lastTransitionTime?: string;
}

type KubeJob = NonNullable<SignerObservation['job']>;

function jobCondition(job: KubeJob | undefined, type: string): JobCondition | undefined {
  const conditions = (job?.status?.conditions ?? []) as JobCondition[];
  return conditions.find((condition) => condition.type === type && condition.status === 'True');
}
