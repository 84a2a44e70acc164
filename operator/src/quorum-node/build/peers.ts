import { permissionedNodes, staticNodes } from '../../consensus/static-nodes.ts';
import type { MemberDirectory } from '../../consortium/directory.ts';
import type { KubeObject } from '../../kube/types.ts';
import { objectNames } from '../../names.ts';
import { manifest } from '../../workload/manifest.ts';
import { frameLabels, type NodeFrame } from '../frame.ts';

/** ConfigMap `<node>-peers`, mounted as a directory so that geth sees a changed list of allowed peers without a restart. */
export function peersConfigMap(frame: NodeFrame, directory: MemberDirectory, publicKey: string): KubeObject {
  return manifest(
    {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      name: objectNames.peers(frame.name),
      namespace: frame.namespace,
      labels: frameLabels(frame),
      owner: frame.owner,
    },
    {
      data: {
        'static-nodes.json': staticNodes(directory, { publicKey }),
        'permissioned-nodes.json': permissionedNodes(directory),
      },
    },
  );
}
