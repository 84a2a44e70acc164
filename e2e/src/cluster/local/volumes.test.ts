import { describe, expect, test } from 'vitest';
import { type Claim, isWanted, persistentVolume, reclaimable, type StorageClass, type Volume } from './volumes.ts';

const uid = '0e3f6c1a-9d53-4b5e-8f6c-2f1f4a1c7b11';
const standard: StorageClass = {
  metadata: { name: 'standard' },
  provisioner: 'quorum-operator.io/local-volumes',
  reclaimPolicy: 'Delete',
  volumeBindingMode: 'WaitForFirstConsumer',
};

function claim(more: { metadata?: object; spec?: object } = {}): Claim {
  return {
    metadata: {
      name: 'data',
      namespace: 'n',
      uid,
      annotations: { 'volume.kubernetes.io/selected-node': 'node' },
      ...more.metadata,
    },
    spec: {
      storageClassName: 'standard',
      accessModes: ['ReadWriteOnce'],
      resources: { requests: { storage: '1Gi' } },
      ...more.spec,
    },
  };
}

describe('a claim is served', () => {
  test.each([
    ['when its first pod has a node', claim(), standard, true],
    ['not before its first pod has a node', claim({ metadata: { annotations: {} } }), standard, false],
    [
      'at once where its class says so',
      claim({ metadata: { annotations: {} } }),
      { ...standard, volumeBindingMode: 'Immediate' },
      true,
    ],
    ['not when another provisioner does', claim(), { ...standard, provisioner: 'other' }, false],
    ['not twice', claim({ spec: { volumeName: 'pvc-x' } }), standard, false],
    ['not when it is being deleted', claim({ metadata: { deletionTimestamp: 'now' } }), standard, false],
    ['not as a block device', claim({ spec: { volumeMode: 'Block' } }), standard, false],
  ] as const)('%s', (_, what, storageClass, wanted) => {
    expect(isWanted(what, storageClass)).toBe(wanted);
  });
});

test('a volume is local to its node, bound to exactly its claim, and reclaimed as its class says', () => {
  const volume = persistentVolume(claim(), { ...standard, reclaimPolicy: 'Retain' }, '/volumes', 'node');
  expect(volume).toMatchObject({
    metadata: { name: `pvc-${uid}` },
    spec: {
      capacity: { storage: '1Gi' },
      claimRef: { namespace: 'n', name: 'data', uid },
      persistentVolumeReclaimPolicy: 'Retain',
      local: { path: `/volumes/pvc-${uid}` },
    },
  });
});

describe('a folder is removed', () => {
  const released = (more: Partial<Volume['metadata']> = {}, policy = 'Delete', phase = 'Released'): Volume => ({
    metadata: {
      name: `pvc-${uid}`,
      annotations: { 'pv.kubernetes.io/provisioned-by': 'quorum-operator.io/local-volumes' },
      ...more,
    },
    spec: { persistentVolumeReclaimPolicy: policy },
    status: { phase },
  });
  test.each([
    ['with a released volume', released(), `/volumes/pvc-${uid}`],
    ['not while the claim is there', released({}, 'Delete', 'Bound'), undefined],
    ['not where the class retains', released({}, 'Retain'), undefined],
    ['not for a volume that somebody else made', released({ annotations: {} }), undefined],
    ['not for a name that leads elsewhere', released({ name: '../../etc' }), undefined],
  ] as const)('%s', (_, volume, folder) => {
    expect(reclaimable(volume, '/volumes')).toBe(folder);
  });
});
