import type { NodeStatus } from '../../../signer-sidecar/src/ops/types.ts';
import { type Consortium, consortiumSpec } from '../api/consortium.ts';
import { type HsmSigner, hsmSignerSpec } from '../api/hsm-signer.ts';
import { type QuorumNode, quorumNodeSpec } from '../api/quorum-node.ts';
import { type TesseraNode, tesseraNodeSpec } from '../api/tessera-node.ts';
import { enodeUrl, nodeIdentity } from '../consensus/node-key.ts';
import type { MemberDirectory } from '../consortium/directory.ts';
import type { KubeObject } from '../kube/types.ts';
import type { NodeObservation } from './observation.ts';

/** Parts of observations for tests: a Development consortium `demo` of four organizations, seen by a node of `alpha`. */

const apiVersion = 'quorum-operator.io/v1alpha1';
export const organizations = ['alpha', 'bravo', 'charlie', 'delta'] as const;
/** Moment of all tests. */
export const NOW = new Date('2026-03-01T12:00:00Z');

/** A key that is the same in every run; of no worth. */
export const identities = Object.fromEntries(
  organizations.map((name, index) => [name, nodeIdentity(String(index + 1).repeat(64))]),
) as Record<(typeof organizations)[number], ReturnType<typeof nodeIdentity>>;

export function demoConsortium(change: Record<string, unknown> = {}): Consortium {
  return {
    apiVersion,
    kind: 'Consortium',
    metadata: { name: 'demo', uid: 'uid-demo', generation: 1 },
    spec: consortiumSpec.parse({
      environment: 'Development',
      chainId: 83210,
      genesis: { create: {} },
      validators: organizations.map((organization) => ({ organization, node: `${organization}-validator` })),
      organizations: organizations.map((name) => ({ name })),
      ...change,
    }),
  };
}

export function quorumNode(
  spec: Record<string, unknown> = {},
  metadata: Partial<QuorumNode['metadata']> = {},
): QuorumNode {
  return {
    apiVersion,
    kind: 'QuorumNode',
    metadata: { name: 'alpha-validator', namespace: 'demo-alpha', uid: 'uid-node', generation: 1, ...metadata },
    spec: quorumNodeSpec.parse({
      consortiumRef: { name: 'demo' },
      organization: 'alpha',
      environment: 'Development',
      role: 'Validator',
      ...spec,
    }),
  };
}

export function hsmSigner(spec: Record<string, unknown> = {}): HsmSigner {
  return {
    apiVersion,
    kind: 'HsmSigner',
    metadata: { name: 'alpha-signer', namespace: 'demo-alpha', uid: 'uid-signer', generation: 1 },
    spec: hsmSignerSpec.parse({
      consortiumRef: { name: 'demo' },
      organization: 'alpha',
      environment: 'Development',
      database: { provision: {} },
      ...spec,
    }),
    status: {
      token: { label: 'alpha-signer', serial: '0123456789abcdef' },
      accounts: [
        { name: 'default', address: `0x${'Ab'.repeat(20)}`, publicKey: `0x04${'1'.repeat(128)}`, keyId: 'c0ffee' },
      ],
    },
  };
}

export function tesseraNode(ready: boolean): TesseraNode {
  const condition = { type: 'Ready', status: ready ? ('True' as const) : ('False' as const), reason: 'x', message: '' };
  return {
    apiVersion,
    kind: 'TesseraNode',
    metadata: { name: 'alpha-tessera', namespace: 'demo-alpha', uid: 'uid-tessera', generation: 1 },
    spec: tesseraNodeSpec.parse({
      consortiumRef: { name: 'demo' },
      organization: 'alpha',
      environment: 'Development',
      keys: [{ name: 'default', secretRef: { name: 'alpha-tessera-key', generate: true } }],
      database: { embedded: {} },
    }),
    status: { conditions: [{ ...condition, lastTransitionTime: NOW.toISOString() }] },
  };
}

export function directory(): MemberDirectory {
  return {
    consortium: 'demo',
    chainId: 83210,
    organizations: organizations.map((name, index) => ({
      name,
      hosted: true,
      namespace: `demo-${name}`,
      jurisdictions: [],
      nodes: [
        {
          name: `${name}-validator`,
          namespace: `demo-${name}`,
          role: 'Validator',
          publicKey: identities[name].publicKey,
          address: identities[name].address,
          enode: enodeUrl(identities[name].publicKey, `10.96.0.${index + 1}`),
          validator: true,
        },
      ],
      tesseras: [],
      cidrs: [],
    })),
  };
}

export const jwks = { keys: [{ kty: 'EC', crv: 'P-256', kid: 'one', x: 'AA', y: 'AA' }] };

/** A node for which nothing is missing and nothing runs yet. */
export function observe(change: Partial<NodeObservation> = {}): NodeObservation {
  return {
    node: quorumNode(),
    consortium: demoConsortium(),
    operator: {
      namespace: 'quorum-operator',
      sidecarImage: 'quorum-operator.local/signer-sidecar:1',
      defaultQuorumImage: 'quorum-operator.local/quorum:1',
      defaultSofthsmImage: 'quorum-operator.local/softhsm:1',
    },
    genesis: { sha256: 'a'.repeat(64), configHash: 'b'.repeat(64), chainId: 83210, gasLimit: '60000000' },
    directory: directory(),
    authorities: { organization: 'PEM', operator: 'PEM' },
    identity: identities.alpha,
    peerService: service('10.96.0.1'),
    issuers: [],
    others: organizations
      .filter((name) => name !== 'alpha')
      .map((name) => ({
        name: `${name}-validator`,
        namespace: `demo-${name}`,
        role: 'Validator',
        serving: true,
        restarting: false,
      })),
    ...change,
  };
}

function service(clusterIP: string): KubeObject {
  return { apiVersion: 'v1', kind: 'Service', metadata: { name: 'alpha-validator-p2p' }, spec: { clusterIP } };
}

/** The node's Service for peers outside, with what the cluster gave it. */
export function externalService(
  type: 'LoadBalancer' | 'NodePort',
  given: { nodePort?: number; ingress?: { ip?: string; hostname?: string }[] } = {},
): KubeObject {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'alpha-validator-p2p-external' },
    spec: { type, ports: [{ port: 30303, nodePort: given.nodePort }] },
    status: { loadBalancer: { ingress: given.ingress } },
  };
}

/** The node's StatefulSet at a revision, as its controller reports it. */
export function statefulSet(updateRevision: string): KubeObject {
  return {
    apiVersion: 'apps/v1',
    kind: 'StatefulSet',
    metadata: { name: 'alpha-validator', generation: 3 },
    status: { observedGeneration: 3, updateRevision },
  };
}

/** The node's pod. */
export function pod(
  change: { revision?: string; ready?: boolean; deleting?: boolean; geth?: object } = {},
): KubeObject {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name: 'alpha-validator-0',
      namespace: 'demo-alpha',
      uid: 'uid-pod',
      labels: { 'controller-revision-hash': change.revision ?? 'one' },
      creationTimestamp: '2026-03-01T11:00:00Z',
      ...(change.deleting ? { deletionTimestamp: NOW.toISOString() } : {}),
    },
    status: {
      podIP: '10.0.0.1',
      conditions: [{ type: 'Ready', status: (change.ready ?? true) ? 'True' : 'False' }],
      containerStatuses: [
        {
          name: 'geth',
          image: 'quorum-operator.local/quorum:1',
          imageID: `quorum-operator.local/quorum@sha256:${'c'.repeat(64)}`,
          ...change.geth,
        },
      ],
    },
  };
}

/** What the door of a healthy validator says. */
export function nodeStatus(change: Partial<NodeStatus> = {}): NodeStatus {
  return {
    time: NOW.toISOString(),
    reachable: true,
    blockNumber: 1000,
    blockTime: NOW.getTime() / 1000 - 2,
    peers: 3,
    peerIds: organizations.filter((name) => name !== 'alpha').map((name) => identities[name].publicKey),
    validators: organizations.map((name) => identities[name].address),
    isValidator: true,
    clientVersion: 'Geth/v1.10.3-stable(quorum-v24.4.1)',
    sealers: Object.fromEntries(organizations.map((name) => [identities[name].address, 16])),
    sealersWindow: 64,
    ...change,
  };
}

/** A node that runs what it should and serves. */
export function observeServing(change: Partial<NodeObservation> = {}, says: Partial<NodeStatus> = {}): NodeObservation {
  return observe({
    statefulSet: statefulSet('one'),
    pod: pod(),
    door: { at: NOW, status: nodeStatus(says) },
    ...change,
  });
}
