import type { AuditEntry } from '../cluster/audit.ts';

/** Rights in a namespace settle within this time after the binding there was made or taken away. */
const SETTLING_MS = 30_000;

/** A span of time, ms. */
interface Span {
  from: number;
  to: number;
}

/**
 * Requests of the operator that were refused (403) although its rights were not just changing: not within half a minute of a
 * change of the RoleBinding by which it has rights in the namespace, nor while the namespace was being deleted, in which nobody may
 * create anything.
 */
export function unexplainedRefusals(entries: readonly AuditEntry[], user: string, binding: string): AuditEntry[] {
  const spans = new Map<string, Span[]>();
  for (const entry of entries) {
    const { namespace, event } = rightsEvent(entry, binding) ?? {};
    if (namespace === undefined) continue;
    const time = Date.parse(entry.time);
    const known = spans.get(namespace) ?? [];
    spans.set(namespace, known);
    const open = known.find(({ to }) => to === Number.POSITIVE_INFINITY);
    if (event === 'gone' && open) open.to = time + SETTLING_MS;
    else
      known.push({ from: time - SETTLING_MS, to: event === 'going' ? Number.POSITIVE_INFINITY : time + SETTLING_MS });
  }
  return entries.filter(({ code, user: who, namespace, time }) => {
    if (code !== 403 || who !== user) return false;
    const moment = Date.parse(time);
    return !(spans.get(namespace ?? '') ?? []).some(({ from, to }) => from < moment && moment < to);
  });
}

/** The namespace whose rights a request changed: its binding was written, or it came, was told to go, or went. */
function rightsEvent(
  { verb, resource, name, namespace, code }: AuditEntry,
  binding: string,
): { namespace: string | undefined; event: 'changed' | 'going' | 'gone' } | undefined {
  if (code >= 400 || ['get', 'list', 'watch'].includes(verb)) return undefined;
  if (resource === 'namespaces') return { namespace: name, event: verb === 'delete' ? 'going' : 'changed' };
  if (resource === 'namespaces/finalize') return { namespace: name, event: 'gone' };
  if (resource !== 'rolebindings') return undefined;
  return verb === 'deletecollection' || name === binding ? { namespace, event: 'changed' } : undefined;
}
