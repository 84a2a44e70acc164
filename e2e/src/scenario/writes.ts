import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';

/** One write that the API server was asked for, from its audit log. */
export interface Write {
  readonly verb: string;
  readonly resource: string;
  readonly namespace?: string;
  readonly name?: string;
  readonly subresource?: string;
  readonly time: string;
  readonly code?: number;
}

interface AuditEvent {
  stage: string;
  verb: string;
  user: { username: string };
  objectRef?: { resource?: string; namespace?: string; name?: string; subresource?: string };
  requestReceivedTimestamp: string;
  responseStatus?: { code?: number };
}

const WRITES = new Set(['create', 'update', 'patch', 'delete', 'deletecollection']);

/** Writes of one user since `since`, read from the API server's audit log; counted there, not where they are sent. */
export async function writesSince(auditLog: string, username: string, since: Date): Promise<Write[]> {
  const writes: Write[] = [];
  for await (const line of createInterface({ input: createReadStream(auditLog, 'utf8') })) {
    if (line === '') continue;
    const event = JSON.parse(line) as AuditEvent;
    if (event.stage !== 'ResponseComplete' || !WRITES.has(event.verb) || event.user.username !== username) continue;
    if (new Date(event.requestReceivedTimestamp) < since) continue;
    const { resource = '', namespace, name, subresource } = event.objectRef ?? {};
    const code = event.responseStatus?.code;
    writes.push({
      verb: event.verb,
      resource,
      namespace,
      name,
      subresource,
      time: event.requestReceivedTimestamp,
      code,
    });
  }
  return writes;
}
