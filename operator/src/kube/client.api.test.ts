import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, inject, it, onTestFinished } from 'vitest';
import { eventually, testClient, testNamespace } from './api-testing.ts';
import { connect, KubeApiError, KubeClient, KubeConnectionError } from './client.ts';
import { inClusterAccess, kubeconfigAccess } from './credentials.ts';
import { type Fault, FaultProxy } from './fault-proxy.ts';
import { CLUSTERROLES, CONFIGMAPS, NAMESPACES, SECRETS, SERVICEACCOUNTS } from './resources.ts';

async function faulty(fault: (count: number) => Fault | undefined) {
  const proxy = await FaultProxy.start(inject('kubeconfig'));
  const client = new KubeClient({ current: async () => ({ server: proxy.url, headers: {}, tls: {} }) });
  onTestFinished(async () => {
    await client.close();
    await proxy.stop();
  });
  let count = 0;
  proxy.fault = () => fault(count++);
  return { proxy, client };
}

const map = (namespace: string, name: string) => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { namespace, name },
  data: { a: '1' },
});

describe('KubeClient', () => {
  it('gets, lists, patches and deletes; what is not there is undefined or false', async () => {
    const client = testClient(inject('kubeconfig'));
    const namespace = await testNamespace(client);
    const key = { namespace, name: 'a' };
    expect(await client.get(CONFIGMAPS, key)).toBeUndefined();
    expect(await client.delete(CONFIGMAPS, key)).toBe(false);
    const made = await client.create(CONFIGMAPS, map(namespace, 'a'));
    await expect(client.create(CONFIGMAPS, map(namespace, 'a'))).rejects.toMatchObject({ isAlreadyExists: true });
    expect((await client.list(CONFIGMAPS, { namespace })).items).toContainEqual(made);
    await client.patch(CONFIGMAPS, key, { data: { b: '2' } });
    const guarded = { metadata: { resourceVersion: made.metadata.resourceVersion }, data: { c: '3' } };
    await expect(client.patch(CONFIGMAPS, key, guarded)).rejects.toMatchObject({ isConflict: true });
    await expect(client.delete(CONFIGMAPS, key, { uid: crypto.randomUUID() })).rejects.toMatchObject({ code: 409 });
    expect(await client.delete(CONFIGMAPS, key, { uid: made.metadata.uid! })).toBe(true);
  });

  it("says what the API server refused, where and why, and names the field's cause", async () => {
    const client = testClient(inject('kubeconfig'));
    const error = await client
      .create(NAMESPACES, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'Not A Name' } })
      .catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(KubeApiError);
    expect(error).toMatchObject({ code: 422, reason: 'Invalid', isInvalid: true });
    expect((error as KubeApiError).message).toMatch(/^POST \/api\/v1\/namespaces: .*Not A Name.*\(422 Invalid\)$/);
    expect((error as KubeApiError).details?.causes?.[0]?.field).toBe('metadata.name');
  });

  it('tells a programming mistake at once', async () => {
    const client = testClient(inject('kubeconfig'));
    await expect(client.get(CONFIGMAPS, { name: 'a' })).rejects.toThrow("ConfigMap 'a' needs a namespace");
  });

  it.each<[string, Fault]>([
    ['429', { kind: 'answer', status: 429, reason: 'TooManyRequests' }],
    ['503 with Retry-After', { kind: 'answer', status: 503, headers: { 'retry-after': '0' } }],
    ['a reset connection', { kind: 'reset' }],
  ])('tries again after %s', async (_, fault) => {
    const { client, proxy } = await faulty((count) => (count < 2 ? fault : undefined));
    await client.list(NAMESPACES);
    expect(proxy.seen).toHaveLength(3);
  });

  it('does not send a POST twice when the connection broke, and gives up in the end', async () => {
    const { client, proxy } = await faulty(() => ({ kind: 'reset' }));
    await expect(client.create(CONFIGMAPS, map('default', 'x'))).rejects.toBeInstanceOf(KubeConnectionError);
    expect(proxy.seen).toHaveLength(1);
    await expect(client.get(CONFIGMAPS, { namespace: 'default', name: 'x' })).rejects.toThrow(/^GET \/api\/v1/);
    expect(proxy.seen).toHaveLength(6);
  });

  it('gives a plain 500 back at once', async () => {
    const { client, proxy } = await faulty(() => ({ kind: 'answer', status: 500 }));
    await expect(client.list(NAMESPACES)).rejects.toMatchObject({ code: 500 });
    expect(proxy.seen).toHaveLength(1);
  });

  it('keeps its deadline, and ends when the caller does', async () => {
    const { client } = await faulty(() => ({ kind: 'hang' }));
    const key = { name: 'default' };
    await expect(client.get(NAMESPACES, key, { timeoutMs: 200 })).rejects.toThrow('no answer within 0.2 s');
    const reason = new Error('stop');
    await expect(client.get(NAMESPACES, key, { signal: abortAfter(100, reason) })).rejects.toBe(reason);
  });

  it('uses at most sixteen connections, however much is asked at once, and counts requests', async () => {
    const sockets = new Set<Socket>();
    const server = createServer((_, response) => {
      setTimeout(() => response.end('{}'), 5);
    });
    server.on('connection', (socket) => sockets.add(socket));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const client = new KubeClient({ current: async () => ({ server: url, headers: {}, tls: {} }) });
    onTestFinished(async () => {
      await client.close();
      server.close();
    });
    await Promise.all(Array.from({ length: 200 }, () => client.get(NAMESPACES, { name: 'a' })));
    expect(sockets.size).toBeLessThanOrEqual(16);
    const [counted] = (await client.metrics.requests.get()).values;
    expect(counted).toMatchObject({ value: 200, labels: { code: '200', method: 'GET', host: new URL(url).host } });
  });
});

describe('Access', () => {
  /** A ServiceAccount's files as the kubelet mounts them, with a token that the test rotates. */
  async function serviceAccount() {
    const admin = testClient(inject('kubeconfig'));
    const namespace = await testNamespace(admin);
    const { server, tls } = await kubeconfigAccess(inject('kubeconfig')).current();
    const { hostname, port } = new URL(server);
    const directory = mkdtempSync(join(tmpdir(), 'service-account-'));
    const account = { namespace, name: 'operator' };
    await admin.create(SERVICEACCOUNTS, { apiVersion: 'v1', kind: 'ServiceAccount', metadata: account });
    const rotate = async () => {
      const path = `/api/v1/namespaces/${namespace}/serviceaccounts/operator/token`;
      const body = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: {} };
      const answer = await admin.send<{ status: { token: string } }>({ method: 'POST', path, body });
      writeFileSync(join(directory, 'token'), `${answer.status.token}\n`);
    };
    writeFileSync(join(directory, 'ca.crt'), tls.ca!);
    await rotate();
    const env = { KUBERNETES_SERVICE_HOST: hostname, KUBERNETES_SERVICE_PORT: port };
    return { access: inClusterAccess(env, directory), directory, rotate };
  }

  const whoAmI = async (client: KubeClient) => {
    const body = { apiVersion: 'authentication.k8s.io/v1', kind: 'SelfSubjectReview' };
    const path = '/apis/authentication.k8s.io/v1/selfsubjectreviews';
    const review = await client.send<{ status: { userInfo: { username: string } } }>({ method: 'POST', path, body });
    return review.status.userInfo.username;
  };

  it("in a pod is the ServiceAccount's, and a token refused is read anew at once", async () => {
    const { access, directory, rotate } = await serviceAccount();
    const client = new KubeClient(access);
    onTestFinished(() => client.close());
    expect(await whoAmI(client)).toMatch(/^system:serviceaccount:t-.*:operator$/);
    // Refused: Forbidden is told by its word.
    await expect(client.list(SECRETS)).rejects.toMatchObject({ isForbidden: true, reason: 'Forbidden' });

    const good = readFileSync(join(directory, 'token'), 'utf8');
    writeFileSync(join(directory, 'token'), 'stale');
    const second = new KubeClient(access);
    onTestFinished(() => second.close());
    await access.current(true);
    await rotate();
    expect(await whoAmI(second)).toContain(':operator');
    expect(readFileSync(join(directory, 'token'), 'utf8')).not.toBe(good);
  });

  it('follows a CA that is replaced, for new connections', async () => {
    const { access, directory } = await serviceAccount();
    const client = new KubeClient(access);
    onTestFinished(() => client.close());
    await whoAmI(client);
    const ca = readFileSync(join(directory, 'ca.crt'), 'utf8');
    const other = execFileSync(
      'openssl',
      [
        'req',
        '-x509',
        '-newkey',
        'ec',
        '-pkeyopt',
        'ec_paramgen_curve:P-256',
        '-nodes',
        '-subj',
        '/CN=other',
        '-keyout',
        '/dev/null',
      ],
      { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] },
    );
    writeFileSync(join(directory, 'ca.crt'), other);
    await access.current(true);
    await expect(whoAmI(client)).rejects.toThrow(/certificate/);
    writeFileSync(join(directory, 'ca.crt'), `${other}\n${ca}`);
    await access.current(true);
    expect(await whoAmI(client)).toContain(':operator');
  });

  it('by a kubeconfig is by its client certificate, as text or as a file', async () => {
    const byFile = connect({ kubeconfig: inject('kubeconfig') });
    const byText = connect({ kubeconfig: readFileSync(inject('kubeconfig'), 'utf8') });
    onTestFinished(async () => {
      await byFile.close();
      await byText.close();
    });
    expect(await whoAmI(byFile)).toBe(await whoAmI(byText));
    await eventually(() => byFile.get(CLUSTERROLES, { name: 'cluster-admin' }), 'the default roles');
  });

  it('says which contexts there are when one is asked for that is not', async () => {
    const client = connect({ kubeconfig: inject('kubeconfig'), context: 'nope' });
    onTestFinished(() => client.close());
    await expect(client.list(NAMESPACES)).rejects.toThrow(/no usable context 'nope'; it has: \S/);
  });

  it('outside of a pod says what is missing', () => {
    expect(() => inClusterAccess({})).toThrow('KUBERNETES_SERVICE_HOST');
  });
});

function abortAfter(milliseconds: number, reason: Error): AbortSignal {
  const controller = new AbortController();
  setTimeout(() => controller.abort(reason), milliseconds);
  return controller.signal;
}
