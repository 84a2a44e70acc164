import { createHash } from 'node:crypto';
import { cp, link, mkdir, mkdtemp, readdir, readFile, rename, rm, stat, unlink, utimes } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Bases, prepareBases } from './bases.ts';
import { type Engine, findEngine, run } from './engine.ts';
import { withLock } from './lock.ts';
import { unfitNative } from './native.ts';

const ROOT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../../..');
export const REPOSITORY = 'quorum-operator.local';
const KEPT_ARCHIVES = 3;

/** Targets of the Dockerfile; `program` says that scripts/bundle.mjs makes what is in it, `files` what else is. */
const TARGETS = {
  operator: { program: true, files: [] },
  'signer-sidecar': { program: true, files: [] },
  cli: { program: true, files: [] },
  'fixture-quorum': { program: true, files: ['e2e/fixtures/quorum/geth'] },
  'fixture-tessera': { program: true, files: ['e2e/fixtures/tessera/tessera'] },
  'fixture-client': { program: true, files: [] },
  'fixture-softhsm': { program: false, files: [] },
  'fixture-postgres': { program: false, files: [] },
  'fixture-goquorum': { program: false, files: ['goquorum/geth'] },
} as const satisfies Record<string, { program: boolean; files: string[] }>;

export type ImageTarget = keyof typeof TARGETS;

export interface BuiltImage {
  /** Target in the Dockerfile. */
  name: ImageTarget;
  /** `quorum-operator.local/<target>:<hash of its content>`. */
  image: string;
  /** docker-archive tarball. */
  file: string;
}

export interface BuildImagesOptions {
  /** Default: all, and `fixture-goquorum` only when `goquorumBinary` is given. */
  targets?: ImageTarget[];
  /** Path of a GoQuorum `geth` for linux, which becomes the image `fixture-goquorum`. */
  goquorumBinary?: string;
  log?: (line: string) => void;
}

/** Folder of everything that is made once and kept. */
export function cacheFolder(): string {
  const base = process.env.XDG_CACHE_HOME || path.join(os.homedir(), '.cache');
  return process.env.QUORUM_OPERATOR_CACHE || path.join(base, 'quorum-operator');
}

/**
 * Builds images and writes each as a tarball in the cache. The tag is a hash of what goes into the image, so an image
 * whose content is the same is neither built nor written again.
 * @throws Error of one line, saying what is missing or which target failed and why.
 */
export async function buildImages(options: BuildImagesOptions = {}): Promise<BuiltImage[]> {
  const log = options.log ?? (() => {});
  const targets = options.targets ?? defaultTargets(options.goquorumBinary !== undefined);
  const unknown = targets.find((target) => !(target in TARGETS));
  if (unknown) throw new Error(`images: no target ${unknown}; there are ${Object.keys(TARGETS).join(', ')}`);
  if (targets.includes('fixture-goquorum') && !options.goquorumBinary) {
    throw new Error('images: fixture-goquorum needs goquorumBinary, the path of a GoQuorum geth for linux');
  }
  const cache = path.join(cacheFolder(), 'images');
  await mkdir(cache, { recursive: true });
  return withLock(path.join(cache, 'lock'), log, async () => {
    const context = await mkdtemp(path.join(cache, 'context-'));
    try {
      return await buildInContext({ context, cache, targets, goquorumBinary: options.goquorumBinary, log });
    } finally {
      await rm(context, { recursive: true, force: true });
    }
  });
}

interface Work {
  context: string;
  cache: string;
  targets: ImageTarget[];
  goquorumBinary: string | undefined;
  log: (line: string) => void;
}

async function buildInContext({ context, cache, targets, goquorumBinary, log }: Work): Promise<BuiltImage[]> {
  await fillContext(context, targets, goquorumBinary);
  const engine = await findEngine();
  const bases = await prepareBases(engine, cache, log);
  const built: BuiltImage[] = [];
  for (const target of targets) {
    const tag = await contentTag(context, target, bases.fingerprint);
    const image = `${REPOSITORY}/${target}:${tag}`;
    const file = path.join(cache, `${target}-${tag}.tar`);
    if (await isFile(file)) {
      // The time tells which are the latest when old ones are pruned.
      await utimes(file, new Date(), new Date());
    } else {
      await buildOne({ engine, bases, context, target, image, file, log });
      await prune(engine, cache, target);
    }
    built.push({ name: target, image, file });
  }
  return built;
}

interface OneImage {
  engine: Engine;
  bases: Bases;
  context: string;
  target: ImageTarget;
  image: string;
  file: string;
  log: (line: string) => void;
}

async function buildOne({ engine, bases, context, target, image, file, log }: OneImage): Promise<void> {
  const began = performance.now();
  try {
    if (!(await engine.exists(image))) {
      await engine.build({
        context,
        dockerfile: path.join(ROOT, 'Dockerfile'),
        target,
        image,
        args: { ...bases.args, PROGRAMS: 'from-context' },
      });
    }
    await rm(`${file}.part`, { force: true });
    await engine.save(image, `${file}.part`);
    await rename(`${file}.part`, file);
  } catch (error) {
    throw new Error(`images: ${target}: ${(error as Error).message}`);
  }
  const { size } = await stat(file);
  const seconds = ((performance.now() - began) / 1000).toFixed(1);
  log(`images: ${image} ${Math.round(size / 1e6)} MB in ${seconds} s`);
}

/** Bundles the programs into the build context and adds what else the targets copy. */
async function fillContext(context: string, targets: ImageTarget[], goquorumBinary?: string): Promise<void> {
  const programs = targets.filter((target) => TARGETS[target].program);
  await mkdir(path.join(context, 'dist'));
  if (programs.length > 0) {
    const script = path.join(ROOT, 'scripts/bundle.mjs');
    const output = await run(process.execPath, [script, '--out', path.join(context, 'dist'), ...programs]).catch(
      (e) => {
        throw new Error(`images: ${(e as Error).message}`);
      },
    );
    const { native } = JSON.parse(output.split('\n').at(-1) ?? '{}') as { native: string[] };
    for (const file of native) {
      const reason = await unfitNative(path.join(context, 'dist', file));
      if (reason) throw new Error(`images: ${file} does not fit the images: ${reason}`);
    }
  }
  for (const file of new Set(targets.flatMap((target) => [...TARGETS[target].files]))) {
    const copy = path.join(context, file);
    await mkdir(path.dirname(copy), { recursive: true });
    if (file !== 'goquorum/geth') await cp(path.join(ROOT, file), copy);
    else if (goquorumBinary) await linkOrCopy(goquorumBinary, copy);
  }
}

async function linkOrCopy(from: string, to: string): Promise<void> {
  const reason = await unfitNative(from);
  if (reason) throw new Error(`images: ${from} is no GoQuorum binary for the image: ${reason}`);
  await link(from, to).catch(() => cp(from, to, { dereference: true }));
}

/** Hash of everything that a target is made of: its files, its stages in the Dockerfile, its base. */
async function contentTag(context: string, target: ImageTarget, fingerprint: string): Promise<string> {
  const hash = createHash('sha256').update(`${fingerprint}\n`);
  hash.update(await readFile(path.join(ROOT, 'Dockerfile')));
  const { program, files } = TARGETS[target];
  const roots: string[] = [...(program ? [`dist/${target}`] : []), ...files];
  for (const root of roots) {
    for (const file of await filesBelow(context, root)) {
      hash.update(`\n${file}\n`);
      hash.update(await readFile(path.join(context, file)));
    }
  }
  return hash.digest('hex').slice(0, 16);
}

async function filesBelow(base: string, root: string): Promise<string[]> {
  if (await isFile(path.join(base, root))) return [root];
  const entries = await readdir(path.join(base, root), { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile());
  return files.map((entry) => path.relative(base, path.join(entry.parentPath, entry.name))).sort();
}

/** Removes all but the latest archives of a target, and their images in the engine. */
async function prune(engine: Engine, cache: string, target: ImageTarget): Promise<void> {
  const pattern = new RegExp(`^${target}-[0-9a-f]{16}\\.tar$`);
  const names = (await readdir(cache)).filter((name) => pattern.test(name));
  const files = await Promise.all(
    names.map(async (name) => ({ name, time: (await stat(path.join(cache, name))).mtimeMs })),
  );
  const ordered = files.sort((a, b) => b.time - a.time);
  for (const { name } of ordered.slice(KEPT_ARCHIVES)) await unlink(path.join(cache, name));
  const kept = new Set(ordered.slice(0, KEPT_ARCHIVES).map(({ name }) => name));
  for (const tag of await engine.tags(`${REPOSITORY}/${target}`)) {
    if (!kept.has(`${target}-${tag}.tar`)) await engine.remove(`${REPOSITORY}/${target}:${tag}`).catch(() => {});
  }
}

function defaultTargets(goquorum: boolean): ImageTarget[] {
  return (Object.keys(TARGETS) as ImageTarget[]).filter((target) => target !== 'fixture-goquorum' || goquorum);
}

async function isFile(file: string): Promise<boolean> {
  return stat(file).then(
    (found) => found.isFile(),
    () => false,
  );
}
