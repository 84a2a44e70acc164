import { access, readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { basename, delimiter, dirname, join } from 'node:path';
import { parse } from 'yaml';
import { cacheDirectory } from './cache.ts';
import { clusterCommands } from './commands.ts';
import { run } from './process.ts';
import { type Cluster, findCluster, type ImageFile, type OpenOptions } from './provider.ts';
import { ensurePrograms, type Log } from './tools.ts';

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
      if (archives.length > 0) await load(archives, target, label, options.log);
    },
    async down() {},
  };
}

/** Images from files get into a cluster only by the tool that made it: kind, or our own local provider. */
async function load(
  archives: readonly ImageFile[],
  { kubeconfig, context }: { kubeconfig: string; context?: string },
  label: string,
  log: Log,
): Promise<void> {
  const current = context ?? (await currentContext(kubeconfig));
  if (current.startsWith('kind-')) {
    const { kind } = await ensurePrograms(['kind'], log);
    for (const { file } of archives)
      await run(kind, ['load', 'image-archive', file, `--name=${current.slice('kind-'.length)}`]);
    return;
  }
  const name = basename(dirname(kubeconfig));
  if (kubeconfig === join(cacheDirectory(), 'clusters', name, 'kubeconfig')) {
    const cluster = await findCluster(name, log);
    if (cluster) return cluster.loadImages(archives);
  }
  const names = archives.map((archive) => archive.name).join(', ');
  throw new Error(
    `images cannot be put into the cluster ${label} from files (${names}): name a registry that it pulls from with --registry`,
  );
}

async function currentContext(kubeconfig: string): Promise<string> {
  const config = parse(await readFile(kubeconfig, 'utf8')) as { 'current-context'?: string } | null;
  return config?.['current-context'] ?? '';
}

/** KUBECONFIG may name several files to merge; kubectl reads them as one only without --kubeconfig, so the first is it. */
function usualKubeconfig(): string {
  const named = (process.env.KUBECONFIG ?? '').split(delimiter).filter(Boolean)[0];
  return named ?? join(homedir(), '.kube', 'config');
}
