import type { Consortium } from '../api/consortium.ts';
import type { QuorumNode } from '../api/quorum-node.ts';
import type { TesseraNode } from '../api/tessera-node.ts';
import type { IssuerRef } from '../cert-manager/issuer.ts';
import type { NodeIdentity } from '../consensus/node-key.ts';
import type { AuthorityState } from '../pki/authority.ts';
import type { OperatorAuthority } from '../pki/operator-authority.ts';
import type { Claim } from './claims.ts';

/** A Secret that holds something precious, as far as a decision needs to know it: never the key itself. */
export type Held<T> =
  | { readonly kind: 'absent' }
  | { readonly kind: 'present'; readonly value: T }
  | { readonly kind: 'invalid'; readonly message: string };

/** A node in a namespace of ours: one declared as validator, or one that has a QuorumNode. */
export interface ObservedNode {
  readonly organization: string;
  readonly namespace: string;
  readonly name: string;
  /** It stands in `spec.validators`. */
  readonly declared: boolean;
  /** Secret `<node>-nodekey`. */
  readonly key: Held<NodeIdentity>;
  /** A volume of the node exists, so it ran before. Looked up only while the key of a declared validator is absent. */
  readonly volume: boolean;
  /** Cluster IP of Service `<node>-p2p`. */
  readonly clusterIP?: string | undefined;
  readonly quorumNode?: QuorumNode | undefined;
}

/** An organization hosted here whose namespace is ours. */
export interface ObservedOrganization {
  readonly name: string;
  readonly namespace: string;
  /** Certificate of the authority that issues here, PEM: of Secret `organization-ca`, or of the cert-manager issuer. */
  readonly authority: Held<string>;
  /** How far the change of the authority in Secret `organization-ca` is. Absent where cert-manager issues. */
  readonly rotation?: ObservedRotation | undefined;
  /** Where cert-manager issues: by whom, what it says that the organization trusts, and why that is not known yet. */
  readonly managed?: ManagedAuthority | undefined;
  /** `genesis.json` of ConfigMap `<consortium>-genesis`. */
  readonly genesis?: string | undefined;
  readonly tesseraNodes: readonly TesseraNode[];
}

/** An authority and who of those that live by it is behind. */
export interface ObservedRotation {
  readonly state: AuthorityState;
  /** See RotationView. */
  readonly untrusting: readonly string[];
  readonly holding: readonly string[];
}

export interface ManagedAuthority {
  readonly issuer: IssuerRef;
  /** PEM bundle; undefined until cert-manager has issued a first certificate. */
  readonly bundle?: string | undefined;
  /** What stands in the way. */
  readonly problem?: string | undefined;
}

/** Where an imported genesis was looked for. */
export type ImportSource =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'missing'; readonly message: string };

/** What gather read: everything that a decision about a Consortium rests on, at one moment. */
export interface Observation {
  readonly consortium: Consortium;
  readonly now: Date;
  readonly operator: { readonly namespace: string; readonly serviceAccount: string };
  /** See OperatorConfig.trustSpreadSeconds. */
  readonly trustSpreadSeconds: number;
  readonly operatorAuthority: OperatorAuthority;
  /** All organizations hosted here, also those that are blocked. */
  readonly claims: readonly Claim[];
  /** Those that are not blocked. */
  readonly organizations: readonly ObservedOrganization[];
  /** Nodes in the namespaces of `organizations`: validators in the order of the spec, then others by name. */
  readonly nodes: readonly ObservedNode[];
  /** Of `genesis.import`. */
  readonly imported?: ImportSource | undefined;
}

/** The declared validators that run here and whose namespace is ours. */
export function hostedValidators(observation: Observation): ObservedNode[] {
  return observation.nodes.filter((node) => node.declared);
}

export function identityOf(node: ObservedNode): NodeIdentity | undefined {
  return node.key.kind === 'present' ? node.key.value : undefined;
}
