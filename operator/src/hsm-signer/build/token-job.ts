import { basename } from 'node:path';
import type { TokenConfig } from '../../../../signer-sidecar/src/token/config.ts';
import type { KubeObject } from '../../kube/types.ts';
import { objectNames, uids } from '../../names.ts';
import { hardenedCommand } from '../../workload/hardened-command.ts';
import { stableJson } from '../../workload/hash.ts';
import { manifest } from '../../workload/manifest.ts';
import { containerResources } from '../../workload/resources.ts';
import { containerSecurityContext, podDefaults, SECRET_MODE } from '../../workload/security.ts';
import { type SignerFrame, signerLabels } from '../frame.ts';

export interface TokenPlan {
  readonly sidecarImage: string;
  readonly moduleImage: string;
  readonly modulePath: string;
  readonly pinSecret: string;
  readonly label: string;
  readonly serviceLabel: string;
  readonly keys: readonly { readonly name: string; readonly label: string }[];
}

const paths = {
  config: '/etc/quorum/token-init',
  module: '/etc/quorum/hsm',
  pin: '/etc/quorum/pin',
  softhsm: '/run/softhsm',
  apiServer: '/var/run/secrets/quorum-operator',
} as const;

/** Seconds that the Job's own API token lives; the shortest that Kubernetes issues. */
const TOKEN_SECONDS = 600;

/** Content of the Job's configuration; it names files, never a PIN. */
export function tokenConfig(frame: SignerFrame, plan: TokenPlan): TokenConfig {
  return {
    modulePath: `${paths.module}/${basename(plan.modulePath)}`,
    directory: paths.softhsm,
    pins: {
      securityOfficerFile: `${paths.pin}/so-pin`,
      serviceFile: `${paths.pin}/service-pin`,
      accountFile: `${paths.pin}/account-pin`,
    },
    account: { label: plan.label, keys: plan.keys.map(({ name, label }) => ({ name, label })) },
    service: { label: plan.serviceLabel, keys: [{ name: 'service', label: 'service' }] },
    secret: { namespace: frame.namespace, name: objectNames.token(frame.name) },
    apiServer: { tokenFile: `${paths.apiServer}/token`, caFile: `${paths.apiServer}/ca.crt` },
  };
}

/** ConfigMap `<signer>-token`: what the Job is to make. */
export function tokenConfigMap(frame: SignerFrame, plan: TokenPlan): KubeObject {
  return manifest(
    {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      name: objectNames.token(frame.name),
      namespace: frame.namespace,
      labels: signerLabels(frame, 'signer-token'),
      owner: frame.owner,
    },
    { data: { 'config.json': `${stableJson(tokenConfig(frame, plan), 2)}\n` } },
  );
}

/**
 * Job `<signer>-token`: makes the token once and puts it, packed, into Secret `<signer>-token`. Created, not applied: a
 * Job's template cannot change, and a token that is there is left alone however often it runs.
 */
export function tokenJob(frame: SignerFrame, plan: TokenPlan): KubeObject {
  const labels = signerLabels(frame, 'signer-token');
  return manifest(
    {
      apiVersion: 'batch/v1',
      kind: 'Job',
      name: objectNames.token(frame.name),
      namespace: frame.namespace,
      labels,
      owner: frame.owner,
    },
    {
      spec: {
        backoffLimit: 4,
        activeDeadlineSeconds: 600,
        template: {
          metadata: { labels },
          spec: {
            ...podDefaults(uids.sidecar),
            shareProcessNamespace: false,
            serviceAccountName: objectNames.token(frame.name),
            restartPolicy: 'Never',
            terminationGracePeriodSeconds: 5,
            initContainers: [moduleInit(frame, plan)],
            containers: [container(frame, plan)],
            volumes: volumes(frame, plan),
          },
        },
      },
    },
  );
}

function moduleInit(frame: SignerFrame, plan: TokenPlan): Record<string, unknown> {
  return {
    name: 'hsm-module',
    image: plan.moduleImage,
    imagePullPolicy: 'IfNotPresent',
    command: ['/bin/cp', plan.modulePath, '/hsm/'],
    securityContext: containerSecurityContext(uids.sidecar),
    resources: containerResources('init', frame.environment),
    volumeMounts: [{ name: 'hsm-module', mountPath: '/hsm' }],
  };
}

function container(frame: SignerFrame, plan: TokenPlan): Record<string, unknown> {
  return {
    name: 'token-init',
    image: plan.sidecarImage,
    imagePullPolicy: 'IfNotPresent',
    command: hardenedCommand('/usr/local/bin/node'),
    args: ['/app/main.mjs', 'token-init', '--config', `${paths.config}/config.json`],
    securityContext: containerSecurityContext(uids.sidecar),
    resources: containerResources('init', frame.environment),
    volumeMounts: [
      { name: 'config', mountPath: paths.config, readOnly: true },
      { name: 'hsm-module', mountPath: paths.module, readOnly: true },
      { name: 'pin', mountPath: paths.pin, readOnly: true },
      { name: 'softhsm', mountPath: paths.softhsm },
      { name: 'api-server', mountPath: paths.apiServer, readOnly: true },
    ],
  };
}

function volumes(frame: SignerFrame, plan: TokenPlan): Record<string, unknown>[] {
  return [
    { name: 'config', configMap: { name: objectNames.token(frame.name), defaultMode: 0o444 } },
    { name: 'hsm-module', emptyDir: { sizeLimit: '256Mi' } },
    { name: 'pin', secret: { secretName: plan.pinSecret, defaultMode: SECRET_MODE } },
    // The token lies unpacked in memory only, never on a node's disk.
    { name: 'softhsm', emptyDir: { medium: 'Memory', sizeLimit: '8Mi' } },
    {
      name: 'api-server',
      projected: {
        defaultMode: SECRET_MODE,
        sources: [
          { serviceAccountToken: { path: 'token', expirationSeconds: TOKEN_SECONDS } },
          { configMap: { name: 'kube-root-ca.crt', items: [{ key: 'ca.crt', path: 'ca.crt' }] } },
        ],
      },
    },
  ];
}
