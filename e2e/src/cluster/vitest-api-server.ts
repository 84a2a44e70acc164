import type { TestProject } from 'vitest/node';
import { startApiServer } from './api-server.ts';

declare module 'vitest' {
  export interface ProvidedContext {
    /** Path of a kubeconfig for the API server of this run; `inject('kubeconfig')`. */
    kubeconfig: string;
    /** Path of its audit log; read it with readAuditLog of e2e/src/cluster/audit.ts. */
    auditLog: string;
  }
}

/** One API server for a whole run of project `api`. Tests share it, so each makes namespaces of its own. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const server = await startApiServer({ name: 'vitest', log: (line) => process.stderr.write(`${line}\n`) });
  project.provide('kubeconfig', server.kubeconfig);
  project.provide('auditLog', server.auditLog);
  return () => server.stop();
}
