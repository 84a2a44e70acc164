import type { KubeObject } from '../../kube/types.ts';
import { objectNames, ports, uids } from '../../names.ts';
import { CERTIFICATE_ANNOTATION, TRUSTS_ANNOTATION } from '../../pki/annotations.ts';
import { podAffinity } from '../../workload/affinity.ts';
import { hardenedCommand } from '../../workload/hardened-command.ts';
import { manifest } from '../../workload/manifest.ts';
import { containerResources, type ResourceRequirements } from '../../workload/resources.ts';
import { containerSecurityContext, podDefaults, SECRET_MODE } from '../../workload/security.ts';
import { sidecarContainer } from '../../workload/sidecar.ts';
import { frameLabels, frameSelector, type TesseraFrame } from '../frame.ts';
import { companionPaths, tesseraPaths } from './config.ts';

export interface TesseraPodPlan {
  readonly images: { readonly tessera: string; readonly sidecar: string };
  readonly configSecret: string;
  /** Files of the configuration Secret for Tessera. */
  readonly configFiles: readonly string[];
  readonly keys: readonly { readonly name: string; readonly secretName: string }[];
  /** Fingerprint of the certificate: Tessera reads it at its start only, so a new one is a restart. */
  readonly certificateFingerprint: string;
  /** The members' authorities that it trusts, see EnsuredCertificate.trusts; read at its start, too. */
  readonly trusts: string;
  readonly resources?: ResourceRequirements | undefined;
  readonly storage: { readonly size: string; readonly storageClassName?: string | undefined };
  readonly deletionPolicy: 'Retain' | 'Delete';
  /** Regions whose machines may run the pod; empty: any. */
  readonly regions: readonly string[];
}

const GRACE_SECONDS = 60;

/** No crash cores, no heap dumps (keys are in the heap), nobody attaches; an exhausted heap ends the process. */
const JVM_OPTIONS = [
  '-XX:-CreateCoredumpOnCrash',
  '-XX:-HeapDumpOnOutOfMemoryError',
  '-XX:+ExitOnOutOfMemoryError',
  '-XX:+DisableAttachMechanism',
  '-XX:-UsePerfData',
  '-XX:MaxRAMPercentage=60',
  '-XX:ErrorFile=/dev/null',
].join(' ');

/** StatefulSet `<tessera>`: one pod, replaced by the operator only (`OnDelete`), its volume kept. */
export function tesseraStatefulSet(frame: TesseraFrame, plan: TesseraPodPlan): KubeObject {
  const { name, namespace, owner } = frame;
  const annotations = { [CERTIFICATE_ANNOTATION]: plan.certificateFingerprint, [TRUSTS_ANNOTATION]: plan.trusts };
  return manifest(
    { apiVersion: 'apps/v1', kind: 'StatefulSet', name, namespace, labels: frameLabels(frame), owner },
    {
      spec: {
        replicas: 1,
        serviceName: name,
        podManagementPolicy: 'Parallel',
        revisionHistoryLimit: 1,
        updateStrategy: { type: 'OnDelete' },
        persistentVolumeClaimRetentionPolicy: { whenDeleted: plan.deletionPolicy, whenScaled: 'Retain' },
        selector: { matchLabels: frameSelector(frame) },
        template: {
          metadata: { labels: frameLabels(frame), annotations },
          spec: {
            ...podDefaults(uids.tessera),
            terminationGracePeriodSeconds: GRACE_SECONDS,
            ...podAffinity({ ...frame, regions: plan.regions }),
            initContainers: [companion(frame, plan)],
            containers: [tessera(frame, plan)],
            volumes: volumes(frame, plan),
          },
        },
        volumeClaimTemplates: [
          {
            metadata: { name: 'data', labels: frameLabels(frame) },
            spec: {
              accessModes: ['ReadWriteOnce'],
              ...(plan.storage.storageClassName ? { storageClassName: plan.storage.storageClassName } : {}),
              resources: { requests: { storage: plan.storage.size } },
            },
          },
        ],
      },
    },
  );
}

/** Tessera's key files are JSON around the key; they exist in memory only, and no process has the key in its arguments. */
function keyFiles(plan: TesseraPodPlan): string[] {
  const { keys, keyFiles: target } = tesseraPaths;
  return plan.keys.flatMap(({ name }) => [
    `printf '{"type":"unlocked","data":{"bytes":"%s"}}' "$(cat ${keys}/${name}/privateKey)" > ${target}/${name}.key`,
    `printf '%s' "$(cat ${keys}/${name}/publicKey)" > ${target}/${name}.pub`,
  ]);
}

function tessera(frame: TesseraFrame, plan: TesseraPodPlan): Record<string, unknown> {
  const probe = (path: string, periodSeconds: number, failureThreshold: number) => ({
    httpGet: { path, port: ports.probes },
    periodSeconds,
    timeoutSeconds: 3,
    failureThreshold,
  });
  return {
    name: 'tessera',
    image: plan.images.tessera,
    imagePullPolicy: 'IfNotPresent',
    command: hardenedCommand('/tessera/bin/tessera', ['umask 077', ...keyFiles(plan)]),
    args: ['-configfile', `${tesseraPaths.config}/config.json`],
    env: [{ name: 'JAVA_TOOL_OPTIONS', value: JVM_OPTIONS }],
    securityContext: containerSecurityContext(uids.tessera),
    resources: containerResources('tessera', frame.environment, plan.resources),
    ports: [
      { name: 'p2p', containerPort: ports.tesseraPeer, protocol: 'TCP' },
      { name: 'q2t', containerPort: ports.tesseraQ2T, protocol: 'TCP' },
    ],
    // The kubelet has no client certificate, so the companion asks over loopback.
    startupProbe: probe('/livez/tessera', 1, 180),
    readinessProbe: probe('/readyz', 5, 3),
    livenessProbe: probe('/livez/tessera', 10, 6),
    volumeMounts: [
      { name: 'config', mountPath: tesseraPaths.config, readOnly: true },
      { name: 'tls', mountPath: tesseraPaths.tls, readOnly: true },
      ...plan.keys.map(({ name }) => ({
        name: `key-${name}`,
        mountPath: `${tesseraPaths.keys}/${name}`,
        readOnly: true,
      })),
      { name: 'key-files', mountPath: tesseraPaths.keyFiles },
      { name: 'data', mountPath: tesseraPaths.data },
      { name: 'tessera-tmp', mountPath: '/tmp' },
    ],
  };
}

function companion(frame: TesseraFrame, plan: TesseraPodPlan): Record<string, unknown> {
  return sidecarContainer({
    name: 'companion',
    image: plan.images.sidecar,
    configFile: `${companionPaths.config}/companion.json`,
    environment: frame.environment,
    ports: [],
    mounts: [
      { name: 'companion-config', mountPath: companionPaths.config, readOnly: true },
      { name: 'tls', mountPath: companionPaths.tls, readOnly: true },
      { name: 'operator-ca', mountPath: companionPaths.operatorCa, readOnly: true },
      { name: 'organization-ca', mountPath: companionPaths.organizationCa, readOnly: true },
      { name: 'companion-tmp', mountPath: '/tmp' },
    ],
  });
}

function volumes(frame: TesseraFrame, plan: TesseraPodPlan): Record<string, unknown>[] {
  const secret = (name: string, secretName: string, files?: readonly string[]) => ({
    name,
    secret: {
      secretName,
      defaultMode: SECRET_MODE,
      ...(files ? { items: files.map((file) => ({ key: file, path: file })) } : {}),
    },
  });
  return [
    secret('config', plan.configSecret, plan.configFiles),
    secret('tls', objectNames.tls(frame.name)),
    ...plan.keys.map(({ name, secretName }) => secret(`key-${name}`, secretName, ['privateKey', 'publicKey'])),
    { name: 'key-files', emptyDir: { medium: 'Memory', sizeLimit: '1Mi' } },
    { name: 'tessera-tmp', emptyDir: { sizeLimit: '256Mi' } },
    secret('companion-config', plan.configSecret, ['companion.json']),
    { name: 'operator-ca', configMap: { name: objectNames.operatorCa, defaultMode: 0o444 } },
    { name: 'organization-ca', configMap: { name: objectNames.organizationCa, defaultMode: 0o444 } },
    { name: 'companion-tmp', emptyDir: { sizeLimit: '64Mi' } },
  ];
}
