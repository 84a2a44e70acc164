import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { access, constants } from 'node:fs/promises';
import { delimiter, join } from 'node:path';

export interface RunOptions {
  input?: string | Buffer;
  cwd?: string;
  env?: NodeJS.ProcessEnv;
  /** Milliseconds; the command is killed after that. Default: no limit. */
  timeoutMs?: number;
  /** Resolve with the code instead of throwing when it is not 0. */
  allowFailure?: boolean;
  signal?: AbortSignal;
}

export interface RunResult {
  stdout: string;
  stderr: string;
  code: number;
}

/** A command that did not end with code 0; the message carries the end of what it wrote to stderr. */
export class CommandError extends Error {
  readonly result: RunResult;

  constructor(command: string, args: readonly string[], result: RunResult, timeoutMs?: number) {
    const line = [command, ...args].join(' ').slice(0, 300);
    const how = timeoutMs === undefined ? `ended with code ${result.code}` : `did not end within ${timeoutMs / 1000} s`;
    super(`${line} ${how}: ${(result.stderr || result.stdout).trim().slice(-2000)}`);
    this.name = 'CommandError';
    this.result = result;
  }
}

/** Runs one program with an argument array (never a shell) and collects what it wrote. */
export function run(command: string, args: readonly string[], options: RunOptions = {}): Promise<RunResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd: options.cwd,
      env: options.env,
      signal: options.signal,
      stdio: [options.input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
    });
    const stdout: Buffer[] = [];
    const stderr: Buffer[] = [];
    let late = false;
    const timer = options.timeoutMs
      ? setTimeout(() => {
          late = true;
          child.kill('SIGKILL');
        }, options.timeoutMs)
      : undefined;
    child.stdout?.on('data', (chunk: Buffer) => stdout.push(chunk));
    child.stderr?.on('data', (chunk: Buffer) => stderr.push(chunk));
    child.on('error', (error) => {
      clearTimeout(timer);
      reject(error);
    });
    child.on('close', (code) => {
      clearTimeout(timer);
      const result = {
        stdout: Buffer.concat(stdout).toString(),
        stderr: Buffer.concat(stderr).toString(),
        code: code ?? 137,
      };
      if (late) reject(new CommandError(command, args, result, options.timeoutMs));
      else if (result.code !== 0 && !options.allowFailure) reject(new CommandError(command, args, result));
      else resolve(result);
    });
    // A program that ends without reading its input is judged by its exit code, not by our broken pipe.
    child.stdin?.on('error', () => {});
    child.stdin?.end(options.input);
  });
}

/** A process that cannot be mistaken for a later one that got the same number. */
export interface ProcessIdentity {
  pid: number;
  /** Clock ticks since boot (field 22 of /proc/pid/stat); '' where /proc does not exist. */
  startTime: string;
}

/** State letter and start time from a /proc/pid/stat line; the command name may hold blanks and brackets. */
export function parseStat(line: string): { state: string; startTime: string } {
  const fields = line.slice(line.lastIndexOf(')') + 2).split(' ');
  return { state: fields[0] ?? '', startTime: fields[19] ?? '' };
}

/** Who has this pid now; undefined when nobody (or only a zombie) has it. `proc` is the root of the procfs to ask. */
export function identify(pid: number, proc = '/proc'): ProcessIdentity | undefined {
  try {
    const { state, startTime } = parseStat(readFileSync(join(proc, String(pid), 'stat'), 'utf8'));
    return state === 'Z' || state === 'X' ? undefined : { pid, startTime };
  } catch {
    if (process.platform === 'linux') return undefined;
  }
  try {
    process.kill(pid, 0);
    return { pid, startTime: '' };
  } catch {
    return undefined;
  }
}

/** Whether that very process still runs. */
export function isAlive(identity: ProcessIdentity, proc = '/proc'): boolean {
  return identify(identity.pid, proc)?.startTime === identity.startTime;
}

/** SIGKILLs that very process, if it still runs, and waits (at most 10 s) until it is gone. */
export async function end(identity: ProcessIdentity): Promise<void> {
  if (!isAlive(identity)) return;
  process.kill(identity.pid, 'SIGKILL');
  await until(() => !isAlive(identity), { timeoutMs: 10_000, everyMs: 20, what: `end of process ${identity.pid}` });
}

/** Waits for a condition, asked every `everyMs`; throws `what` and the last error when `timeoutMs` is over. */
export async function until(
  condition: () => boolean | Promise<boolean>,
  options: { timeoutMs: number; everyMs?: number; what: string },
): Promise<void> {
  const deadline = Date.now() + options.timeoutMs;
  let last: unknown;
  for (;;) {
    try {
      if (await condition()) return;
      last = undefined;
    } catch (error) {
      last = error;
    }
    if (Date.now() > deadline) {
      const why = last instanceof Error ? ` (${last.message})` : '';
      throw new Error(`waited ${options.timeoutMs / 1000} s for ${options.what}${why}`);
    }
    await new Promise((resolve) => setTimeout(resolve, options.everyMs ?? 100));
  }
}

/** PATH plus the sbin folders, which a user's PATH often lacks. */
export function searchPath(environment: NodeJS.ProcessEnv = process.env): string {
  const parts = (environment.PATH ?? '').split(delimiter).filter(Boolean);
  for (const extra of ['/usr/local/sbin', '/usr/sbin', '/sbin', '/usr/local/go/bin']) {
    if (!parts.includes(extra)) parts.push(extra);
  }
  return parts.join(delimiter);
}

/** Full path of a program of the system, or undefined. */
export async function findProgram(name: string): Promise<string | undefined> {
  for (const directory of searchPath().split(delimiter)) {
    const path = join(directory, name);
    try {
      await access(path, constants.X_OK);
      return path;
    } catch {}
  }
  return undefined;
}
