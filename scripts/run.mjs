// Runs a TypeScript program of this repository with the pinned Node, after setting up what it needs. Plain JavaScript,
// since it is started by whatever Node (20 or newer) the machine has:
//   node scripts/run.mjs e2e/src/demo/main.ts [arguments]
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const modules = join(root, 'node_modules');
const marker = join(modules, '.installed-lockfile');
const lock = join(root, '.install-lock');

function say(line) {
  process.stdout.write(`[setup] ${line}\n`);
}

function fail(line) {
  process.stderr.write(`[setup] ${line}\n`);
  process.exit(1);
}

function lockfileDigest() {
  const hash = createHash('sha256');
  hash.update(readFileSync(join(root, 'package-lock.json')));
  hash.update(process.platform + process.arch);
  return hash.digest('hex');
}

function isInstalled() {
  return (
    existsSync(marker) &&
    readFileSync(marker, 'utf8') === lockfileDigest() &&
    existsSync(join(modules, '.bin', 'node')) &&
    existsSync(join(modules, 'pkcs11js', 'build', 'Release', 'pkcs11.node'))
  );
}

function has(command) {
  return (process.env.PATH ?? '').split(':').some((folder) => folder !== '' && existsSync(join(folder, command)));
}

/** pkcs11js has no prebuilt binary: it is compiled once, so a compiler must be there before npm runs. */
function ensureCompiler() {
  const missing = ['g++', 'make', 'python3'].filter((command) => !has(command));
  if (missing.length === 0) return;
  const line = `apt-get install -y g++ make python3`;
  if (process.getuid?.() !== 0 || !has('apt-get'))
    fail(`missing: ${missing.join(', ')}. Install them first (Debian: ${line}).`);
  say(`installing ${missing.join(', ')} with apt-get`);
  spawnSync('apt-get', ['update', '-qq'], { stdio: 'inherit' });
  const result = spawnSync('apt-get', ['install', '-y', '-qq', 'g++', 'make', 'python3'], { stdio: 'inherit' });
  if (result.status !== 0) fail(`could not install ${missing.join(', ')}; run: ${line}`);
}

/** Headers that lie beside the running Node spare node-gyp a download; N-API makes their version irrelevant. */
function headerSettings() {
  if (process.env.npm_config_nodedir) return {};
  const prefix = dirname(dirname(process.execPath));
  return existsSync(join(prefix, 'include', 'node', 'node_api.h')) ? { npm_config_nodedir: prefix } : {};
}

/** An installation takes a minute or two; after this time the pid in the lock belongs to somebody else. */
const LOCK_MS = 20 * 60_000;

function ownerIsAlive() {
  try {
    if (Date.now() - statSync(lock).mtimeMs > LOCK_MS) return false;
    process.kill(Number(readFileSync(join(lock, 'pid'), 'utf8')), 0);
    return true;
  } catch {
    // Without a readable pid the owner may have been about to write it: believe it for a few seconds.
    try {
      return !existsSync(join(lock, 'pid')) && Date.now() - statSync(lock).mtimeMs < 5_000;
    } catch {
      return false;
    }
  }
}

async function withLock(action) {
  for (let announced = false; ; ) {
    try {
      mkdirSync(lock);
      break;
    } catch (error) {
      if (error.code !== 'EEXIST') throw error;
      if (!ownerIsAlive()) {
        rmSync(lock, { recursive: true, force: true });
        continue;
      }
      if (!announced) say('waiting for another process that installs dependencies');
      announced = true;
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
  }
  // Also when the action ends the process.
  const release = () => rmSync(lock, { recursive: true, force: true });
  process.once('exit', release);
  writeFileSync(join(lock, 'pid'), String(process.pid));
  action();
  release();
  process.off('exit', release);
}

function install() {
  if (isInstalled()) return;
  ensureCompiler();
  say('installing dependencies from package-lock.json, Node 24 among them (about a minute)');
  const result = spawnSync('npm', ['ci', '--no-fund', '--no-audit', '--loglevel=error'], {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, ...headerSettings() },
  });
  if (result.status !== 0) fail('npm ci failed, see its message above; then run the same command again.');
  writeFileSync(marker, lockfileDigest());
  if (!isInstalled())
    fail('npm ci left no Node 24 or no PKCS#11 binding in node_modules; are install scripts allowed?');
}

function execute(program, args) {
  const child = spawn(join(modules, '.bin', 'node'), [program, ...args], {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, PATH: `${join(modules, '.bin')}:${process.env.PATH ?? ''}` },
  });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  child.on('exit', (code, signal) => {
    process.exitCode = code ?? (signal === 'SIGINT' ? 130 : 1);
  });
}

const major = Number(process.versions.node.split('.')[0]);
if (major < 20) fail(`Node ${process.versions.node} is too old to begin with; Node 20 or newer is needed.`);
const [program, ...args] = process.argv.slice(2);
if (program === undefined) fail('usage: node scripts/run.mjs <program.ts> [arguments]');
if (!isInstalled()) await withLock(install);
execute(join(root, program), args);
