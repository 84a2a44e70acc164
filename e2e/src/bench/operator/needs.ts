import { findProgram } from '../../cluster/process.ts';

/** Why an API server and the baseline cannot run here; undefined when they can. */
export async function missingForOperator(): Promise<string | undefined> {
  if (process.platform !== 'linux') return 'CPU time and connections of other processes are read from /proc';
  if ((await findProgram('go')) === undefined) return 'Go is not installed';
  if ((await findProgram('etcd')) === undefined) return 'etcd is not installed (Debian: apt-get install etcd-server)';
  return undefined;
}
