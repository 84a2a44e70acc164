import { ports, uids } from '../names.ts';
import { hardenedCommand } from './hardened-command.ts';
import { containerResources, type Environment } from './resources.ts';
import { containerSecurityContext } from './security.ts';

export interface VolumeMount {
  readonly name: string;
  readonly mountPath: string;
  readonly readOnly?: boolean;
  readonly subPath?: string;
}

export interface SidecarOptions {
  readonly name: 'door' | 'companion';
  readonly image: string;
  readonly configFile: string;
  readonly environment: Environment;
  readonly mounts: readonly VolumeMount[];
  readonly ports: readonly { readonly name: string; readonly containerPort: number }[];
}

const NODE = '/usr/local/bin/node';
const ENTRY = '/app/main.mjs';

/**
 * The sidecar as a native sidecar: an init container that is restarted always, so it starts before the program it
 * guards and stops after it. It has no startup probe: the program must not wait for it, nor it for the program.
 */
export function sidecarContainer(options: SidecarOptions): Record<string, unknown> {
  return {
    name: options.name,
    image: options.image,
    imagePullPolicy: 'IfNotPresent',
    restartPolicy: 'Always',
    command: hardenedCommand(NODE),
    args: [ENTRY, options.name, '--config', options.configFile],
    securityContext: containerSecurityContext(uids.sidecar),
    resources: containerResources('sidecar', options.environment),
    ports: [
      ...options.ports.map((port) => ({ ...port, protocol: 'TCP' })),
      { name: 'ops', containerPort: ports.ops, protocol: 'TCP' },
      { name: 'probes', containerPort: ports.probes, protocol: 'TCP' },
    ],
    readinessProbe: {
      httpGet: { path: '/readyz', port: ports.probes },
      periodSeconds: 2,
      timeoutSeconds: 2,
      failureThreshold: 3,
    },
    livenessProbe: {
      httpGet: { path: '/livez', port: ports.probes },
      initialDelaySeconds: 10,
      periodSeconds: 10,
      timeoutSeconds: 3,
      failureThreshold: 6,
    },
    volumeMounts: options.mounts,
  };
}
