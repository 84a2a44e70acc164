import type { DoorConfigInput } from '../../../../signer-sidecar/src/config.ts';
import type { KubeObject } from '../../kube/types.ts';
import { ports, uids } from '../../names.ts';
import { shortHash, stableJson } from '../../workload/hash.ts';
import { base64Values, manifest } from '../../workload/manifest.ts';
import { frameLabels, type NodeFrame } from '../frame.ts';

/** Where the sidecar finds its files; the StatefulSet mounts them there. */
export const doorPaths = {
  config: '/etc/quorum/door',
  tls: '/etc/quorum/tls',
  operatorCa: '/etc/quorum/operator-ca',
  organizationCa: '/etc/quorum/organization-ca',
  hsm: '/etc/quorum/hsm',
  token: '/etc/quorum/token',
  pin: '/etc/quorum/pin',
  databaseTls: '/etc/quorum/database-tls',
  databaseCa: '/etc/quorum/database-ca',
  softhsm: '/run/softhsm',
  database: '/var/lib/quorum',
} as const;

export type SignerDatabase =
  | {
      readonly kind: 'postgres';
      readonly host: string;
      readonly port: number;
      readonly database: string;
      readonly user: string;
      /** The server's certificate comes from another authority than the organization's. */
      readonly ownCa: boolean;
    }
  | { readonly kind: 'embedded' };

/** What the door needs to know to sign. */
export interface DoorSigner {
  readonly name: string;
  readonly accounts: readonly { readonly name: string; readonly address: string; readonly keyId: string }[];
  /** File name of the PKCS#11 module in the folder that the init container copies it to. */
  readonly moduleFile: string;
  readonly tokenLabel: string;
  readonly tokenSerial: string;
  /** The token is a packed SoftHSM token, to be opened in memory. */
  readonly softhsm: boolean;
  readonly database: SignerDatabase;
  readonly peers: readonly { readonly name: string; readonly url: string }[];
}

export interface DoorPlan {
  readonly chain: { readonly chainId: number; readonly genesisSha256: string; readonly configHash: string };
  readonly issuers: readonly {
    readonly issuer: string;
    readonly audience: string;
    readonly jwks: { readonly keys: readonly unknown[] };
  }[];
  readonly cors: readonly string[];
  readonly limits: {
    readonly requestsPerSecond: number;
    readonly burst: number;
    readonly concurrency: number;
    readonly maxBodyBytes: number;
    readonly maxBatch: number;
  };
  readonly signer?: DoorSigner | undefined;
}

/** Sessions with the HSM that a door holds: as many signatures are made at once. */
const HSM_SESSIONS = 4;
const SIGN_TIMEOUT_MS = 5000;

/** Content of door.json. Secrets (PIN, token, keys) are not in it, only the files they are in. */
export function doorConfig(frame: NodeFrame, plan: DoorPlan): DoorConfigInput {
  const host = '0.0.0.0';
  return {
    node: {
      name: frame.name,
      namespace: frame.namespace,
      organization: frame.organization,
      consortium: frame.consortium,
      role: frame.role,
    },
    chain: plan.chain,
    listen: { door: { host, port: ports.door }, ops: { host, port: ports.ops }, probes: { host, port: ports.probes } },
    tls: {
      certFile: `${doorPaths.tls}/tls.crt`,
      keyFile: `${doorPaths.tls}/tls.key`,
      organizationCaFile: `${doorPaths.organizationCa}/ca.crt`,
      operatorCaFile: `${doorPaths.operatorCa}/ca.crt`,
    },
    upstream: {
      http: `http://127.0.0.1:${ports.gethHttp}`,
      ws: `ws://127.0.0.1:${ports.gethWebSocket}`,
      metrics: `http://127.0.0.1:${ports.gethMetrics}/debug/metrics/prometheus`,
    },
    issuers: plan.issuers as DoorConfigInput['issuers'],
    cors: { origins: [...plan.cors] },
    limits: plan.limits,
    logging: { level: 'info' },
    evidence: {
      processes: [
        { container: 'geth', uid: uids.geth, command: 'geth' },
        { container: 'door', uid: uids.sidecar, command: 'main.mjs' },
      ],
    },
    ...(plan.signer ? { signer: signerConfig(plan.signer) } : {}),
  };
}

function signerConfig(signer: DoorSigner): NonNullable<DoorConfigInput['signer']> {
  return {
    name: signer.name,
    accounts: signer.accounts.map(({ name, address, keyId }) => ({ name, address, keyId })),
    hsm: {
      modulePath: `${doorPaths.hsm}/${signer.moduleFile}`,
      tokenLabel: signer.tokenLabel,
      tokenSerial: signer.tokenSerial,
      pinFile: `${doorPaths.pin}/account-pin`,
      sessions: HSM_SESSIONS,
      signTimeoutMs: SIGN_TIMEOUT_MS,
      ...(signer.softhsm
        ? { softhsm: { archiveFile: `${doorPaths.token}/token.tar.gz`, directory: doorPaths.softhsm } }
        : {}),
    },
    database: databaseConfig(signer.database),
    peers: signer.peers.map(({ name, url }) => ({ name, url })),
  };
}

function databaseConfig(database: SignerDatabase): NonNullable<DoorConfigInput['signer']>['database'] {
  if (database.kind === 'embedded') return { kind: 'embedded', directory: doorPaths.database };
  const { ownCa, ...server } = database;
  return {
    ...server,
    caFile: `${ownCa ? doorPaths.databaseCa : doorPaths.organizationCa}/ca.crt`,
    certFile: `${doorPaths.databaseTls}/tls.crt`,
    keyFile: `${doorPaths.databaseTls}/tls.key`,
  };
}

/** Value of the label by which a node's door configurations are found, those of the past included. */
export const DOOR_CONFIG_LABEL = 'quorum-operator.io/config';

/**
 * Immutable Secret `<node>-door-<hash>`. Another configuration is another Secret, and so another pod template: what a pod
 * was started with never changes under it, and a roll-out is a restart in the order that the network allows.
 */
export function doorConfigSecret(frame: NodeFrame, plan: DoorPlan): KubeObject {
  const text = stableJson(doorConfig(frame, plan));
  return manifest(
    {
      apiVersion: 'v1',
      kind: 'Secret',
      name: `${frame.name}-door-${shortHash(text)}`,
      namespace: frame.namespace,
      labels: { ...frameLabels(frame), [DOOR_CONFIG_LABEL]: 'door' },
      owner: frame.owner,
    },
    { type: 'Opaque', immutable: true, data: base64Values({ 'door.json': text }) },
  );
}
