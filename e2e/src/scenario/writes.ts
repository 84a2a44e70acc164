import { type AuditEntry, readAuditLog, WRITE_VERBS } from '../cluster/audit.ts';

/** Writes of one user since `since`, as the API server logged them: counted where they arrive, not where they are sent. */
export async function writesSince(auditLog: string, username: string, since: Date): Promise<AuditEntry[]> {
  const entries = await readAuditLog(auditLog);
  return entries.filter(
    ({ verb, user, time }) => WRITE_VERBS.includes(verb) && user === username && new Date(time) >= since,
  );
}
