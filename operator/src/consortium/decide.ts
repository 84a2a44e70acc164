import { certificatesOf, inspect } from '../pki/inspect.ts';
import { type GenesisResolution, resolveGenesis } from './genesis-source.ts';
import { hostedValidators, identityOf, type Observation, type ObservedNode } from './observation.ts';
import { type Finding, reasons, stalled, waiting } from './reasons.ts';

/** Something precious to be made once, now. */
export type Step =
  | { readonly kind: 'authority'; readonly organization: string; readonly namespace: string }
  | { readonly kind: 'nodeKey'; readonly node: ObservedNode }
  | { readonly kind: 'peerService'; readonly node: ObservedNode }
  | { readonly kind: 'genesis'; readonly organization: string; readonly namespace: string };

export interface Decision {
  /** What stands in the way, in the order in which a person would want to know. */
  readonly findings: readonly Finding[];
  readonly genesis: GenesisResolution;
  /** What to make before anything else is decided. Empty while something is stalled: a key made in a wrong state is made for ever. */
  readonly steps: readonly Step[];
}

/** Looks at one thing; no finding when it is as it should be. */
export type Policy = (observation: Observation, genesis: GenesisResolution) => readonly Finding[];

/** Warn this long before a certificate authority expires: members have to exchange the new one. */
const AUTHORITY_WARNING_MS = 90 * 86_400_000;

export const namespacesOurs: Policy = ({ claims }) => claims.flatMap((claim) => claim.finding ?? []);

export const discoverySupported: Policy = ({ consortium }) =>
  consortium.spec.discovery === 'Enabled'
    ? [
        stalled(
          'nodes',
          reasons.DiscoveryUnsupported,
          'spec.discovery Enabled is not supported by this version of the operator: nodes know each other by lists; it cannot be changed, so delete this Consortium, of which no key was made, and create it with discovery: Static',
        ),
      ]
    : [];

export const authoritiesUsable: Policy = ({ organizations }) =>
  organizations.flatMap(({ namespace, authority }) =>
    authority.kind === 'invalid'
      ? [
          stalled(
            'certificates',
            reasons.AuthorityInvalid,
            `Secret ${namespace}/organization-ca: ${authority.message}; restore it from your backup`,
          ),
        ]
      : [],
  );

export const authoritiesNotLost: Policy = ({ consortium, organizations }) =>
  organizations.flatMap(({ name, namespace, authority, managed }) => {
    const known = consortium.status?.organizations?.find((organization) => organization.name === name)?.caNotAfter;
    if (authority.kind !== 'absent' || managed || known === undefined) return [];
    return [
      stalled(
        'certificates',
        reasons.KeyLost,
        `Secret ${namespace}/organization-ca, the certificate authority of organization ${name}, is gone and is never made anew, since members trust the old one; restore the Secret with tls.crt and tls.key from your backup (docs/runbooks/KeyLost.md)`,
      ),
    ];
  });

export const issuersReady: Policy = ({ organizations }) =>
  organizations.flatMap(({ name, managed }) =>
    managed?.problem === undefined
      ? []
      : [waiting('certificates', reasons.IssuerNotReady, `organization ${name}: ${managed.problem}`)],
  );

/**
 * Transaction manager and database let in whom the organization's authority vouches for, so an authority must be one organization's alone. A
 * ClusterIssuer serves whoever may create a Certificate anywhere in the cluster.
 */
export const authoritiesOwn: Policy = (observation) => {
  const shared = sharedAuthority(observation);
  return shared === undefined || mayBeTrusted(observation)
    ? []
    : [
        stalled(
          'certificates',
          reasons.AuthorityShared,
          `${shared}; whoever gets a certificate of it opens the transaction managers of all of them: create an Issuer with an authority of its own in each organization's namespace and write issuerRef.kind: Issuer, or remove spec.issuerRef`,
        ),
      ];
};

/** Why organizations do not have an authority each; undefined when they do. */
export function sharedAuthority({ consortium, organizations }: Observation): string | undefined {
  const { spec } = consortium;
  if (spec.issuerRef?.kind === 'ClusterIssuer')
    return `spec.issuerRef names ClusterIssuer ${spec.issuerRef.name}, so all organizations share one certificate authority`;
  const owners = new Map<string, string>();
  for (const { name, managed } of organizations) {
    for (const pem of certificatesOf(managed?.bundle ?? '')) {
      const other = owners.get(pem);
      if (other !== undefined && other !== name)
        return `the issuers of organizations ${other} and ${name} have the same certificate authority`;
      owners.set(pem, name);
    }
  }
  return undefined;
}

/** One authority for several organizations is for try-outs only. */
export function mayBeTrusted(observation: Observation): boolean {
  return observation.consortium.spec.environment === 'Development' || sharedAuthority(observation) === undefined;
}

export const keysValid: Policy = (observation) =>
  hostedValidators(observation).flatMap(({ namespace, name, key }) =>
    key.kind === 'invalid'
      ? [
          stalled(
            'nodes',
            reasons.KeyInvalid,
            `Secret ${namespace}/${name}-nodekey: ${key.message}; restore it from your backup`,
          ),
        ]
      : [],
  );

/**
 * A key that existed is never replaced: the chain knows its address. It existed when the status recorded its address, when a volume of the node is
 * there, or when the genesis names a validator whose key nobody holds.
 */
export const keysNotLost: Policy = (observation, genesis) =>
  hostedValidators(observation).flatMap((node) => {
    if (node.key.kind !== 'absent') return [];
    const proof = proofOfKey(observation, genesis, node);
    if (!proof) return [];
    const secret = `Secret ${node.namespace}/${node.name}-nodekey`;
    return [
      stalled(
        'nodes',
        reasons.KeyLost,
        `${secret} is gone, but ${proof}; a key is never made anew: restore the Secret with key nodekey (64 hex digits) from your backup (docs/runbooks/KeyLost.md)`,
      ),
    ];
  });

/** The validators of a network that is taken over have keys already, so none is made for them before the genesis is in use here. */
export const keysBrought: Policy = ({ consortium, nodes }) => {
  if (!consortium.spec.genesis.import || consortium.status?.genesis) return [];
  return nodes
    .filter((node) => node.declared && node.key.kind === 'absent' && !node.volume)
    .map((node) =>
      stalled(
        'nodes',
        reasons.KeyRequired,
        `Secret ${node.namespace}/${node.name}-nodekey does not exist; the genesis is imported, so the key of this validator exists already: create the Secret with key nodekey (64 hex digits) from it (docs/runbooks/KeyRequired.md)`,
      ),
    );
};

export const keysUnchanged: Policy = (observation) =>
  hostedValidators(observation).flatMap((node) => {
    const [known, found] = [recordedAddress(observation, node), identityOf(node)?.address];
    if (known === undefined || found === undefined || known === found) return [];
    return [
      stalled(
        'nodes',
        reasons.KeyMismatch,
        `Secret ${node.namespace}/${node.name}-nodekey holds the key of ${found}, but the network knows this validator as ${known}; restore the right Secret from your backup`,
      ),
    ];
  });

export const genesisKnown: Policy = (_, genesis) => (genesis.kind === 'pending' ? [genesis.finding] : []);

export const addressesKnown: Policy = (observation) =>
  hostedValidators(observation).flatMap((node) =>
    identityOf(node) && node.clusterIP === undefined
      ? [
          waiting(
            'nodes',
            reasons.AddressPending,
            `waiting for an address of Service ${node.namespace}/${node.name}-p2p`,
          ),
        ]
      : [],
  );

const policies: readonly Policy[] = [
  namespacesOurs,
  discoverySupported,
  authoritiesUsable,
  authoritiesNotLost,
  authoritiesOwn,
  issuersReady,
  keysValid,
  keysBrought,
  keysNotLost,
  keysUnchanged,
  genesisKnown,
  addressesKnown,
];

/** What is wrong and what to make next. */
export function decide(observation: Observation): Decision {
  const genesis = resolveGenesis(observation);
  const findings = policies.flatMap((policy) => policy(observation, genesis));
  const steps = findings.some((finding) => finding.kind === 'stalled') ? [] : nextSteps(observation, genesis);
  return { findings, genesis, steps };
}

/** Keys first, genesis when every key is known. A step appears only while what it makes is absent, so the chain of steps ends. */
function nextSteps(observation: Observation, genesis: GenesisResolution): Step[] {
  const { organizations } = observation;
  const keys: Step[] = [
    ...organizations
      .filter(({ authority, managed }) => authority.kind === 'absent' && !managed)
      .map(({ name, namespace }) => ({ kind: 'authority' as const, organization: name, namespace })),
    ...hostedValidators(observation)
      .filter(({ key }) => key.kind === 'absent')
      .map((node) => ({ kind: 'nodeKey' as const, node })),
    ...hostedValidators(observation)
      .filter(({ clusterIP }) => clusterIP === undefined)
      .map((node) => ({ kind: 'peerService' as const, node })),
  ];
  // A claim that waits (a namespace that is being deleted) may hide keys that would be missed in the genesis.
  if (keys.length > 0 || genesis.kind !== 'known' || observation.claims.length !== organizations.length) return keys;
  return organizations
    .filter((organization) => organization.genesis === undefined)
    .map(({ name, namespace }) => ({ kind: 'genesis', organization: name, namespace }));
}

/** Expired or soon expiring authorities, of members elsewhere too; for the condition CertificatesValid. */
export function expiringAuthorities(observation: Observation): { expired: string[]; expiring: string[] } {
  const expired: string[] = [];
  const expiring: string[] = [];
  for (const { name, pem } of authorityCertificates(observation)) {
    const { notAfter } = inspect(pem);
    const text = `${name} at ${notAfter.toISOString().slice(0, 10)}`;
    if (notAfter <= observation.now) expired.push(text);
    else if (notAfter.getTime() - observation.now.getTime() < AUTHORITY_WARNING_MS) expiring.push(text);
  }
  return { expired, expiring };
}

function authorityCertificates(observation: Observation): { name: string; pem: string }[] {
  return [
    { name: 'the operator', pem: observation.operatorAuthority.caPem },
    ...observation.organizations.flatMap(({ name, authority }) =>
      authority.kind === 'present' ? [{ name: `organization ${name}`, pem: authority.value }] : [],
    ),
  ];
}

function recordedAddress({ consortium }: Observation, node: ObservedNode): string | undefined {
  return consortium.status?.validators
    ?.find((validator) => validator.organization === node.organization && validator.node === node.name)
    ?.address.toLowerCase();
}

function proofOfKey(observation: Observation, genesis: GenesisResolution, node: ObservedNode): string | undefined {
  const address = recordedAddress(observation, node);
  if (address) return `the network knows it as ${address}`;
  if (node.volume) return `volume ${node.namespace}/data-${node.name}-0 belongs to it`;
  const unheld = unheldValidators(observation, genesis);
  return unheld.length > 0 ? `the genesis names ${unheld.join(', ')}, whose key nobody here holds` : undefined;
}

/** Validators of the genesis whose key is neither here nor declared elsewhere. */
function unheldValidators(observation: Observation, genesis: GenesisResolution): string[] {
  if (genesis.kind !== 'known') return [];
  const held = new Set([
    ...observation.nodes.flatMap((node) => identityOf(node)?.address ?? []),
    ...observation.consortium.spec.validators.flatMap(({ address }) => address?.toLowerCase() ?? []),
  ]);
  return genesis.validators.filter((address) => !held.has(address));
}
