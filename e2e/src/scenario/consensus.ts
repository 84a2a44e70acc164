import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { Cluster } from '../cluster/provider.ts';
import { processesOf } from './evidence.ts';

const run = promisify(execFile);

/** Sends one call to loopback of the network namespace that it runs in, and prints the result. */
const PROGRAM = `
  const [method, params] = process.argv.slice(1);
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method, params: JSON.parse(params) });
  const headers = { 'content-type': 'application/json' };
  const reply = await fetch('http://127.0.0.1:8545', { method: 'POST', headers, body });
  const { result, error } = await reply.json();
  if (error) throw new Error(error.message);
  console.log(JSON.stringify(result));
`;

/**
 * Asks geth itself, from inside its pod's network, as root of the machine may: past door and operator, an independent
 * witness. Local clusters only.
 */
export async function askGeth<T>(
  cluster: Cluster,
  namespace: string,
  pod: string,
  method: string,
  params: unknown[] = [],
): Promise<T> {
  const { stdout } = await cluster.kubectl([
    'get',
    'pod',
    pod,
    '-n',
    namespace,
    '-o',
    'jsonpath={.status.containerStatuses[?(@.name=="geth")].containerID}',
  ]);
  const [pid] = processesOf(stdout.split('//')[1] ?? 'no container');
  if (pid === undefined) throw new Error(`geth of pod ${namespace}/${pod} does not run`);
  const program = [process.execPath, '--input-type=module', '-e', PROGRAM, method, JSON.stringify(params)];
  const { stdout: answer } = await run('nsenter', ['--net', '--target', pid, ...program]);
  return JSON.parse(answer) as T;
}
