import { createHash } from 'node:crypto';
import { copyFile, mkdir, mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';
import { type Engine, run, succeeds } from './engine.ts';

const SUITE = 'bookworm';
/** The layout is merged already; this stands in for `usrmerge`, which brings all of Perl. */
const PACKAGES = ['usr-is-merged'];
const PURGED = ['usrmerge', 'perl', 'perl-modules-5.36', 'libperl5.36', 'libgdbm-compat4', 'libgdbm6'];
/** What nobody reads in a container; the same that Debian's own slim images leave out. */
const EXCLUDED = ['/usr/share/man/*', '/usr/share/doc/*', '/usr/share/info/*', '/usr/share/locale/*'];
const REPOSITORY = 'quorum-operator.local';

export interface Bases {
  /** Values of the Dockerfile's NODE_IMAGE and DEBIAN_IMAGE; empty: the defaults of the Dockerfile. */
  args: Record<string, string>;
  /** Changes when a base does. */
  fingerprint: string;
}

/**
 * The base images. Docker pulls those that the Dockerfile names. Without Docker there need not be any registry: Debian
 * is made from its package mirror and Node is the binary of the npm package `node`, the version of the lockfile.
 */
export async function prepareBases(engine: Engine, cache: string, log: (line: string) => void): Promise<Bases> {
  if (engine.name === 'docker') return { args: {}, fingerprint: 'dockerfile' };
  const debianHash = hash(['apt', SUITE, process.arch, ...PACKAGES, ...PURGED, ...EXCLUDED]);
  const debian = `${REPOSITORY}/base-debian:${debianHash}`;
  if (!(await engine.exists(debian)))
    await makeDebian(engine, debian, path.join(cache, `rootfs-${debianHash}.tar`), log);

  const { version, binary } = await nodePackage();
  const nodeHash = hash([debianHash, version]);
  const node = `${REPOSITORY}/base-node:${nodeHash}`;
  if (!(await engine.exists(node))) {
    log(`images: base with Node ${version}`);
    const context = await mkdtemp(path.join(cache, 'context-'));
    try {
      await copyFile(binary, path.join(context, 'node'));
      await writeFile(path.join(context, 'Dockerfile'), `FROM ${debian}\nCOPY --chmod=0755 node /usr/local/bin/node\n`);
      const dockerfile = path.join(context, 'Dockerfile');
      await engine.build({ context, dockerfile, image: node, args: {} });
    } finally {
      await rm(context, { recursive: true, force: true });
    }
  }
  await prune(engine, cache, { 'base-debian': debianHash, 'base-node': nodeHash });
  return {
    args: { NODE_IMAGE: node, BUILD_IMAGE: node, DEBIAN_IMAGE: debian },
    fingerprint: nodeHash,
  };
}

async function makeDebian(engine: Engine, image: string, rootfs: string, log: (line: string) => void): Promise<void> {
  if (!(await exists(rootfs))) {
    if (!(await succeeds('mmdebstrap', ['--version']))) {
      throw new Error(
        'images: mmdebstrap is missing, which makes the Debian base for podman; apt-get install mmdebstrap',
      );
    }
    log(`images: Debian ${SUITE} base by mmdebstrap (about a minute, once)`);
    await mkdir(path.dirname(rootfs), { recursive: true });
    const exclude = EXCLUDED.map((pattern) => `--dpkgopt=path-exclude=${pattern}`);
    const include = `--include=${PACKAGES.join(',')}`;
    const purge = `--customize-hook=chroot "$1" apt-get purge --yes --quiet ${PURGED.join(' ')}`;
    await run('mmdebstrap', ['--quiet', '--variant=apt', include, purge, ...exclude, SUITE, `${rootfs}.part.tar`]);
    await rename(`${rootfs}.part.tar`, rootfs);
  }
  await engine.importRootfs(rootfs, image);
}

/** Removes bases that nothing uses any more. Images built on one keep its layers. */
async function prune(engine: Engine, cache: string, kept: Record<string, string>): Promise<void> {
  for (const [name, hash] of Object.entries(kept)) {
    for (const tag of await engine.tags(`${REPOSITORY}/${name}`)) {
      if (tag !== hash) await engine.remove(`${REPOSITORY}/${name}:${tag}`).catch(() => {});
    }
  }
  const current = `rootfs-${kept['base-debian']}.tar`;
  for (const file of await readdir(cache)) {
    if (/^rootfs-.*\.tar$/.test(file) && file !== current) await rm(path.join(cache, file), { force: true });
  }
}

/** Node for the images: the npm package of the lockfile, so that images and tests run the same one. */
async function nodePackage(): Promise<{ version: string; binary: string }> {
  const file = createRequire(import.meta.url).resolve('node/package.json');
  const { version } = JSON.parse(await readFile(file, 'utf8')) as { version: string };
  return { version, binary: path.join(path.dirname(file), 'bin/node') };
}

function hash(parts: string[]): string {
  return createHash('sha256').update(parts.join('\n')).digest('hex').slice(0, 12);
}

async function exists(file: string): Promise<boolean> {
  return stat(file).then(
    () => true,
    () => false,
  );
}
