import { type ChildProcess, spawn } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { openSync } from 'node:fs';
import { mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { auditArguments, auditPolicy } from './audit.ts';
import { createAuthority } from './certificates.ts';
import { etcdArguments, findEtcd, freePort, removeDirectory, temporaryMemoryDirectory } from './etcd.ts';
import { kubeconfig } from './kubeconfig.ts';
import { findProgram, until } from './process.ts';
import { Rest } from './rest.ts';
import { ensurePrograms, type Log } from './tools.ts';

export interface ApiServerOptions {
  /** Shows in the name of the temporary folder and as the kubeconfig's context. Default `api`. */
  name?: string;
  /** Also record get, list and watch in the audit log. Default true. */
  auditReads?: boolean;
  log?: Log;
}

/**
 * A real API server with its etcd and nothing else: no controller, scheduler or kubelet. So namespaces that are deleted
 * stay `Terminating`, owners' children are not collected, and a Pod needs its ServiceAccount made by hand.
 */
export interface ApiServer {
  /** e.g. https://127.0.0.1:40123 */
  url: string;
  /** File with one context, a cluster administrator's. */
  kubeconfig: string;
  /** File with one JSON line a request; see audit.ts. */
  auditLog: string;
  stop(): Promise<void>;
}

/** Starts an API server on free ports of 127.0.0.1; ready after some 4 s. It ends with the process that started it. */
export async function startApiServer(options: ApiServerOptions = {}): Promise<ApiServer> {
  const log = options.log ?? (() => {});
  const programs = { ...(await ensurePrograms(['kube-apiserver'], log)), etcd: await findEtcd() };
  // A port found free can be taken by somebody else before it is bound: then the start is tried again.
  for (let attempt = 1; ; attempt++) {
    const instance = new Instance(options);
    try {
      return await instance.start(programs);
    } catch (error) {
      const portTaken = /address already in use/.test(String(error));
      await instance.stop();
      if (!portTaken || attempt === 3) throw error;
    }
  }
}

class Instance {
  readonly #name: string;
  readonly #auditReads: boolean;
  readonly #directories: string[] = [];
  readonly #children: ChildProcess[] = [];

  constructor(options: ApiServerOptions) {
    this.#name = options.name ?? 'api';
    this.#auditReads = options.auditReads ?? true;
  }

  async start(programs: { 'kube-apiserver': string; etcd: string }): Promise<ApiServer> {
    const directory = await this.#keep(mkdtemp(join(tmpdir(), `quorum-operator-${this.#name}-`)));
    const data = await this.#keep(temporaryMemoryDirectory(`quorum-operator-${this.#name}-`));
    const [etcdPort, port] = await Promise.all([freePort(), freePort()]);
    const url = `https://127.0.0.1:${port}`;
    const files = await writeFiles(directory, { name: this.#name, url, auditReads: this.#auditReads });

    const etcd = new Rest({ server: `http://127.0.0.1:${etcdPort}` });
    await this.#spawn(programs.etcd, etcdArguments(data, etcdPort), join(directory, 'etcd.log'), async () => {
      return (await etcd.request('GET', '/health', { timeoutMs: 1000 })).status === 200;
    });

    const rest = new Rest({ server: url, ca: files.ca, user: files.admin });
    const args = apiServerArguments(directory, { port, etcdPort });
    await this.#spawn(programs['kube-apiserver'], args, join(directory, 'kube-apiserver.log'), async () => {
      return (await rest.request('GET', '/readyz', { timeoutMs: 2000 })).status === 200;
    });
    rest.close();
    return { url, kubeconfig: files.kubeconfig, auditLog: files.auditLog, stop: () => this.stop() };
  }

  /** Data is thrown away, so nothing is asked to end politely. */
  async stop(): Promise<void> {
    await Promise.all(
      this.#children.map(async (child) => {
        if (child.exitCode !== null || child.signalCode !== null) return;
        const gone = new Promise((resolve) => child.once('exit', resolve));
        child.kill('SIGKILL');
        await gone;
      }),
    );
    await Promise.all(this.#directories.map(removeDirectory));
  }

  async #keep(made: Promise<string>): Promise<string> {
    const directory = await made;
    this.#directories.push(directory);
    return directory;
  }

  async #spawn(program: string, args: string[], logFile: string, ready: () => Promise<boolean>): Promise<void> {
    const log = openSync(logFile, 'a');
    const [command, ...all] = [...(await dieWithParent()), program, ...args];
    const child = spawn(command!, all, { stdio: ['ignore', log, log] });
    this.#children.push(child);
    let failure: Error | undefined;
    child.on('error', (error) => {
      failure = error;
    });
    await until(
      async () => {
        if (failure || child.exitCode !== null) return true;
        return ready();
      },
      { timeoutMs: 60_000, everyMs: 50, what: `${program} to be ready; its log is ${logFile}` },
    );
    if (!failure && child.exitCode === null) return;
    const tail = (await readFile(logFile, 'utf8')).trim().split('\n').slice(-8).join('\n');
    throw failure ?? new Error(`${program} ended with code ${child.exitCode}:\n${tail}`);
  }
}

/** A killed test run must not leave servers behind: on Linux the kernel ends them with their parent. */
async function dieWithParent(): Promise<string[]> {
  const setpriv = process.platform === 'linux' ? await findProgram('setpriv') : undefined;
  return setpriv ? [setpriv, '--pdeathsig', 'KILL', '--'] : [];
}

async function writeFiles(directory: string, options: { name: string; url: string; auditReads: boolean }) {
  const authority = createAuthority('quorum-operator test');
  const server = authority.issue({
    subject: { commonName: 'kube-apiserver' },
    usage: 'server',
    dns: ['localhost', 'kubernetes', 'kubernetes.default', 'kubernetes.default.svc'],
    ips: ['127.0.0.1'],
  });
  const admin = authority.issue({
    subject: { commonName: 'admin', organizations: ['system:masters'] },
    usage: 'client',
  });
  const serviceAccounts = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const write = (name: string, text: string) => writeFile(join(directory, name), text, { mode: 0o600 });
  await Promise.all([
    write('ca.crt', authority.certificate),
    write('server.crt', server.certificate),
    write('server.key', server.key),
    write('service-accounts.key', serviceAccounts.privateKey.export({ type: 'sec1', format: 'pem' }) as string),
    write('audit-policy.yaml', auditPolicy({ reads: options.auditReads ? 'all' : 'none' })),
    write('audit.log', ''),
    write(
      'kubeconfig',
      kubeconfig({ name: options.name, server: options.url, ca: authority.certificate, user: admin }),
    ),
  ]);
  return {
    ca: authority.certificate,
    admin,
    kubeconfig: join(directory, 'kubeconfig'),
    auditLog: join(directory, 'audit.log'),
  };
}

function apiServerArguments(directory: string, ports: { port: number; etcdPort: number }): string[] {
  const file = (name: string) => join(directory, name);
  return [
    `--etcd-servers=http://127.0.0.1:${ports.etcdPort}`,
    '--bind-address=127.0.0.1',
    `--secure-port=${ports.port}`,
    `--client-ca-file=${file('ca.crt')}`,
    `--tls-cert-file=${file('server.crt')}`,
    `--tls-private-key-file=${file('server.key')}`,
    '--service-account-issuer=https://kubernetes.default.svc.cluster.local',
    `--service-account-key-file=${file('service-accounts.key')}`,
    `--service-account-signing-key-file=${file('service-accounts.key')}`,
    '--service-cluster-ip-range=10.96.0.0/16',
    '--endpoint-reconciler-type=none', // a loopback address is no endpoint
    '--authorization-mode=RBAC',
    '--allow-privileged=true',
    '--profiling=false',
    ...auditArguments(file('audit-policy.yaml'), file('audit.log')),
  ];
}
