import { spawn } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseCommandLine, parseCoreLimit, parseStatus } from './parse.ts';
import { readEvidence } from './read.ts';

const status = `Name:\tgeth
Umask:\t0022
State:\tS (sleeping)
Pid:\t17
Uid:\t10001\t10001\t10001\t10001
Gid:\t10001\t10001\t10001\t10001
Groups:\t10001 20000 
CapInh:\t0000000000000000
CapPrm:\t0000000000000000
CapEff:\t0000000000000000
CapBnd:\t00000000a80425fb
CapAmb:\t0000000000000000
NoNewPrivs:\t1
Seccomp:\t2
Seccomp_filters:\t1
`;

const limits = `Limit                     Soft Limit           Hard Limit           Units     
Max cpu time              unlimited            unlimited            seconds   
Max core file size        0                    unlimited            bytes     
Max open files            1024                 524288               files     
`;

describe('parsing', () => {
  it('reads ids, capabilities, no-new-privileges and seccomp', () => {
    expect(parseStatus(status)).toEqual({
      uid: { real: 10001, effective: 10001, saved: 10001, filesystem: 10001 },
      gid: { real: 10001, effective: 10001, saved: 10001, filesystem: 10001 },
      groups: [10001, 20000],
      capabilities: {
        inheritable: '0000000000000000',
        permitted: '0000000000000000',
        effective: '0000000000000000',
        bounding: '00000000a80425fb',
        ambient: '0000000000000000',
      },
      noNewPrivileges: true,
      seccomp: 'filter',
    });
  });

  it.each([
    ['Seccomp:\t0', 'disabled'],
    ['Seccomp:\t1', 'strict'],
    ['Other:\t1', 'unknown'],
  ])('%s means %s', (line, mode) => {
    expect(parseStatus(status.replace(/^Seccomp:.*$/m, line)).seccomp).toBe(mode);
  });

  it('does not guess: no line, no claim', () => {
    expect(parseStatus(status.replace(/^NoNewPrivs.*\n/m, '')).noNewPrivileges).toBeUndefined();
    expect(() => parseStatus(status.replace(/^Uid:.*\n/m, ''))).toThrow(/no line Uid/);
    expect(() => parseStatus('')).toThrow(/no line/);
    expect(parseCoreLimit('')).toBeUndefined();
  });

  it('reads the core limit with and without a bound', () => {
    expect(parseCoreLimit(limits)).toEqual({ soft: 0, hard: 'unlimited' });
  });

  it.each([
    ['geth\0--datadir\0/data\0', ['geth', '--datadir', '/data']],
    ['geth\0\0x\0', ['geth', '', 'x']],
    ['', []],
  ])('splits the command line %j', (text, parts) => {
    expect(parseCommandLine(text)).toEqual(parts);
  });
});

describe('reading', () => {
  it('finds processes by user id and command, leaves others out, and lists what is missing', () => {
    const proc = mkdtempSync(join(tmpdir(), 'proc-'));
    const process = (pid: string, uid: number, command: string, state = 'S'): void => {
      mkdirSync(join(proc, pid));
      const text = status.replace('10001\t', `${uid}\t`).replace('State:\tS', `State:\t${state}`);
      writeFileSync(join(proc, pid, 'status'), text);
      writeFileSync(join(proc, pid, 'limits'), limits);
      writeFileSync(join(proc, pid, 'cmdline'), command);
      writeFileSync(join(proc, pid, 'coredump_filter'), '00000000\n');
    };
    try {
      process('1', 65535, '/pause\0');
      process('17', 10001, 'geth\0--datadir\0/data\0');
      process('18', 10001, 'sh\0-c\0true\0');
      process('19', 10001, 'geth\0', 'Z');
      mkdirSync(join(proc, 'self'));
      const wanted = [
        { container: 'geth', uid: 10001, command: 'geth' },
        { container: 'tessera', uid: 10002 },
      ];
      const evidence = readEvidence(wanted, { proc, root: proc, now: () => new Date(0) });
      expect(evidence.time).toBe('1970-01-01T00:00:00.000Z');
      expect(evidence.processes.map(({ container, pid }) => [container, pid])).toEqual([['geth', 17]]);
      expect(evidence.processes[0]).toMatchObject({
        command: ['geth', '--datadir', '/data'],
        coreLimit: { soft: 0, hard: 'unlimited' },
        coredumpFilter: '00000000',
        access: { memory: 'absent', environment: 'absent', root: 'absent' },
      });
      expect(evidence.missing).toEqual(['tessera']);
      expect(evidence.own.readOnlyRoot).toBe(false);
    } finally {
      rmSync(proc, { recursive: true });
    }
  });

  it('says that a root is not read-only where it can be written, and where only rights forbid it', () => {
    const root = mkdtempSync(join(tmpdir(), 'root-'));
    chmodSync(root, 0o500);
    const evidence = readEvidence([], { proc: '/proc', root, now: () => new Date() });
    expect(evidence.own).toMatchObject({ readOnlyRoot: false, uid: process.getuid!() });
    rmSync(root, { recursive: true, force: true });
  });

  it('reads a real process', async () => {
    const child = spawn('/bin/sh', ['-c', 'ulimit -c 0; echo 0 > /proc/self/coredump_filter; exec sleep 31.4159']);
    try {
      let found = readEvidence([{ container: 'sleeper', uid: process.getuid!(), command: 'sleep 31.4159' }]);
      for (let i = 0; i < 100 && !found.processes.some((each) => each.command[0] === 'sleep'); i++) {
        await new Promise((resolve) => setTimeout(resolve, 20));
        found = readEvidence([{ container: 'sleeper', uid: process.getuid!(), command: 'sleep 31.4159' }]);
      }
      const sleeper = found.processes.find((each) => each.pid === child.pid);
      expect(sleeper).toMatchObject({ coreLimit: { soft: 0, hard: 0 }, coredumpFilter: '00000000' });
    } finally {
      child.kill('SIGKILL');
    }
  });

  it.runIf(process.getuid!() === 0)(
    'is refused memory, environment and root of a neighbour with another user id',
    () => {
      // Runs the reader as the sidecar's user and the neighbour as geth's, as in a pod.
      const neighbour = spawn('sleep', ['27.18'], { uid: 10001, gid: 10001 });
      try {
        process.seteuid!(10003);
        const evidence = readEvidence([{ container: 'geth', uid: 10001, command: 'sleep 27.18' }]);
        expect(evidence.processes[0]).toMatchObject({
          uid: { effective: 10001 },
          access: { memory: 'refused', environment: 'refused', root: 'refused' },
        });
      } finally {
        process.seteuid!(0);
        neighbour.kill('SIGKILL');
      }
    },
  );
});
