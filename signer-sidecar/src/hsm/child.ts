import { type ChildProcess, spawn } from 'node:child_process';
import type { Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import { softHsmConfigFile } from './softhsm.ts';
import type { HsmOptions } from './types.ts';

/** Threads of libuv's pool beyond one a session: file reads and the like must not wait for the HSM. */
const SPARE_THREADS = 2;

export interface HsmChild {
  readonly process: ChildProcess;
  readonly channel: Socket;
}

/**
 * Starts the HSM process with an environment of its own (no variables of ours, no arguments that tell anything) and one
 * socket to it. The size of libuv's thread pool is only taken from the environment, so it is set here.
 */
export function spawnHsmChild(options: HsmOptions, onOutput: (line: string) => void): HsmChild {
  const env: Record<string, string> = { UV_THREADPOOL_SIZE: String(options.sessions + SPARE_THREADS) };
  if (options.softhsm !== undefined) env.SOFTHSM2_CONF = softHsmConfigFile(options.softhsm.directory);
  const child = spawn(process.execPath, entry(), { env, cwd: '/', stdio: ['ignore', 'ignore', 'pipe', 'pipe'] });
  child.stderr!.setEncoding('utf8').on('data', (text: string) => {
    for (const line of text.split('\n')) if (line !== '') onOutput(line.slice(0, 500));
  });
  return { process: child, channel: child.stdio[3] as Socket };
}

/** In source this module is a TypeScript file beside the worker; in the image all is one bundle with subcommands. */
function entry(): string[] {
  const here = fileURLToPath(import.meta.url);
  if (here.endsWith('.ts')) return [fileURLToPath(new URL('./worker-main.ts', import.meta.url))];
  return [here, 'hsm-worker'];
}
