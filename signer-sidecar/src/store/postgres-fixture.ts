/** A real Postgres server of the distribution, with TLS and client certificates, in a temporary folder. For tests only. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chownSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createAuthority, issueCertificate } from '../../../operator/src/pki/x509.ts';
import type { DatabaseConfig } from '../config.ts';

const USER = 'signer';

/** Folder of the newest server of the distribution, undefined when there is none. */
export function postgresBinaries(): string | undefined {
  const base = '/usr/lib/postgresql';
  if (!existsSync(base)) return undefined;
  const versions = readdirSync(base).sort((a, b) => Number(b) - Number(a));
  return versions.map((version) => join(base, version, 'bin')).find((folder) => existsSync(join(folder, 'initdb')));
}

/** Postgres does not run as root: then it runs as the user that the package made. */
function serverUser(): { uid?: number; gid?: number } {
  if (process.getuid?.() !== 0) return {};
  const id = (flag: string) => Number(execFileSync('id', [flag, 'postgres'], { encoding: 'utf8' }));
  return { uid: id('-u'), gid: id('-g') };
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return port;
}

export class TestPostgres {
  readonly directory: string;
  readonly config: Extract<DatabaseConfig, { kind: 'postgres' }>;
  readonly #binaries: string;
  readonly #user = serverUser();
  #server: ChildProcess | undefined;

  private constructor(binaries: string, directory: string, port: number) {
    this.#binaries = binaries;
    this.directory = directory;
    const file = (name: string) => join(directory, name);
    this.config = {
      kind: 'postgres',
      host: 'localhost',
      port,
      database: 'postgres',
      user: USER,
      caFile: file('ca.crt'),
      certFile: file('client.crt'),
      keyFile: file('client.key'),
    };
  }

  static async start(): Promise<TestPostgres> {
    const binaries = postgresBinaries();
    if (binaries === undefined) throw new Error('no Postgres server of the distribution is installed');
    const postgres = new TestPostgres(binaries, mkdtempSync(join(tmpdir(), 'quorum-pg-')), await freePort());
    await postgres.#create();
    await postgres.run();
    return postgres;
  }

  async #create(): Promise<void> {
    const now = new Date();
    const authority = await createAuthority({ commonName: 'organization', now, days: 1 });
    const issue = (commonName: string, usages: ('server' | 'client')[]) =>
      issueCertificate({ authority, now, days: 1, commonName, uris: [], dnsNames: ['localhost'], usages });
    const [server, client] = await Promise.all([issue('localhost', ['server']), issue(USER, ['client'])]);
    const data = join(this.directory, 'data');
    mkdirSync(data, { mode: 0o700 });
    const files = {
      'ca.crt': authority.certificatePem,
      'server.crt': server.certificatePem,
      'server.key': server.keyPem,
      'client.crt': client.certificatePem,
      'client.key': client.keyPem,
      'hba.conf': 'hostssl all all 127.0.0.1/32 cert clientcert=verify-full\nhostssl all all ::1/128 cert\n',
    };
    for (const [name, text] of Object.entries(files)) writeFileSync(join(this.directory, name), text, { mode: 0o600 });
    const { uid, gid } = this.#user;
    if (uid !== undefined && gid !== undefined) {
      for (const name of ['', 'data', ...Object.keys(files)]) chownSync(join(this.directory, name), uid, gid);
    }
    execFileSync(
      join(this.#binaries, 'initdb'),
      ['-D', data, '-U', USER, '-A', 'reject', '-N', '--no-locale', '-E', 'UTF8'],
      {
        ...this.#user,
        cwd: this.directory,
        stdio: 'ignore',
      },
    );
  }

  /** Starts the server (again) and waits until it takes connections. */
  async run(): Promise<void> {
    const path = (name: string) => join(this.directory, name);
    const settings = {
      port: this.config.port,
      listen_addresses: '127.0.0.1',
      unix_socket_directories: '',
      ssl: 'on',
      ssl_ca_file: path('ca.crt'),
      ssl_cert_file: path('server.crt'),
      ssl_key_file: path('server.key'),
      hba_file: path('hba.conf'),
      fsync: 'off',
    };
    const options = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
    const server = spawn(join(this.#binaries, 'postgres'), ['-D', path('data'), ...options], {
      ...this.#user,
      cwd: this.directory,
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    this.#server = server;
    let log = '';
    await new Promise<void>((resolve, reject) => {
      server.stderr.on('data', (chunk: Buffer) => {
        log = `${log}${chunk}`.slice(-4_000);
        if (log.includes('ready to accept connections')) resolve();
      });
      server.once('exit', () => reject(new Error(`Postgres ended: ${log}`)));
    });
  }

  /** Ends the server at once, as a crash does; its data stays. */
  async kill(): Promise<void> {
    const server = this.#server;
    if (server === undefined || server.exitCode !== null) return;
    const ended = once(server, 'exit');
    server.kill('SIGQUIT');
    await ended;
    this.#server = undefined;
  }

  async stop(): Promise<void> {
    await this.kill();
    rmSync(this.directory, { recursive: true, force: true });
  }
}
