import { access } from 'node:fs/promises';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';
import { clusterCommands } from './commands.ts';
import type { Cluster, OpenOptions } from './provider.ts';

/** A cluster that exists already and is not ours to remove. Throws when its kubeconfig or API server cannot be reached. */
export async function givenCluster(options: OpenOptions): Promise<Cluster> {
  const kubeconfig = options.kubeconfig ?? usualKubeconfig();
  await access(kubeconfig).catch(() => {
    throw new Error(`kubeconfig ${kubeconfig} cannot be read: name another file, or set KUBECONFIG`);
  });
  const target = { kubeconfig, ...(options.context !== undefined && { context: options.context }) };
  const commands = clusterCommands(target, options.log);
  const label = options.context ? `of context ${options.context}` : `of ${kubeconfig}`;
  const answer = await commands.kubectl(['get', '--raw', '/readyz'], { timeoutMs: 20_000, allowFailure: true });
  if (answer.code !== 0) throw new Error(`the cluster ${label} does not answer: ${answer.stderr.trim()}`);
  return {
    ...target,
    ...commands,
    name: options.name,
    kind: 'given',
    async loadImages(archives) {
      if (archives.length === 0) return;
      const names = archives.map(({ name }) => name).join(', ');
      throw new Error(
        `images cannot be put into the cluster ${label} from files: push ${names} to a registry that it can pull from`,
      );
    },
    async down() {},
  };
}

/** KUBECONFIG may name several files to merge; kubectl reads them as one only without --kubeconfig, so the first is it. */
function usualKubeconfig(): string {
  const named = (process.env.KUBECONFIG ?? '').split(delimiter).filter(Boolean)[0];
  return named ?? join(homedir(), '.kube', 'config');
}
