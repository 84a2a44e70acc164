import { expect, inject, it, onTestFinished } from 'vitest';
import { eventually, testClient, testNamespace } from './api-testing.ts';
import { KubeClient } from './client.ts';
import { FaultProxy } from './fault-proxy.ts';
import { LeaderElector, type LeaseOptions } from './lease.ts';
import { LEASES } from './resources.ts';

const QUICK = { leaseMs: 3_000, renewDeadlineMs: 2_000, retryMs: 300 };

async function setup() {
  const direct = testClient(inject('kubeconfig'));
  const namespace = await testNamespace(direct);
  const elector = (identity: string, client: KubeClient = direct, times: Partial<LeaseOptions> = QUICK) => {
    const lost: string[] = [];
    const abort = new AbortController();
    const made = new LeaderElector(client, {
      namespace,
      name: 'operator',
      identity,
      onLost: () => lost.push(identity),
      ...times,
    });
    onTestFinished(async () => {
      abort.abort();
      await made.release();
    });
    return { elector: made, lost, acquire: () => made.acquire(abort.signal), abort };
  };
  const lease = () => direct.get(LEASES, { namespace, name: 'operator' });
  return { direct, namespace, elector, lease };
}

/** A client whose connection to the API server can be taken away. */
async function breakable() {
  const proxy = await FaultProxy.start(inject('kubeconfig'));
  const client = new KubeClient({ current: async () => ({ server: proxy.url, headers: {}, tls: {} }) });
  onTestFinished(async () => {
    await client.close();
    await proxy.stop();
  });
  return { proxy, client };
}

it('lets one of two lead, and hands over within three seconds when it releases', async () => {
  const { elector, lease } = await setup();
  const a = elector('a', undefined, {});
  const b = elector('b', undefined, {});
  expect(await a.acquire()).toBe(true);
  const waiting = b.acquire();
  await new Promise((resolve) => setTimeout(resolve, 2_500));
  expect(b.elector.isLeader).toBe(false);
  expect((await lease())?.spec).toMatchObject({ holderIdentity: 'a', leaseDurationSeconds: 15 });

  const released = Date.now();
  await a.elector.release();
  expect(await waiting).toBe(true);
  expect(Date.now() - released).toBeLessThan(3_000);
  expect(a.lost).toEqual([]);
  expect((await lease())?.spec).toMatchObject({ holderIdentity: 'b', leaseTransitions: 1 });
});

it('renews, so that nobody else takes over, and writes times with microseconds', async () => {
  const { elector, lease } = await setup();
  const a = elector('a');
  const b = elector('b');
  await a.acquire();
  const first = (await lease())!.spec;
  expect(first.renewTime).toMatch(/\.\d{6}Z$/);
  void b.acquire();
  await new Promise((resolve) => setTimeout(resolve, 4_500));
  const later = (await lease())!.spec;
  expect(later.holderIdentity).toBe('a');
  expect(later.acquireTime).toBe(first.acquireTime);
  expect(Date.parse(later.renewTime)).toBeGreaterThan(Date.parse(first.renewTime));
  expect(b.elector.isLeader).toBe(false);
  b.abort.abort();
});

it('hands over after the lease when the leader crashes, and the leader that only lost touch steps down first', async () => {
  const { elector } = await setup();
  const { proxy, client } = await breakable();
  const a = elector('a', client);
  const b = elector('b');
  await a.acquire();
  const waiting = b.acquire();
  await new Promise((resolve) => setTimeout(resolve, 700));
  proxy.fault = () => ({ kind: 'hang' });
  const crashed = Date.now();
  let steppedDown = 0;
  void eventually(() => a.lost.length > 0, 'the old leader steps down').then(() => {
    steppedDown = Date.now();
  });
  expect(await waiting).toBe(true);
  const took = Date.now() - crashed;
  expect(took).toBeGreaterThan(QUICK.leaseMs - QUICK.retryMs * 2);
  expect(took).toBeLessThan(QUICK.leaseMs + 2 * QUICK.retryMs + 1_500);
  expect(a.lost).toEqual(['a']);
  expect(steppedDown).toBeLessThan(Date.now());
  expect(a.elector.isLeader).toBe(false);
});

it('does not care about the clocks of others', async () => {
  const { direct, namespace, elector } = await setup();
  await direct.create(LEASES, {
    apiVersion: 'coordination.k8s.io/v1',
    kind: 'Lease',
    metadata: { namespace, name: 'operator' },
    // A holder whose clock is a day behind, so that its renewal looks long past.
    spec: { holderIdentity: 'x', leaseDurationSeconds: 3, renewTime: '2020-01-01T00:00:00.000000Z' },
  });
  const a = elector('a');
  const started = Date.now();
  await a.acquire();
  expect(Date.now() - started).toBeGreaterThanOrEqual(3_000);
});

it('steps down at once when somebody else took its lease', async () => {
  const { direct, namespace, elector } = await setup();
  const a = elector('a');
  await a.acquire();
  const key = { namespace, name: 'operator' };
  await direct.patch(LEASES, key, { spec: { holderIdentity: 'thief', leaseDurationSeconds: 60 } });
  await eventually(() => a.lost.length > 0, 'stepping down', 2_000);
  expect(a.elector.isLeader).toBe(false);
});

it('survives a lease that is deleted', async () => {
  const { direct, namespace, elector, lease } = await setup();
  const a = elector('a');
  await a.acquire();
  await direct.delete(LEASES, { namespace, name: 'operator' });
  await eventually(async () => (await lease())?.spec.holderIdentity === 'a', 'the lease made anew', 3_000);
  expect(a.lost).toEqual([]);
});

it('refuses times that cannot work', () => {
  const client = new KubeClient({ current: () => Promise.reject(new Error('unused')) });
  const options = { namespace: 'n', name: 'l', onLost: () => {} };
  expect(() => new LeaderElector(client, { ...options, leaseMs: 1_000 })).toThrow('lease > renew deadline');
});
