import type { KubeObject } from '../../kube/types.ts';
import { manifest } from '../../workload/manifest.ts';
import { claimLabels, type NodeFrame } from '../frame.ts';

/** Volume of a signer's embedded database. Users, nonces and audit are on it, so it is owned by nobody. */
export function databaseClaim(frame: NodeFrame, name: string): KubeObject {
  return manifest(
    { apiVersion: 'v1', kind: 'PersistentVolumeClaim', name, namespace: frame.namespace, labels: claimLabels(frame) },
    { spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } } },
  );
}
