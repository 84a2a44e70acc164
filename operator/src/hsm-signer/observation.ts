import type { TokenFile } from '../../../signer-sidecar/src/token/types.ts';
import type { Consortium } from '../api/consortium.ts';
import type { HsmSigner } from '../api/hsm-signer.ts';
import type { KubeObject } from '../kube/types.ts';
import { objectNames } from '../names.ts';
import type { EnsuredCertificate } from '../pki/request.ts';

/** Keys of the PIN Secret, whether it is generated or the user's own. */
export const PIN_KEYS = ['so-pin', 'service-pin', 'account-pin'] as const;

/** The PIN Secret as far as a decision needs to know it: never a PIN. */
export type PinReading =
  | { readonly kind: 'absent' }
  /** Keys that are missing or empty. */
  | { readonly kind: 'incomplete'; readonly missing: readonly string[] }
  | { readonly kind: 'present' };

export type TokenReading =
  | { readonly kind: 'absent' }
  /** The Secret is there and waits for the Job. */
  | { readonly kind: 'empty' }
  | { readonly kind: 'invalid'; readonly message: string }
  | { readonly kind: 'made'; readonly file: TokenFile };

/** Everything that is decided from; read once, by gather. */
export interface SignerObservation {
  readonly signer: HsmSigner;
  readonly consortium?: Consortium | undefined;
  readonly operator: {
    readonly sidecarImage: string;
    readonly defaultSofthsmImage?: string | undefined;
    readonly defaultPostgresImage?: string | undefined;
  };
  /** ConfigMap `organization-ca` exists: the Consortium's controller has prepared the namespace. */
  readonly prepared: boolean;
  /** As they were seen to in this reconcile. */
  readonly certificates?: readonly EnsuredCertificate[] | undefined;
  readonly pin: PinReading;
  readonly token: TokenReading;
  /** Where the API server listens; read only while a token is to be made. */
  readonly apiServer: readonly ApiServerAddress[];
  readonly job?: KubeObject | undefined;
  readonly postgres?:
    | { readonly statefulSet?: KubeObject | undefined; readonly pod?: KubeObject | undefined }
    | undefined;
}

export interface ApiServerAddress {
  readonly address: string;
  readonly port: number;
}

/** Name of the Secret with the PINs. */
export function pinSecretName(signer: HsmSigner): string {
  return signer.spec.token.pinSecretRef?.name ?? objectNames.pin(signer.metadata.name);
}

export function tokenLabel(signer: HsmSigner): string {
  return signer.spec.token.label ?? signer.metadata.name.slice(0, 32);
}

/** PKCS#11 gives labels 32 bytes, so the account token's label is cut where the suffix needs room. */
export function serviceTokenLabel(signer: HsmSigner): string {
  return `${tokenLabel(signer).slice(0, 24)}-service`;
}

/** SoftHSM keeps its token in files, which travel packed in a Secret; any other module talks to a device. */
export function isSoftHsm(signer: HsmSigner): boolean {
  return signer.spec.module.path.includes('softhsm');
}

/** Names and labels of the keys that the spec asks for. */
export function wantedKeys(signer: HsmSigner): { name: string; label: string }[] {
  return signer.spec.keys.map((key) => ({ name: key.name, label: key.label ?? key.name }));
}

/** A token was made once: status says so, or the Secret does. From then on nothing is generated any more. */
export function tokenKnown({ signer, token }: Pick<SignerObservation, 'signer' | 'token'>): boolean {
  return signer.status?.token !== undefined || token.kind === 'made' || token.kind === 'invalid';
}
