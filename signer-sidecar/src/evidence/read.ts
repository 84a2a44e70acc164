import { closeSync, constants, openSync, readdirSync, readFileSync, readlinkSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { parseCommandLine, parseCoreLimit, parseStatus } from './parse.ts';
import type { Access, Evidence, OwnEvidence, ProcessEvidence, ProcessToProve } from './types.ts';

export interface EvidenceSources {
  /** `/proc`; another folder in tests. */
  readonly proc: string;
  /** `/`; another folder in tests. */
  readonly root: string;
  readonly now: () => Date;
}

const system: EvidenceSources = { proc: '/proc', root: '/', now: () => new Date() };

/**
 * Reads, without privilege and without exec, what the kernel says about the neighbours in the pod (which shares its
 * process namespace) and about this container. A container whose process is not there is listed as missing.
 */
export function readEvidence(wanted: readonly ProcessToProve[], sources: EvidenceSources = system): Evidence {
  const pids = readdirSync(sources.proc).filter((name) => /^\d+$/.test(name));
  const processes: ProcessEvidence[] = [];
  for (const pid of pids) {
    const container = wanted.find((each) => belongs(join(sources.proc, pid), each));
    if (container === undefined) continue;
    const evidence = readProcess(sources.proc, Number(pid), container.container);
    if (evidence !== undefined) processes.push(evidence);
  }
  processes.sort((a, b) => a.pid - b.pid);
  return {
    time: sources.now().toISOString(),
    own: readOwn(sources.root),
    processes,
    missing: wanted
      .map((each) => each.container)
      .filter((container) => !processes.some((process) => process.container === container)),
  };
}

/** The owner of `/proc/<pid>` is no proof (it is root for processes that cannot be dumped), so `status` is asked. */
function belongs(folder: string, wanted: ProcessToProve): boolean {
  const status = read(join(folder, 'status'));
  if (status === undefined) return false;
  const uid = /^Uid:\s+(\d+)/m.exec(status)?.[1];
  if (uid === undefined || Number(uid) !== wanted.uid || /^State:\s+Z/m.test(status)) return false;
  if (wanted.command === undefined) return true;
  return parseCommandLine(read(join(folder, 'cmdline')) ?? '')
    .join(' ')
    .includes(wanted.command);
}

function readProcess(proc: string, pid: number, container: string): ProcessEvidence | undefined {
  const folder = join(proc, String(pid));
  const status = read(join(folder, 'status'));
  if (status === undefined) return undefined;
  const coreLimit = parseCoreLimit(read(join(folder, 'limits')) ?? '');
  const coredumpFilter = read(join(folder, 'coredump_filter'))?.trim();
  return {
    container,
    pid,
    command: parseCommandLine(read(join(folder, 'cmdline')) ?? ''),
    ...parseStatus(status),
    ...(coreLimit === undefined ? {} : { coreLimit }),
    ...(coredumpFilter === undefined || coredumpFilter === '' ? {} : { coredumpFilter }),
    access: {
      memory: access(() => closeSync(openSync(join(folder, 'mem'), constants.O_RDONLY))),
      environment: access(() => closeSync(openSync(join(folder, 'environ'), constants.O_RDONLY))),
      root: access(() => {
        // Following the link needs the right to trace the process; so does reading where it leads.
        readlinkSync(join(folder, 'root'));
        statSync(`${join(folder, 'root')}/.`);
      }),
    },
  };
}

/** Tries to write to the root of the file system, as an intruder would. */
function readOwn(root: string): OwnEvidence {
  const probe = join(root, `.read-only-probe-${process.pid}`);
  let readOnlyRoot = false;
  try {
    closeSync(openSync(probe, constants.O_CREAT | constants.O_EXCL | constants.O_WRONLY, 0o600));
    rmSync(probe, { force: true });
  } catch (error) {
    readOnlyRoot = (error as NodeJS.ErrnoException).code === 'EROFS';
  }
  return { uid: process.getuid!(), gid: process.getgid!(), readOnlyRoot };
}

function access(attempt: () => void): Access {
  try {
    attempt();
    return 'allowed';
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    return code === 'ENOENT' || code === 'ESRCH' ? 'absent' : 'refused';
  }
}

/** The file's text, or undefined when it is gone or closed to us. */
function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
