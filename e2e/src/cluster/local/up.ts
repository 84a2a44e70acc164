import { spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { kubeconfig } from '../kubeconfig.ts';
import { isAlive, type ProcessIdentity, run, until } from '../process.ts';
import { Rest } from '../rest.ts';
import { ensureSystemPrograms } from '../system-programs.ts';
import { ensurePrograms, type Log } from '../tools.ts';
import { dnsManifests, type Manifest, networkPolicyManifests, rightsManifests, storageManifests } from './addons.ts';
import { hierarchies, makeCgroups } from './cgroups.ts';
import { type Component, command } from './components.ts';
import { writeConfigs } from './configs.ts';
import { pauseImage } from './images.ts';
import { CONTAINERD_SOCKET, type Layout, layout } from './layout.ts';
import { divertPolicyTraffic, ENVIRONMENT, inside, prepareMounts, prepareNetwork, startAnchor } from './namespaces.ts';
import { type ClusterCredentials, writeCredentials } from './pki.ts';
import { type ClusterState, register, writeState } from './state.ts';

/** Finds or makes every program that a local cluster needs; the first time this takes a quarter of an hour. */
export async function clusterPrograms(log: Log) {
  const system = await ensureSystemPrograms(
    [
      'etcd',
      'containerd',
      'ctr',
      'runc',
      'ptp',
      'iptables-nft-restore',
      'nft',
      'catatonit',
      'ip',
      'nsenter',
      'unshare',
      'setsid',
      'mount',
      'hostname',
    ],
    log,
  );
  const built = await ensurePrograms(
    [
      'kube-apiserver',
      'kube-controller-manager',
      'kube-scheduler',
      'kubelet',
      'kube-proxy',
      'kubectl',
      'coredns',
      'kube-network-policies',
      'helm',
    ],
    log,
  );
  return { ...system, ...built };
}

type Programs = Awaited<ReturnType<typeof clusterPrograms>>;

/** Starts a cluster of which nothing is left from before. Throws with the component's last words when one fails. */
export async function start(name: string, log: Log): Promise<ClusterState> {
  const programs = await clusterPrograms(log);
  const started = Date.now();
  const paths = layout(name);
  await register(name, paths.directory);
  await Promise.all(
    [paths.logs, paths.pids, paths.pki, join(paths.config, 'cni'), paths.containerd, paths.kubelet, paths.cni]
      .concat([join(paths.auditLog, '..'), paths.varLog, paths.etcd, paths.sysctl, paths.volumes])
      .map((folder) => mkdir(folder, { recursive: true })),
  );
  const cgroups = await hierarchies();
  const [credentials] = await Promise.all([
    writeCredentials(paths),
    writeConfigs(paths, programs),
    makeCgroups(cgroups, paths.cgroup),
  ]);
  let state: ClusterState | undefined;
  const anchor = await startAnchor(programs, join(paths.logs, 'anchor.log'), async (maker) => {
    // From here on something runs, so what ends it is written down before anything can fail.
    const { directory, cgroup } = paths;
    state = { name, directory, cgroup, anchor: maker, maker, port: 0, ready: false };
    await writeState(paths.state, state);
  });
  if (!state) throw new Error(`the namespaces of cluster ${name} could not be made`);
  state.anchor = anchor;
  await writeState(paths.state, state);
  await register(name, paths.directory, anchor);
  await prepareMounts(anchor, paths, cgroups);
  await prepareNetwork(anchor);

  const cluster = new Starter(paths, programs, anchor);
  state.port = await cluster.forward();
  await writeFile(paths.kubeconfig, hostKubeconfig(paths, state.port, credentials), { mode: 0o600 });
  const rest = new Rest({ server: `https://127.0.0.1:${state.port}`, ca: credentials.ca, user: credentials.admin });
  await cluster.controlPlane(rest);
  log(`${name}: API server ready after ${seconds(started)}`);
  await cluster.node(rest);
  log(`${name}: node, DNS, network policies and volumes ready after ${seconds(started)}`);
  rest.close();
  state.ready = true;
  await writeState(paths.state, state);
  return state;
}

function seconds(since: number): string {
  return `${((Date.now() - since) / 1000).toFixed(1)} s`;
}

function hostKubeconfig(paths: Layout, port: number, credentials: ClusterCredentials): string {
  return kubeconfig({
    name: `quorum-operator-${paths.name}`,
    server: `https://127.0.0.1:${port}`,
    ca: credentials.ca,
    user: credentials.admin,
  });
}

class Starter {
  readonly #paths: Layout;
  readonly #programs: Programs;
  readonly #anchor: ProcessIdentity;

  constructor(paths: Layout, programs: Programs, anchor: ProcessIdentity) {
    this.#paths = paths;
    this.#programs = programs;
    this.#anchor = anchor;
  }

  /** Opens a port of the machine for the API server and returns its number. */
  async forward(): Promise<number> {
    const server = createServer();
    const port = await listen(server);
    // Node offers no public way to the descriptor of a listening socket that a child shall inherit.
    const { fd } = (server as unknown as { _handle: { fd: number } })._handle;
    await this.#spawn('forwarder', fd);
    await new Promise((resolve) => server.close(resolve));
    return port;
  }

  async controlPlane(rest: Rest): Promise<void> {
    await divertPolicyTraffic(this.#anchor);
    await this.#spawn('etcd');
    await this.#spawn('containerd');
    await this.#spawn('kube-apiserver');
    const image = await pauseImage(this.#programs.catatonit);
    await this.#wait('containerd', 15_000, () => this.#import(image));
    await this.#wait('kube-apiserver', 60_000, async () => {
      return (await rest.request('GET', '/readyz', { timeoutMs: 2_000 })).status === 200;
    });
  }

  async node(rest: Rest): Promise<void> {
    for (const { path, object } of [...rightsManifests(), ...storageManifests()]) await rest.apply(path, object);
    await this.#spawn('kube-controller-manager');
    await this.#spawn('kube-scheduler');
    await this.#spawn('kubelet');
    await this.#spawn('kube-proxy');
    await this.#spawn('volume-provisioner');
    const addons: Manifest[] = [
      ...networkPolicyManifests(this.#programs['kube-network-policies'], this.#paths.node),
      ...dnsManifests(this.#programs.coredns),
    ];
    for (const { path, object } of addons) await rest.apply(path, object);
    await this.#wait('kubelet', 60_000, async () => {
      const node = (await rest.request('GET', `/api/v1/nodes/${this.#paths.node}`)).json();
      const conditions = (node.status?.conditions ?? []) as { type: string; status: string }[];
      return conditions.some(({ type, status }) => type === 'Ready' && status === 'True');
    });
    const namespace = '/apis/apps/v1/namespaces/kube-system';
    await this.#wait('kubelet', 60_000, async () => {
      const agent = (await rest.request('GET', `${namespace}/daemonsets/kube-network-policies`)).json();
      const dns = (await rest.request('GET', `${namespace}/deployments/coredns`)).json();
      return agent.status?.numberReady === 1 && dns.status?.readyReplicas === 1;
    });
  }

  async #import(image: string): Promise<boolean> {
    const [command, ...rest] = inside(this.#anchor);
    const ctr = [
      this.#programs.ctr,
      '--address',
      CONTAINERD_SOCKET,
      '--namespace',
      'k8s.io',
      'images',
      'import',
      image,
    ];
    return (await run(command!, [...rest, ...ctr], { env: ENVIRONMENT, timeoutMs: 30_000 })).code === 0;
  }

  /** Starts a component in the cluster's namespaces, in a session of its own, its number there written to a file. */
  async #spawn(component: Component, listener?: number): Promise<void> {
    const log = openSync(join(this.#paths.logs, `${component}.log`), 'a');
    const line = command(component, this.#paths, this.#programs);
    const [program, ...rest] = [
      ...inside(this.#anchor),
      ...['setsid', '--fork', 'sh', '-c', 'echo $$ > "$0"; exec "$@"'],
      join(this.#paths.pids, component),
      ...line,
    ];
    const child = spawn(program!, rest, {
      stdio: ['ignore', log, log, ...(listener === undefined ? [] : [listener])],
      env: ENVIRONMENT,
    });
    const code = await new Promise((resolve, reject) => {
      child.on('error', reject);
      child.on('exit', resolve);
    });
    closeSync(log);
    if (code !== 0) throw new Error(`${component} could not be started: ${await this.#lastWords(component)}`);
  }

  /** Waits until something of a component is ready; its death ends the waiting at once. */
  async #wait(component: Component, timeoutMs: number, ready: () => Promise<boolean>): Promise<void> {
    let dead = false;
    try {
      await until(
        async () => {
          dead = !(await componentAlive(this.#paths, this.#anchor, component));
          return dead || ready();
        },
        { timeoutMs, everyMs: 100, what: component },
      );
    } catch (error) {
      throw new Error(`${(error as Error).message}:\n${await this.#lastWords(component)}`);
    }
    if (dead) throw new Error(`${component} ended:\n${await this.#lastWords(component)}`);
  }

  async #lastWords(component: Component): Promise<string> {
    const file = join(this.#paths.logs, `${component}.log`);
    const text = await readFile(file, 'utf8').catch(() => '');
    return [...text.trim().split('\n').slice(-8), `(all of it: ${file})`].join('\n');
  }
}

/** Whether a component that was started still runs; its pid is one of the cluster's own pid namespace. */
export async function componentAlive(paths: Layout, anchor: ProcessIdentity, component: Component): Promise<boolean> {
  if (!isAlive(anchor)) return false;
  const pid = await readFile(join(paths.pids, component), 'utf8').catch(() => '');
  if (!pid.trim()) return true; // being started this moment
  const stat = await readFile(`/proc/${anchor.pid}/root/proc/${pid.trim()}/stat`, 'utf8').catch(() => '');
  return stat !== '';
}

function listen(server: Server): Promise<number> {
  return new Promise((resolve, reject) => {
    server.on('error', reject);
    server.listen(0, '127.0.0.1', () => resolve((server.address() as { port: number }).port));
  });
}
