/** The door's own metrics. Labels come from closed lists only, so that nobody outside can make series. */
import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import { methodLabel } from '../gateway/methods.ts';

const latency = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/** How a call ended. */
export type CallResult = 'ok' | 'error' | 'denied' | 'limited' | 'unavailable';

export class Metrics {
  readonly registry = new Registry();
  readonly #requests = new Counter({
    name: 'quorum_door_requests_total',
    help: 'JSON-RPC calls at the door by method and result.',
    labelNames: ['method', 'result'],
    registers: [this.registry],
  });
  readonly #seconds = new Histogram({
    name: 'quorum_door_request_seconds',
    help: 'Time from a call read to its answer, seconds.',
    labelNames: ['kind'],
    buckets: latency,
    registers: [this.registry],
  });
  readonly #refusedConnections = new Counter({
    name: 'quorum_door_unauthenticated_total',
    help: 'Requests refused before any call was read, by reason.',
    labelNames: ['reason'],
    registers: [this.registry],
  });
  readonly #signatures = new Counter({
    name: 'quorum_signer_signatures_total',
    help: 'Signatures asked of the HSM by purpose and result.',
    labelNames: ['purpose', 'result'],
    registers: [this.registry],
  });
  readonly #signatureSeconds = new Histogram({
    name: 'quorum_signer_signature_seconds',
    help: 'Time of one signature, waiting for a session included, seconds.',
    buckets: [0.0005, ...latency],
    registers: [this.registry],
  });
  readonly #nonceGap = this.#perAccount('quorum_signer_nonce_gap', 'Nonces given out and not mined yet.');
  readonly #open = this.#perAccount('quorum_signer_open_transactions', 'Stored transactions not known to be mined.');
  readonly #oldest = this.#perAccount(
    'quorum_signer_oldest_open_seconds',
    'Age of the oldest transaction that is not mined, seconds.',
  );
  readonly #resent = new Counter({
    name: 'quorum_signer_resent_total',
    help: 'Transactions that a node took when they were sent again.',
    labelNames: ['account'],
    registers: [this.registry],
  });
  readonly #filled = new Counter({
    name: 'quorum_signer_gaps_filled_total',
    help: 'Nonces filled with a transaction that does nothing.',
    labelNames: ['account'],
    registers: [this.registry],
  });

  readonly #auditEntries = new Counter({
    name: 'quorum_signer_audit_entries_total',
    help: 'Audit entries written by what is signed.',
    labelNames: ['kind'],
    registers: [this.registry],
  });
  readonly #auditCheckpoint = new Gauge({
    name: 'quorum_signer_audit_last_checkpoint_timestamp_seconds',
    help: 'When the last checkpoint of the audit log was made, by any sidecar; 0 when there is none. Seconds since 1970.',
    registers: [this.registry],
  });
  readonly #auditFailures = new Counter({
    name: 'quorum_signer_audit_failures_total',
    help: 'Audit entries (of a group) and checkpoints that could not be written; without its entry nothing is signed.',
    labelNames: ['what'],
    registers: [this.registry],
  });

  #perAccount(name: string, help: string): Gauge {
    return new Gauge({ name, help, labelNames: ['account'], registers: [this.registry] });
  }

  /** A gauge that is asked for when it is read. */
  gauge(name: string, help: string, read: () => number): void {
    const gauge: Gauge = new Gauge({ name, help, registers: [this.registry], collect: () => gauge.set(read()) });
  }

  call(method: string, result: CallResult): void {
    this.#requests.inc({ method: methodLabel(method), result });
  }

  request(kind: 'http' | 'websocket', seconds: number): void {
    this.#seconds.observe({ kind }, seconds);
  }

  refused(reason: string): void {
    this.#refusedConnections.inc({ reason });
  }

  signature(purpose: string, seconds: number, ok: boolean): void {
    this.#signatures.inc({ purpose, result: ok ? 'ok' : 'error' });
    this.#signatureSeconds.observe(seconds);
  }

  auditEntries(kinds: string[]): void {
    for (const kind of kinds) this.#auditEntries.inc({ kind });
  }

  auditCheckpoint(seconds: number): void {
    this.#auditCheckpoint.set(seconds);
  }

  auditFailure(what: 'entry' | 'checkpoint'): void {
    this.#auditFailures.inc({ what });
  }

  report(
    account: string,
    seen: { nonceGap: number; open: number; oldestSeconds: number; resent: number; filled: number },
  ): void {
    this.#nonceGap.set({ account }, seen.nonceGap);
    this.#open.set({ account }, seen.open);
    this.#oldest.set({ account }, seen.oldestSeconds);
    this.#resent.inc({ account }, seen.resent);
    this.#filled.inc({ account }, seen.filled);
  }
}
