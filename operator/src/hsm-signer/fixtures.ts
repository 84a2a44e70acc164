import { type HsmSigner, type HsmSignerStatus, hsmSignerSpec } from '../api/hsm-signer.ts';
import type { KubeObject } from '../kube/types.ts';
import type { SignerObservation, TokenReading } from './observation.ts';

/** Observations for tests: a signer of Development with a database, all as it should be, nothing made yet. */

export const consortium = {
  apiVersion: 'quorum-operator.io/v1alpha1',
  kind: 'Consortium',
  metadata: { name: 'demo' },
  spec: {
    environment: 'Development',
    organizations: [
      { name: 'alpha', hosted: true },
      { name: 'remote', hosted: false },
    ],
  },
} as unknown as NonNullable<SignerObservation['consortium']>;

export function signer(spec: Record<string, unknown> = {}, status?: HsmSignerStatus): HsmSigner {
  return {
    apiVersion: 'quorum-operator.io/v1alpha1',
    kind: 'HsmSigner',
    metadata: { name: 'alpha-signer', namespace: 'demo-alpha', uid: 'uid-of-signer', generation: 1 },
    spec: hsmSignerSpec.parse({
      consortiumRef: { name: 'demo' },
      organization: 'alpha',
      environment: 'Development',
      database: { provision: { storage: { size: '1Gi' } } },
      ...spec,
    }),
    ...(status ? { status } : {}),
  };
}

export const SERIAL = '00112233aabbccdd';

const attributes = {
  sensitive: true,
  extractable: false,
  alwaysSensitive: true,
  neverExtractable: true,
  local: true,
  sign: true,
  derive: false,
  modifiable: false,
};

export const account = {
  name: 'default',
  address: '0x00000000000000000000000000000000000000A1',
  publicKey: `0x04${'ab'.repeat(64)}` as `0x04${string}`,
  keyId: '0123456789abcdef',
};

export const made: Extract<TokenReading, { kind: 'made' }> = {
  kind: 'made',
  file: {
    version: 1,
    label: 'alpha-signer',
    serial: SERIAL,
    keys: [
      {
        name: account.name,
        label: 'default',
        id: account.keyId,
        address: account.address,
        publicKey: account.publicKey,
        attributes,
      },
    ],
    service: { label: 'alpha-signer-service', serial: 'ffffffffffffffff', keys: [] },
  },
};

export const knownStatus: HsmSignerStatus = {
  token: { label: 'alpha-signer', serial: SERIAL },
  accounts: [account],
};

export function observation(changes: Partial<SignerObservation> = {}): SignerObservation {
  return {
    signer: signer(),
    consortium,
    operator: {
      sidecarImage: 'sidecar:1',
      defaultSofthsmImage: 'softhsm:1',
      defaultPostgresImage: 'postgres:1',
    },
    prepared: true,
    pin: { kind: 'absent' },
    token: { kind: 'absent' },
    apiServer: [{ address: '192.0.2.1', port: 6443 }],
    postgres: {},
    ...changes,
  };
}

export function readyPod(ready = true): KubeObject {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'alpha-signer-postgres-0', namespace: 'demo-alpha' },
    status: { conditions: [{ type: 'Ready', status: ready ? 'True' : 'False' }] },
  };
}

export function job(condition?: 'Complete' | 'Failed', at = '2026-01-01T00:00:00Z'): KubeObject {
  const conditions = condition
    ? [
        {
          type: condition,
          status: 'True',
          message: 'Job has reached the specified backoff limit',
          lastTransitionTime: at,
        },
      ]
    : [];
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: { name: 'alpha-signer-token', namespace: 'demo-alpha', uid: 'uid-of-job' },
    status: { conditions },
  };
}
