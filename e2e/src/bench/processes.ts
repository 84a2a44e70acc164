import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';

/** What /proc tells about one process. */
interface ProcessFacts {
  readonly pid: number;
  readonly parent: number;
  readonly command: string;
  /** User and system time, seconds, in steps of one clock tick (10 ms on Linux). */
  readonly cpuSeconds: number;
}

let ticksPerSecond: number | undefined;

function factsOf(pid: number): ProcessFacts | undefined {
  ticksPerSecond ??= Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }));
  let line: string;
  try {
    line = readFileSync(`/proc/${pid}/stat`, 'utf8');
  } catch {
    return undefined; // it has ended
  }
  // The command name stands in brackets and may hold blanks and brackets itself.
  const close = line.lastIndexOf(')');
  const fields = line.slice(close + 2).split(' ');
  const cpuSeconds = (Number(fields[11]) + Number(fields[12])) / ticksPerSecond;
  return { pid, parent: Number(fields[1]), command: line.slice(line.indexOf('(') + 1, close), cpuSeconds };
}

/** Seconds of CPU that a process has used, user and system; 0 when it has ended. */
export function cpuSeconds(pid: number): number {
  return factsOf(pid)?.cpuSeconds ?? 0;
}

/** All processes below one, at any depth, as they are now; `command` keeps those whose name is that. */
export function descendants(ancestor: number, command?: string): number[] {
  const all = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => factsOf(Number(name)) ?? []);
  const below = new Set([ancestor]);
  for (let grown = true; grown; ) {
    const found = all.filter(({ pid, parent }) => below.has(parent) && !below.has(pid));
    for (const { pid } of found) below.add(pid);
    grown = found.length > 0;
  }
  return all
    .filter(({ pid }) => pid !== ancestor && below.has(pid))
    .filter((facts) => command === undefined || facts.command === command)
    .map(({ pid }) => pid);
}

/** Seconds of CPU of several processes together. */
export function cpuSecondsOf(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => sum + cpuSeconds(pid), 0);
}

/** Resident memory, MiB. */
export function residentMib(pid: number): number {
  const match = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
  return Number(match?.[1] ?? Number.NaN) / 1024;
}

/** Established TCP connections of a process to a port. */
export function connectionsTo(pid: number, port: number): number {
  const wanted = port.toString(16).toUpperCase().padStart(4, '0');
  const inodes = new Set<string>();
  for (const table of ['tcp', 'tcp6']) {
    const [, ...rows] = readFileSync(`/proc/${pid}/net/${table}`, 'utf8').trim().split('\n');
    for (const row of rows) {
      const [, , remote, state, , , , , , inode] = row.trim().split(/\s+/);
      if (state === '01' && remote!.endsWith(`:${wanted}`)) inodes.add(inode!);
    }
  }
  const descriptors = readdirSync(`/proc/${pid}/fd`).map((name) => {
    try {
      return readlinkSync(join(`/proc/${pid}/fd`, name));
    } catch {
      return ''; // closed meanwhile
    }
  });
  return descriptors.filter((target) => inodes.has(/^socket:\[(\d+)\]$/.exec(target)?.[1] ?? '')).length;
}
