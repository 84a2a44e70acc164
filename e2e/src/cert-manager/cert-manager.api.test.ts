import type { AddressInfo } from 'node:net';
import { connect as connectTls, createServer } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import type { Consortium } from '../../../operator/src/api/consortium.ts';
import { CONSORTIUMS, QUORUMNODES } from '../../../operator/src/api/resources.ts';
import { CERTIFICATES } from '../../../operator/src/cert-manager/issuer.ts';
import { eventually } from '../../../operator/src/kube/api-testing.ts';
import type { KubeClient } from '../../../operator/src/kube/client.ts';
import { CONFIGMAPS, CUSTOMRESOURCEDEFINITIONS, NAMESPACES, SECRETS } from '../../../operator/src/kube/resources.ts';
import type { KubeObject, ResourceType } from '../../../operator/src/kube/types.ts';
import { certificatesOf, inspect, issuedBy } from '../../../operator/src/pki/inspect.ts';
import { secretData, secretText } from '../../../operator/src/pki/secrets.ts';
import { type Authority, createAuthority } from '../../../operator/src/pki/x509.ts';
import { quorumNodeController } from '../../../operator/src/quorum-node/controller.ts';
import {
  prepareCluster,
  startOperator,
  type TestOperator,
  testConsortium,
  testMember,
} from '../../../operator/src/workload/operator-testing.ts';
import { type ApiServer, startApiServer } from '../cluster/api-server.ts';
import { findCertManager } from './controller.ts';

const certManager = await findCertManager((line) => process.stderr.write(`${line}\n`));
const missing = 'missing' in certManager ? certManager.missing : undefined;

const ISSUERS: ResourceType = {
  group: 'cert-manager.io',
  version: 'v1',
  plural: 'issuers',
  kind: 'Issuer',
  namespaced: true,
};
const name = 'managed';
const organizations = ['alpha', 'bravo'] as const;
const namespaceOf = (organization: string) => `${name}-${organization}`;

describe.skipIf(missing !== undefined)(`a real cert-manager${missing ? ` (skipped: ${missing})` : ''}`, () => {
  let server: ApiServer;
  let client: KubeClient;
  let operator: TestOperator;
  let controller: { stop(): Promise<void>; log(): string } | undefined;
  const authorities = new Map<string, Authority>();

  const get = (type: ResourceType, namespace: string, object: string) =>
    client.get<KubeObject>(type, { namespace, name: object });

  /** The issuer that an organization's administrator makes in its namespace. */
  async function makeIssuer(organization: string, authority: Authority): Promise<void> {
    const namespace = namespaceOf(organization);
    const data = secretData({ 'tls.crt': authority.certificatePem, 'tls.key': authority.keyPem });
    const metadata = { name: 'own-authority', namespace };
    const force = { fieldManager: 'administrator' };
    await client.apply(SECRETS, { apiVersion: 'v1', kind: 'Secret', metadata, type: 'kubernetes.io/tls', data }, force);
    const spec = { ca: { secretName: 'own-authority' } };
    await client.apply(
      ISSUERS,
      { apiVersion: 'cert-manager.io/v1', kind: 'Issuer', metadata: { name: 'organization', namespace }, spec },
      force,
    );
  }

  async function installCrds(): Promise<void> {
    if ('missing' in certManager) return;
    for (const text of certManager.crds) await client.create(CUSTOMRESOURCEDEFINITIONS, parse(text) as KubeObject);
    await eventually(async () => {
      const { items } = await client.list<KubeObject>(CUSTOMRESOURCEDEFINITIONS);
      const ours = items.filter(({ spec }) => spec.group === 'cert-manager.io');
      const served = (object: KubeObject) =>
        object.status?.conditions?.some(
          ({ type, status }: { type: string; status: string }) => type === 'Established' && status === 'True',
        );
      return ours.length === 4 && ours.every(served);
    }, "cert-manager's resources are served");
  }

  beforeAll(async () => {
    server = await startApiServer({ name: 'cert-manager', auditReads: false });
    client = await prepareCluster(server.kubeconfig, 'operator');
    for (const organization of organizations) {
      const held = { 'quorum-operator.io/consortium': name, 'quorum-operator.io/organization': organization };
      await client.create(NAMESPACES, {
        apiVersion: 'v1',
        kind: 'Namespace',
        metadata: { name: namespaceOf(organization), labels: held },
      });
      authorities.set(organization, await createAuthority({ commonName: organization, now: new Date(), days: 3650 }));
    }
    operator = await startOperator(server.kubeconfig, 'operator', [quorumNodeController]);
  });

  afterAll(async () => {
    await operator?.stop();
    await controller?.stop();
    await client?.close();
    await server?.stop();
  });

  const certificatesValid = async () => {
    const consortium = (await client.get<KubeObject>(CONSORTIUMS, { name })) as Consortium | undefined;
    return consortium?.status?.conditions?.find(({ type }) => type === 'CertificatesValid');
  };

  it('that is not installed is named', async () => {
    const consortium = testConsortium(name);
    consortium.spec.issuerRef = { name: 'organization' };
    await client.create(CONSORTIUMS, consortium);
    await eventually(async () => (await certificatesValid())?.reason === 'IssuerNotReady', 'the reason is told');
    expect((await certificatesValid())?.message).toContain('cert-manager is not installed');
    for (const organization of organizations)
      expect(await get(SECRETS, namespaceOf(organization), 'organization-ca')).toBeUndefined();
  });

  it('tells by which authority each organization is verified: its own', async () => {
    await installCrds();
    for (const organization of organizations) await makeIssuer(organization, authorities.get(organization)!);
    if (!('missing' in certManager)) controller = await certManager.start(server.kubeconfig);
    const bundle = async (organization: string, configMap: string) =>
      certificatesOf(String((await get(CONFIGMAPS, namespaceOf(organization), configMap))?.data?.['ca.crt'] ?? ''));
    // The condition is looked at every 30 seconds while something outside the caches is waited for.
    await eventually(async () => (await bundle('bravo', 'members-ca')).length === 2, 'the bundle is there', 90_000);
    for (const organization of organizations) {
      const own = authorities.get(organization)!.certificatePem;
      expect(await bundle(organization, 'organization-ca')).toEqual([own]);
      expect(await bundle(organization, 'members-ca')).toContain(own);
      expect(await get(SECRETS, namespaceOf(organization), 'organization-ca')).toBeUndefined();
    }
    await eventually(async () => (await certificatesValid())?.reason === 'CertificatesValid', 'all is well', 60_000);
  }, 180_000);

  it('issues what a node needs, with its names, and the operator tells when it expires', async () => {
    await client.create(QUORUMNODES, testMember(name, 'QuorumNode', 'alpha-validator', { role: 'Validator' }));
    const secret = async () => get(SECRETS, namespaceOf('alpha'), 'alpha-validator-tls');
    await eventually(
      async () => secretText(await secret(), 'tls.crt') !== undefined,
      'the certificate is issued',
      60_000,
    );
    const held = (await secret())!;
    const own = authorities.get('alpha')!.certificatePem;
    expect(issuedBy(secretText(held, 'tls.crt')!, own)).toBe(true);
    expect(secretText(held, 'ca.crt')).toBe(own);
    expect(secretText(held, 'tls.key')).toContain('BEGIN PRIVATE KEY');
    const facts = inspect(secretText(held, 'tls.crt')!);
    expect(facts).toMatchObject({
      commonName: 'alpha-validator',
      uris: [`quorum-operator://${name}/alpha/node/alpha-validator`],
      usages: ['server', 'client'],
    });
    expect(facts.dnsNames).toEqual([
      `alpha-validator.${namespaceOf('alpha')}.svc`,
      `alpha-validator.${namespaceOf('alpha')}.svc.cluster.local`,
    ]);
    await eventually(
      async () => {
        const node = await get(QUORUMNODES, namespaceOf('alpha'), 'alpha-validator');
        return node?.status?.certificates?.[0]?.name === 'alpha-validator-tls';
      },
      'the expiry is in the status',
      60_000,
    );
    expect(await handshake(held, own)).toBe(true);
    expect(await handshake(held, authorities.get('bravo')!.certificatePem)).toBe(false);
  }, 120_000);

  it('keeps Certificates that say what the operator asked for, and is asked only once', async () => {
    const certificate = (await get(CERTIFICATES, namespaceOf('alpha'), 'alpha-validator-tls'))!;
    expect(certificate.spec).toMatchObject({
      duration: '2160h0m0s',
      renewBefore: '864h0m0s',
      privateKey: { algorithm: 'ECDSA', size: 256, rotationPolicy: 'Always', encoding: 'PKCS8' },
      issuerRef: { name: 'organization', kind: 'Issuer', group: 'cert-manager.io' },
    });
    expect(certificate.metadata.generation).toBe(1);
    expect(certificate.status?.revision).toBe(1);
  });

  it('issues again at the word of a person, with another key', async () => {
    const before = (await get(SECRETS, namespaceOf('alpha'), 'alpha-validator-tls'))!;
    const annotations = { 'quorum-operator.io/renew-certificates': 'now' };
    await client.patch(
      QUORUMNODES,
      { namespace: namespaceOf('alpha'), name: 'alpha-validator' },
      { metadata: { annotations } },
    );
    await eventually(
      async () => {
        const after = await get(SECRETS, namespaceOf('alpha'), 'alpha-validator-tls');
        return after?.data['tls.crt'] !== before.data['tls.crt'] && after?.data['tls.key'] !== before.data['tls.key'];
      },
      'another certificate is there',
      60_000,
    );
  }, 90_000);
});

/** A door with a certificate that cert-manager issued, and a client that trusts an authority. */
async function handshake(secret: KubeObject, ca: string): Promise<boolean> {
  const [cert, key] = [secretText(secret, 'tls.crt')!, secretText(secret, 'tls.key')!];
  const listener = createServer({ cert, key }, (socket) => socket.end());
  listener.on('tlsClientError', () => undefined);
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
  const { port } = listener.address() as AddressInfo;
  const servername = inspect(cert).dnsNames[0]!;
  try {
    return await new Promise<boolean>((resolve) => {
      const socket = connectTls({ host: '127.0.0.1', port, servername, ca }, () => {
        resolve(true);
        socket.destroy();
      });
      socket.on('error', () => resolve(false));
    });
  } finally {
    listener.close();
  }
}
