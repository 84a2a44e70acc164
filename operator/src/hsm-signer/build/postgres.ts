import type { KubeObject } from '../../kube/types.ts';
import { labels, objectNames, ports, uids } from '../../names.ts';
import { hardenedCommand } from '../../workload/hardened-command.ts';
import { shortHash, stableJson } from '../../workload/hash.ts';
import { manifest } from '../../workload/manifest.ts';
import { podsHere, policySpec } from '../../workload/network-policy.ts';
import { containerSecurityContext, podDefaults, SECRET_MODE } from '../../workload/security.ts';
import { type SignerFrame, signerLabels, signerSelector } from '../frame.ts';
import { postgresConfigMap, postgresPaths } from './postgres-config.ts';

export interface PostgresPlan {
  readonly image: string;
  readonly storage: { readonly size: string; readonly storageClassName?: string | undefined };
  readonly deletionPolicy: 'Retain' | 'Delete';
}

/** Annotation of the pod by which a change of settings becomes a change of its template. */
const CONFIG_ANNOTATION = 'quorum-operator.io/config-hash';

function head(frame: SignerFrame, apiVersion: string, kind: string) {
  return {
    apiVersion,
    kind,
    name: objectNames.postgres(frame.name),
    namespace: frame.namespace,
    labels: signerLabels(frame, 'postgres'),
    owner: frame.owner,
  };
}

/** Names that the server's certificate carries; clients verify them in full. */
export function postgresDnsNames(frame: SignerFrame): string[] {
  const name = `${objectNames.postgres(frame.name)}.${frame.namespace}.svc`;
  return [name, `${name}.cluster.local`];
}

export function postgresService(frame: SignerFrame): KubeObject {
  return manifest(head(frame, 'v1', 'Service'), {
    spec: {
      type: 'ClusterIP',
      selector: signerSelector(frame, 'postgres'),
      ports: [{ name: 'postgres', port: ports.postgres, targetPort: ports.postgres, protocol: 'TCP' }],
    },
  });
}

/** NetworkPolicy `<signer>-postgres`: pods whose sidecar signs for this signer, and nobody else; the server calls nobody. */
export function postgresNetworkPolicy(frame: SignerFrame): KubeObject {
  const doors = podsHere({ [labels.signer]: frame.name });
  return manifest(head(frame, 'networking.k8s.io/v1', 'NetworkPolicy'), {
    spec: policySpec(signerSelector(frame, 'postgres'), [{ port: ports.postgres, peers: [doors] }], []),
  });
}

/**
 * StatefulSet `<signer>-postgres` (Development): one server, one volume. Its pod is replaced by this controller only,
 * as everything of ours is.
 */
export function postgresStatefulSet(frame: SignerFrame, plan: PostgresPlan): KubeObject {
  const podLabels = signerLabels(frame, 'postgres');
  const config = shortHash(stableJson(postgresConfigMap(frame).data));
  return manifest(head(frame, 'apps/v1', 'StatefulSet'), {
    spec: {
      replicas: 1,
      serviceName: objectNames.postgres(frame.name),
      podManagementPolicy: 'Parallel',
      revisionHistoryLimit: 2,
      updateStrategy: { type: 'OnDelete' },
      persistentVolumeClaimRetentionPolicy: { whenDeleted: plan.deletionPolicy, whenScaled: 'Retain' },
      selector: { matchLabels: signerSelector(frame, 'postgres') },
      template: {
        metadata: { labels: podLabels, annotations: { [CONFIG_ANNOTATION]: config } },
        spec: {
          ...podDefaults(uids.postgres),
          shareProcessNamespace: false,
          terminationGracePeriodSeconds: 60,
          containers: [container(plan)],
          volumes: volumes(frame),
        },
      },
      volumeClaimTemplates: [dataClaim(plan)],
    },
  });
}

function container(plan: PostgresPlan): Record<string, unknown> {
  const ready = ['pg_isready', '--quiet', '--host', postgresPaths.run, '--port', String(ports.postgres)];
  return {
    name: 'postgres',
    image: plan.image,
    imagePullPolicy: 'IfNotPresent',
    // The database holds who transacted what and, later, sealed credentials: no dumps of its memory either.
    command: hardenedCommand('/bin/sh'),
    args: [`${postgresPaths.config}/start.sh`],
    securityContext: containerSecurityContext(uids.postgres),
    resources: { requests: { cpu: '50m', memory: '128Mi' }, limits: { memory: '512Mi' } },
    ports: [{ name: 'postgres', containerPort: ports.postgres, protocol: 'TCP' }],
    // A fast shutdown: Postgres takes SIGTERM for "wait until the last client has gone".
    lifecycle: {
      preStop: { exec: { command: ['pg_ctl', 'stop', '-D', postgresPaths.data, '-m', 'fast', '--no-wait'] } },
    },
    readinessProbe: { exec: { command: ready }, periodSeconds: 2, timeoutSeconds: 3, failureThreshold: 3 },
    livenessProbe: {
      exec: { command: ready },
      initialDelaySeconds: 60,
      periodSeconds: 15,
      timeoutSeconds: 5,
      failureThreshold: 6,
    },
    volumeMounts: [
      { name: 'config', mountPath: postgresPaths.config, readOnly: true },
      { name: 'tls', mountPath: postgresPaths.tls, readOnly: true },
      { name: 'organization-ca', mountPath: postgresPaths.organizationCa, readOnly: true },
      { name: 'data', mountPath: postgresPaths.volume },
      { name: 'run', mountPath: postgresPaths.run },
      { name: 'tmp', mountPath: '/tmp' },
    ],
  };
}

function volumes(frame: SignerFrame): Record<string, unknown>[] {
  return [
    { name: 'config', configMap: { name: objectNames.postgres(frame.name), defaultMode: 0o444 } },
    // Files of a Secret belong to root and the pod's group; Postgres takes a key in such a file up to mode 0640.
    { name: 'tls', secret: { secretName: objectNames.postgresTls(frame.name), defaultMode: SECRET_MODE } },
    { name: 'organization-ca', configMap: { name: objectNames.organizationCa, defaultMode: 0o444 } },
    { name: 'run', emptyDir: { sizeLimit: '8Mi' } },
    { name: 'tmp', emptyDir: { sizeLimit: '256Mi' } },
  ];
}

function dataClaim(plan: PostgresPlan): Record<string, unknown> {
  return {
    metadata: { name: 'data' },
    spec: {
      accessModes: ['ReadWriteOnce'],
      ...(plan.storage.storageClassName ? { storageClassName: plan.storage.storageClassName } : {}),
      resources: { requests: { storage: plan.storage.size } },
    },
  };
}
