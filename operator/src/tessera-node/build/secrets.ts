import type { KubeObject } from '../../kube/types.ts';
import { base64Values, manifest } from '../../workload/manifest.ts';
import { frameLabels, type TesseraFrame } from '../frame.ts';
import type { TesseraKey } from '../keys.ts';

/** Secret of a generated key. Created once; owned by nobody, because old payloads can be read with it alone. */
export function keySecret(frame: TesseraFrame, secretName: string, key: TesseraKey): KubeObject {
  return manifest(
    { apiVersion: 'v1', kind: 'Secret', name: secretName, namespace: frame.namespace, labels: frameLabels(frame) },
    { type: 'Opaque', data: base64Values({ privateKey: key.privateKey, publicKey: key.publicKey }) },
  );
}

export const databasePasswordName = (name: string) => `${name}-database`;

/** Password of the embedded database. Created once; it belongs to the volume, and stays with it. */
export function databasePasswordSecret(frame: TesseraFrame, password: string): KubeObject {
  return manifest(
    {
      apiVersion: 'v1',
      kind: 'Secret',
      name: databasePasswordName(frame.name),
      namespace: frame.namespace,
      labels: frameLabels(frame),
    },
    { type: 'Opaque', data: base64Values({ password }) },
  );
}
