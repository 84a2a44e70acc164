import type { KubeObject } from '../../kube/types.ts';
import { objectNames, ports, uids } from '../../names.ts';
import { CERTIFICATE_ANNOTATION, TRUSTS_ANNOTATION } from '../../pki/annotations.ts';
import { podAffinity } from '../../workload/affinity.ts';
import { manifest } from '../../workload/manifest.ts';
import { containerResources, type ResourceRequirements } from '../../workload/resources.ts';
import { containerSecurityContext, podDefaults, SECRET_MODE } from '../../workload/security.ts';
import { sidecarContainer, type VolumeMount } from '../../workload/sidecar.ts';
import { claimLabels, frameLabels, frameSelector, type NodeFrame } from '../frame.ts';
import { doorPaths } from './door-config.ts';
import { genesisInit, gethContainer } from './geth-containers.ts';

/** What the pod needs of the signer beyond the door's configuration. */
export interface SignerVolumes {
  readonly moduleImage: string;
  /** Path of the PKCS#11 module in its image. */
  readonly modulePath: string;
  readonly softhsm: boolean;
  readonly tokenSecret: string;
  readonly pinSecret: string;
  /** Secret with the database's client certificate; absent with the embedded database. */
  readonly databaseTlsSecret?: string | undefined;
  /** ConfigMap and key with the authority of the database's server, where it is not the organization's. */
  readonly databaseCa?: { readonly name: string; readonly key: string } | undefined;
  /** Claim of the volume of an embedded database. */
  readonly embeddedDatabaseClaim?: string | undefined;
}

export interface PodPlan {
  readonly images: { readonly geth: string; readonly sidecar: string };
  readonly chainId: number;
  /** Block gas limit of the genesis, decimal string. */
  readonly gasLimit: string;
  readonly genesisSha256: string;
  readonly verbosity: number;
  readonly externalAddress?: string | undefined;
  readonly transactionManagerUrl?: string | undefined;
  /** What geth reads at its start of certificates: its own, and whom it trusts. */
  readonly transactionManagerTls?: { readonly fingerprint: string; readonly trusts: string } | undefined;
  readonly extraArgs?: readonly string[] | undefined;
  readonly resources?: ResourceRequirements | undefined;
  readonly doorConfigSecret: string;
  readonly signer?: SignerVolumes | undefined;
  readonly storage: { readonly size: string; readonly storageClassName?: string | undefined };
  readonly deletionPolicy: 'Retain' | 'Delete';
  /** Regions whose machines may run the pod; empty: any. */
  readonly regions: readonly string[];
}

/** Time for a clean stop. A kill loses private state and, in a whole network, finalised blocks. */
const GRACE_SECONDS = 180;

const GENESIS_ANNOTATION = 'quorum-operator.io/genesis-sha256';

/**
 * StatefulSet `<node>`: one pod, replaced only when the roll-out lock says so (`OnDelete`), its volume kept.
 * The claim template cannot change once it exists; a larger volume is asked for at the claim.
 */
export function nodeStatefulSet(frame: NodeFrame, plan: PodPlan): KubeObject {
  return manifest(
    {
      apiVersion: 'apps/v1',
      kind: 'StatefulSet',
      name: frame.name,
      namespace: frame.namespace,
      labels: frameLabels(frame),
      owner: frame.owner,
    },
    {
      spec: {
        replicas: 1,
        serviceName: frame.name,
        podManagementPolicy: 'Parallel',
        revisionHistoryLimit: 1,
        updateStrategy: { type: 'OnDelete' },
        persistentVolumeClaimRetentionPolicy: { whenDeleted: plan.deletionPolicy, whenScaled: 'Retain' },
        selector: { matchLabels: frameSelector(frame) },
        template: {
          metadata: { labels: frameLabels(frame), annotations: annotations(plan) },
          spec: podSpec(frame, plan),
        },
        volumeClaimTemplates: [dataClaim(frame, plan)],
      },
    },
  );
}

/** A changed annotation is a restart: of geth's genesis, and of the certificates that it reads at its start. */
function annotations({ genesisSha256, transactionManagerTls }: PodPlan): Record<string, string> {
  return {
    [GENESIS_ANNOTATION]: genesisSha256,
    ...(transactionManagerTls
      ? {
          [CERTIFICATE_ANNOTATION]: transactionManagerTls.fingerprint,
          [TRUSTS_ANNOTATION]: transactionManagerTls.trusts,
        }
      : {}),
  };
}

function podSpec(frame: NodeFrame, plan: PodPlan): Record<string, unknown> {
  const geth = {
    ...plan,
    image: plan.images.geth,
    environment: frame.environment,
  };
  return {
    ...podDefaults(uids.geth),
    terminationGracePeriodSeconds: GRACE_SECONDS,
    ...podAffinity({ ...frame, regions: plan.regions }),
    // The door comes up while the genesis is written; it waits for geth by itself.
    initContainers: [...(plan.signer ? [moduleInit(frame, plan.signer)] : []), door(frame, plan), genesisInit(geth)],
    containers: [gethContainer(geth)],
    volumes: volumes(frame, plan),
  };
}

/** Copies the PKCS#11 module out of its image; the sidecar's image knows no vendor. */
function moduleInit(frame: NodeFrame, signer: SignerVolumes): Record<string, unknown> {
  return {
    name: 'hsm-module',
    image: signer.moduleImage,
    imagePullPolicy: 'IfNotPresent',
    command: ['/bin/cp', signer.modulePath, '/hsm/'],
    securityContext: containerSecurityContext(uids.sidecar),
    resources: containerResources('init', frame.environment),
    volumeMounts: [{ name: 'hsm-module', mountPath: '/hsm' }],
  };
}

function door(frame: NodeFrame, plan: PodPlan): Record<string, unknown> {
  return sidecarContainer({
    name: 'door',
    image: plan.images.sidecar,
    configFile: `${doorPaths.config}/door.json`,
    environment: frame.environment,
    ports: [{ name: 'door', containerPort: ports.door }],
    mounts: [
      { name: 'door-config', mountPath: doorPaths.config, readOnly: true },
      { name: 'tls', mountPath: doorPaths.tls, readOnly: true },
      { name: 'operator-ca', mountPath: doorPaths.operatorCa, readOnly: true },
      { name: 'organization-ca', mountPath: doorPaths.organizationCa, readOnly: true },
      { name: 'door-tmp', mountPath: '/tmp' },
      ...(plan.signer ? signerMounts(plan.signer) : []),
    ],
  });
}

function signerMounts(signer: SignerVolumes): VolumeMount[] {
  return [
    { name: 'hsm-module', mountPath: doorPaths.hsm, readOnly: true },
    { name: 'hsm-token', mountPath: doorPaths.token, readOnly: true },
    { name: 'hsm-pin', mountPath: doorPaths.pin, readOnly: true },
    ...(signer.softhsm ? [{ name: 'softhsm', mountPath: doorPaths.softhsm }] : []),
    ...(signer.databaseTlsSecret ? [{ name: 'database-tls', mountPath: doorPaths.databaseTls, readOnly: true }] : []),
    ...(signer.databaseCa ? [{ name: 'database-ca', mountPath: doorPaths.databaseCa, readOnly: true }] : []),
    ...(signer.embeddedDatabaseClaim ? [{ name: 'database', mountPath: doorPaths.database }] : []),
  ];
}

/** All volumes; which container sees which is said by its mounts: the node key only geth, PIN and token only the door. */
function volumes(frame: NodeFrame, plan: PodPlan): Record<string, unknown>[] {
  return [
    configMap('genesis', objectNames.genesis(frame.consortium)),
    configMap('peers', objectNames.peers(frame.name)),
    secret('nodekey', objectNames.nodeKey(frame.name), ['nodekey']),
    { name: 'keystore', emptyDir: { sizeLimit: '1Mi' } },
    { name: 'geth-tmp', emptyDir: { sizeLimit: '64Mi' } },
    ...(plan.transactionManagerUrl ? [secret('ptm-tls', objectNames.ptmTls(frame.name))] : []),
    secret('door-config', plan.doorConfigSecret),
    secret('tls', objectNames.tls(frame.name)),
    configMap('operator-ca', objectNames.operatorCa),
    configMap('organization-ca', objectNames.organizationCa),
    { name: 'door-tmp', emptyDir: { sizeLimit: '64Mi' } },
    ...(plan.signer ? signerVolumes(plan.signer) : []),
  ];
}

function signerVolumes(signer: SignerVolumes): Record<string, unknown>[] {
  return [
    { name: 'hsm-module', emptyDir: { sizeLimit: '256Mi' } },
    secret('hsm-token', signer.tokenSecret),
    secret('hsm-pin', signer.pinSecret, ['account-pin']),
    ...(signer.softhsm ? [{ name: 'softhsm', emptyDir: { medium: 'Memory', sizeLimit: '8Mi' } }] : []),
    ...(signer.databaseTlsSecret ? [secret('database-tls', signer.databaseTlsSecret)] : []),
    ...(signer.databaseCa ? [databaseCa(signer.databaseCa)] : []),
    ...(signer.embeddedDatabaseClaim
      ? [{ name: 'database', persistentVolumeClaim: { claimName: signer.embeddedDatabaseClaim } }]
      : []),
  ];
}

function databaseCa({ name, key }: { readonly name: string; readonly key: string }): Record<string, unknown> {
  return { name: 'database-ca', configMap: { name, defaultMode: 0o444, items: [{ key, path: 'ca.crt' }] } };
}

function secret(name: string, secretName: string, keys?: readonly string[]): Record<string, unknown> {
  const items = keys?.map((key) => ({ key, path: key }));
  return { name, secret: { secretName, defaultMode: SECRET_MODE, ...(items ? { items } : {}) } };
}

function configMap(name: string, configMapName: string): Record<string, unknown> {
  return { name, configMap: { name: configMapName, defaultMode: 0o444 } };
}

/** Its labels never change, unlike those of the pod: nobody can change a claim template. */
function dataClaim(frame: NodeFrame, plan: PodPlan): Record<string, unknown> {
  return {
    metadata: { name: 'data', labels: claimLabels(frame) },
    spec: {
      accessModes: ['ReadWriteOnce'],
      ...(plan.storage.storageClassName ? { storageClassName: plan.storage.storageClassName } : {}),
      resources: { requests: { storage: plan.storage.size } },
    },
  };
}
