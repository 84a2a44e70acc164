import { clusterCommands } from '../commands.ts';
import type { Cluster } from '../provider.ts';
import type { Log } from '../tools.ts';
import { localDown, localLoadImages, localStatus, localUp } from './cluster.ts';
import { layout } from './layout.ts';

/** The local cluster of this name, started if it does not run. */
export async function openLocal(name: string, log: Log): Promise<Cluster> {
  await localUp(name, log);
  return presentLocal(name, log);
}

/** The local cluster of this name as it is, running or not. */
export function presentLocal(name: string, log: Log): Cluster {
  const { kubeconfig, auditLog } = layout(name);
  return {
    ...clusterCommands({ kubeconfig }, log),
    name,
    kind: 'local',
    kubeconfig,
    auditLog,
    async loadImages(archives) {
      const status = await localStatus(name);
      if (status.kind !== 'running') throw new Error(`cluster ${name} does not run: start it before loading images`);
      await localLoadImages(status.state, archives);
    },
    down: () => localDown(name, log),
  };
}
