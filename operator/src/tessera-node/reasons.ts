/** Every reason that a TesseraNode's conditions and events use. Closed: a new one needs a runbook. */
export const reasons = {
  Serving: 'Serving',

  ConsortiumNotFound: 'ConsortiumNotFound',
  OrganizationUnknown: 'OrganizationUnknown',
  OrganizationNotHosted: 'OrganizationNotHosted',
  NamespaceMismatch: 'NamespaceMismatch',
  EnvironmentMismatch: 'EnvironmentMismatch',
  /** The Consortium's namespace or certificate authorities do not exist yet. */
  OrganizationNotPrepared: 'OrganizationNotPrepared',
  /** The member directory does not list every transaction manager of this cluster yet. */
  DirectoryNotReady: 'DirectoryNotReady',
  CertificateNotReady: 'CertificateNotReady',
  ImageMissing: 'ImageMissing',
  /** A key's Secret does not exist, and is not to be generated. */
  KeyNotFound: 'KeyNotFound',
  KeyInvalid: 'KeyInvalid',
  /** A key existed once and is gone. */
  KeyLost: 'KeyLost',
  /** A source of keys that this version cannot use. */
  KeySourceUnsupported: 'KeySourceUnsupported',
  SegmentUnsupported: 'SegmentUnsupported',
  DatabaseCredentialsNotFound: 'DatabaseCredentialsNotFound',
  DatabaseUnsupported: 'DatabaseUnsupported',

  PodStarting: 'PodStarting',
  PodUnschedulable: 'PodUnschedulable',
  ContainerFailing: 'ContainerFailing',
  RolloutWaiting: 'RolloutWaiting',
  RolloutUnderway: 'RolloutUnderway',
} as const;

export type Reason = (typeof reasons)[keyof typeof reasons];
