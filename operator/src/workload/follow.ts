import type { ControllerDeps } from '../deps.ts';
import { KubeApiError } from '../kube/errors.ts';
import { CONFIGMAPS } from '../kube/resources.ts';
import { objectNames } from '../names.ts';

/**
 * Fills the caches of an organization's namespace once the Consortium has prepared it, so that what is not in them does not exist.
 * @returns false while it is not prepared: the operator may have no rights there yet, so nothing in it can be read.
 */
export async function followNamespace(
  deps: Pick<ControllerDeps, 'client' | 'informers'>,
  namespace: string,
): Promise<boolean> {
  if (deps.informers.isFollowing(namespace)) return true;
  const key = { namespace, name: objectNames.organizationCa };
  const prepared = deps.informers.of(CONFIGMAPS).get(key) ?? (await getIfAllowed(deps, key));
  if (!prepared) return false;
  await deps.informers.addNamespace(namespace);
  return deps.informers.isFollowing(namespace);
}

async function getIfAllowed(deps: Pick<ControllerDeps, 'client'>, key: { namespace: string; name: string }) {
  try {
    return await deps.client.get(CONFIGMAPS, key);
  } catch (error) {
    if (error instanceof KubeApiError && error.isForbidden) return undefined;
    throw error;
  }
}
