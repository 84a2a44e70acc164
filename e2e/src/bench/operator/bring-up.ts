import type { Bench } from '../bench.ts';
import { ensureBaselineOperator } from '../build.ts';
import type { Figure } from '../figures.ts';
import { cpuSeconds, cpuSecondsOf, descendants, residentMib } from '../processes.ts';
import { scaled } from '../scale.ts';
import { median } from '../statistics.ts';
import { missingForOperator } from './needs.ts';
import { type Bundle, bundleOperator, type OperatorProcess, startBaseline, startOurs } from './programs.ts';
import { Progress } from './progress.ts';
import { type Template, templateOf } from './template.ts';
import { createConsortiums, createNamespaces, createNodes, startWorld, type World } from './world.ts';

const NODES = scaled(300);
const ROUNDS = 3;
/** Two Services, key, certificate, configuration, peers, policy, disruption budget, StatefulSet. */
const CHILDREN = 9;
const QUIET_MS = 3_000;
const TIMEOUT_MS = 420_000;

interface Run {
  readonly upSeconds: number;
  readonly settledSeconds: number;
  readonly cpuSeconds: number;
  readonly serverCpuSeconds: number;
  readonly writes: number;
  readonly memoryMib: number;
}
interface Round {
  readonly ours: Run;
  readonly baseline: Run;
}

const FIGURES: readonly { name: string; goal?: number; value: (round: Round) => number }[] = [
  { name: 'wall_ratio', goal: 1, value: ({ ours, baseline }) => ours.upSeconds / baseline.upSeconds },
  { name: 'cpu_ratio', goal: 1, value: ({ ours, baseline }) => ours.cpuSeconds / baseline.cpuSeconds },
  { name: 'settled_ratio', value: ({ ours, baseline }) => ours.settledSeconds / baseline.settledSeconds },
  { name: 'server_cpu_ratio', value: ({ ours, baseline }) => ours.serverCpuSeconds / baseline.serverCpuSeconds },
  { name: 'writes_ratio', value: ({ ours, baseline }) => ours.writes / baseline.writes },
  { name: 'memory_ratio', value: ({ ours, baseline }) => ours.memoryMib / baseline.memoryMib },
  { name: 'wall_s', value: ({ ours }) => ours.upSeconds },
];
const figureName = (name: string) => `operator.bringup_${name}`;

/** Many nodes at once: our operator against the baseline, each on an API server of its own, taking turns. */
export const bringUpBench: Bench = {
  figures: FIGURES.map(({ name }) => figureName(name)),
  missing: missingForOperator,
  async run(log) {
    const program = await ensureBaselineOperator(log);
    const bundle = await bundleOperator();
    const rounds: Round[] = [];
    try {
      for (let index = 0; index < ROUNDS; index++) {
        const { run: ours, template } = await runOurs(bundle);
        const baseline = await runBaseline(program, template);
        rounds.push({ ours, baseline });
        log(
          `operator: ${NODES} nodes, round ${index + 1} of ${ROUNDS}: ours ${text(ours)}; baseline ${text(baseline)}`,
        );
      }
    } finally {
      await bundle.remove();
    }
    return FIGURES.map(({ name, goal, value }): Figure => {
      const compared = goal === undefined ? undefined : ({ comparison: '<=', value: goal } as const);
      return { name: figureName(name), value: median(rounds.map(value)), goal: compared };
    });
  },
};

async function runOurs(bundle: Bundle): Promise<{ run: Run; template: Template }> {
  const world = await startWorld(NODES);
  try {
    const operator = await startOurs(world, bundle);
    try {
      await createConsortiums(world);
      const run = await bringUp(world, operator);
      return { run, template: await templateOf(world.client, world.nodes.at(-1)!) };
    } finally {
      await operator.stop();
    }
  } finally {
    await world.stop();
  }
}

async function runBaseline(program: string, template: Template): Promise<Run> {
  const world = await startWorld(NODES);
  try {
    const operator = await startBaseline(world, program, template);
    try {
      await createNamespaces(world);
      return await bringUp(world, operator);
    } finally {
      await operator.stop();
    }
  } finally {
    await world.stop();
  }
}

/** Makes the nodes and waits until they are up and nothing is written any more. */
async function bringUp(world: World, operator: OperatorProcess): Promise<Run> {
  const { pid } = operator;
  await world.audit.untilQuiet(QUIET_MS, TIMEOUT_MS, () => true);
  const servers = ['kube-apiserver', 'etcd'].flatMap((name) => descendants(process.pid, name));
  const [before, serverBefore] = [cpuSeconds(pid), cpuSecondsOf(servers)];
  const progress = new Progress(NODES, CHILDREN);
  await createNodes(world);
  await world.audit.untilQuiet(QUIET_MS, TIMEOUT_MS, (entries) => {
    operator.assertRunning();
    return progress.add(entries);
  });
  return {
    upSeconds: progress.upSeconds,
    settledSeconds: progress.settledSeconds,
    cpuSeconds: cpuSeconds(pid) - before,
    serverCpuSeconds: cpuSecondsOf(servers) - serverBefore,
    writes: progress.writes,
    memoryMib: residentMib(pid),
  };
}

const text = (run: Run) =>
  `${run.upSeconds.toFixed(1)} s (settled ${run.settledSeconds.toFixed(1)} s), CPU ${run.cpuSeconds.toFixed(1)} s, ` +
  `server's CPU ${run.serverCpuSeconds.toFixed(1)} s, ${run.writes} writes, ${Math.round(run.memoryMib)} MiB`;
