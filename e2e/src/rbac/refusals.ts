import type { AuditEntry } from '../cluster/audit.ts';

/** Rights in a namespace settle within this time after the binding there was made or taken away. */
const SETTLING_MS = 30_000;

/**
 * Requests of the operator that were refused (403) although its rights were not just changing: not within half a minute of a
 * change of the RoleBinding by which it has rights in the namespace, or of the namespace itself.
 */
export function unexplainedRefusals(entries: readonly AuditEntry[], user: string, binding: string): AuditEntry[] {
  const changes = new Map<string, number[]>();
  for (const entry of entries) {
    const namespace = changedNamespace(entry, binding);
    if (namespace === undefined) continue;
    changes.set(namespace, [...(changes.get(namespace) ?? []), Date.parse(entry.time)]);
  }
  return entries.filter(({ code, user: who, namespace, time }) => {
    if (code !== 403 || who !== user) return false;
    const near = (changed: number) => Math.abs(Date.parse(time) - changed) < SETTLING_MS;
    return !(changes.get(namespace ?? '') ?? []).some(near);
  });
}

/** The namespace whose rights a request changed: its binding was written, or it came or went. */
function changedNamespace({ verb, resource, name, namespace, code }: AuditEntry, binding: string): string | undefined {
  if (code >= 400 || ['get', 'list', 'watch'].includes(verb)) return undefined;
  if (resource === 'namespaces' || resource === 'namespaces/finalize') return name;
  if (resource !== 'rolebindings') return undefined;
  return verb === 'deletecollection' || name === binding ? namespace : undefined;
}
