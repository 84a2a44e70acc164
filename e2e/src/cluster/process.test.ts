import { spawn } from 'node:child_process';
import { expect, test } from 'vitest';
import { end, identify, isAlive, parseStat, run, until } from './process.ts';

test('a command name with blanks and brackets does not shift the fields of its stat line', () => {
  const fields = Array.from({ length: 40 }, (_, index) => String(index + 3)); // field 3 on; the state is field 3
  const line = `77 (a ) b (c) S ${fields.slice(1).join(' ')}`;
  expect(parseStat(line)).toEqual({ state: 'S', startTime: '22' });
});

test('an identity is that of one process, not of whoever has its number', async () => {
  const child = spawn('sleep', ['60']);
  const identity = identify(child.pid!)!;
  expect(isAlive(identity)).toBe(true);
  if (process.platform === 'linux') {
    await end({ pid: identity.pid, startTime: '1' }); // somebody else's: must not be touched
    expect(isAlive(identity)).toBe(true);
  }
  await end(identity);
  expect(isAlive(identity)).toBe(false);
});

test('a failing command throws what it wrote; with allowFailure its code is the answer', async () => {
  const args = ['-c', 'echo wrong >&2; exit 3'];
  await expect(run('sh', args)).rejects.toThrow(/ended with code 3: wrong/);
  expect(await run('sh', args, { allowFailure: true })).toEqual({ stdout: '', stderr: 'wrong\n', code: 3 });
});

test('input reaches the command, and a late one is ended', async () => {
  expect((await run('cat', [], { input: 'hello' })).stdout).toBe('hello');
  await expect(run('sleep', ['30'], { timeoutMs: 50 })).rejects.toThrow(/did not end within 0.05 s/);
});

test('waiting names what it waited for and the last error', async () => {
  const failing = () => Promise.reject(new Error('refused'));
  await expect(until(failing, { timeoutMs: 30, everyMs: 5, what: 'the door' })).rejects.toThrow(
    'waited 0.03 s for the door (refused)',
  );
});
