/** Every reason that a Consortium's conditions and events use. Closed: a new one needs a runbook (docs/runbooks/<reason>.md). */
export const reasons = {
  /** Ready. */
  Running: 'Running',
  /** `spec.suspend` is true: nothing is looked at and nothing is changed. */
  Suspended: 'Suspended',
  /** The API server refused something, or a Secret of the operator is damaged; tried again. */
  ReconcileFailed: 'ReconcileFailed',

  /** Another Consortium, or another organization of this one, has the namespace. */
  NamespaceConflict: 'NamespaceConflict',
  /** The namespace exists and nobody gave it to this organization by label. */
  NamespaceNotOurs: 'NamespaceNotOurs',
  /** The namespace is being deleted. */
  NamespaceTerminating: 'NamespaceTerminating',
  NamespacesPrepared: 'NamespacesPrepared',

  /** A key, authority or genesis existed once and is gone. */
  KeyLost: 'KeyLost',
  /** A node key is there, but another one than the network knows. */
  KeyMismatch: 'KeyMismatch',
  /** A Secret holds something that is no key. */
  KeyInvalid: 'KeyInvalid',
  /** An imported network needs the keys of its validators brought along. */
  KeyRequired: 'KeyRequired',
  AuthorityInvalid: 'AuthorityInvalid',

  /** The ConfigMap that holds the genesis to import does not exist, or may not be read. */
  GenesisSourceNotFound: 'GenesisSourceNotFound',
  GenesisInvalid: 'GenesisInvalid',
  /** Two genesis documents where there may be one. */
  GenesisConflict: 'GenesisConflict',
  ChainIdMismatch: 'ChainIdMismatch',
  ConsensusMismatch: 'ConsensusMismatch',
  /** Raft has no validators in its genesis, so this operator makes none. */
  ConsensusUnsupported: 'ConsensusUnsupported',
  /** Nodes know each other by lists only. */
  DiscoveryUnsupported: 'DiscoveryUnsupported',
  GenesisPending: 'GenesisPending',
  GenesisStored: 'GenesisStored',
  /** An imported genesis has settings that can hurt; it is used as it is. */
  GenesisRisky: 'GenesisRisky',

  /** A Service has no address yet. */
  AddressPending: 'AddressPending',
  ValidatorsNotReady: 'ValidatorsNotReady',

  CertificatesValid: 'CertificatesValid',
  CertificateExpiring: 'CertificateExpiring',
  CertificateExpired: 'CertificateExpired',
  CertificatesPending: 'CertificatesPending',
  /** A certificate authority is being replaced. */
  AuthorityRotating: 'AuthorityRotating',
  /** cert-manager has not said yet by which authority its certificates are verified, or cannot be used. */
  IssuerNotReady: 'IssuerNotReady',
  /** Several organizations would be verified by one authority. */
  AuthorityShared: 'AuthorityShared',

  /** Of events. */
  NamespaceCreated: 'NamespaceCreated',
  NamespaceAdopted: 'NamespaceAdopted',
  AuthorityCreated: 'AuthorityCreated',
  AuthorityRotationBegun: 'AuthorityRotationBegun',
  AuthoritySwitched: 'AuthoritySwitched',
  AuthorityRotationFinished: 'AuthorityRotationFinished',
  NodeKeyCreated: 'NodeKeyCreated',
  GenesisCreated: 'GenesisCreated',
  GenesisRestored: 'GenesisRestored',
} as const;

export type Reason = (typeof reasons)[keyof typeof reasons];

/**
 * Something that stands in the way. `waiting` ends by itself when what is missing appears; `stalled` needs a person.
 * `about` says which domain condition shows it.
 */
export interface Finding {
  readonly kind: 'waiting' | 'stalled';
  readonly about: 'namespaces' | 'certificates' | 'genesis' | 'nodes';
  readonly reason: Reason;
  readonly message: string;
}

export function waiting(about: Finding['about'], reason: Reason, message: string): Finding {
  return { kind: 'waiting', about, reason, message };
}

export function stalled(about: Finding['about'], reason: Reason, message: string): Finding {
  return { kind: 'stalled', about, reason, message };
}

/** What to tell first: a fault that needs a person before one that passes. */
export function headline(findings: readonly Finding[]): Finding | undefined {
  return findings.find((finding) => finding.kind === 'stalled') ?? findings[0];
}
