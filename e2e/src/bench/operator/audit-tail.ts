import { open } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { type AuditEntry, parseAuditLog, writes } from '../../cluster/audit.ts';

/** Reads what was appended to an audit log since the last look, so that watching a run costs the API server nothing. */
export class AuditTail {
  readonly #file: string;
  #position = 0;
  #rest = '';

  constructor(file: string) {
    this.#file = file;
  }

  /** Writes since the last call, oldest first; those to Leases, which are made every few seconds whatever happens, are left out. */
  async read(): Promise<AuditEntry[]> {
    const file = await open(this.#file);
    try {
      const { size } = await file.stat();
      const { buffer } = await file.read({ buffer: Buffer.alloc(size - this.#position), position: this.#position });
      this.#position = size;
      const text = this.#rest + buffer.toString('utf8');
      this.#rest = text.slice(text.lastIndexOf('\n') + 1);
      return writes(parseAuditLog(text)).filter(({ resource }) => resource !== 'leases');
    } finally {
      await file.close();
    }
  }

  /** Reads until nothing was written for `quietMs`; hands each batch to `onEntries`. @throws Error after timeoutMs */
  async untilQuiet(quietMs: number, timeoutMs: number, onEntries: (entries: AuditEntry[]) => boolean): Promise<void> {
    const deadline = performance.now() + timeoutMs;
    for (let last = performance.now(), complete = false; !complete || performance.now() - last < quietMs; ) {
      if (performance.now() > deadline) throw new Error(`not complete and quiet after ${timeoutMs / 1000} s`);
      const entries = await this.read();
      if (entries.length > 0) last = performance.now();
      complete = onEntries(entries);
      await sleep(250);
    }
  }
}
