import type { NodeKey } from '../../consensus/node-key.ts';
import type { KubeObject } from '../../kube/types.ts';
import { objectNames } from '../../names.ts';
import { secretData } from '../../pki/secrets.ts';
import { childLabels } from '../../workload/labels.ts';
import { manifest } from '../../workload/manifest.ts';
import type { Place } from './labels.ts';

/** Secret `<node>-nodekey`: a node's identity. Created once, never applied over, without owner: it is the one thing of a node that nobody can make again. */
export function nodeKeySecret(place: Place & { readonly node: string }, key: NodeKey): KubeObject {
  const { node, namespace, consortium, organization } = place;
  return manifest(
    {
      apiVersion: 'v1',
      kind: 'Secret',
      name: objectNames.nodeKey(node),
      namespace,
      labels: childLabels({ program: 'goquorum', instance: node, consortium, organization, component: 'node' }),
    },
    { type: 'Opaque', data: secretData({ nodekey: key.nodekey, address: key.address, publicKey: key.publicKey }) },
  );
}
