/** Every reason that an HsmSigner's conditions and events use. Closed: a new one needs a runbook (docs/runbooks/<reason>.md). */
export const reasons = {
  /** Ready. */
  Usable: 'Usable',

  ConsortiumNotFound: 'ConsortiumNotFound',
  OrganizationUnknown: 'OrganizationUnknown',
  OrganizationNotHosted: 'OrganizationNotHosted',
  NamespaceMismatch: 'NamespaceMismatch',
  EnvironmentMismatch: 'EnvironmentMismatch',
  /** The Consortium's controller has not prepared the namespace yet. */
  OrganizationNotPrepared: 'OrganizationNotPrepared',

  /** `placement: Deployment` cannot be had yet. */
  PlacementNotSupported: 'PlacementNotSupported',
  /** A module other than SoftHSM cannot be used yet. */
  ModuleNotSupported: 'ModuleNotSupported',
  /** No image is named and the operator has no default for it. */
  ImageMissing: 'ImageMissing',
  DatabasePasswordNotSupported: 'DatabasePasswordNotSupported',

  PinSecretNotFound: 'PinSecretNotFound',
  PinSecretInvalid: 'PinSecretInvalid',
  /** PIN or token existed once and are gone. */
  KeyLost: 'KeyLost',
  TokenInvalid: 'TokenInvalid',
  /** The Secret holds the token of another label. */
  TokenMismatch: 'TokenMismatch',
  /** The spec lists keys that the token does not have. */
  KeysNotInToken: 'KeysNotInToken',
  ApiServerUnknown: 'ApiServerUnknown',
  TokenPending: 'TokenPending',
  TokenJobFailed: 'TokenJobFailed',
  TokenPresent: 'TokenPresent',

  CertificateNotReady: 'CertificateNotReady',
  DatabaseStarting: 'DatabaseStarting',
  DatabaseFailing: 'DatabaseFailing',
  DatabaseRunning: 'DatabaseRunning',

  /** Of events. */
  TokenMade: 'TokenMade',
} as const;

export type Reason = (typeof reasons)[keyof typeof reasons];
