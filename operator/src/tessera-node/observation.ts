import type { Consortium } from '../api/consortium.ts';
import type { TesseraNode } from '../api/tessera-node.ts';
import type { MemberDirectory } from '../consortium/directory.ts';
import type { KubeObject } from '../kube/types.ts';
import type { EnsuredCertificate } from '../pki/request.ts';

/** What gather read: everything that a decision about one transaction manager rests on, at one moment. */
export interface TesseraObservation {
  readonly tessera: TesseraNode;
  readonly consortium?: Consortium | undefined;
  readonly operator: {
    readonly namespace: string;
    readonly sidecarImage: string;
    readonly defaultTesseraImage?: string | undefined;
  };
  readonly directory?: MemberDirectory | undefined;
  /** PEM, from the organization's namespace. */
  readonly authorities: {
    readonly organization?: string | undefined;
    readonly operator?: string | undefined;
    readonly members?: string | undefined;
  };
  /** As they were seen to in this reconcile. */
  readonly certificates?: readonly EnsuredCertificate[] | undefined;
  /** In the order of `spec.keys`; empty while the namespace is not prepared. */
  readonly keys: readonly KeyReading[];
  readonly database: DatabaseReading;
  /** Every TesseraNode of the consortium in this cluster, this one included, as `namespace/name`. */
  readonly managers: readonly string[];
  readonly statefulSet?: KubeObject | undefined;
  readonly pod?: KubeObject | undefined;
  /** Name of another transaction manager of the consortium whose pod is being deleted or is not Ready. */
  readonly restartingElsewhere?: string | undefined;
}

export type KeyReading =
  | { readonly kind: 'ok'; readonly name: string; readonly secretName: string; readonly publicKey: string }
  | { readonly kind: 'missing'; readonly name: string; readonly secretName: string; readonly generate: boolean }
  | { readonly kind: 'invalid'; readonly name: string; readonly secretName: string; readonly problem: string }
  /** From an HSM or a vault. */
  | { readonly kind: 'unsupported'; readonly name: string; readonly source: string };

export type DatabaseReading =
  /** The namespace is not prepared yet. */
  | { readonly kind: 'unread' }
  /** `password` is secret; absent until it was made. */
  | { readonly kind: 'embedded'; readonly password?: string | undefined }
  | {
      readonly kind: 'postgres';
      /** Certificate and key are secret texts in PEM; absent until they exist. `issued`: the operator issues them. */
      readonly credentials?: { readonly certificate: string; readonly key: string } | undefined;
      readonly issued: boolean;
      readonly secretName: string;
      readonly caBundle?: string | undefined;
    };
