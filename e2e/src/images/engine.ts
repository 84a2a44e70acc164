import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

/** A program that builds an ordinary Dockerfile. */
export interface Engine {
  name: 'docker' | 'podman';
  /** Builds one target, or the last stage, and tags it. */
  build(options: BuildOptions): Promise<void>;
  exists(image: string): Promise<boolean>;
  /** Writes a docker-archive that `ctr images import` and `kind load image-archive` read. */
  save(image: string, file: string): Promise<void>;
  remove(image: string): Promise<void>;
  /** Tags of images of one repository. */
  tags(repository: string): Promise<string[]>;
  /** Imports the tarball of a root file system. */
  importRootfs(tarball: string, image: string): Promise<void>;
}

export interface BuildOptions {
  context: string;
  dockerfile: string;
  target?: string;
  image: string;
  args: Record<string, string>;
}

export interface RunOptions {
  env?: Record<string, string>;
}

/** A command that failed, with the last lines that it wrote. */
export class CommandError extends Error {
  readonly exitCode: number | undefined;
  constructor(command: string, exitCode: number | undefined, tail: string) {
    super(`${command} failed${exitCode === undefined ? '' : ` (exit code ${exitCode})`}: ${tail}`);
    this.name = 'CommandError';
    this.exitCode = exitCode;
  }
}

/** Runs a command to its end. @returns what it wrote to stdout. @throws CommandError with the last lines of stderr. */
export function run(command: string, args: string[], options: RunOptions = {}): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...options.env },
    });
    const written: string[] = [];
    const tail: string[] = [];
    createInterface({ input: child.stdout }).on('line', (line) => {
      written.push(line);
      tail.push(line);
    });
    createInterface({ input: child.stderr }).on('line', (line) => {
      tail.push(line);
    });
    child.on('error', (error) => reject(new CommandError(command, undefined, error.message)));
    child.on('close', (code) => {
      if (code === 0) return resolve(written.join('\n'));
      const last = tail.filter((line) => line.trim() !== '').slice(-4);
      reject(new CommandError([command, args[0]].join(' '), code ?? undefined, last.join(' | ').slice(-600)));
    });
  });
}

/** @returns whether the command ran and ended with exit code 0. */
export async function succeeds(command: string, args: string[]): Promise<boolean> {
  return run(command, args).then(
    () => true,
    () => false,
  );
}

/**
 * Docker where its engine answers, else podman as root.
 * `QUORUM_OPERATOR_IMAGE_ENGINE=docker|podman` chooses.
 * @throws when there is neither, saying what to install.
 */
export async function findEngine(): Promise<Engine> {
  const wanted = process.env.QUORUM_OPERATOR_IMAGE_ENGINE;
  if (wanted !== 'podman' && (await succeeds('docker', ['info']))) return engine('docker', [], []);
  if (wanted === 'docker') throw new Error('images: the Docker engine does not answer (`docker info` fails)');
  if (process.getuid?.() === 0 && (await succeeds('podman', ['--version']))) {
    // Needs neither a runtime nor namespaces of its own, so that it also works inside a container.
    return engine('podman', ['--isolation', 'chroot', '--network', 'host'], ['--layers']);
  }
  throw new Error('images: no engine to build them with; start Docker, or install podman and run as root');
}

function engine(name: Engine['name'], isolation: string[], flags: string[]): Engine {
  return {
    name,
    async build({ context, dockerfile, target, image, args }) {
      const command = ['build', ...isolation, ...flags, '--file', dockerfile, '--tag', image];
      if (target) command.push('--target', target);
      for (const [key, value] of Object.entries(args)) command.push('--build-arg', `${key}=${value}`);
      await run(name, [...command, context], { env: { DOCKER_BUILDKIT: '1' } });
    },
    exists: (image) => succeeds(name, ['image', 'inspect', image]),
    async save(image, file) {
      const format = name === 'podman' ? ['--format', 'docker-archive', '--quiet'] : [];
      await run(name, ['save', ...format, '--output', file, image]);
    },
    async remove(image) {
      await run(name, ['rmi', image]);
    },
    async tags(repository) {
      const list = await run(name, ['images', '--format', '{{.Repository}} {{.Tag}}']);
      const pairs = list.split('\n').map((line) => line.split(' '));
      return pairs.filter(([found]) => found === repository).map(([, tag]) => tag ?? '');
    },
    async importRootfs(tarball, image) {
      await run(name, ['import', tarball, image]);
    },
  };
}
