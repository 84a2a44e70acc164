import { randomBytes } from 'node:crypto';
import { onTestFinished } from 'vitest';
import { connect, type KubeClient } from './client.ts';
import { NAMESPACES } from './resources.ts';

/** For tests against a real API server: a client that is closed when the test ends. */
export function testClient(kubeconfig: string): KubeClient {
  const client = connect({ kubeconfig });
  onTestFinished(() => client.close());
  return client;
}

/** A namespace of its own, so that tests that share an API server do not meet. */
export async function testNamespace(client: KubeClient, labels: Record<string, string> = {}): Promise<string> {
  const name = `t-${randomBytes(5).toString('hex')}`;
  await client.create(NAMESPACES, { apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels } });
  return name;
}

/** Requests that the client made with methods that write, by its own metric. */
export async function countWrites(client: KubeClient): Promise<number> {
  const { values } = await client.metrics.requests.get();
  return values.filter(({ labels }) => labels.method !== 'GET').reduce((sum, { value }) => sum + value, 0);
}

/** All requests that the client made. */
export async function countRequests(client: KubeClient): Promise<number> {
  const { values } = await client.metrics.requests.get();
  return values.reduce((sum, { value }) => sum + value, 0);
}

/** Waits until the condition holds. */
export async function eventually<T>(
  probe: () => T | Promise<T>,
  what: string,
  timeoutMs = 15_000,
): Promise<NonNullable<T>> {
  const end = Date.now() + timeoutMs;
  for (;;) {
    const value = await probe();
    if (value) {
      return value as NonNullable<T>;
    }
    if (Date.now() > end) {
      throw new Error(`Not within ${timeoutMs / 1000} s: ${what}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
