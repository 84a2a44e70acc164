import type { AuditEntry } from '../cluster/audit.ts';

/** One verb on one resource that a role gives, and where. */
export interface Grant {
  /** `cluster`: everywhere; `organizations`: where the operator bound the role itself; else one namespace. */
  readonly where: 'cluster' | 'organizations' | { readonly namespace: string };
  readonly group: string;
  /** With subresource, as `quorumnodes/status`. */
  readonly resource: string;
  readonly verb: string;
  /** Only these objects; absent: all. */
  readonly names?: readonly string[];
}

/** What a request did, in the words of a role. */
export type Use = Pick<AuditEntry, 'group' | 'resource' | 'verb' | 'namespace' | 'name'>;

interface Rule {
  apiGroups?: string[];
  resources?: string[];
  verbs: string[];
  resourceNames?: string[];
}

interface RbacManifest {
  kind: string;
  metadata: { name: string; namespace?: string };
  rules?: Rule[];
  roleRef?: { kind: string; name: string };
  subjects?: { kind: string; name: string; namespace?: string }[];
}

/**
 * All that rendered manifests give to a ServiceAccount by their bindings, and by a ClusterRole that they hold without binding it:
 * that one is bound later, in namespaces of organizations.
 */
export function grantsOf(
  manifests: readonly RbacManifest[],
  account: { namespace: string; name: string },
  organizationRole: string,
): Grant[] {
  const rulesOf = (kind: string, name: string, namespace?: string): Rule[] => {
    const role = manifests.find(
      (manifest) =>
        manifest.kind === kind &&
        manifest.metadata.name === name &&
        (kind === 'ClusterRole' || manifest.metadata.namespace === namespace),
    );
    if (role === undefined) throw new Error(`${kind} ${name} is bound and not among the manifests`);
    return role.rules ?? [];
  };
  const bindings = manifests.filter(({ subjects }) =>
    subjects?.some(({ name, namespace }) => name === account.name && namespace === account.namespace),
  );
  return [
    ...bindings.flatMap(({ kind, roleRef, metadata: { namespace } }) => {
      const where = kind === 'ClusterRoleBinding' ? ('cluster' as const) : { namespace: namespace! };
      return flatten(rulesOf(roleRef!.kind, roleRef!.name, namespace), where);
    }),
    ...flatten(rulesOf('ClusterRole', organizationRole), 'organizations'),
  ];
}

function flatten(rules: readonly Rule[], where: Grant['where']): Grant[] {
  return rules.flatMap(({ apiGroups = [], resources = [], verbs, resourceNames }) =>
    apiGroups.flatMap((group) =>
      resources.flatMap((resource) =>
        verbs.map((verb) => ({ where, group, resource, verb, ...(resourceNames ? { names: resourceNames } : {}) })),
      ),
    ),
  );
}

/**
 * What an answered request needed. A server-side apply is a `patch`; one that made the object (201) also needed `create`.
 * Refused ones used nothing.
 */
export function usesOf(entries: readonly AuditEntry[]): Use[] {
  return entries
    .filter(({ code }) => code !== 403)
    .flatMap((entry) =>
      entry.verb === 'patch' && entry.code === 201 ? [entry, { ...entry, verb: 'create' }] : [entry],
    );
}

/** Whether a role with this grant alone would have let the request through. */
export function covers(grant: Grant, use: Use, organizations: ReadonlySet<string>): boolean {
  if (grant.verb !== use.verb || grant.group !== use.group || grant.resource !== use.resource) return false;
  if (grant.names && (use.name === undefined || !grant.names.includes(use.name))) return false;
  if (grant.where === 'cluster') return true;
  if (grant.where === 'organizations') return use.namespace !== undefined && organizations.has(use.namespace);
  return use.namespace === grant.where.namespace;
}

/** A grant in one line, as the list of exceptions names it. */
export function grantName({ where, verb, resource, group, names }: Grant): string {
  const place = typeof where === 'string' ? where : where.namespace;
  const objects = names ? ` ${names.join(',')}` : '';
  return `${place}: ${verb} ${resource}${group ? `.${group}` : ''}${objects}`;
}
