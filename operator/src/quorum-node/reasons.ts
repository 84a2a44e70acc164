/**
 * Every reason that a QuorumNode's conditions and events use. Closed: a new one needs a runbook.
 * Waiting reasons end without a change of the resource; stalled ones need a person.
 */
export const reasons = {
  /** Ready. */
  Serving: 'Serving',

  /** The Consortium named by `spec.consortiumRef` does not exist. */
  ConsortiumNotFound: 'ConsortiumNotFound',
  /** The Consortium does not list the organization of this node. */
  OrganizationUnknown: 'OrganizationUnknown',
  /** The organization runs elsewhere, so its nodes cannot be here. */
  OrganizationNotHosted: 'OrganizationNotHosted',
  /** The node is in another namespace than its organization. */
  NamespaceMismatch: 'NamespaceMismatch',
  /** Node and Consortium name different environments. */
  EnvironmentMismatch: 'EnvironmentMismatch',
  /** The Consortium's namespace, certificate authority or genesis does not exist yet. */
  OrganizationNotPrepared: 'OrganizationNotPrepared',
  GenesisNotReady: 'GenesisNotReady',
  /** The member directory does not list this node yet. */
  DirectoryNotReady: 'DirectoryNotReady',
  /** The node key does not exist yet. */
  NodeKeyNotReady: 'NodeKeyNotReady',
  /** The node key existed once and is gone. */
  KeyLost: 'KeyLost',
  CertificateNotReady: 'CertificateNotReady',
  SignerNotFound: 'SignerNotFound',
  /** Token or accounts of the signer are not known yet. */
  SignerNotReady: 'SignerNotReady',
  /** Signer and node belong to different organizations, or the signer cannot be used this way. */
  SignerMismatch: 'SignerMismatch',
  TesseraNotFound: 'TesseraNotFound',
  TesseraNotReady: 'TesseraNotReady',
  TesseraMismatch: 'TesseraMismatch',
  /** No image in the resource and no default. */
  ImageMissing: 'ImageMissing',
  /** The address by which peers outside the cluster reach the node is not known yet. */
  ExposurePending: 'ExposurePending',
  /** The given address is none. */
  ExposureInvalid: 'ExposureInvalid',
  JwksNotFound: 'JwksNotFound',
  JwksInvalid: 'JwksInvalid',

  /** The pod is being made, or starts. */
  PodStarting: 'PodStarting',
  /** The pod cannot be placed on a machine. */
  PodUnschedulable: 'PodUnschedulable',
  /** A container ends again and again. */
  ContainerFailing: 'ContainerFailing',
  /** geth ended because its transaction manager was away (exit code 112). */
  TransactionManagerLost: 'TransactionManagerLost',
  /** The pod runs, and the door does not answer. */
  DoorUnreachable: 'DoorUnreachable',
  NodeUnreachable: 'NodeUnreachable',
  NoPeers: 'NoPeers',
  /** The last block is too old: the network stands still, or the node is cut off from it. */
  BlocksStale: 'BlocksStale',
  /** The pod runs an older template, and waits for its turn to restart. */
  RolloutWaiting: 'RolloutWaiting',
  /** The pod is being replaced. */
  RolloutUnderway: 'RolloutUnderway',
  Suspended: 'Suspended',

  /** Deleted, and being voted out of the validators. */
  VotingOut: 'VotingOut',
  /** The chain does not count the node any more. */
  VotedOut: 'VotedOut',
  /** Deleted, and another validator is being voted out first. */
  RemovalWaiting: 'RemovalWaiting',
  /** Deleted, and fewer than four validators would remain. */
  RemovalNeedsConfirmation: 'RemovalNeedsConfirmation',
  /** Deleted, and those that seal without it would be no quorum. */
  RemovalWouldHalt: 'RemovalWouldHalt',
  /** Fewer than half of the validators give their vote. */
  VotesMissing: 'VotesMissing',
  /** No validator answers, so nobody can vote. */
  VotersUnreachable: 'VotersUnreachable',
  /** Deleted without a vote because none was needed. */
  RemovalWithoutVote: 'RemovalWithoutVote',
  /** Deleted without a vote because a person said so. */
  RemovedWithoutVote: 'RemovedWithoutVote',
  /** Declared as validator, and being voted in. */
  VotingIn: 'VotingIn',
  /** Voted in. */
  VotedIn: 'VotedIn',

  /** Of domain conditions. */
  Connected: 'Connected',
  InSet: 'InSet',
  NotInSet: 'NotInSet',
  RecentBlocks: 'RecentBlocks',
  Reachable: 'Reachable',
  NotObserved: 'NotObserved',
} as const;

export type Reason = (typeof reasons)[keyof typeof reasons];
