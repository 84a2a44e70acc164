import type { Cluster } from '../cluster/provider.ts';
import { jsonLines, removeJobs, runJobs } from '../demo/jobs.ts';

/** A pod that connects to all targets: where it stands, and as what. */
export interface Prober {
  readonly name: string;
  readonly namespace: string;
  /** Labels of the class of pods that it imitates. It is never Ready, so no Service leads to it. */
  readonly labels?: Record<string, string>;
  /** Names of the targets that it may reach. */
  readonly allowed: readonly string[];
}

/** `connected`, or why not: `timeout`, a system's code such as ECONNREFUSED, or what its Job printed in place of an answer. */
export type Answers = Record<string, Record<string, string>>;

/** Name to host:port. */
type Targets = Readonly<Record<string, string>>;

/** How often an allowed connection that was not made is tried again: on a busy machine packets wait long for a verdict. */
const ROUNDS = 3;

/**
 * Runs one Job a prober, all at once, each connecting to all targets at once. What is allowed and was not reached is tried again;
 * what is forbidden and was reached once stays reached.
 * @returns by prober and by target what came of it
 */
export async function probeAll(
  cluster: Cluster,
  image: string,
  probers: readonly Prober[],
  targets: Targets,
): Promise<Answers> {
  const answers = await probe(
    cluster,
    image,
    probers.map((prober) => ({ prober, targets })),
    6_000,
  );
  for (let round = 2; round <= ROUNDS; round++) {
    const missed = probers
      .map((prober) => ({ prober, targets: pick(targets, (name) => isMissed(answers, prober, name)) }))
      .filter((wish) => Object.keys(wish.targets).length > 0);
    if (missed.length === 0) break;
    const again = await probe(cluster, image, missed, 15_000);
    for (const [prober, reached] of Object.entries(again)) Object.assign(answers[prober]!, reached);
  }
  return answers;
}

const isMissed = (answers: Answers, { name, allowed }: Prober, target: string) =>
  allowed.includes(target) && answers[name]?.[target] !== 'connected';

const pick = (targets: Targets, wanted: (name: string) => boolean): Targets =>
  Object.fromEntries(Object.entries(targets).filter(([name]) => wanted(name)));

interface Wish {
  readonly prober: Prober;
  readonly targets: Targets;
}

async function probe(cluster: Cluster, image: string, wishes: readonly Wish[], timeoutMs: number): Promise<Answers> {
  const jobs = wishes.map(({ prober: { name, namespace, labels }, targets }) => ({
    name: `reach-${name}`,
    namespace,
    image,
    args: ['reach'],
    // Policies are enforced by programs that learn of a pod a moment after it has started.
    env: { TARGETS: Object.values(targets).join(), TIMEOUT_MS: `${timeoutMs}`, DELAY_MS: '3000' },
    ready: false,
    ...(labels ? { labels } : {}),
  }));
  const results = await runJobs(cluster, jobs, 240);
  await removeJobs(cluster, jobs);
  return Object.fromEntries(
    results.map(({ log }, index) => {
      const { prober, targets } = wishes[index]!;
      const lines = new Map(jsonLines(log).map((line) => [line.target, line]));
      const answer = (target: string) => {
        const line = lines.get(target);
        if (line === undefined) return `no answer: ${log.slice(0, 500)}`;
        return line.connected === true ? 'connected' : String(line.error);
      };
      return [prober.name, Object.fromEntries(Object.entries(targets).map(([name, target]) => [name, answer(target)]))];
    }),
  );
}

/** Every prober reaches what is allowed for it; everything else times out. */
export function expectedAnswers(probers: readonly Prober[], targets: object): Answers {
  const names = Object.keys(targets);
  return Object.fromEntries(
    probers.map(({ name: prober, allowed }) => [
      prober,
      Object.fromEntries(names.map((name) => [name, allowed.includes(name) ? 'connected' : 'timeout'])),
    ]),
  );
}
