import type { ControllerDeps } from '../deps.ts';
import { CONTROLLERREVISIONS, PODS, SECRETS, STATEFULSETS } from '../kube/resources.ts';
import type { KubeObject } from '../kube/types.ts';
import { labels } from '../names.ts';
import { podName } from './pod.ts';

/**
 * Removes hash-named configuration Secrets that neither the template, nor the pod, nor a ControllerRevision names.
 * @param label label by which the configurations of a kind are found, and its value
 */
export async function removeOldConfigurations(
  deps: Pick<ControllerDeps, 'client' | 'informers'>,
  of: { readonly namespace: string; readonly name: string; readonly label: string; readonly value: string },
): Promise<void> {
  const key = { namespace: of.namespace, name: of.name };
  const held = [
    deps.informers.of(STATEFULSETS).get(key),
    deps.informers.of(PODS).get({ ...key, name: podName(of.name) }),
  ];
  const text = JSON.stringify(held.map((object) => object?.spec));
  const old = deps.informers
    .of<KubeObject>(SECRETS)
    .list(of.namespace)
    .filter(({ metadata }) => metadata.labels?.[labels.instance] === of.name && metadata.labels[of.label] === of.value)
    .filter(({ metadata }) => !text.includes(`"${metadata.name}"`));
  if (old.length === 0) return;
  const revisions = await deps.client.list(CONTROLLERREVISIONS, {
    namespace: of.namespace,
    labelSelector: `${labels.instance}=${of.name}`,
  });
  const named = JSON.stringify(revisions.items.map((revision) => revision.data));
  for (const { metadata } of old) {
    if (named.includes(`"${metadata.name}"`)) continue;
    await deps.client.delete(
      SECRETS,
      { namespace: of.namespace, name: metadata.name },
      { ...(metadata.uid ? { uid: metadata.uid } : {}) },
    );
  }
}
