import { setTimeout as sleep } from 'node:timers/promises';
import type { JWK } from 'jose';
import type { Cluster } from '../cluster/provider.ts';
import { applyManifests, EXAMPLE, namespace } from './install.ts';
import type { Output } from './output.ts';
import { createLoginKey, type Issuer, issuerOf } from './users.ts';

export const CONSORTIUM = 'demo';
export const CLIENT_NAMESPACE = 'quorum-clients';
export const ORGANIZATIONS = ['alpha', 'bravo', 'charlie', 'delta'] as const;
export const KINDS = 'consortiums,quorumnodes,tesseranodes,hsmsigners';

/** Namespace of an organization of the example. */
export function organizationNamespace(organization: string): string {
  return `${CONSORTIUM}-${organization}`;
}

/**
 * Applies examples/consortium.yaml as it is, and what a platform has beside it: a login service an organization (its
 * public keys in `users-jwks`) and a namespace for applications.
 */
export async function applyExample(cluster: Cluster): Promise<Map<string, Issuer>> {
  const issuers = new Map<string, Issuer>();
  await cluster.kubectl(['apply', '--server-side', '--field-manager=demo', '-f', EXAMPLE]);
  await applyManifests(cluster, [namespace(CLIENT_NAMESPACE)]);
  const manifests: object[] = [];
  for (const organization of ORGANIZATIONS) {
    const issuer = await issuerOf(CONSORTIUM, organization, await loginKey(cluster, organization));
    issuers.set(organization, issuer);
    manifests.push({
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'users-jwks', namespace: organizationNamespace(organization) },
      data: { 'jwks.json': JSON.stringify(issuer.jwks) },
    });
  }
  await applyManifests(cluster, manifests);
  return issuers;
}

/** The login key of an organization, made once a cluster: a second demo must not invalidate the nodes' configuration. */
async function loginKey(cluster: Cluster, organization: string): Promise<JWK> {
  const name = `login-${organization}`;
  const { stdout } = await cluster.kubectl([
    'get',
    'secret',
    name,
    '-n',
    CLIENT_NAMESPACE,
    '--ignore-not-found',
    '-o',
    'jsonpath={.data.key}',
  ]);
  if (stdout !== '') return JSON.parse(Buffer.from(stdout, 'base64').toString('utf8')) as JWK;
  const key = await createLoginKey();
  const metadata = { name, namespace: CLIENT_NAMESPACE };
  await applyManifests(cluster, [
    { apiVersion: 'v1', kind: 'Secret', metadata, stringData: { key: JSON.stringify(key) } },
  ]);
  return key;
}

interface Condition {
  type: string;
  status: string;
  reason?: string;
  message?: string;
}

interface Resource {
  kind: string;
  metadata: { name: string; namespace?: string };
  status?: { conditions?: Condition[] };
}

/** All resources of the four kinds with their Ready condition. */
export async function readiness(cluster: Cluster): Promise<{ name: string; ready: boolean; why: string }[]> {
  const { stdout } = await cluster.kubectl(['get', KINDS, '--all-namespaces', '-o', 'json']);
  const { items } = JSON.parse(stdout) as { items: Resource[] };
  return items.map(({ kind, metadata, status }) => {
    const ready = status?.conditions?.find((condition) => condition.type === 'Ready');
    return {
      name: `${kind} ${metadata.namespace === undefined ? '' : `${metadata.namespace}/`}${metadata.name}`,
      ready: ready?.status === 'True',
      why: ready === undefined ? 'not seen yet' : `${ready.reason ?? ''}: ${ready.message ?? ''}`,
    };
  });
}

/**
 * Waits with `kubectl wait` for each of the four kinds, and says meanwhile what changed.
 * @throws when something is not Ready after `timeoutSeconds`, naming each such resource with its reason.
 */
export async function waitReady(cluster: Cluster, output: Output, timeoutSeconds = 300): Promise<void> {
  const seen = new Map<string, string>();
  const progress = new AbortController();
  const showing = showProgress(cluster, output, seen, progress.signal);
  try {
    const waits = KINDS.split(',').map((kind) =>
      cluster.kubectl(
        ['wait', kind, '--all', '--all-namespaces', '--for=condition=Ready', `--timeout=${timeoutSeconds}s`],
        { timeoutMs: (timeoutSeconds + 30) * 1000, allowFailure: true },
      ),
    );
    const failed = (await Promise.all(waits)).some(({ code }) => code !== 0);
    if (!failed) return;
    const missing = (await readiness(cluster)).filter(({ ready }) => !ready);
    throw new Error(
      `not Ready after ${timeoutSeconds} s:\n${missing.map(({ name, why }) => `${name}: ${why}`).join('\n')}`,
    );
  } finally {
    progress.abort();
    await showing;
  }
}

async function showProgress(
  cluster: Cluster,
  output: Output,
  seen: Map<string, string>,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    const resources = await readiness(cluster).catch(() => []);
    for (const { name, ready, why } of resources) {
      const text = ready ? 'Ready' : why;
      if (seen.get(name) === text || text === 'not seen yet') continue;
      seen.set(name, text);
      output.line(`${name}: ${text.length > 150 ? `${text.slice(0, 147)}…` : text}`);
    }
    await sleep(2_000, undefined, { signal }).catch(() => undefined);
  }
}
