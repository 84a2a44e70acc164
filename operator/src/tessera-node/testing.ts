import { type TesseraNode, tesseraNodeSpec } from '../api/tessera-node.ts';
import { demoConsortium, directory } from '../quorum-node/testing.ts';
import type { KeyReading, TesseraObservation } from './observation.ts';

/** Parts of observations for tests: a transaction manager of organization alpha in consortium `demo`. */

export function tesseraNode(spec: Record<string, unknown> = {}): TesseraNode {
  return {
    apiVersion: 'quorum-operator.io/v1alpha1',
    kind: 'TesseraNode',
    metadata: { name: 'alpha-tessera', namespace: 'demo-alpha', uid: 'uid-tessera', generation: 1 },
    spec: tesseraNodeSpec.parse({
      consortiumRef: { name: 'demo' },
      organization: 'alpha',
      environment: 'Development',
      keys: [{ name: 'default', secretRef: { name: 'alpha-tessera-key', generate: true } }],
      database: { embedded: {} },
      ...spec,
    }),
  };
}

export const PUBLIC_KEY = 'BULeR8JyUWhiuuCMU/HLA0Q5pzkYT+cHII3ZKBey3Bo=';

export const keyReading: Extract<KeyReading, { kind: 'ok' }> = {
  kind: 'ok',
  name: 'default',
  secretName: 'alpha-tessera-key',
  publicKey: PUBLIC_KEY,
};

const certificate = (name: string) => `-----BEGIN CERTIFICATE-----\n${name}\n-----END CERTIFICATE-----\n`;

/** A transaction manager for which nothing is missing and nothing runs yet. */
export function observe(change: Partial<TesseraObservation> = {}): TesseraObservation {
  const members = directory();
  const tessera = (name: string) => ({
    name: `${name}-tessera`,
    namespace: `demo-${name}`,
    url: `https://${name}-tessera.demo-${name}.svc.cluster.local:9000/`,
  });
  return {
    tessera: tesseraNode(),
    consortium: demoConsortium(),
    operator: {
      namespace: 'quorum-operator',
      sidecarImage: 'quorum-operator.local/signer-sidecar:1',
      defaultTesseraImage: 'quorum-operator.local/tessera:1',
    },
    directory: {
      ...members,
      organizations: members.organizations.map((organization) => ({
        ...organization,
        tesseras: ['alpha', 'bravo'].includes(organization.name) ? [tessera(organization.name)] : [],
      })),
    },
    authorities: { organization: 'PEM', operator: 'PEM', members: certificate('ALPHA') + certificate('BRAVO') },
    keys: [keyReading],
    database: { kind: 'embedded', password: 'of-the-test' },
    managers: ['demo-alpha/alpha-tessera', 'demo-bravo/bravo-tessera'],
    ...change,
  };
}
