import { expect, it } from 'vitest';
import { tokenConfigSchema } from '../../../../signer-sidecar/src/token/config.ts';
import type { KubeObject } from '../../kube/types.ts';
import { signer } from '../fixtures.ts';
import { frameOf } from '../frame.ts';
import { postgresNetworkPolicy, postgresService, postgresStatefulSet } from './postgres.ts';
import { postgresConfigMap } from './postgres-config.ts';
import { generatePin, pinSecret, tokenSecret } from './secrets.ts';
import { signerService } from './service.ts';
import { tokenNetworkPolicy, tokenRole, tokenRoleBinding, tokenServiceAccount } from './token-access.ts';
import { type TokenPlan, tokenConfig, tokenConfigMap, tokenJob } from './token-job.ts';

const frame = frameOf(signer());
const plan: TokenPlan = {
  sidecarImage: 'sidecar:1',
  moduleImage: 'softhsm:1',
  modulePath: '/usr/lib/softhsm/libsofthsm2.so',
  pinSecret: 'alpha-signer-pin',
  label: 'alpha-signer',
  serviceLabel: 'alpha-signer-service',
  keys: [{ name: 'default', label: 'default' }],
};
const database = { image: 'postgres:1', storage: { size: '1Gi' }, deletionPolicy: 'Retain' } as const;

const manifests: Record<string, KubeObject[]> = {
  token: [
    pinSecret(frame, () => 'a-pin'),
    tokenSecret(frame),
    tokenServiceAccount(frame),
    tokenRole(frame),
    tokenRoleBinding(frame),
    tokenNetworkPolicy(frame, [
      { address: '192.0.2.1', port: 6443 },
      { address: '2001:db8::1', port: 6443 },
    ]),
    tokenConfigMap(frame, plan),
    tokenJob(frame, plan),
  ],
  service: [signerService(frame)],
  postgres: [
    postgresService(frame),
    postgresNetworkPolicy(frame),
    postgresConfigMap(frame),
    postgresStatefulSet(frame, database),
  ],
};

it.each(Object.entries(manifests))('%s: the manifests are as reviewed', async (name, objects) => {
  await expect(`${JSON.stringify(objects, null, 2)}\n`).toMatchFileSnapshot(`../golden/${name}.json`);
});

it("the Job's configuration is one that the Job takes", () => {
  expect(() => tokenConfigSchema.parse(tokenConfig(frame, plan))).not.toThrow();
});

it('PINs are long, random, and of characters that every token takes', () => {
  const pins = new Set(Array.from({ length: 100 }, generatePin));
  expect(pins.size).toBe(100);
  for (const pin of pins) expect(pin).toMatch(/^[A-Za-z0-9_-]{32}$/);
});

it('keys and PINs have an owner only where deletion is to destroy them', () => {
  expect(pinSecret(frame).metadata.ownerReferences).toBeUndefined();
  expect(tokenSecret(frame).metadata.ownerReferences).toBeUndefined();
  const destroyed = frameOf(signer({ deletionPolicy: 'Delete' }));
  expect(pinSecret(destroyed).metadata.ownerReferences?.[0]?.uid).toBe('uid-of-signer');
});

it('no pod of these carries the label by which the Service finds signing doors', () => {
  for (const object of [tokenJob(frame, plan), postgresStatefulSet(frame, database)]) {
    expect(Object.keys(object.spec.template.metadata.labels)).not.toContain('quorum-operator.io/signer');
  }
});

it('every container is restricted: own user, no privilege, read-only root', () => {
  for (const object of [tokenJob(frame, plan), postgresStatefulSet(frame, database)]) {
    const { initContainers = [], containers } = object.spec.template.spec;
    for (const container of [...initContainers, ...containers]) {
      expect(container.securityContext).toMatchObject({
        runAsNonRoot: true,
        readOnlyRootFilesystem: true,
        allowPrivilegeEscalation: false,
        capabilities: { drop: ['ALL'] },
      });
    }
  }
});
