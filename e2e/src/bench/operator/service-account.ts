/**
 * Preloaded into the operator (`node --import`): a pod's ServiceAccount is a folder at a path that is fixed in every
 * container; here $BENCH_SERVICE_ACCOUNT stands in for it. So the operator reaches the API server as it does in a pod,
 * without the library for kubeconfigs, which costs more memory than all else.
 */
import promises from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';

const FIXED = '/var/run/secrets/kubernetes.io/serviceaccount';
const folder = process.env.BENCH_SERVICE_ACCOUNT!;
const moved = (path: unknown) =>
  typeof path === 'string' && path.startsWith(FIXED) ? folder + path.slice(FIXED.length) : path;

const { readFile, stat } = promises;
const replaced = {
  readFile: (path: unknown, ...rest: unknown[]) => (readFile as (...args: unknown[]) => unknown)(moved(path), ...rest),
  stat: (path: unknown, ...rest: unknown[]) => (stat as (...args: unknown[]) => unknown)(moved(path), ...rest),
};
Object.assign(promises, replaced);
syncBuiltinESMExports();
