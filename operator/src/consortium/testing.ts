import type { Consortium } from '../api/consortium.ts';
import { consortiumSpec } from '../api/consortium.ts';
import type { QuorumNode } from '../api/quorum-node.ts';
import { type NodeIdentity, nodeIdentity } from '../consensus/node-key.ts';
import { decideClaims, organizationNamespace } from './claims.ts';
import type { Observation, ObservedNode, ObservedOrganization } from './observation.ts';

/** Fixtures of the tests in this folder: a network of four organizations in which everything is as it should be, before its genesis is stored. */

export const organizations = ['alpha', 'bravo', 'charlie', 'delta'] as const;

export const now = new Date('2026-03-01T12:00:00Z');

/** The same key for the same name, so that golden files do not change. */
export function fixedIdentity(name: string): NodeIdentity {
  return nodeIdentity(Buffer.from(name.padEnd(32, '.')).toString('hex').slice(0, 64));
}

/** A PEM block that is no certificate, where only its text matters. */
export function fakePem(name: string): string {
  return `-----BEGIN CERTIFICATE-----\n${Buffer.from(name).toString('base64')}\n-----END CERTIFICATE-----\n`;
}

/** What a test changes of the spec; parsed by the schema, so defaults are the real ones. */
export function consortium(spec: object = {}, status?: Consortium['status']): Consortium {
  return {
    apiVersion: 'quorum-operator.io/v1alpha1',
    kind: 'Consortium',
    metadata: { name: 'demo', generation: 1, creationTimestamp: '2026-03-01T11:59:00Z' },
    spec: consortiumSpec.parse({
      environment: 'Development',
      chainId: 83210,
      genesis: { create: {} },
      validators: organizations.map((organization) => ({ organization, node: `${organization}-validator` })),
      organizations: organizations.map((name) => ({ name })),
      ...spec,
    }),
    ...(status ? { status } : {}),
  };
}

export function quorumNode(ready: boolean, role: 'Validator' | 'Member' = 'Validator'): QuorumNode {
  const condition = {
    type: 'Ready',
    status: ready ? 'True' : 'False',
    reason: ready ? 'Serving' : 'PodStarting',
    message: 'the pod starts',
  };
  return {
    metadata: { name: 'unused' },
    spec: { role },
    status: { conditions: [{ ...condition, lastTransitionTime: '2026-03-01T12:00:00Z', observedGeneration: 1 }] },
  } as unknown as QuorumNode;
}

export function observe(of: Consortium = consortium(), change: Partial<Observation> = {}): Observation {
  const claims = decideClaims(of, [], new Map()).map((claim) => ({ ...claim, state: 'ours' as const }));
  const hosted = of.spec.organizations.filter((organization) => organization.hosted);
  return {
    consortium: of,
    now,
    operator: { namespace: 'quorum-operator', serviceAccount: 'quorum-operator' },
    trustSpreadSeconds: 600,
    operatorAuthority: {
      caPem: fakePem('operator'),
      caNotAfter: '2036-03-01T00:00:00Z',
      renewAt: new Date('2026-05-01T00:00:00Z'),
      client: {
        secretName: 'quorum-operator-client-tls',
        notAfter: '2026-06-01T00:00:00Z',
        renewAt: new Date('2026-05-01T00:00:00Z'),
        fingerprint: '',
        trusts: '',
        renewed: false,
      },
    },
    claims,
    organizations: hosted.map(
      (organization): ObservedOrganization => ({
        name: organization.name,
        namespace: organizationNamespace(of, organization),
        authority: { kind: 'present', value: fakePem(organization.name) },
        tesseraNodes: [],
      }),
    ),
    nodes: of.spec.validators.flatMap(({ organization, node }, index): ObservedNode[] =>
      node === undefined
        ? []
        : [
            {
              organization,
              namespace: `demo-${organization}`,
              name: node,
              declared: true,
              key: { kind: 'present', value: fixedIdentity(node) },
              volume: false,
              clusterIP: `10.96.0.${10 + index}`,
              quorumNode: quorumNode(true),
            },
          ],
    ),
    ...change,
  };
}

/** The observation with one node changed. */
export function withNode(observation: Observation, name: string, change: Partial<ObservedNode>): Observation {
  return {
    ...observation,
    nodes: observation.nodes.map((node) => (node.name === name ? { ...node, ...change } : node)),
  };
}

/** The observation with one organization changed. */
export function withOrganization(
  observation: Observation,
  name: string,
  change: Partial<ObservedOrganization>,
): Observation {
  const changed = observation.organizations.map((organization) =>
    organization.name === name ? { ...organization, ...change } : organization,
  );
  return { ...observation, organizations: changed };
}
