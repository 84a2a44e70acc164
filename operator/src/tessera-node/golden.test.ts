import { generateKeyPairSync } from 'node:crypto';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseConfig } from '../../../e2e/fixtures/tessera/config.ts';
import { companionConfigSchema } from '../../../signer-sidecar/src/companion/config.ts';
import type { KubeObject } from '../kube/types.ts';
import { demoConsortium } from '../quorum-node/testing.ts';
import { goldenText } from '../workload/golden.ts';
import { companionConfig, configSecret, tesseraConfig, tesseraFiles } from './build/config.ts';
import { disruptionBudget } from './build/disruption-budget.ts';
import { tesseraNetworkPolicy } from './build/network-policy.ts';
import { tesseraService } from './build/service.ts';
import { tesseraStatefulSet } from './build/stateful-set.ts';
import { decide } from './decide.ts';
import type { TesseraObservation } from './observation.ts';
import { accessOf, frameOf, planOf, podPlanOf } from './plan.ts';
import { keyReading, observe, tesseraNode } from './testing.ts';

const second = { name: 'next', secretRef: { name: 'alpha-tessera-key-2' } };
const first = { name: 'default', secretRef: { name: 'alpha-tessera-key' } };

/** One fixture a feature; each name is a file in golden/. */
const fixtures: Record<string, TesseraObservation> = {
  embedded: observe(),
  'two-keys-and-remote-members': observe({
    tessera: tesseraNode({ keys: [first, second] }),
    keys: [keyReading, { kind: 'ok', name: 'next', secretName: 'alpha-tessera-key-2', publicKey: 'second' }],
    consortium: demoConsortium({
      organizations: [
        ...['alpha', 'bravo', 'charlie', 'delta'].map((name) => ({ name, jurisdictions: ['eu-central'] })),
        {
          name: 'echo',
          hosted: false,
          remote: { cidrs: ['198.51.100.0/24'], tesseraUrls: ['https://tm.echo.example:9443'] },
        },
      ],
    }),
  }),
};

function manifests(observation: TesseraObservation): KubeObject[] {
  const frame = frameOf(observation);
  const config = configSecret(frame, planOf(observation));
  const plan = podPlanOf(observation, { name: config.metadata.name, files: tesseraFiles(config) }, 'f'.repeat(64));
  return [
    tesseraService(frame),
    tesseraNetworkPolicy(frame, accessOf(observation)),
    disruptionBudget(frame),
    config,
    tesseraStatefulSet(frame, plan),
  ];
}

describe.each(Object.entries(fixtures))('%s', (name, observation) => {
  it('has nothing in its way', () => expect(decide(observation)).toEqual([]));

  it('gets these manifests', async () => {
    await expect(goldenText(manifests(observation))).toMatchFileSnapshot(join('golden', `${name}.yaml`));
  });

  it('gets a configuration without a field that Tessera would ignore', () => {
    const config = tesseraConfig(frameOf(observation), planOf(observation));
    expect(parseConfig(JSON.stringify(config))).toEqual(config);
  });

  it('gets a configuration that the companion accepts as it is', () => {
    const config = companionConfig(frameOf(observation));
    expect(companionConfigSchema.parse(config)).toEqual(config);
  });

  it('mounts keys and configuration in Tessera alone', () => {
    const { initContainers } = manifests(observation).at(-1)!.spec.template.spec;
    const mounts = initContainers[0].volumeMounts.map((mount: { name: string }) => mount.name);
    expect(mounts).not.toContain('config');
    expect(mounts.some((mount: string) => mount.startsWith('key'))).toBe(false);
  });
});

describe('the configuration', () => {
  it('asks for a client certificate on every port but loopback', () => {
    const config = tesseraConfig(frameOf(observe()), planOf(observe()));
    const servers = config.serverConfigs as {
      app: string;
      serverAddress: string;
      sslConfig?: { tls: string; serverTrustMode: string };
    }[];
    for (const { app, serverAddress, sslConfig } of servers) {
      if (app === 'ThirdParty') expect(serverAddress).toBe('http://127.0.0.1:9080');
      else expect(sslConfig).toMatchObject({ tls: 'STRICT', serverTrustMode: 'CA' });
    }
  });

  it('trusts all members for P2P, and the own organization alone for Q2T', () => {
    const config = tesseraConfig(frameOf(observe()), planOf(observe())) as {
      serverConfigs: { sslConfig: { serverTrustCertificates: string[] } }[];
    };
    expect(config.serverConfigs[0]!.sslConfig.serverTrustCertificates).toEqual([
      '/config/members-ca-0.crt',
      '/config/members-ca-1.crt',
    ]);
    expect(config.serverConfigs[1]!.sslConfig.serverTrustCertificates).toEqual(['/tls/ca.crt']);
  });

  it('lists the other managers and not itself', () => {
    expect(planOf(observe()).peers).toEqual(['https://bravo-tessera.demo-bravo.svc.cluster.local:9000/']);
  });

  it('authenticates at Postgres by certificate, with the key in the form that the driver reads', () => {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const key = privateKey.export({ format: 'pem', type: 'pkcs8' }).toString();
    const postgres = { host: 'db.data.svc', name: 'tessera', user: 'tessera', certificate: {} };
    const observation = observe({
      tessera: tesseraNode({ database: { postgres } }),
      database: {
        kind: 'postgres',
        issued: true,
        secretName: 's',
        caBundle: 'CA',
        credentials: { certificate: 'CERT', key },
      },
    });
    const secret = configSecret(frameOf(observation), planOf(observation));
    const config = JSON.parse(Buffer.from(secret.data['config.json'], 'base64').toString()) as {
      jdbc: { url: string; password: string };
    };
    expect(config.jdbc.url).toContain('sslmode=verify-full');
    expect(config.jdbc.password).toBe('');
    expect(Buffer.from(secret.data['database.pk8'], 'base64')).toEqual(
      privateKey.export({ format: 'der', type: 'pkcs8' }),
    );
  });
});
