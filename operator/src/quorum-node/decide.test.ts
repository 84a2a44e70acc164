import { describe, expect, it } from 'vitest';
import { decide, headline } from './decide.ts';
import { readJwks } from './jwks.ts';
import type { JwksReading, NodeObservation } from './observation.ts';
import {
  demoConsortium,
  hsmSigner,
  identities,
  jwks,
  observe,
  quorumNode,
  externalService as service,
  statefulSet,
  tesseraNode,
} from './testing.ts';

const issuer = (keys: JwksReading): NodeObservation['issuers'] => [
  { issuer: 'https://login.alpha.example', audience: 'a', field: 'spec.rpc.issuers[0]', keys },
];
const missing: JwksReading = { kind: 'missing', source: 'ConfigMap users-jwks, key jwks.json' };
const member = (spec: object) => quorumNode({ role: 'Member', ...spec });
const knownNode = { ...quorumNode(), status: { address: identities.alpha.address } };
const withoutToken = { ...hsmSigner(), status: {} };

/** name, what differs from a node for which nothing is missing, kind, reason, words that the message holds */
type Case = [string, Partial<NodeObservation>, 'waiting' | 'stalled', string, string[]];

const cases: Case[] = [
  [
    'no Consortium',
    { consortium: undefined },
    'waiting',
    'ConsortiumNotFound',
    ['Consortium demo', 'spec.consortiumRef.name'],
  ],
  [
    'unknown organization',
    { node: quorumNode({ organization: 'zulu' }) },
    'stalled',
    'OrganizationUnknown',
    ['zulu', 'alpha, bravo, charlie, delta'],
  ],
  [
    'an organization that runs elsewhere',
    {
      consortium: demoConsortium({
        validators: [{ organization: 'bravo', node: 'b' }],
        organizations: [{ name: 'alpha', hosted: false, remote: {} }, { name: 'bravo' }],
      }),
    },
    'stalled',
    'OrganizationNotHosted',
    ['alpha'],
  ],
  [
    'wrong namespace',
    { node: quorumNode({}, { namespace: 'elsewhere' }) },
    'stalled',
    'NamespaceMismatch',
    ['elsewhere', 'demo-alpha'],
  ],
  [
    'another environment',
    { node: quorumNode({ environment: 'Production', image: `q@sha256:${'1'.repeat(64)}` }) },
    'stalled',
    'EnvironmentMismatch',
    ['Production', 'Development'],
  ],
  [
    'no image',
    { operator: { namespace: 'o', sidecarImage: 's' } },
    'stalled',
    'ImageMissing',
    ['DEFAULT_QUORUM_IMAGE'],
  ],
  ['no CA', { authorities: {} }, 'waiting', 'OrganizationNotPrepared', ['organization-ca']],
  [
    'no CA of the operator',
    { authorities: { organization: 'PEM' } },
    'waiting',
    'OrganizationNotPrepared',
    ['operator-ca'],
  ],
  ['no key yet', { identity: undefined }, 'waiting', 'NodeKeyNotReady', ['alpha-validator-nodekey', 'Consortium']],
  [
    'key gone',
    { node: knownNode, identity: undefined },
    'stalled',
    'KeyLost',
    ['alpha-validator-nodekey', identities.alpha.address],
  ],
  ['another key', { node: knownNode, identity: identities.bravo }, 'stalled', 'KeyLost', [identities.bravo.address]],
  ['no genesis', { genesis: undefined }, 'waiting', 'GenesisNotReady', ['Consortium demo']],
  ['no directory', { directory: undefined }, 'waiting', 'DirectoryNotReady', ['alpha-validator']],
  [
    'not in the directory',
    { identity: { ...identities.alpha, publicKey: 'f'.repeat(128) } },
    'waiting',
    'DirectoryNotReady',
    ['alpha-validator'],
  ],
  [
    'no signer',
    { node: quorumNode({ signerRef: { name: 'pen' } }) },
    'waiting',
    'SignerNotFound',
    ['HsmSigner pen', 'spec.signerRef.name'],
  ],
  [
    'signer without token',
    { node: quorumNode({ signerRef: { name: 'pen' } }), signer: withoutToken },
    'waiting',
    'SignerNotReady',
    ['HsmSigner pen'],
  ],
  [
    'signer of another organization',
    { node: quorumNode({ signerRef: { name: 'pen' } }), signer: hsmSigner({ organization: 'bravo' }) },
    'stalled',
    'SignerMismatch',
    ['alpha', 'bravo'],
  ],
  [
    'a signer in pods of its own',
    { node: quorumNode({ signerRef: { name: 'pen' } }), signer: hsmSigner({ placement: 'Deployment' }) },
    'stalled',
    'SignerMismatch',
    ['placement Deployment', 'not supported', 'placement: Sidecar'],
  ],
  [
    'a load balancer without an address',
    { node: quorumNode({ exposure: { type: 'LoadBalancer' } }), externalService: service('LoadBalancer') },
    'waiting',
    'ExposurePending',
    ['alpha-validator-p2p-external', 'no address yet'],
  ],
  [
    'a node port that is not allocated',
    { node: quorumNode({ exposure: { type: 'NodePort', address: '203.0.113.7' } }) },
    'waiting',
    'ExposurePending',
    ['alpha-validator-p2p-external', 'no node port yet'],
  ],
  ...(['203.0.113.777', '[2001:db8::g]', '203.0.113.7:99999'] as const).map(
    (address): Case => [
      `exposure by ${address}`,
      { node: { ...quorumNode(), spec: { ...quorumNode().spec, exposure: { type: 'Address', address } } } },
      'stalled',
      'ExposureInvalid',
      [address, 'neither an IP address nor a host name'],
    ],
  ),
  ['no Tessera', { node: member({ tesseraRef: { name: 'box' } }) }, 'waiting', 'TesseraNotFound', ['TesseraNode box']],
  [
    'Tessera not Ready',
    { node: member({ tesseraRef: { name: 'box' } }), tessera: tesseraNode(false) },
    'waiting',
    'TesseraNotReady',
    ['TesseraNode box'],
  ],
  [
    'no keys of an issuer',
    { issuers: issuer(missing) },
    'waiting',
    'JwksNotFound',
    ['users-jwks', 'spec.rpc.issuers[0]'],
  ],
  [
    'bad keys',
    { issuers: issuer(readJwks('[]', 'ConfigMap x, key y')) },
    'stalled',
    'JwksInvalid',
    ['ConfigMap x', 'keys'],
  ],
];

describe('what stands in the way of a node', () => {
  it('is nothing when everything is there', () => expect(decide(observe())).toEqual([]));

  it('is nothing when it is known how peers outside reach the node', () => {
    for (const exposure of [{ type: 'None' }, { type: 'Address', address: 'node.example.com' }])
      expect(decide(observe({ node: quorumNode({ exposure }) }))).toEqual([]);
  });

  it('keeps an exposed node from its first start alone', () => {
    const [finding] = decide(observe({ node: quorumNode({ exposure: { type: 'LoadBalancer' } }) }));
    expect(finding).toMatchObject({ reason: 'ExposurePending', blocks: 'template' });
  });

  it.each(cases)('%s', (_, change, kind, reason, words) => {
    const finding = headline(decide(observe(change)));
    expect(finding).toMatchObject({ kind, reason });
    for (const word of words) expect(finding!.message).toContain(word);
  });

  it('lets a running member keep its template while its Tessera is away', () => {
    const node = member({ tesseraRef: { name: 'box' } });
    expect(decide(observe({ node, tessera: tesseraNode(false), statefulSet: statefulSet('one') }))).toEqual([]);
  });

  it('tells a fault that needs a person before one that passes', () => {
    const findings = decide(observe({ genesis: undefined, issuers: issuer(readJwks('no', 'x')) }));
    expect(findings.map((finding) => finding.reason)).toEqual(['GenesisNotReady', 'JwksInvalid']);
    expect(headline(findings)?.reason).toBe('JwksInvalid');
  });
});

describe('a JWK Set', () => {
  it('is taken when its keys are public and asymmetric', () => {
    expect(readJwks(JSON.stringify(jwks), 'x')).toEqual({ kind: 'ok', jwks });
  });

  it.each([
    ['no JSON', '{'],
    ['no list', '{"keys":{}}'],
    ['no key', '{"keys":[]}'],
    ['a symmetric key', '{"keys":[{"kty":"oct","k":"c2VjcmV0"}]}'],
    ['a private key', '{"keys":[{"kty":"EC","x":"AA","y":"AA","d":"c2VjcmV0"}]}'],
  ])('is refused with %s, and the problem quotes nothing of it', (_, text) => {
    const reading = readJwks(text, 'x');
    expect(reading.kind).toBe('invalid');
    expect(JSON.stringify(reading)).not.toContain('c2VjcmV0');
  });
});
