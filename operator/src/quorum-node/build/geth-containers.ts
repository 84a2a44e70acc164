import { ports, uids } from '../../names.ts';
import { hardenedCommand } from '../../workload/hardened-command.ts';
import { containerResources, type Environment, type ResourceRequirements } from '../../workload/resources.ts';
import { containerSecurityContext } from '../../workload/security.ts';
import type { VolumeMount } from '../../workload/sidecar.ts';
import { type GethFlagOptions, gethFlags, gethPaths } from './geth-flags.ts';

export interface GethPlan extends GethFlagOptions {
  readonly image: string;
  readonly environment: Environment;
  readonly resources?: ResourceRequirements | undefined;
}

const data: VolumeMount = { name: 'data', mountPath: gethPaths.data };
const tmp: VolumeMount = { name: 'geth-tmp', mountPath: '/tmp' };

/** No transaction manager: without the word `ignore` geth would look for one where the environment says. */
const NO_TRANSACTION_MANAGER = [{ name: 'PRIVATE_CONFIG', value: 'ignore' }];

/**
 * `geth init` as a hard precondition: a start without it writes the main net's genesis and poisons the volume for good.
 * With the same genesis it changes nothing. The peer lists become links into a mounted ConfigMap, so they can change.
 */
export function genesisInit(plan: Pick<GethPlan, 'image' | 'environment'>): Record<string, unknown> {
  const links = ['static-nodes.json', 'permissioned-nodes.json'].map(
    (file) => `ln -sfn ${gethPaths.peers}/${file} ${gethPaths.data}/${file}`,
  );
  return {
    name: 'genesis-init',
    image: plan.image,
    imagePullPolicy: 'IfNotPresent',
    command: hardenedCommand('geth', [...links, 'unset HOME']),
    args: ['--datadir', gethPaths.data, 'init', `${gethPaths.genesis}/genesis.json`],
    env: NO_TRANSACTION_MANAGER,
    securityContext: containerSecurityContext(uids.geth),
    resources: containerResources('init', plan.environment),
    volumeMounts: [data, { name: 'genesis', mountPath: gethPaths.genesis, readOnly: true }, tmp],
  };
}

/**
 * geth itself. Its liveness asks the door whether the RPC port accepts connections, and never looks at the age of the last
 * block: a halt of the network would restart every node of it. Whether the node serves is the door's readiness.
 */
export function gethContainer(plan: GethPlan): Record<string, unknown> {
  const member = plan.transactionManagerUrl !== undefined;
  return {
    name: 'geth',
    image: plan.image,
    imagePullPolicy: 'IfNotPresent',
    command: hardenedCommand('geth', ['unset HOME']),
    args: gethFlags(plan),
    ...(member ? {} : { env: NO_TRANSACTION_MANAGER }),
    securityContext: containerSecurityContext(uids.geth),
    resources: containerResources('geth', plan.environment, plan.resources),
    ports: [{ name: 'p2p', containerPort: ports.peer, protocol: 'TCP' }],
    livenessProbe: {
      httpGet: { path: '/livez/geth', port: ports.probes },
      initialDelaySeconds: 30,
      periodSeconds: 10,
      timeoutSeconds: 5,
      failureThreshold: 6,
    },
    volumeMounts: [
      data,
      tmp,
      { name: 'keystore', mountPath: gethPaths.keystore, readOnly: true },
      { name: 'nodekey', mountPath: gethPaths.nodekey, readOnly: true },
      { name: 'peers', mountPath: gethPaths.peers, readOnly: true },
      ...(member ? [{ name: 'ptm-tls', mountPath: gethPaths.ptmTls, readOnly: true }] : []),
    ],
  };
}
