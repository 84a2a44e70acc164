import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { doorConfigSchema } from '../../../signer-sidecar/src/config.ts';
import { peerService } from '../consensus/peer-service.ts';
import type { KubeObject } from '../kube/types.ts';
import { goldenText } from '../workload/golden.ts';
import { databaseClaim } from './build/database-claim.ts';
import { disruptionBudget } from './build/disruption-budget.ts';
import { doorConfigSecret } from './build/door-config.ts';
import { externalPeerService } from './build/external-service.ts';
import { nodeNetworkPolicy } from './build/network-policy.ts';
import { peersConfigMap } from './build/peers.ts';
import { doorService } from './build/service.ts';
import { nodeStatefulSet } from './build/stateful-set.ts';
import { decide } from './decide.ts';
import { exposedByService } from './exposure.ts';
import type { NodeObservation } from './observation.ts';
import { accessOf, doorPlanOf, embeddedDatabaseClaim, frameOf, podPlanOf } from './plan.ts';
import {
  demoConsortium,
  externalService,
  hsmSigner,
  identities,
  jwks,
  observe,
  quorumNode,
  tesseraNode,
} from './testing.ts';

const issuers: NodeObservation['issuers'] = [
  {
    issuer: 'https://login.alpha.example',
    audience: 'quorum-operator:demo:alpha',
    field: 'spec.rpc.issuers[0]',
    keys: { kind: 'ok', jwks },
  },
];

const digest = (name: string) => `registry.example/${name}:24.4.1@sha256:${'d'.repeat(64)}`;

const remoteEnodes = ['198.51.100.4:30303', '192.0.2.9:31303', 'node.echo.example:30303'].map(
  (endpoint, index) => `enode://${String(index + 5).repeat(128)}@${endpoint}?discport=0`,
);

const withEcho = demoConsortium({
  organizations: [
    ...['alpha', 'bravo', 'charlie', 'delta'].map((name) => ({ name, jurisdictions: ['eu-west', 'eu-central'] })),
    { name: 'echo', hosted: false, remote: { cidrs: ['198.51.100.0/24'], enodes: remoteEnodes } },
  ],
});

/** One fixture a feature; each name is a file in golden/. */
const fixtures: Record<string, NodeObservation> = {
  validator: observe(),
  'member-with-tessera-and-signer': observe({
    node: quorumNode(
      {
        role: 'Member',
        tesseraRef: { name: 'alpha-tessera' },
        signerRef: { name: 'alpha-signer' },
        rpc: {
          clients: [
            { namespace: 'quorum-clients' },
            { namespace: 'shop', podSelector: { matchLabels: { app: 'checkout' } } },
          ],
          cors: ['https://app.example.com'],
        },
        storage: { size: '20Gi', storageClassName: 'fast' },
        extraArgs: ['--cache=512'],
      },
      { name: 'alpha-member' },
    ),
    signer: hsmSigner(),
    tessera: tesseraNode(true),
    issuers,
  }),
  'embedded-database': observe({
    node: quorumNode({ signerRef: { name: 'alpha-signer' } }),
    signer: hsmSigner({ database: { embedded: {} } }),
  }),
  'load-balancer-and-regions': observe({
    node: quorumNode({ exposure: { type: 'LoadBalancer' } }),
    consortium: withEcho,
    externalService: externalService('LoadBalancer', { ingress: [{ ip: '203.0.113.9' }] }),
  }),
  'node-port': observe({
    node: quorumNode({ exposure: { type: 'NodePort', address: '203.0.113.7' } }),
    consortium: withEcho,
    externalService: externalService('NodePort', { nodePort: 31303 }),
  }),
  'remote-members-without-exposure': observe({ consortium: withEcho }),
  'production-with-remote-members': observe({
    node: quorumNode({
      environment: 'Production',
      image: digest('quorum'),
      exposure: { type: 'Address', address: '203.0.113.7' },
      deletionPolicy: 'Delete',
      signerRef: { name: 'alpha-signer' },
    }),
    consortium: demoConsortium({
      environment: 'Production',
      genesis: { import: { genesis: '{}' } },
      organizations: [
        ...['alpha', 'bravo', 'charlie', 'delta'].map((name) => ({ name })),
        { name: 'echo', hosted: false, remote: { cidrs: ['198.51.100.0/24'], enodes: remoteEnodes } },
      ],
    }),
    signer: hsmSigner({
      environment: 'Production',
      module: { image: digest('cloudhsm'), path: '/opt/cloudhsm/lib/libcloudhsm_pkcs11.so' },
      token: { pinSecretRef: { name: 'hsm-pins' } },
      database: {
        postgres: {
          host: 'db.alpha-data.svc',
          name: 'signer',
          user: 'signer',
          certificate: {},
          caConfigMapRef: { name: 'db-ca' },
        },
      },
    }),
  }),
};

function manifests(observation: NodeObservation): KubeObject[] {
  const frame = frameOf(observation);
  const exposure = observation.node.spec.exposure?.type;
  const { name: node, namespace, consortium, organization } = frame;
  const config = doorConfigSecret(frame, doorPlanOf(observation));
  const plan = podPlanOf(observation, config.metadata.name);
  return [
    peerService({ node, namespace, consortium, organization }),
    doorService(frame),
    ...(exposedByService(exposure) ? [externalPeerService(frame, exposure, accessOf(observation).remote.cidrs)] : []),
    nodeNetworkPolicy(frame, accessOf(observation)),
    disruptionBudget(frame),
    peersConfigMap(frame, observation.directory!, identities.alpha.publicKey),
    config,
    ...(plan.signer?.embeddedDatabaseClaim ? [databaseClaim(frame, embeddedDatabaseClaim(node))] : []),
    nodeStatefulSet(frame, plan),
  ];
}

describe.each(Object.entries(fixtures))('%s', (name, observation) => {
  it('has nothing in its way', () => expect(decide(observation)).toEqual([]));

  it('gets these manifests', async () => {
    await expect(goldenText(manifests(observation))).toMatchFileSnapshot(join('golden', `${name}.yaml`));
  });

  it('gets a configuration that the door accepts as it is', () => {
    const secret = doorConfigSecret(frameOf(observation), doorPlanOf(observation));
    const text = Buffer.from(secret.data['door.json'], 'base64').toString('utf8');
    expect(doorConfigSchema.parse(JSON.parse(text))).toEqual(JSON.parse(text));
  });

  it('mounts the node key in geth alone, and PIN and token in the door alone', () => {
    const spec = manifests(observation).at(-1)!.spec.template.spec;
    const seenBy = (volume: string) =>
      [...spec.initContainers, ...spec.containers]
        .filter(({ volumeMounts }) => volumeMounts.some((mount: { name: string }) => mount.name === volume))
        .map((container) => container.name);
    expect(seenBy('nodekey')).toEqual(['geth']);
    for (const volume of ['hsm-pin', 'hsm-token', 'database-tls', 'door-config']) {
      expect(['', 'door']).toContain(seenBy(volume).join());
    }
  });
});

describe('names after content', () => {
  const name = (observation: NodeObservation) =>
    doorConfigSecret(frameOf(observation), doorPlanOf(observation)).metadata.name;

  it('keeps the name for the same configuration', () => expect(name(observe())).toBe(name(observe())));

  it('gives another configuration another name, and so the pod another template', () => {
    expect(name(observe({ issuers }))).not.toBe(name(observe()));
  });
});
