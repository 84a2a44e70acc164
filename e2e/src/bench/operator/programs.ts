import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse } from 'yaml';
import { TEST_IMAGES } from '../../../../operator/src/workload/operator-testing.ts';
import { ApiClient } from '../../chart/api-client.ts';
import { freePort } from '../../cluster/etcd.ts';
import { run, until } from '../../cluster/process.ts';
import { REPOSITORY } from '../../demo/install.ts';
import { OPERATOR_NAMESPACE, type World } from './world.ts';

/** An operator that runs as a process. */
export interface OperatorProcess {
  readonly pid: number;
  /** @throws Error with the end of its log when it has ended, so that nobody waits for it. */
  assertRunning(): void;
  /** SIGTERM, and SIGKILL after a while. */
  stop(): Promise<void>;
}

export interface OurOperator extends OperatorProcess {
  /** Reads its metrics once; the answer sums a metric's samples whose labels contain `labels`, e.g. `controller="quorumnode"`. */
  metrics(): Promise<(name: string, labels?: string) => number>;
}

/** The operator as its image has it. */
export interface Bundle {
  readonly program: string;
  remove(): Promise<void>;
}

export async function bundleOperator(): Promise<Bundle> {
  const folder = await mkdtemp(join(tmpdir(), 'quorum-operator-bench-'));
  await run(process.execPath, [join(REPOSITORY, 'scripts/bundle.mjs'), '--out', folder, 'operator']);
  return {
    program: join(folder, 'operator', 'main.mjs'),
    remove: () => rm(folder, { recursive: true, force: true }),
  };
}

/** Starts the bundled operator with a ServiceAccount's token, as a pod would. Resolves once its caches are filled. */
export async function startOurs(world: World, bundle: Bundle): Promise<OurOperator> {
  const folder = join(bundle.program, '..');
  const url = new URL(world.server.url);
  await writeServiceAccount(world, folder);
  const [health, metrics] = [await freePort(), await freePort()];
  const child = start(
    'the operator',
    process.execPath,
    ['--import', join(import.meta.dirname, 'service-account.ts'), bundle.program],
    {
      ...TEST_IMAGES,
      PATH: process.env.PATH,
      NODE_ENV: 'production',
      OPERATOR_NAMESPACE,
      KUBERNETES_SERVICE_HOST: url.hostname,
      KUBERNETES_SERVICE_PORT: url.port,
      BENCH_SERVICE_ACCOUNT: folder,
      LOG_LEVEL: 'warn',
      LEADER_ELECTION: 'false', // as in the baseline: a busy machine would end it for a late answer
      HEALTH_PORT: String(health),
      METRICS_PORT: String(metrics),
    },
    join(folder, 'operator.log'),
  );
  const ready = async () => (await fetch(`http://127.0.0.1:${health}/readyz`)).ok;
  await untilRunning(child, ready, 'the operator to fill its caches');
  return {
    ...child,
    async metrics() {
      // A connection each: the server closes idle ones, perhaps in the moment of the next request.
      const reply = await fetch(`http://127.0.0.1:${metrics}/metrics`, { headers: { connection: 'close' } });
      const lines = (await reply.text()).split('\n');
      return (name, labels = '') =>
        lines
          .filter((line) => line.startsWith(`${name}{`) && line.includes(labels))
          .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0);
    },
  };
}

/** Starts the operator to compare with on a file with the children of one node. */
export async function startBaseline(world: World, program: string, template: unknown): Promise<OperatorProcess> {
  const folder = join(world.server.kubeconfig, '..');
  const file = join(folder, 'template.json');
  await writeFile(file, JSON.stringify(template), { mode: 0o600 });
  const log = join(folder, 'baseline.log');
  const child = start(
    'the baseline',
    program,
    ['-template', file],
    { PATH: process.env.PATH, KUBECONFIG: world.server.kubeconfig },
    log,
  );
  const started = async () => (await readFile(log, 'utf8')).includes('Starting workers');
  await untilRunning(child, started, 'the baseline to start');
  return child;
}

async function writeServiceAccount({ server }: World, folder: string): Promise<void> {
  const api = new ApiClient(server.kubeconfig);
  const name = 'quorum-operator';
  const metadata = { name, namespace: OPERATOR_NAMESPACE };
  await api.apply({ apiVersion: 'v1', kind: 'ServiceAccount', metadata });
  await api.apply({
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'ClusterRoleBinding',
    metadata: { name },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'cluster-admin' },
    subjects: [{ kind: 'ServiceAccount', ...metadata }],
  });
  const path = `/api/v1/namespaces/${OPERATOR_NAMESPACE}/serviceaccounts/${name}/token`;
  const body = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: { expirationSeconds: 7200 } };
  const reply = await api.request('POST', path, { body });
  api.close();
  const token = JSON.parse(reply.text).status?.token;
  if (typeof token !== 'string') throw new Error(`the ServiceAccount gets no token: ${reply.status} ${reply.text}`);
  const kubeconfig = parse(await readFile(server.kubeconfig, 'utf8'));
  const authority = Buffer.from(kubeconfig.clusters[0].cluster['certificate-authority-data'], 'base64');
  await writeFile(join(folder, 'ca.crt'), authority);
  await writeFile(join(folder, 'token'), token, { mode: 0o600 });
}

function start(
  name: string,
  program: string,
  args: string[],
  env: NodeJS.ProcessEnv,
  logFile: string,
): OperatorProcess {
  const log = openSync(logFile, 'w');
  const child = spawn(program, args, { env, stdio: ['ignore', log, log] });
  closeSync(log);
  const ended = once(child, 'exit');
  const hasEnded = () => child.exitCode !== null || child.signalCode !== null;
  return {
    pid: child.pid!,
    assertRunning() {
      if (!hasEnded()) return;
      const tail = readFileSync(logFile, 'utf8').trim().split('\n').slice(-5).join('\n');
      throw new Error(`${name} ended (${child.signalCode ?? `code ${child.exitCode}`}): ${tail}`);
    },
    async stop() {
      if (hasEnded()) return;
      child.kill('SIGTERM');
      const forced = setTimeout(() => child.kill('SIGKILL'), 15_000);
      await ended;
      clearTimeout(forced);
    },
  };
}

async function untilRunning(operator: OperatorProcess, isRunning: () => Promise<boolean>, what: string): Promise<void> {
  let failure: unknown;
  const looked = () => {
    try {
      operator.assertRunning();
      return false;
    } catch (error) {
      failure = error;
      return true;
    }
  };
  try {
    await until(async () => looked() || (await isRunning()), { timeoutMs: 90_000, everyMs: 50, what });
    if (failure !== undefined) throw failure;
  } catch (error) {
    await operator.stop();
    throw error;
  }
}
