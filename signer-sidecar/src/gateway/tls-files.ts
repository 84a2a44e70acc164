/** TLS files on disk, followed as they change: kubelet swaps a whole folder by a symlink when a Secret changes. */
import { type FSWatcher, readFileSync, watch } from 'node:fs';
import { dirname } from 'node:path';
import type { Logger } from 'pino';
import type { DoorConfig } from '../config.ts';

export interface TlsFiles {
  cert: string;
  key: string;
  organizationCa: string;
  operatorCa: string;
}

/** Reads all files; throws an error that names the one that cannot be read. */
export function readTlsFiles(files: DoorConfig['tls']): TlsFiles {
  return {
    cert: read(files.certFile),
    key: read(files.keyFile),
    organizationCa: read(files.organizationCaFile),
    operatorCa: read(files.operatorCaFile),
  };
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'unreadable';
    throw new Error(`cannot read ${file}: ${code}. Check that its Secret or ConfigMap exists and is mounted.`);
  }
}

/** Calls `apply` with the files' contents whenever these change. A set that cannot be used leaves the former in place. */
export class TlsWatcher {
  readonly #files: DoorConfig['tls'];
  readonly #apply: (files: TlsFiles) => void;
  readonly #log: Logger;
  readonly #watchers: FSWatcher[] = [];
  readonly #poll: NodeJS.Timeout;
  #settle: NodeJS.Timeout | undefined;
  #current: TlsFiles;

  /** @param initial what was applied last */
  constructor(
    files: DoorConfig['tls'],
    initial: TlsFiles,
    apply: (files: TlsFiles) => void,
    log: Logger,
    pollMs = 30_000,
  ) {
    this.#files = files;
    this.#current = initial;
    this.#apply = apply;
    this.#log = log;
    for (const folder of new Set(Object.values(files).map((file) => dirname(file)))) this.#watch(folder);
    // inotify misses nothing here in practice, but a missed renewal would be an outage weeks later
    this.#poll = setInterval(() => this.check(), pollMs).unref();
  }

  #watch(folder: string): void {
    try {
      const watcher = watch(folder, { persistent: false }, () => {
        clearTimeout(this.#settle);
        this.#settle = setTimeout(() => this.check(), 100).unref();
      });
      watcher.on('error', () => watcher.close());
      this.#watchers.push(watcher);
    } catch (error) {
      this.#log.warn({ folder, err: error }, 'cannot watch TLS folder; it is polled instead');
    }
  }

  /** Reads the files now and applies them if they changed. */
  check(): void {
    try {
      const next = readTlsFiles(this.#files);
      if (JSON.stringify(next) === JSON.stringify(this.#current)) return;
      this.#apply(next);
      this.#current = next;
      this.#log.info('TLS files changed: new certificate in use');
    } catch (error) {
      this.#log.error({ err: error }, 'TLS files changed but cannot be used; the former stay in use');
    }
  }

  close(): void {
    clearInterval(this.#poll);
    clearTimeout(this.#settle);
    for (const watcher of this.#watchers) watcher.close();
  }
}
