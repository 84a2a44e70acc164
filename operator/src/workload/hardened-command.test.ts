import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { hardenedCommand } from './hardened-command.ts';

const run = (program: string, args: string[], before: string[] = []) => {
  const [shell, ...rest] = hardenedCommand(program, before);
  return spawnSync(shell!, [...rest, ...args], { encoding: 'utf8' });
};

describe.skipIf(process.platform !== 'linux')('a program started by the hardened command', () => {
  it('has core dumps off, both ways, and is the process itself', () => {
    const script = 'cat /proc/self/limits /proc/self/coredump_filter; echo "name $0"';
    const { stdout } = run('/bin/sh', ['-c', script]);
    expect(stdout).toMatch(/Max core file size +0 +0/);
    expect(stdout).toContain('00000000');
  });

  it('gets its arguments as they are', () => {
    const args = ['%s|', 'a b', '$HOME', '"quoted"', '--flag=*'];
    expect(run('printf', args).stdout).toBe('a b|$HOME|"quoted"|--flag=*|');
  });

  it('does not start when a step before it fails', () => {
    const { stdout, status } = run('echo', ['started'], ['false']);
    expect(stdout).toBe('');
    expect(status).not.toBe(0);
  });
});
