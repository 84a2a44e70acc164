import type { CompanionConfigInput } from '../../../../signer-sidecar/src/companion/config.ts';
import type { KubeObject } from '../../kube/types.ts';
import { ports, uids } from '../../names.ts';
import { shortHash, stableJson } from '../../workload/hash.ts';
import { base64Values, manifest } from '../../workload/manifest.ts';
import { frameLabels, hostNames, peerUrl, type TesseraFrame } from '../frame.ts';

/** Where Tessera finds its files; the StatefulSet mounts them there. */
export const tesseraPaths = {
  config: '/config',
  tls: '/tls',
  data: '/data',
  /** Keys as their Secrets have them, one folder a key. */
  keys: '/keys',
  /** Keys in Tessera's file format, written at start into memory. */
  keyFiles: '/run/keys',
} as const;

export const companionPaths = {
  config: '/etc/quorum/companion',
  tls: '/etc/quorum/tls',
  operatorCa: '/etc/quorum/operator-ca',
  organizationCa: '/etc/quorum/organization-ca',
} as const;

export type TesseraDatabase =
  | { readonly kind: 'embedded'; readonly password: string }
  | {
      readonly kind: 'postgres';
      readonly host: string;
      readonly port: number;
      readonly name: string;
      readonly user: string;
      /** PEM. */
      readonly caBundle: string;
      readonly certificate: string;
      /** DER (PKCS#8) in base64: the only form that the JDBC driver reads. */
      readonly keyDer: string;
    };

export interface TesseraPlan {
  /** URLs of the other transaction managers of the consortium. */
  readonly peers: readonly string[];
  /** Names of the keys, the default sender first. */
  readonly keys: readonly string[];
  readonly database: TesseraDatabase;
  /** Certificates of the members' authorities, PEM, one certificate each. */
  readonly memberAuthorities: readonly string[];
}

const authorityFile = (index: number) => `members-ca-${index}.crt`;

/** Content of config.json: the fields of Tessera's documentation and no other, because it ignores what it does not know. */
export function tesseraConfig(frame: TesseraFrame, plan: TesseraPlan): Record<string, unknown> {
  const { tls, config, keys: _, keyFiles } = tesseraPaths;
  // One certificate a file: whether a bundle is read to its end is not documented.
  const members = plan.memberAuthorities.map((_authority, index) => `${config}/${authorityFile(index)}`);
  const server = {
    tls: 'STRICT',
    serverTrustMode: 'CA',
    serverTlsKeyPath: `${tls}/tls.key`,
    serverTlsCertificatePath: `${tls}/tls.crt`,
  };
  return {
    // It compares addresses with host names, which says nothing behind Services; policies and certificates decide.
    useWhiteList: false,
    disablePeerDiscovery: true,
    features: { enableRemoteKeyValidation: true, enablePrivacyEnhancements: false, enableMultiplePrivateStates: false },
    jdbc: jdbc(plan.database),
    serverConfigs: [
      {
        app: 'P2P',
        communicationType: 'REST',
        serverAddress: peerUrl(frame).replace(/\/$/, ''),
        bindingAddress: `https://0.0.0.0:${ports.tesseraPeer}`,
        sslConfig: {
          ...server,
          sslConfigType: 'SERVER_AND_CLIENT',
          serverTrustCertificates: members,
          clientTrustMode: 'CA',
          clientTlsKeyPath: `${tls}/tls.key`,
          clientTlsCertificatePath: `${tls}/tls.crt`,
          clientTrustCertificates: members,
        },
      },
      {
        app: 'Q2T',
        communicationType: 'REST',
        serverAddress: `https://${hostNames(frame)[0]}:${ports.tesseraQ2T}`,
        bindingAddress: `https://0.0.0.0:${ports.tesseraQ2T}`,
        sslConfig: { ...server, sslConfigType: 'SERVER_ONLY', serverTrustCertificates: [`${tls}/ca.crt`] },
      },
      {
        app: 'ThirdParty',
        communicationType: 'REST',
        serverAddress: `http://127.0.0.1:${ports.tesseraThirdParty}`,
      },
    ],
    peer: plan.peers.map((url) => ({ url })),
    keys: {
      keyData: plan.keys.map((name) => ({
        privateKeyPath: `${keyFiles}/${name}.key`,
        publicKeyPath: `${keyFiles}/${name}.pub`,
      })),
    },
    alwaysSendTo: [],
  };
}

function jdbc(database: TesseraDatabase): Record<string, unknown> {
  if (database.kind === 'embedded') {
    return {
      url: `jdbc:h2:${tesseraPaths.data}/tessera;MODE=Oracle;TRACE_LEVEL_SYSTEM_OUT=0`,
      username: 'sa',
      password: database.password,
      autoCreateTables: true,
    };
  }
  const { host, port, name, user } = database;
  const { config } = tesseraPaths;
  const tls = `sslmode=verify-full&sslrootcert=${config}/database-ca.crt&sslcert=${config}/database.crt&sslkey=${config}/database.pk8`;
  return {
    url: `jdbc:postgresql://${host}:${port}/${name}?${tls}`,
    username: user,
    password: '',
    autoCreateTables: true,
  };
}

/** Content of companion.json. */
export function companionConfig(frame: TesseraFrame): CompanionConfigInput {
  const host = '0.0.0.0';
  const { name, namespace, organization, consortium } = frame;
  return {
    node: { name, namespace, organization, consortium },
    listen: { ops: { host, port: ports.ops }, probes: { host, port: ports.probes } },
    tls: {
      certFile: `${companionPaths.tls}/tls.crt`,
      keyFile: `${companionPaths.tls}/tls.key`,
      organizationCaFile: `${companionPaths.organizationCa}/ca.crt`,
      operatorCaFile: `${companionPaths.operatorCa}/ca.crt`,
    },
    tessera: { thirdParty: `http://127.0.0.1:${ports.tesseraThirdParty}` },
    evidence: {
      processes: [
        { container: 'tessera', uid: uids.tessera },
        { container: 'companion', uid: uids.sidecar, command: 'main.mjs' },
      ],
    },
  };
}

export const CONFIG_LABEL = 'quorum-operator.io/config';

/**
 * Immutable Secret `<tessera>-config-<hash>` with all that Tessera reads at its start, and the companion's configuration. Each container
 * mounts only its own files. Another configuration is another Secret, and so a restart.
 */
export function configSecret(frame: TesseraFrame, plan: TesseraPlan): KubeObject {
  const { database } = plan;
  const texts: Record<string, string> = {
    'config.json': stableJson(tesseraConfig(frame, plan)),
    'companion.json': stableJson(companionConfig(frame)),
    ...Object.fromEntries(plan.memberAuthorities.map((pem, index) => [authorityFile(index), pem])),
    ...(database.kind === 'postgres'
      ? { 'database-ca.crt': database.caBundle, 'database.crt': database.certificate }
      : {}),
  };
  const binary = database.kind === 'postgres' ? { 'database.pk8': database.keyDer } : {};
  const hash = shortHash(stableJson({ ...texts, ...binary }));
  return manifest(
    {
      apiVersion: 'v1',
      kind: 'Secret',
      name: `${frame.name}-config-${hash}`,
      namespace: frame.namespace,
      labels: { ...frameLabels(frame), [CONFIG_LABEL]: 'tessera' },
      owner: frame.owner,
    },
    { type: 'Opaque', immutable: true, data: { ...base64Values(texts), ...binary } },
  );
}

/** Files of the configuration Secret that Tessera's container sees. */
export function tesseraFiles(configuration: KubeObject): string[] {
  return Object.keys(configuration.data as Record<string, string>)
    .filter((file) => file !== 'companion.json')
    .sort();
}
