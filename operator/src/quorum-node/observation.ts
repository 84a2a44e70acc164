import type { NodeStatus } from '../../../signer-sidecar/src/ops/types.ts';
import type { Consortium } from '../api/consortium.ts';
import type { HsmSigner } from '../api/hsm-signer.ts';
import type { QuorumNode } from '../api/quorum-node.ts';
import type { TesseraNode } from '../api/tessera-node.ts';
import type { NodeIdentity } from '../consensus/node-key.ts';
import type { MemberDirectory } from '../consortium/directory.ts';
import type { KubeObject } from '../kube/types.ts';
import type { EnsuredCertificate } from '../pki/request.ts';

/** What gather read: everything that a decision about one node rests on, at one moment. */
export interface NodeObservation {
  readonly node: QuorumNode;
  readonly consortium?: Consortium | undefined;
  readonly operator: {
    readonly namespace: string;
    readonly sidecarImage: string;
    readonly defaultQuorumImage?: string | undefined;
    readonly defaultSofthsmImage?: string | undefined;
  };
  readonly genesis?: GenesisReading | undefined;
  readonly directory?: MemberDirectory | undefined;
  /** PEM of the organization's and the operator's certificate authorities, from the organization's namespace. */
  readonly authorities: { readonly organization?: string | undefined; readonly operator?: string | undefined };
  /** As they were seen to in this reconcile. */
  readonly certificates?: readonly EnsuredCertificate[] | undefined;
  readonly identity?: NodeIdentity | undefined;
  readonly peerService?: KubeObject | undefined;
  /** The Service for peers outside the cluster. */
  readonly externalService?: KubeObject | undefined;
  readonly signer?: HsmSigner | undefined;
  readonly tessera?: TesseraNode | undefined;
  readonly issuers: readonly IssuerReading[];
  readonly statefulSet?: KubeObject | undefined;
  readonly pod?: KubeObject | undefined;
  readonly door?: DoorReading | undefined;
  /** The other nodes of the consortium in this cluster. */
  readonly others: readonly OtherNode[];
}

export interface GenesisReading {
  /** SHA-256 of the text of genesis.json, hex. */
  readonly sha256: string;
  readonly configHash: string;
  readonly chainId: number;
  /** Decimal string. */
  readonly gasLimit: string;
}

/** One token issuer with the keys that were found for it. */
export interface IssuerReading {
  readonly issuer: string;
  readonly audience: string;
  /** Field that names the issuer, for messages. */
  readonly field: string;
  readonly keys: JwksReading;
}

export type JwksReading =
  | { readonly kind: 'ok'; readonly jwks: { readonly keys: readonly unknown[] } }
  /** `source`: "ConfigMap x, key y" or "the field itself". */
  | { readonly kind: 'missing'; readonly source: string }
  | { readonly kind: 'invalid'; readonly source: string; readonly problem: string };

/** The last answer of the node's door. */
export interface DoorReading {
  readonly at: Date;
  readonly status?: NodeStatus | undefined;
  readonly error?: string | undefined;
}

export interface OtherNode {
  readonly name: string;
  readonly namespace: string;
  readonly role: 'Validator' | 'Member';
  /** Its pod is Ready and it reported recent blocks. Not the Ready condition: that is False while it waits for its own turn. */
  readonly serving: boolean;
  /** Its pod is being deleted, or is not Ready. A node without a pod yet is not restarting. */
  readonly restarting: boolean;
}

/** The node is one of the declared validators, so the Consortium makes its key. */
export function isDeclaredValidator(observation: Pick<NodeObservation, 'node' | 'consortium'>): boolean {
  const { node, consortium } = observation;
  return (consortium?.spec.validators ?? []).some(
    (validator) => validator.organization === node.spec.organization && validator.node === node.metadata.name,
  );
}

/** Name of the signer whose signing sidecar this node's pod carries. */
export function carriedSigner(observation: Pick<NodeObservation, 'node' | 'signer'>): string | undefined {
  const { node, signer } = observation;
  if (!node.spec.signerRef) return undefined;
  return signer?.spec.placement === 'Deployment' ? undefined : node.spec.signerRef.name;
}
