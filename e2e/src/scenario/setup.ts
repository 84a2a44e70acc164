import type { TestProject } from 'vitest/node';
import { type Cluster, findCluster, openCluster } from '../cluster/provider.ts';
import { installOperator, loadNetworkImages } from '../demo/install.ts';
import { consoleOutput } from '../demo/output.ts';
import { findParts, type Parts, partsNotice } from '../demo/parts.ts';
import type { BuiltImage, ImageTarget } from '../images/build.ts';

/** What scenarios find when they start: a cluster with the operator installed, or why there is none. */
export type Stage =
  | { available: true; cluster: string; images: [ImageTarget, BuiltImage][]; parts: Parts }
  | { available: false; why: string };

declare module 'vitest' {
  interface ProvidedContext {
    stage: Stage;
  }
}

/** A name of its own, so that the scenarios run beside a demo. */
const CLUSTER_NAME = process.env.QUORUM_E2E_CLUSTER ?? 'scenarios';

/**
 * One cluster for all scenarios. With QUORUM_E2E_KEEP=1 it stays for a look around, and is used again by the next run.
 * A machine that cannot have a cluster skips the scenarios by name; a failure to make one where it should work fails them.
 */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const output = consoleOutput();
  const parts = await findParts(output.line);
  for (const notice of partsNotice(parts)) output.line(notice);
  const prefer = process.env.QUORUM_E2E_PROVIDER === 'kind' ? 'kind' : 'local';
  if (prefer === 'local' && process.getuid?.() !== 0) {
    const why = 'a local cluster needs root on Linux; with Docker, QUORUM_E2E_PROVIDER=kind uses kind';
    output.line(`scenarios are skipped: ${why}`);
    project.provide('stage', { available: false, why });
    return async () => undefined;
  }
  const keep = process.env.QUORUM_E2E_KEEP === '1';
  if (!keep) await (await findCluster(CLUSTER_NAME))?.down();
  const cluster: Cluster = await openCluster({ name: CLUSTER_NAME, prefer, log: output.line });
  try {
    const images = await loadNetworkImages(cluster, parts, output);
    await installOperator(cluster, images, parts);
    output.line('the operator is installed and ready');
    project.provide('stage', { available: true, cluster: cluster.name, images: [...images], parts });
  } catch (error) {
    if (!keep) await cluster.down();
    throw error;
  }
  return async () => {
    if (!keep) await cluster.down();
  };
}
