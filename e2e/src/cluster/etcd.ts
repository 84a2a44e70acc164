import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findProgram } from './process.ts';

/** A TCP port of 127.0.0.1 that was free a moment ago. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.on('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}

/** The system's etcd; throws one line that says what to install. */
export async function findEtcd(): Promise<string> {
  const etcd = await findProgram('etcd');
  if (!etcd) throw new Error('etcd is not installed: install package etcd-server (Debian, Ubuntu) or etcd (Homebrew)');
  return etcd;
}

/** Arguments of a single etcd whose data needs not survive. */
export function etcdArguments(dataDirectory: string, clientPort: number): string[] {
  const client = `http://127.0.0.1:${clientPort}`;
  const peer = 'http://127.0.0.1:0'; // a single member is never asked
  return [
    `--data-dir=${dataDirectory}`,
    `--listen-client-urls=${client}`,
    `--advertise-client-urls=${client}`,
    `--listen-peer-urls=${peer}`,
    '--log-level=warn',
    '--logger=zap',
  ];
}

/** A temporary folder in memory where there is one: etcd waits for the disk at every write. */
export async function temporaryMemoryDirectory(prefix: string): Promise<string> {
  try {
    return await mkdtemp(join('/dev/shm', prefix));
  } catch {
    return mkdtemp(join(tmpdir(), prefix));
  }
}

export function removeDirectory(directory: string): Promise<void> {
  return rm(directory, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 });
}
