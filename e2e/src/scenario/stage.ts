import { inject } from 'vitest';
import { type Cluster, findCluster } from '../cluster/provider.ts';
import type { Images } from '../demo/install.ts';
import type { Parts } from '../demo/parts.ts';

/** True where scenarios can run; for `describe.skipIf(!hasCluster())`. */
export function hasCluster(): boolean {
  return inject('stage').available;
}

/** True when GoQuorum itself runs in the cluster, not the stand-in. */
export function hasGoQuorum(): boolean {
  const stage = inject('stage');
  return stage.available && (stage.parts.goquorumBinary ?? stage.parts.official.quorum) !== undefined;
}

/** The cluster and the images of this run. */
export async function openStage(): Promise<{ cluster: Cluster; images: Images; parts: Parts }> {
  const stage = inject('stage');
  if (!stage.available) throw new Error(`no cluster: ${stage.why}`);
  const cluster = await findCluster(stage.cluster);
  if (cluster === undefined) throw new Error(`the cluster ${stage.cluster} is gone`);
  return { cluster, images: new Map(stage.images), parts: stage.parts };
}
