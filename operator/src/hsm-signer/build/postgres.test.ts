import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { chmodSync, chownSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { createAuthority, issueCertificate } from '../../pki/x509.ts';
import { signer } from '../fixtures.ts';
import { frameOf } from '../frame.ts';
import { databaseCommonName, postgresConfigMap, postgresPaths } from './postgres-config.ts';

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

describe.runIf(runnable)('the database, started as its pod starts it', () => {
  let folder: string;
  let server: ChildProcess;
  let output = '';
  let port: number;
  let clientFor: (commonName: string, role?: string, database?: string) => Promise<pg.Client>;

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
        .replace('port = 5432', `port = ${port}`);
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

    clientFor = async (commonName, role = 'signer', database = 'signer') => {
      const issuer = commonName === 'stranger' ? stranger : authority;
      const name = commonName === 'stranger' ? databaseCommonName('alpha-signer') : commonName;
      const leaf = await issueCertificate({ authority: issuer, now, days: 1, commonName: name, usages: ['client'] });
      return new pg.Client({
        host: 'localhost',
        port,
        user: role,
        database,
        ssl: { ca: authority.certificatePem, cert: leaf.certificatePem, key: leaf.keyPem },
      });
    };
    server = start();
    await vi.waitFor(() => expect(output).toMatch(/ready to accept connections/), { timeout: 30_000, interval: 100 });
  }, 60_000);

  afterAll(async () => {
    await stop(server);
    rmSync(folder, { recursive: true, force: true });
  });

  it("opens to the signer's certificate, with TLS, and lets it make tables", async () => {
    const client = await clientFor(databaseCommonName('alpha-signer'));
    await client.connect();
    try {
      await client.query('CREATE TABLE kept (value int)');
      await client.query('INSERT INTO kept VALUES (42)');
      const { rows } = await client.query('SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid()');
      expect(rows[0].version).toBe('TLSv1.3');
      const { rows: rights } = await client.query('SELECT rolsuper FROM pg_roles WHERE rolname = current_user');
      expect(rights[0].rolsuper).toBe(false);
    } finally {
      await client.end();
    }
  });

  it.each([
    ["a node's certificate from the same authority, even of a node called signer", 'signer', 'signer', 'signer'],
    ["another signer's certificate", databaseCommonName('bravo-signer'), 'signer', 'signer'],
    ['a certificate of another authority', 'stranger', 'signer', 'signer'],
    ['the right certificate as superuser', databaseCommonName('alpha-signer'), 'postgres', 'postgres'],
  ])('refuses %s', async (_, commonName, role, database) => {
    const client = await clientFor(commonName, role, database);
    client.on('error', () => {});
    await expect(client.connect()).rejects.toThrow();
  });

  it('refuses connections without TLS', async () => {
    const client = new pg.Client({ host: 'localhost', port, user: 'signer', database: 'signer' });
    await expect(client.connect()).rejects.toThrow(/pg_hba/);
  });

  it('finds its data again after a restart', async () => {
    await stop(server);
    output = '';
    server = start();
    await vi.waitFor(() => expect(output).toMatch(/ready to accept connections/), { timeout: 30_000, interval: 100 });
    const client = await clientFor(databaseCommonName('alpha-signer'));
    await client.connect();
    const { rows } = await client.query('SELECT value FROM kept');
    expect(rows).toEqual([{ value: 42 }]);
    await client.end();
  });
});
