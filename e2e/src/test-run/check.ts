import { spawn } from 'node:child_process';
import { REPOSITORY } from '../demo/install.ts';

export interface CheckResult {
  readonly name: string;
  readonly passed: boolean;
}

/** The static checks, each one command; what they print is shown as it is. */
const checks: { name: string; command: string; args: string[] }[] = [
  { name: 'types (tsc)', command: 'tsc', args: ['--noEmit', '-p', 'tsconfig.json'] },
  { name: 'format and lint (biome)', command: 'biome', args: ['ci', '--error-on-warnings', '.'] },
  { name: 'unused code (knip)', command: 'knip', args: [] },
];

/** Runs a program from node_modules/.bin or PATH with inherited output; resolves to its exit code. */
export function execute(command: string, args: string[], env: Record<string, string> = {}): Promise<number> {
  return new Promise((resolve, reject) => {
    const plain = process.stdout.isTTY ? {} : { NO_COLOR: '1' };
    const child = spawn(command, args, {
      cwd: REPOSITORY,
      stdio: 'inherit',
      env: { ...process.env, ...plain, ...env },
    });
    child.on('error', reject);
    child.on('exit', (code) => resolve(code ?? 1));
  });
}

export async function runChecks(log: (line: string) => void): Promise<CheckResult[]> {
  const results: CheckResult[] = [];
  for (const { name, command, args } of checks) {
    log(`check: ${name}`);
    results.push({ name, passed: (await execute(command, args)) === 0 });
  }
  return results;
}
