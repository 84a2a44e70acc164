import { Registry } from 'prom-client';
import { beforeEach, describe, expect, it } from 'vitest';
import { type Key, type KubeObject, keyOf, keyString, type ResourceType } from '../kube/types.ts';
import { OPERATOR_URI } from '../names.ts';
import { AuthorityMissingError, type CertificateRequest, ensureCertificate } from './certificate.ts';
import { belongsTogether, inspect } from './inspect.ts';
import { certificateMetrics } from './metrics.ts';
import { ensureOperatorAuthority, type OperatorAuthorityDeps } from './operator-authority.ts';
import { secretData, secretText, tlsPair } from './secrets.ts';
import { createAuthority } from './x509.ts';

const start = new Date('2026-03-01T00:00:00Z');
const day = 86_400_000;

/** Secrets in memory, by the interface of client and applier; counts writes. */
class Secrets implements OperatorAuthorityDeps {
  readonly objects = new Map<string, KubeObject>();
  readonly configMaps = new Map<string, KubeObject>();
  readonly #kinds: Record<string, Map<string, KubeObject>> = { Secret: this.objects, ConfigMap: this.configMaps };
  readonly config = { namespace: 'operator', trustSpreadSeconds: 600 };
  writes = 0;
  time = start;

  readonly client = {
    get: async <T extends KubeObject>(type: ResourceType, key: Key) => {
      return this.#kinds[type.kind]?.get(keyString(key)) as T | undefined;
    },
    patch: async <T extends KubeObject>(_: ResourceType, key: Key, change: KubeObject) => {
      this.writes += 1;
      const live = this.objects.get(keyString(key))!;
      expect(change.metadata.resourceVersion).toBe(live.metadata.resourceVersion);
      for (const [name, value] of Object.entries(change.data ?? {})) {
        if (value === null) delete live.data[name];
        else live.data[name] = value;
      }
      const annotations = { ...live.metadata.annotations, ...change.metadata.annotations };
      live.metadata.annotations = Object.fromEntries(Object.entries(annotations).filter(([, value]) => value !== null));
      return live as T;
    },
  };

  readonly applier = {
    apply: async <T extends KubeObject>(_: ResourceType, object: KubeObject) => {
      this.writes += 1;
      this.objects.set(keyString(keyOf(object)), object);
      return { object: object as T, changed: true };
    },
    createOnly: async <T extends KubeObject>(_: ResourceType, object: KubeObject) => {
      const existing = this.objects.get(keyString(keyOf(object)));
      if (existing) return { object: existing as T, created: false };
      this.writes += 1;
      this.objects.set(keyString(keyOf(object)), object);
      return { object: object as T, created: true };
    },
  };

  now(): Date {
    return this.time;
  }

  async authority(commonName: string): Promise<void> {
    const { certificatePem, keyPem } = await createAuthority({ commonName, now: start, days: 3650 });
    this.objects.set('ns/organization-ca', {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { namespace: 'ns', name: 'organization-ca' },
      data: secretData({ 'tls.crt': certificatePem, 'tls.key': keyPem }),
    });
  }
}

const request: CertificateRequest = {
  namespace: 'ns',
  secretName: 'node-tls',
  labels: { a: 'b' },
  commonName: 'node',
  dnsNames: ['node.ns.svc', 'node.ns.svc.cluster.local'],
  uris: ['quorum-operator://demo/alpha/node/node'],
  usages: ['server', 'client'],
};

let secrets: Secrets;

beforeEach(async () => {
  secrets = new Secrets();
  await secrets.authority('demo/alpha');
});

describe('ensureCertificate', () => {
  it('issues what is missing, once', async () => {
    const first = await ensureCertificate(secrets, request);
    expect(first).toMatchObject({ secretName: 'node-tls', notAfter: '2026-05-30T00:00:00Z', renewed: true });
    const secret = secrets.objects.get('ns/node-tls')!;
    expect(secret.type).toBe('kubernetes.io/tls');
    expect(Object.keys(secret.data)).toEqual(['tls.crt', 'tls.key', 'ca.crt']);
    const ca = tlsPair(secrets.objects.get('ns/organization-ca'))!.certificatePem;
    expect(belongsTogether(secretText(secret, 'tls.crt')!, secretText(secret, 'tls.key')!, ca)).toBe(true);
    expect(secretText(secret, 'ca.crt')).toBe(ca);

    const second = await ensureCertificate(secrets, request);
    expect(second).toEqual({ ...first, renewed: false });
    expect(secrets.writes).toBe(1);
  });

  it('renews before two thirds of its life, and says when', async () => {
    const { renewAt } = await ensureCertificate(secrets, request);
    secrets.time = new Date(renewAt.getTime() - 1000);
    expect((await ensureCertificate(secrets, request)).renewed).toBe(false);
    secrets.time = renewAt;
    expect(renewAt.getTime()).toBeLessThan(start.getTime() + 60 * day);
    expect(await ensureCertificate(secrets, request)).toMatchObject({ renewed: true });
    expect(secrets.writes).toBe(2);
  });

  it.each<[string, Partial<CertificateRequest>]>([
    ['a DNS name', { dnsNames: ['other.ns.svc'] }],
    ['a URI', { uris: [] }],
    ['an address', { ipAddresses: ['10.0.0.1'] }],
    ['its usage', { usages: ['client'] }],
  ])('issues again when %s changed', async (_, change) => {
    const first = await ensureCertificate(secrets, request);
    const second = await ensureCertificate(secrets, { ...request, ...change });
    expect(second.renewed).toBe(true);
    expect(second.fingerprint).not.toBe(first.fingerprint);
  });

  it('issues again when the authority changed or the Secret was damaged', async () => {
    await ensureCertificate(secrets, request);
    await secrets.authority('demo/alpha');
    expect((await ensureCertificate(secrets, request)).renewed).toBe(true);
    secrets.objects.get('ns/node-tls')!.data['tls.key'] = Buffer.from('nonsense').toString('base64');
    expect((await ensureCertificate(secrets, request)).renewed).toBe(true);
    delete secrets.objects.get('ns/node-tls')!.data['tls.crt'];
    expect((await ensureCertificate(secrets, request)).renewed).toBe(true);
    expect((await ensureCertificate(secrets, request)).renewed).toBe(false);
  });

  it('follows what is to be trusted without a new certificate', async () => {
    const first = await ensureCertificate(secrets, request);
    const next = await createAuthority({ commonName: 'demo/alpha', unit: 'next', now: start, days: 3650 });
    const authority = secrets.objects.get('ns/organization-ca')!;
    Object.assign(authority.data, secretData({ 'next.crt': next.certificatePem, 'next.key': next.keyPem }));
    const second = await ensureCertificate(secrets, request);
    expect(second).toMatchObject({ renewed: false, fingerprint: first.fingerprint });
    expect(second.trusts).not.toBe(first.trusts);
    const held = secretText(secrets.objects.get('ns/node-tls'), 'ca.crt')!;
    expect(held).toBe(secretText(authority, 'tls.crt')! + next.certificatePem);
    await ensureCertificate(secrets, request);
    expect(secrets.writes).toBe(2);
  });

  it('issues again once for each new word of the annotation on the owner', async () => {
    const owner = (word?: string): KubeObject => ({
      apiVersion: 'quorum-operator.io/v1alpha1',
      kind: 'QuorumNode',
      metadata: { name: 'node', uid: 'u', annotations: word ? { 'quorum-operator.io/renew-certificates': word } : {} },
    });
    const renewed = async (word?: string) =>
      (await ensureCertificate(secrets, { ...request, owner: owner(word) })).renewed;
    await renewed();
    expect([await renewed(), await renewed('a'), await renewed('a'), await renewed('b'), await renewed()]).toEqual([
      false,
      true,
      false,
      true,
      false,
    ]);
  });

  it('tells monitoring when it expires', async () => {
    await ensureCertificate(secrets, request);
    const registry = new Registry();
    certificateMetrics(registry, {
      secrets: () => [...secrets.objects.values()],
      others: () => [{ name: 'operator/quorum-operator-ca', notAfter: '2036-01-01T00:00:00Z' }],
    });
    const text = await registry.metrics();
    const seconds = Date.parse('2026-05-30T00:00:00Z') / 1000;
    expect(text).toContain(`quorum_certificate_not_after_seconds{namespace="ns",name="node-tls"} ${seconds}`);
    expect(text).toContain(
      'quorum_certificate_not_after_seconds{namespace="operator",name="quorum-operator-ca"} 2082758400',
    );
    secrets.objects.delete('ns/node-tls');
    expect(await registry.metrics()).not.toContain('node-tls');
  });

  it('waits for an authority that is not there', async () => {
    secrets.objects.clear();
    await expect(ensureCertificate(secrets, request)).rejects.toThrow(AuthorityMissingError);
    await expect(ensureCertificate(secrets, request)).rejects.toThrow('ns/organization-ca');
  });

  it('reads the cache first, and the API server for what the cache lacks', async () => {
    await ensureCertificate(secrets, request);
    let reads = 0;
    const cache = {
      of: <T extends KubeObject>() => ({ get: (key: Key) => secrets.objects.get(keyString(key)) as T | undefined }),
    };
    const counted = {
      now: () => secrets.time,
      applier: secrets.applier,
      client: {
        get: async <T extends KubeObject>(_: ResourceType, key: Key) => {
          reads += 1;
          return secrets.objects.get(keyString(key)) as T | undefined;
        },
        patch: secrets.client.patch,
      },
    };
    await ensureCertificate({ ...counted, informers: cache }, request);
    expect(reads).toBe(0);
    const empty = { of: () => ({ get: () => undefined }) };
    expect((await ensureCertificate({ ...counted, informers: empty }, request)).renewed).toBe(false);
    // The ConfigMap that may name an issuer, the authority, the certificate.
    expect(reads).toBe(3);
  });
});

describe('ensureOperatorAuthority', () => {
  it('makes authority and client certificate once, in the namespace of the operator', async () => {
    const first = await ensureOperatorAuthority(secrets);
    expect(secrets.writes).toBe(2);
    const client = tlsPair(secrets.objects.get('operator/quorum-operator-client-tls'))!;
    expect(inspect(client.certificatePem)).toMatchObject({ uris: [OPERATOR_URI], usages: ['client'], dnsNames: [] });
    expect(belongsTogether(client.certificatePem, client.keyPem, first.caPem)).toBe(true);
    const again = await ensureOperatorAuthority(secrets);
    expect(again).toEqual({ ...first, client: { ...first.client, renewed: false } });
    expect(secrets.writes).toBe(2);
    expect(first.renewAt).toEqual(first.client.renewAt);
  });

  it('refuses an authority that is damaged instead of replacing it', async () => {
    await ensureOperatorAuthority(secrets);
    delete secrets.objects.get('operator/quorum-operator-ca')!.data['tls.key'];
    await expect(ensureOperatorAuthority(secrets)).rejects.toThrow('operator/quorum-operator-ca');
  });
});
