import { randomBytes } from 'node:crypto';
import type { KubeObject } from '../../kube/types.ts';
import { objectNames } from '../../names.ts';
import { secretData } from '../../pki/secrets.ts';
import { manifest } from '../../workload/manifest.ts';
import { type SignerFrame, signerLabels } from '../frame.ts';
import { PIN_KEYS } from '../observation.ts';

/** 192 bits, of characters that every token takes. */
export function generatePin(): string {
  return randomBytes(24).toString('base64url');
}

/**
 * Secret `<signer>-pin`. Created once and never applied over. Without owner, unless deletion is to destroy keys: it
 * outlives the HsmSigner as the token does.
 */
export function pinSecret(frame: SignerFrame, pin: () => string = generatePin): KubeObject {
  return manifest(
    {
      apiVersion: 'v1',
      kind: 'Secret',
      name: objectNames.pin(frame.name),
      namespace: frame.namespace,
      labels: signerLabels(frame, 'signer-token'),
      owner: frame.keyOwner,
    },
    { type: 'Opaque', data: secretData(Object.fromEntries(PIN_KEYS.map((key) => [key, pin()]))) },
  );
}

/** Secret `<signer>-token`, empty: the Job may patch this one by name, and may create nothing. */
export function tokenSecret(frame: SignerFrame): KubeObject {
  return manifest(
    {
      apiVersion: 'v1',
      kind: 'Secret',
      name: objectNames.token(frame.name),
      namespace: frame.namespace,
      labels: signerLabels(frame, 'signer-token'),
      owner: frame.keyOwner,
    },
    { type: 'Opaque' },
  );
}
