import type { Consortium, ConsortiumSpec } from '../api/consortium.ts';
import type { Environment } from './resources.ts';

/** A namespaced resource that says which consortium and organization it belongs to. */
export interface Member {
  readonly metadata: { readonly name: string; readonly namespace?: string };
  readonly spec: {
    readonly consortiumRef: { readonly name: string };
    readonly organization: string;
    readonly environment: Environment;
  };
}

export type MembershipReason =
  | 'ConsortiumNotFound'
  | 'OrganizationUnknown'
  | 'OrganizationNotHosted'
  | 'NamespaceMismatch'
  | 'EnvironmentMismatch';

/** Something in which a resource and its Consortium do not agree. `waiting` ends when the Consortium appears. */
export interface MembershipFinding {
  readonly kind: 'waiting' | 'stalled';
  readonly reason: MembershipReason;
  readonly message: string;
}

type Organization = ConsortiumSpec['organizations'][number];

/** The organization of a resource in its Consortium. */
export function organizationOf(member: Member, consortium: Consortium | undefined): Organization | undefined {
  return consortium?.spec.organizations.find((entry) => entry.name === member.spec.organization);
}

/** Namespace of an organization that is hosted in this cluster. */
export function namespaceOf(consortium: Consortium, organization: Organization): string {
  return organization.namespace ?? `${consortium.metadata.name}-${organization.name}`;
}

/** The first thing in which resource and Consortium do not agree, naming both values. */
export function membershipFinding(member: Member, consortium: Consortium | undefined): MembershipFinding | undefined {
  const { spec, metadata } = member;
  if (!consortium) {
    const message = `Consortium ${spec.consortiumRef.name} does not exist; create it, or correct spec.consortiumRef.name.`;
    return { kind: 'waiting', reason: 'ConsortiumNotFound', message };
  }
  const stalled = (reason: MembershipReason, message: string): MembershipFinding => ({
    kind: 'stalled',
    reason,
    message,
  });
  const organization = organizationOf(member, consortium);
  if (!organization) {
    const listed = consortium.spec.organizations.map((entry) => entry.name).join(', ');
    return stalled(
      'OrganizationUnknown',
      `spec.organization is ${spec.organization}, but Consortium ${consortium.metadata.name} lists ${listed}.`,
    );
  }
  if (!organization.hosted) {
    return stalled(
      'OrganizationNotHosted',
      `Consortium ${consortium.metadata.name} says that organization ${organization.name} runs elsewhere (hosted: false), so it has nothing in this cluster.`,
    );
  }
  const namespace = namespaceOf(consortium, organization);
  if (namespace !== metadata.namespace) {
    return stalled(
      'NamespaceMismatch',
      `${metadata.name} is in namespace ${metadata.namespace}, but organization ${organization.name} has namespace ${namespace}; create it there.`,
    );
  }
  if (consortium.spec.environment !== spec.environment) {
    return stalled(
      'EnvironmentMismatch',
      `spec.environment is ${spec.environment}, but Consortium ${consortium.metadata.name} has ${consortium.spec.environment}; they must be equal.`,
    );
  }
  return undefined;
}
