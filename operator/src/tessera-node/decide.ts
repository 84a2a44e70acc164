import { membershipFinding } from '../workload/membership.ts';
import type { TesseraObservation } from './observation.ts';
import { type Reason, reasons } from './reasons.ts';

/** Something that stands in the way of a transaction manager; see the QuorumNode's of the same name. */
export interface Finding {
  readonly kind: 'waiting' | 'stalled';
  readonly reason: Reason;
  readonly message: string;
  /** What must not be made while it holds: all children, the pod's template, or only the first pod. */
  readonly blocks: 'children' | 'template' | 'start';
}

export type Policy = (observation: TesseraObservation) => Finding | undefined;

const waiting = (reason: Reason, message: string, blocks: Finding['blocks'] = 'template'): Finding => ({
  kind: 'waiting',
  reason,
  message,
  blocks,
});
const stalled = (reason: Reason, message: string): Finding => ({
  kind: 'stalled',
  reason,
  message,
  blocks: 'template',
});

export const membershipHolds: Policy = ({ tessera, consortium }) => {
  const finding = membershipFinding(tessera, consortium);
  return finding && { ...finding, blocks: 'children' };
};

export const segmentSupported: Policy = ({ tessera }) =>
  tessera.spec.segment === 'Namespace'
    ? stalled(
        reasons.SegmentUnsupported,
        "spec.segment Namespace is not implemented by this version; write Shared: pods and policies of its own in the organization's namespace.",
      )
    : undefined;

export const imageKnown: Policy = (observation) =>
  tesseraImage(observation)
    ? undefined
    : stalled(
        reasons.ImageMissing,
        observation.tessera.spec.environment === 'Development'
          ? 'spec.image is not set and the operator has no default (DEFAULT_TESSERA_IMAGE); set one of them.'
          : 'spec.image is not set; outside environment Development it must name an image by digest.',
      );

export const authoritiesExist: Policy = ({ tessera, consortium, authorities }) => {
  if (!consortium) return undefined;
  const { organization, operator, members } = authorities;
  const missing = !organization ? 'organization-ca' : !operator ? 'operator-ca' : !members ? 'members-ca' : undefined;
  if (!missing) return undefined;
  return waiting(
    reasons.OrganizationNotPrepared,
    `ConfigMap ${missing} does not exist in namespace ${tessera.metadata.namespace} yet; the Consortium's controller makes it.`,
    'children',
  );
};

export const keysUsable: Policy = ({ tessera, consortium, keys }) => {
  if (!consortium) return undefined;
  const known = tessera.status?.publicKeys ?? [];
  for (const [index, key] of keys.entries()) {
    if (key.kind === 'ok') continue;
    const field = `spec.keys[${index}]`;
    if (key.kind === 'unsupported') {
      return stalled(
        reasons.KeySourceUnsupported,
        `${field} (${key.name}) comes from ${key.source}, which this version cannot open; write secretRef.`,
      );
    }
    if (key.kind === 'invalid') {
      return stalled(
        reasons.KeyInvalid,
        `Secret ${key.secretName}, named by ${field}, holds no key pair: ${key.problem}.`,
      );
    }
    if (known[index]) {
      return stalled(
        reasons.KeyLost,
        `Secret ${key.secretName} is gone. It held the key ${known[index]}, and what was sent to that key can be read with no other: restore the Secret from your backup. It is never made anew.`,
      );
    }
    if (!key.generate) {
      return waiting(
        reasons.KeyNotFound,
        `Secret ${key.secretName}, named by ${field}, does not exist; create it with privateKey and publicKey, or write generate: true.`,
      );
    }
  }
  return undefined;
};

export const databaseUsable: Policy = ({ tessera, consortium, database }) => {
  if (!consortium || database.kind === 'unread') return undefined;
  if (database.kind === 'embedded') {
    if (database.password || !tessera.status?.publicKeys?.length) return undefined;
    return stalled(
      reasons.KeyLost,
      `Secret ${tessera.metadata.name}-database is gone. It held the password of the database on the volume: restore the Secret from your backup.`,
    );
  }
  if (tessera.spec.database.postgres?.passwordSecretRef) {
    return stalled(
      reasons.DatabaseUnsupported,
      'spec.database.postgres.passwordSecretRef would be a password in the clear in the configuration; write certificate: {} and let the server ask for a client certificate.',
    );
  }
  if (!database.issued && !database.credentials) {
    return waiting(
      reasons.DatabaseCredentialsNotFound,
      `Secret ${database.secretName}, named by spec.database.postgres.certificate.secretRef, does not exist or lacks tls.crt and tls.key.`,
    );
  }
  if (!database.caBundle) {
    return waiting(
      reasons.DatabaseCredentialsNotFound,
      'The ConfigMap of spec.database.postgres.caConfigMapRef does not exist or lacks its key.',
    );
  }
  return undefined;
};

/**
 * The first start waits until the directory lists all managers of this cluster: the list of peers is read at the start only, so a
 * manager that started without one of them would have to start again.
 */
export const directoryListsAll: Policy = ({ consortium, directory, managers, statefulSet }) => {
  if (!consortium || (directory && statefulSet)) return undefined;
  const listed = new Set(
    directory?.organizations.flatMap(({ tesseras }) => tesseras.map(({ namespace, name }) => `${namespace}/${name}`)),
  );
  const missing = managers.filter((manager) => !listed.has(manager));
  if (directory && missing.length === 0) return undefined;
  return waiting(
    reasons.DirectoryNotReady,
    `The member directory of Consortium ${consortium.metadata.name} does not list ${directory ? missing.join(', ') : 'anybody'} yet.`,
    directory ? 'start' : 'template',
  );
};

const policies: readonly Policy[] = [
  membershipHolds,
  segmentSupported,
  imageKnown,
  authoritiesExist,
  keysUsable,
  databaseUsable,
  directoryListsAll,
];

/** Everything that stands in the way, in the order in which a person would want to know. */
export function decide(observation: TesseraObservation): Finding[] {
  return policies.flatMap((policy) => policy(observation) ?? []);
}

/** What to tell first: a fault that needs a person before one that passes. */
export function headline(findings: readonly Finding[]): Finding | undefined {
  return findings.find((finding) => finding.kind === 'stalled') ?? findings[0];
}

/** The image that Tessera runs from: the resource's, or in Development the operator's default. */
export function tesseraImage({ tessera, operator }: TesseraObservation): string | undefined {
  return tessera.spec.image ?? (tessera.spec.environment === 'Development' ? operator.defaultTesseraImage : undefined);
}
