import type { KubeObject } from '../../kube/types.ts';
import { objectNames } from '../../names.ts';
import { manifest } from '../../workload/manifest.ts';
import { MEMBERS_KEY, type MemberDirectory, renderDirectory } from '../directory.ts';
import { organizationLabels, type Place } from './labels.ts';

/** ConfigMap `<consortium>-members`: who belongs to the network, for the other controllers and for people. */
export function membersConfigMap(place: Place, directory: MemberDirectory): KubeObject {
  return manifest(
    {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      name: objectNames.members(place.consortium),
      namespace: place.namespace,
      labels: organizationLabels(place.consortium, place.organization),
    },
    { data: { [MEMBERS_KEY]: renderDirectory(directory) } },
  );
}
