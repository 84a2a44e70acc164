import type { Cluster } from '../cluster/provider.ts';
import { jsonLines, runJobs } from '../demo/jobs.ts';

/** A pod that connects to all targets: where it stands, and as what. */
export interface Prober {
  readonly name: string;
  readonly namespace: string;
  /** Labels of the class of pods that it imitates. It is never Ready, so no Service leads to it. */
  readonly labels?: Record<string, string>;
}

/** `connected`, or why not: `timeout`, a system's code such as ECONNREFUSED, or what its Job printed in place of an answer. */
export type Answers = Record<string, Record<string, string>>;

/**
 * Runs one Job a prober, all at once, each connecting to all targets at once.
 * @param targets name to host:port
 * @returns by prober and by target what came of it
 */
export async function probeAll(
  cluster: Cluster,
  image: string,
  probers: readonly Prober[],
  targets: Readonly<Record<string, string>>,
): Promise<Answers> {
  // Policies are enforced by programs that learn of a pod a moment after it has started.
  const env = { TARGETS: Object.values(targets).join(), TIMEOUT_MS: '10000', DELAY_MS: '3000' };
  const jobs = probers.map(({ name, namespace, labels }) => ({
    name: `reach-${name}`,
    namespace,
    image,
    args: ['reach'],
    env,
    ready: false,
    ...(labels ? { labels } : {}),
  }));
  const results = await runJobs(cluster, jobs, 180);
  return Object.fromEntries(
    results.map(({ log }, index) => {
      const lines = new Map(jsonLines(log).map((line) => [line.target, line]));
      const answer = (target: string) => {
        const line = lines.get(target);
        if (line === undefined) return `no answer: ${log.slice(0, 500)}`;
        return line.connected === true ? 'connected' : String(line.error);
      };
      const entries = Object.entries(targets).map(([name, target]) => [name, answer(target)] as const);
      return [probers[index]!.name, Object.fromEntries(entries)];
    }),
  );
}

/** Every prober reaches what is allowed for it; everything else times out. */
export function expectedAnswers(allowed: Readonly<Record<string, readonly string[]>>, targets: object): Answers {
  const names = Object.keys(targets);
  return Object.fromEntries(
    Object.entries(allowed).map(([prober, reachable]) => [
      prober,
      Object.fromEntries(names.map((name) => [name, reachable.includes(name) ? 'connected' : 'timeout'])),
    ]),
  );
}
