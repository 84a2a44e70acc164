import { readFile } from 'node:fs/promises';
import { stringify } from 'yaml';

/** One request that the API server answered, as its audit log tells it (level Metadata). */
export interface AuditEntry {
  time: string;
  verb: string;
  user: string;
  userAgent: string;
  /** e.g. `pods`, `quorumnodes/status`, `apps/statefulsets` is `resource: 'statefulsets', group: 'apps'`. */
  resource: string;
  group: string;
  namespace?: string;
  name?: string;
  code: number;
}

export const WRITE_VERBS: readonly string[] = ['create', 'update', 'patch', 'delete', 'deletecollection'];

/** Whose get, list and watch are recorded. `service-accounts`: those of programs outside kube-system, few enough for a long log. */
export type AuditedReads = 'all' | 'service-accounts' | 'none';

/** An audit policy that records each finished request once, without bodies, so no secret ever gets into the log. */
export function auditPolicy({ reads }: { reads: AuditedReads }): string {
  const writes = { level: 'Metadata', verbs: [...WRITE_VERBS] };
  const rules = {
    all: [{ level: 'Metadata' }],
    'service-accounts': [
      writes,
      { level: 'None', userGroups: ['system:serviceaccounts:kube-system'] },
      { level: 'Metadata', userGroups: ['system:serviceaccounts'] },
    ],
    none: [writes],
  };
  return stringify({
    apiVersion: 'audit.k8s.io/v1',
    kind: 'Policy',
    omitStages: ['RequestReceived', 'ResponseStarted'],
    rules: [
      { level: 'None', users: ['system:apiserver'] },
      { level: 'None', nonResourceURLs: ['/*'] },
      ...rules[reads],
    ],
  });
}

/** The API server's flags that write such a log to a file, each entry before its request is answered. */
export function auditArguments(policyFile: string, logFile: string): string[] {
  return [`--audit-policy-file=${policyFile}`, `--audit-log-path=${logFile}`, '--audit-log-maxsize=2000'];
}

/** All entries of an audit log file, oldest first. A last line that is still being written is left out. */
export async function readAuditLog(file: string): Promise<AuditEntry[]> {
  return parseAuditLog(await readFile(file, 'utf8'));
}

export function parseAuditLog(text: string): AuditEntry[] {
  const lines = text.split('\n');
  lines.pop();
  return lines.map((line) => {
    const event = JSON.parse(line);
    const { resource = '', subresource, apiGroup = '', namespace, name } = event.objectRef ?? {};
    return {
      time: event.stageTimestamp,
      verb: event.verb,
      user: event.user?.username ?? '',
      userAgent: event.userAgent ?? '',
      resource: subresource ? `${resource}/${subresource}` : resource,
      group: apiGroup,
      ...(namespace && { namespace }),
      ...(name && { name }),
      code: event.responseStatus?.code ?? 0,
    };
  });
}

/** Entries that changed something, or tried to. */
export function writes(entries: readonly AuditEntry[]): AuditEntry[] {
  return entries.filter((entry) => WRITE_VERBS.includes(entry.verb));
}
