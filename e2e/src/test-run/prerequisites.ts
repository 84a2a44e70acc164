import { existsSync, readdirSync } from 'node:fs';
import { findProgram, run } from '../cluster/process.ts';
import { findLua } from '../gitops/lua.ts';

/** What the unit tests take from the distribution: a PKCS#11 module, a Postgres server and a Lua interpreter, all real. */
const needs = [
  { package: 'softhsm2', present: () => existsSync('/usr/lib/softhsm/libsofthsm2.so') },
  { package: 'postgresql', present: () => postgresVersions().length > 0 },
  { package: 'lua5.1', present: () => findLua() !== undefined },
  { package: 'openssl', present: async () => (await findProgram('openssl')) !== undefined },
];

function postgresVersions(): string[] {
  const root = '/usr/lib/postgresql';
  return existsSync(root) ? readdirSync(root).filter((version) => existsSync(`${root}/${version}/bin/initdb`)) : [];
}

/**
 * Installs what is missing with apt-get as root on Debian; elsewhere says in one line what to install, and the tests that
 * need it are skipped by name.
 */
export async function ensureTestPrerequisites(log: (line: string) => void): Promise<void> {
  const missing: string[] = [];
  for (const need of needs) if (!(await need.present())) missing.push(need.package);
  if (missing.length === 0) return;
  if (process.getuid?.() !== 0 || (await findProgram('apt-get')) === undefined) {
    log(
      `missing: ${missing.join(', ')}; tests that need them are skipped. Debian: apt-get install ${missing.join(' ')}`,
    );
    return;
  }
  log(`installing ${missing.join(', ')} with apt-get`);
  await run('apt-get', ['update', '-qq'], { allowFailure: true });
  await run('apt-get', ['install', '-y', '-qq', '--no-install-recommends', ...missing]);
}
