import type { NodeKey } from '../../consensus/node-key.ts';
import type { KubeObject } from '../../kube/types.ts';
import { objectNames } from '../../names.ts';
import { base64Values, manifest } from '../../workload/manifest.ts';
import { frameLabels, type NodeFrame } from '../frame.ts';

/** Secret `<node>-nodekey` of a node that is not in the declared validator set. Created once; owned by nobody, so it outlives the node. */
export function nodeKeySecret(frame: NodeFrame, key: NodeKey): KubeObject {
  return manifest(
    {
      apiVersion: 'v1',
      kind: 'Secret',
      name: objectNames.nodeKey(frame.name),
      namespace: frame.namespace,
      labels: frameLabels({ ...frame, signer: undefined }),
    },
    { type: 'Opaque', data: base64Values({ nodekey: key.nodekey, address: key.address, publicKey: key.publicKey }) },
  );
}
