import type { KubeObject } from '../../kube/types.ts';
import { labels, ports } from '../../names.ts';
import { manifest } from '../../workload/manifest.ts';
import { type SignerFrame, signerLabels } from '../frame.ts';

/** Service `<signer>`: all ready doors of the organization that sign, so that no client depends on one node. */
export function signerService(frame: SignerFrame): KubeObject {
  return manifest(
    {
      apiVersion: 'v1',
      kind: 'Service',
      name: frame.name,
      namespace: frame.namespace,
      labels: signerLabels(frame, 'signer-token'),
      owner: frame.owner,
    },
    {
      spec: {
        type: 'ClusterIP',
        selector: { [labels.signer]: frame.name },
        ports: [{ name: 'door', port: ports.door, targetPort: ports.door, protocol: 'TCP' }],
      },
    },
  );
}
