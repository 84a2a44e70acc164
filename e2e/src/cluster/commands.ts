import { type RunResult, run } from './process.ts';
import type { CommandOptions } from './provider.ts';
import { ensurePrograms, type Log } from './tools.ts';

type Commands = Record<'kubectl' | 'helm', (args: readonly string[], options?: CommandOptions) => Promise<RunResult>>;

/** kubectl and helm, built when first used, bound to one cluster. */
export function clusterCommands(target: { kubeconfig: string; context?: string }, log: Log): Commands {
  const bound = (program: 'kubectl' | 'helm', contextFlag: string) => {
    return async (args: readonly string[], options: CommandOptions = {}) => {
      const path = (await ensurePrograms([program], log))[program];
      return run(path, [...targetFlags(target, contextFlag), ...args], options);
    };
  };
  return { kubectl: bound('kubectl', '--context'), helm: bound('helm', '--kube-context') };
}

/** Flags come first, so that they never end up behind a `--` of the caller's. */
export function targetFlags(target: { kubeconfig: string; context?: string }, contextFlag: string): string[] {
  return [`--kubeconfig=${target.kubeconfig}`, ...(target.context ? [`${contextFlag}=${target.context}`] : [])];
}
