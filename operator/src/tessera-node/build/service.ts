import type { KubeObject } from '../../kube/types.ts';
import { ports } from '../../names.ts';
import { manifest } from '../../workload/manifest.ts';
import { frameLabels, frameSelector, type TesseraFrame } from '../frame.ts';

/** Service `<tessera>`: P2P for the other transaction managers, Q2T for the organization's own nodes. */
export function tesseraService(frame: TesseraFrame): KubeObject {
  const { name, namespace, owner } = frame;
  return manifest(
    { apiVersion: 'v1', kind: 'Service', name, namespace, labels: frameLabels(frame), owner },
    {
      spec: {
        type: 'ClusterIP',
        selector: frameSelector(frame),
        ports: [
          { name: 'p2p', port: ports.tesseraPeer, targetPort: ports.tesseraPeer, protocol: 'TCP' },
          { name: 'q2t', port: ports.tesseraQ2T, targetPort: ports.tesseraQ2T, protocol: 'TCP' },
        ],
      },
    },
  );
}
