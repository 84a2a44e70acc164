import { setTimeout as sleep } from 'node:timers/promises';
import { QUORUMNODES } from '../../../../operator/src/api/resources.ts';
import { CLUSTER_WIDE, PER_NAMESPACE } from '../../../../operator/src/informers.ts';
import type { AuditEntry } from '../../cluster/audit.ts';
import type { Bench } from '../bench.ts';
import type { Figure } from '../figures.ts';
import { connectionsTo, cpuSeconds, residentMib } from '../processes.ts';
import { scaled } from '../scale.ts';
import { percentile } from '../statistics.ts';
import { missingForOperator } from './needs.ts';
import { bundleOperator, type OurOperator, startOurs } from './programs.ts';
import { Progress } from './progress.ts';
import { createConsortiums, createNodes, OPERATOR_NAMESPACE, startWorld, type World } from './world.ts';

const NODES = scaled(1000);
const CHILDREN = 9;
const QUIET_MS = 5_000;
const UP_TIMEOUT_MS = 900_000;
/** Each node without a pod is looked at again every 30 s: in this time all of them are, twice. */
const IDLE_MS = 65_000;
const CHANGES = 200;
const CHANGES_PER_S = 10;
/** What an operator may hold open besides its watches. */
const REQUEST_CONNECTIONS = 16;

const NAMES = {
  idleWrites: 'operator.idle_writes',
  idleCpu: 'operator.idle_cpu_percent',
  changeP99: 'operator.change_p99_ms',
  changeP50: 'operator.change_p50_ms',
  coldStart: 'operator.cold_start_s',
  restartWrites: 'operator.cold_start_writes',
  memory: 'operator.memory_mib',
  connections: 'operator.connections',
} as const;

/** Our operator with many nodes: what it costs when nothing happens, how soon it acts, how soon it is back. */
export const steadyBench: Bench = {
  figures: Object.values(NAMES),
  missing: missingForOperator,
  async run(log) {
    const bundle = await bundleOperator();
    let operator: OurOperator | undefined;
    const world = await startWorld(NODES);
    try {
      operator = await startOurs(world, bundle);
      await createConsortiums(world);
      const progress = new Progress(NODES, CHILDREN);
      await createNodes(world);
      await world.audit.untilQuiet(QUIET_MS, UP_TIMEOUT_MS, (entries) => {
        operator!.assertRunning();
        return progress.add(entries);
      });
      log(`operator: ${NODES} nodes are up after ${progress.settledSeconds.toFixed(0)} s`);
      const idle = await idleFigures(world, operator);
      log('operator: idle measured, changing nodes');
      const changes = await changeFigures(world, operator);
      await operator.stop();
      operator = undefined;
      log('operator: stopped, starting again');
      const started = performance.now();
      operator = await startOurs(world, bundle);
      const cold = await coldStartFigures(world, operator, started);
      return [...idle, ...changes, ...cold];
    } finally {
      await operator?.stop();
      await world.stop();
      await bundle.remove();
    }
  },
};

async function idleFigures(world: World, { pid }: OurOperator): Promise<Figure[]> {
  await world.audit.untilQuiet(QUIET_MS, 120_000, () => true);
  const cpu = cpuSeconds(pid);
  await sleep(IDLE_MS);
  const cpuPercent = ((cpuSeconds(pid) - cpu) / (IDLE_MS / 1000)) * 100;
  const written = (await world.audit.read()).filter(isOurs);
  const namespaces = new Set(world.nodes.map(({ namespace }) => namespace)).size;
  const watches = CLUSTER_WIDE.length + PER_NAMESPACE.length * namespaces;
  const connections = connectionsTo(pid, Number(new URL(world.server.url).port));
  return [
    { name: NAMES.idleWrites, value: written.length, goal: { comparison: '==', value: 0 } },
    { name: NAMES.idleCpu, value: cpuPercent },
    { name: NAMES.memory, value: residentMib(pid), goal: { comparison: '<', value: 256 } },
    { name: NAMES.connections, value: connections, goal: { comparison: '<=', value: REQUEST_CONNECTIONS + watches } },
  ];
}

const isOurs = ({ user }: AuditEntry) => user.startsWith(`system:serviceaccount:${OPERATOR_NAMESPACE}:`);

/** From the answer to a change of a node's spec to the answer to the change of its StatefulSet, by the server's clock. */
async function changeFigures({ client, nodes, audit }: World, operator: OurOperator): Promise<Figure[]> {
  const changed = Array.from({ length: CHANGES }, (_, index) => nodes[Math.floor((index * nodes.length) / CHANGES)]!);
  for (const { namespace, name } of changed) {
    await client.patch(QUORUMNODES, { namespace, name }, { spec: { logging: { verbosity: 4 } } });
    await sleep(1000 / CHANGES_PER_S);
  }
  const asked = new Map<string, number>();
  const latencies = new Map<string, number>();
  await audit.untilQuiet(QUIET_MS, 120_000, (entries) => {
    operator.assertRunning();
    for (const { resource, namespace, name, time, code } of entries) {
      const key = `${namespace}/${name}`;
      if (code >= 300) continue;
      if (resource === 'quorumnodes') asked.set(key, Date.parse(time));
      const since = asked.get(key);
      if (resource === 'statefulsets' && since !== undefined && !latencies.has(key)) {
        latencies.set(key, Date.parse(time) - since);
      }
    }
    return latencies.size >= new Set(changed).size;
  });
  const values = [...latencies.values()];
  return [
    { name: NAMES.changeP99, value: percentile(values, 99), goal: { comparison: '<', value: 1000 } },
    { name: NAMES.changeP50, value: percentile(values, 50) },
  ];
}

async function coldStartFigures(world: World, operator: OurOperator, started: number): Promise<Figure[]> {
  const reconciled = async () => {
    const sum = await operator.metrics();
    const runs = sum('controller_runtime_reconcile_total', 'controller="quorumnode"');
    return runs >= NODES && sum('workqueue_depth') === 0 && sum('controller_runtime_active_workers') === 0;
  };
  while (!(await reconciled())) {
    operator.assertRunning();
    if (performance.now() - started > 300_000)
      throw new Error('not all nodes were reconciled within 300 s of the start');
    await sleep(250);
  }
  const seconds = (performance.now() - started) / 1000;
  let writes = 0;
  await world.audit.untilQuiet(QUIET_MS, 120_000, (entries) => {
    writes += entries.filter(isOurs).length;
    return true;
  });
  return [
    { name: NAMES.coldStart, value: seconds, goal: { comparison: '<', value: 60 } },
    { name: NAMES.restartWrites, value: writes },
  ];
}
