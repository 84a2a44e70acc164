import { join } from 'node:path';
import { PROVISIONER } from './layout.ts';

/** The parts of API objects that provisioning looks at. */
export interface Claim {
  metadata: {
    name: string;
    namespace: string;
    uid: string;
    annotations?: Record<string, string>;
    deletionTimestamp?: string;
  };
  spec: {
    storageClassName?: string;
    volumeName?: string;
    volumeMode?: string;
    accessModes: string[];
    resources: { requests: { storage: string } };
  };
}

export interface StorageClass {
  metadata: { name: string };
  provisioner: string;
  reclaimPolicy?: string;
  volumeBindingMode?: string;
}

export interface Volume {
  metadata: { name: string; annotations?: Record<string, string>; deletionTimestamp?: string };
  spec: { persistentVolumeReclaimPolicy: string };
  status?: { phase?: string };
}

const SELECTED_NODE = 'volume.kubernetes.io/selected-node';
const PROVISIONED_BY = 'pv.kubernetes.io/provisioned-by';

/** Whether a claim is ours to serve now: right class, not served yet, and its first pod has a node where it must wait. */
export function isWanted(claim: Claim, storageClass: StorageClass): boolean {
  if (storageClass.provisioner !== PROVISIONER) return false;
  if (claim.spec.volumeName || claim.metadata.deletionTimestamp) return false;
  if (claim.spec.volumeMode === 'Block') return false;
  return (
    storageClass.volumeBindingMode !== 'WaitForFirstConsumer' || Boolean(claim.metadata.annotations?.[SELECTED_NODE])
  );
}

export function volumeName(claim: Claim): string {
  return `pvc-${claim.metadata.uid}`;
}

/**
 * The PersistentVolume for a claim. It is a `local` volume and not a `hostPath`, because Kubernetes applies a pod's
 * fsGroup to local volumes only.
 */
export function persistentVolume(claim: Claim, storageClass: StorageClass, volumes: string, node: string): object {
  const { name, namespace, uid } = claim.metadata;
  return {
    apiVersion: 'v1',
    kind: 'PersistentVolume',
    metadata: { name: volumeName(claim), annotations: { [PROVISIONED_BY]: PROVISIONER } },
    spec: {
      capacity: { storage: claim.spec.resources.requests.storage },
      accessModes: claim.spec.accessModes,
      volumeMode: 'Filesystem',
      storageClassName: storageClass.metadata.name,
      persistentVolumeReclaimPolicy: storageClass.reclaimPolicy ?? 'Delete',
      claimRef: { apiVersion: 'v1', kind: 'PersistentVolumeClaim', name, namespace, uid },
      local: { path: join(volumes, volumeName(claim)) },
      nodeAffinity: {
        required: {
          nodeSelectorTerms: [
            { matchExpressions: [{ key: 'kubernetes.io/hostname', operator: 'In', values: [node] }] },
          ],
        },
      },
    },
  };
}

/**
 * The folder to remove with a volume whose claim is gone, or undefined. It follows from the volume's name, never from
 * the path in it: what an object says must not make us delete elsewhere.
 */
export function reclaimable(volume: Volume, volumes: string): string | undefined {
  const { name, annotations, deletionTimestamp } = volume.metadata;
  if (annotations?.[PROVISIONED_BY] !== PROVISIONER || deletionTimestamp) return undefined;
  if (volume.status?.phase !== 'Released' || volume.spec.persistentVolumeReclaimPolicy !== 'Delete') return undefined;
  return /^pvc-[0-9a-f-]{36}$/.test(name) ? join(volumes, name) : undefined;
}
