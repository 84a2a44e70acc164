import type { KubeObject } from '../../kube/types.ts';
import { objectNames } from '../../names.ts';
import { manifest } from '../../workload/manifest.ts';
import { organizationLabels, type Place } from './labels.ts';

/** ConfigMap `<consortium>-genesis`: created once, immutable, without owner, because all blocks build on it. */
export function genesisConfigMap(place: Place, data: Record<string, string>): KubeObject {
  return manifest(
    {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      name: objectNames.genesis(place.consortium),
      namespace: place.namespace,
      labels: organizationLabels(place.consortium, place.organization),
    },
    { immutable: true, data },
  );
}
