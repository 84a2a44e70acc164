import type { Consortium } from '../api/consortium.ts';
import type { KubeObject } from '../kube/types.ts';
import { labels } from '../names.ts';
import { type Finding, reasons, stalled, waiting } from './reasons.ts';

type Organization = Consortium['spec']['organizations'][number];

/** An organization hosted here and what its namespace allows. */
export interface Claim {
  readonly organization: Organization;
  readonly namespace: string;
  /** `create`: no such namespace. `ours`: given to this organization. `blocked`: nothing may be done there, see finding. */
  readonly state: 'create' | 'ours' | 'blocked';
  readonly finding?: Finding | undefined;
}

/** Namespace of an organization hosted here. */
export function organizationNamespace(
  consortium: Pick<Consortium, 'metadata'>,
  organization: Pick<Organization, 'name' | 'namespace'>,
): string {
  return organization.namespace ?? `${consortium.metadata.name}-${organization.name}`;
}

/** Organizations hosted here, in the order of the spec. */
export function hostedOrganizations(consortium: Consortium): Organization[] {
  return consortium.spec.organizations.filter((organization) => organization.hosted);
}

/**
 * Which namespaces this Consortium may work in.
 *
 * A namespace belongs to one organization of one Consortium. Of two that claim it, the older Consortium has it. One that exists already must carry
 * the labels of consortium and organization: the word of whoever may label namespaces, without which naming one in a Consortium
 * would be enough to take it over.
 */
export function decideClaims(
  consortium: Consortium,
  others: readonly Consortium[],
  namespaces: ReadonlyMap<string, KubeObject>,
): Claim[] {
  const claims = hostedOrganizations(consortium).map((organization) => ({
    organization,
    namespace: organizationNamespace(consortium, organization),
  }));
  return claims.map((claim) => {
    const finding =
      sharedWithin(claim, claims) ??
      claimedByAnother(consortium, claim, others) ??
      notOurs(consortium, claim, namespaces.get(claim.namespace));
    if (finding) return { ...claim, state: 'blocked', finding };
    return { ...claim, state: namespaces.has(claim.namespace) ? 'ours' : 'create' };
  });
}

type Named = Pick<Claim, 'organization' | 'namespace'>;

function sharedWithin(claim: Named, claims: readonly Named[]): Finding | undefined {
  const other = claims.find(
    (candidate) => candidate.namespace === claim.namespace && candidate.organization.name !== claim.organization.name,
  );
  if (!other) return undefined;
  return stalled(
    'namespaces',
    reasons.NamespaceConflict,
    `organizations ${claim.organization.name} and ${other.organization.name} both have namespace ${claim.namespace}; give each a namespace of its own in spec.organizations[].namespace`,
  );
}

function claimedByAnother(consortium: Consortium, claim: Named, others: readonly Consortium[]): Finding | undefined {
  for (const other of others) {
    if (other.metadata.name === consortium.metadata.name || !isOlder(other, consortium)) continue;
    const rival = hostedOrganizations(other).find(
      (organization) => organizationNamespace(other, organization) === claim.namespace,
    );
    if (!rival) continue;
    return stalled(
      'namespaces',
      reasons.NamespaceConflict,
      `namespace ${claim.namespace} of organization ${claim.organization.name} belongs to organization ${rival.name} of Consortium ${other.metadata.name} already; choose another in spec.organizations[].namespace`,
    );
  }
  return undefined;
}

function isOlder(a: Consortium, b: Consortium): boolean {
  const [left, right] = [a.metadata.creationTimestamp ?? '', b.metadata.creationTimestamp ?? ''];
  return left === right ? a.metadata.name < b.metadata.name : left < right;
}

function notOurs(consortium: Consortium, claim: Named, namespace: KubeObject | undefined): Finding | undefined {
  if (!namespace) return undefined;
  const wanted = { [labels.consortium]: consortium.metadata.name, [labels.organization]: claim.organization.name };
  const held = namespace.metadata.labels ?? {};
  const missing = Object.entries(wanted).filter(([name, value]) => held[name] !== value);
  if (missing.length > 0) {
    const found = missing
      .map(([name]) => (held[name] === undefined ? `no label ${name}` : `label ${name}=${held[name]}`))
      .join(' and ');
    return stalled(
      'namespaces',
      reasons.NamespaceNotOurs,
      `namespace ${claim.namespace} exists with ${found}; if it is meant for organization ${claim.organization.name}, run: kubectl label namespace ${claim.namespace} ${missing.map((pair) => pair.join('=')).join(' ')}`,
    );
  }
  if (namespace.metadata.deletionTimestamp === undefined) return undefined;
  return waiting(
    'namespaces',
    reasons.NamespaceTerminating,
    `waiting for namespace ${claim.namespace} to be gone: it is being deleted`,
  );
}
