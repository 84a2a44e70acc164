import { homedir } from 'node:os';
import { join } from 'node:path';

/**
 * Where built programs, image archives and clusters are kept between runs:
 * `$QUORUM_OPERATOR_CACHE`, else `$XDG_CACHE_HOME/quorum-operator`, else `~/.cache/quorum-operator`.
 */
export function cacheDirectory(environment: NodeJS.ProcessEnv = process.env): string {
  if (environment.QUORUM_OPERATOR_CACHE) return environment.QUORUM_OPERATOR_CACHE;
  return join(environment.XDG_CACHE_HOME || join(homedir(), '.cache'), 'quorum-operator');
}

/** The folder of one cluster. Names become host names and cgroup names, so they are DNS labels of at most 40 characters. */
export function clusterDirectory(name: string, environment: NodeJS.ProcessEnv = process.env): string {
  if (!/^[a-z]([a-z0-9-]{0,38}[a-z0-9])?$/.test(name)) {
    throw new Error(
      `cluster name ${JSON.stringify(name)}: use lower-case letters, digits and '-', at most 40, e.g. demo`,
    );
  }
  return join(cacheDirectory(environment), 'clusters', name);
}
