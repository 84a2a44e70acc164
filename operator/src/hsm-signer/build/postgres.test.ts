import { type ChildProcess, execFile, execFileSync, spawn } from 'node:child_process';
import { chmodSync, chownSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { type Authority, createAuthority, issueCertificate } from '../../pki/x509.ts';
import { signer } from '../fixtures.ts';
import { frameOf } from '../frame.ts';
import { databaseCommonName, postgresConfigMap, postgresPaths } from './postgres-config.ts';

const run = promisify(execFile);

/** The distribution's server; Postgres refuses to run as root, so the test becomes its user. */
const versions = existsSync('/usr/lib/postgresql') ? readdirSync('/usr/lib/postgresql').sort() : [];
const binaries = versions.length > 0 ? `/usr/lib/postgresql/${versions.at(-1)}/bin` : undefined;
const user = databaseUser();
const runnable = binaries !== undefined && existsSync(join(binaries, 'initdb')) && user !== undefined;

function databaseUser(): { uid: number; gid: number } | undefined {
  if (process.getuid!() !== 0) return undefined;
  try {
    const [uid, gid] = ['-u', '-g'].map((flag) => Number(execFileSync('id', [flag, 'postgres'], { stdio: 'pipe' })));
    return { uid: uid!, gid: gid! };
  } catch {
    return undefined;
  }
}

interface Caller {
  /** Common name of the client certificate. */
  readonly certificate: string;
  readonly issuer?: 'own' | 'stranger';
  readonly role?: string;
  readonly database?: string;
  readonly mode?: 'verify-full' | 'disable';
}

const own: Caller = { certificate: databaseCommonName('alpha-signer') };

describe.runIf(runnable)('the database, started as its pod starts it', () => {
  let folder: string;
  let server: ChildProcess;
  let output = '';
  let port: number;
  let query: (sql: string, who: Caller) => Promise<string>;
  let trust: Authority;

  function place(path: string): string {
    return join(folder, path.slice(1));
  }

  function start(): ChildProcess {
    const script = join(place(postgresPaths.config), 'start.sh');
    const child = spawn('/bin/sh', [script], {
      ...user!,
      env: { PATH: `${binaries}:/usr/bin:/bin` },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    for (const stream of [child.stdout!, child.stderr!]) stream.on('data', (chunk) => (output += chunk));
    return child;
  }

  async function stop(child: ChildProcess): Promise<void> {
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGINT');
    await ended;
  }

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'postgres-'));
    chmodSync(folder, 0o755);
    port = 20_000 + Math.floor(Math.random() * 20_000);
    const now = new Date();
    const authority = await createAuthority({ commonName: 'alpha', now, days: 1 });
    trust = authority;
    const stranger = await createAuthority({ commonName: 'bravo', now, days: 1 });
    const tls = await issueCertificate({
      authority,
      now,
      days: 1,
      commonName: 'db',
      dnsNames: ['localhost'],
      usages: ['server'],
    });
    const config = postgresConfigMap(frameOf(signer())).data as Record<string, string>;
    const moved = (text: string) =>
      Object.values(postgresPaths)
        .sort((a, b) => b.length - a.length)
        .reduce((all, path) => all.replaceAll(new RegExp(`(?<![\\w/])${path}`, 'g'), place(path)), text)
        .replace('port = 5432', `port = ${port}`)
        .replace('sleep 30', 'sleep 1');
    const files: Record<string, string> = {
      ...Object.fromEntries(
        Object.entries(config).map(([name, text]) => [`${postgresPaths.config}/${name}`, moved(text)]),
      ),
      [`${postgresPaths.tls}/tls.crt`]: tls.certificatePem,
      [`${postgresPaths.tls}/tls.key`]: tls.keyPem,
      [`${postgresPaths.organizationCa}/ca.crt`]: authority.certificatePem,
    };
    for (const path of [postgresPaths.config, postgresPaths.tls, postgresPaths.organizationCa]) {
      mkdirSync(place(path), { recursive: true });
    }
    for (const path of [postgresPaths.volume, postgresPaths.run]) {
      mkdirSync(place(path), { recursive: true });
      chownSync(place(path), user!.uid, user!.gid);
    }
    for (const [path, text] of Object.entries(files)) writeFileSync(place(path), text);
    // As the kubelet leaves a file of a Secret: of root, readable by the pod's group.
    chownSync(place(`${postgresPaths.tls}/tls.key`), 0, user!.gid);
    chmodSync(place(`${postgresPaths.tls}/tls.key`), 0o440);

    writeFileSync(join(folder, 'ca.crt'), authority.certificatePem);
    query = async (
      sql,
      { certificate, issuer = 'own', role = 'signer', database = 'signer', mode = 'verify-full' },
    ) => {
      const leaf = await issueCertificate({
        authority: issuer === 'own' ? authority : stranger,
        now,
        days: 1,
        commonName: certificate,
        usages: ['client'],
      });
      writeFileSync(join(folder, 'client.crt'), leaf.certificatePem);
      writeFileSync(join(folder, 'client.key'), leaf.keyPem, { mode: 0o600 });
      const target = `host=localhost port=${port} user=${role} dbname=${database} sslmode=${mode}`;
      const tls = ['sslcert=client.crt', 'sslkey=client.key', 'sslrootcert=ca.crt'].join(' ');
      const args = [
        '--no-psqlrc',
        '--tuples-only',
        '--no-align',
        '--quiet',
        '--dbname',
        `${target} ${tls}`,
        '--command',
        sql,
      ];
      const { stdout } = await run(join(binaries!, 'psql'), args, { cwd: folder, env: {} });
      return stdout.trim();
    };
    server = start();
    await vi.waitFor(() => expect(output).toMatch(/ready to accept connections/), { timeout: 30_000, interval: 100 });
  }, 60_000);

  afterAll(async () => {
    await stop(server);
    rmSync(folder, { recursive: true, force: true });
  });

  it("opens to the signer's certificate, with TLS, and lets it make tables", async () => {
    await query('CREATE TABLE kept (value int); INSERT INTO kept VALUES (42)', own);
    expect(await query('SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid()', own)).toBe('TLSv1.3');
    expect(await query('SELECT rolsuper FROM pg_roles WHERE rolname = current_user', own)).toBe('f');
  });

  it.each<[string, Caller]>([
    ["a node's certificate from the same authority, even of a node called signer", { certificate: 'signer' }],
    ["another signer's certificate", { certificate: databaseCommonName('bravo-signer') }],
    ['a certificate of another authority', { ...own, issuer: 'stranger' }],
    ['the right certificate as superuser', { ...own, role: 'postgres', database: 'postgres' }],
    ['a connection without TLS', { ...own, mode: 'disable' }],
  ])('refuses %s', async (_, caller) => {
    await expect(query('SELECT 1', caller)).rejects.toThrow(/FATAL|certificate|alert/);
  });

  it('takes a new certificate and another authority while a connection stays open', async () => {
    const now = new Date();
    const fresh = await createAuthority({ commonName: 'alpha', unit: 'since now', now, days: 1 });
    const issue = (authority: Authority, commonName: string, usage: 'server' | 'client') =>
      issueCertificate({ authority, now, days: 1, commonName, dnsNames: ['localhost'], usages: [usage] });
    /** Arguments of psql for a caller with files of his own. */
    const caller = async (name: string, authority: Authority, trusted: Authority): Promise<string[]> => {
      const { certificatePem, keyPem } = await issue(authority, own.certificate, 'client');
      writeFileSync(join(folder, `${name}.crt`), certificatePem);
      writeFileSync(join(folder, `${name}.key`), keyPem, { mode: 0o600 });
      writeFileSync(join(folder, `${name}-ca.crt`), trusted.certificatePem);
      const files = `sslcert=${name}.crt sslkey=${name}.key sslrootcert=${name}-ca.crt`;
      const target = `host=localhost port=${port} user=signer dbname=signer sslmode=verify-full ${files}`;
      return ['--no-psqlrc', '--tuples-only', '--no-align', '--quiet', '--dbname', target];
    };
    const once = (args: string[]) =>
      run(join(binaries!, 'psql'), [...args, '--command', 'SELECT 1'], { cwd: folder, env: {} });
    const before = await caller('before', trust, trust);
    const after = await caller('after', fresh, fresh);

    const kept = spawn(join(binaries!, 'psql'), before, { cwd: folder, env: {}, stdio: ['pipe', 'pipe', 'inherit'] });
    let said = '';
    kept.stdout.on('data', (chunk) => (said += chunk));
    const ask = async (lines: number) => {
      kept.stdin.write('SELECT pg_backend_pid();\n');
      await vi.waitFor(() => expect(said.trim().split('\n')).toHaveLength(lines), { timeout: 10_000 });
    };
    await ask(1);
    await expect(once(after)).rejects.toThrow();

    // Both authorities, as in a rotation; the server's own certificate follows.
    writeFileSync(place(`${postgresPaths.organizationCa}/ca.crt`), fresh.certificatePem + trust.certificatePem);
    const renewed = await issue(fresh, 'db', 'server');
    writeFileSync(place(`${postgresPaths.tls}/tls.key`), renewed.keyPem);
    writeFileSync(place(`${postgresPaths.tls}/tls.crt`), renewed.certificatePem);
    await vi.waitFor(() => once(after), { timeout: 15_000, interval: 200 });
    // Whoever trusts the old one alone no longer connects, and whoever is connected stays so.
    await expect(once(before)).rejects.toThrow(/certificate/);
    await ask(2);
    expect(new Set(said.trim().split('\n')).size).toBe(1);
    kept.stdin.end();
    writeFileSync(join(folder, 'ca.crt'), fresh.certificatePem);
  });

  it('finds its data again after a restart', async () => {
    await stop(server);
    output = '';
    server = start();
    await vi.waitFor(() => expect(output).toMatch(/ready to accept connections/), { timeout: 30_000, interval: 100 });
    expect(await query('SELECT value FROM kept', own)).toBe('42');
  });
});
