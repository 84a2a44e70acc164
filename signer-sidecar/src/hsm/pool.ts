import { MechanismEnum, type Session, type Slot } from 'graphene-pk11';
import type { Handle, Mechanism, PKCS11 } from 'pkcs11js';
import { fromPkcs11, HsmError } from './errors.ts';
import { findPrivateKey } from './keys.ts';
import { openSession } from './module.ts';
import { finishSignature } from './signature.ts';
import type { HsmKey } from './types.ts';

export interface SignJob {
  readonly keyIndex: number;
  /** 32 bytes; the caller must not change them before `done`. */
  readonly digest: Uint8Array;
  /** `performance.now()` after which nobody waits for the answer any more. */
  readonly deadline: number;
  /** Set by the pool when a lost session made it start again. */
  retried?: boolean;
  /** The signature buffer is the session's own: copy it before returning. */
  done(error: HsmError | undefined, signature: Buffer | undefined, parity: 0 | 1): void;
}

/**
 * One session and the memory it signs with. The native binding keeps raw pointers to both buffers without a reference,
 * so they live as long as the session does, outside Buffer's shared slabs.
 */
interface SigningSession {
  readonly session: Session;
  readonly keys: readonly Handle[];
  readonly input: Buffer;
  readonly output: Buffer;
}

const MECHANISM: Mechanism = { mechanism: MechanismEnum.ECDSA };
/** Failures in a row, over all sessions, after which the process is better replaced than repaired. */
const MAX_CONSECUTIVE_FAILURES = 4;

/**
 * Signs on a fixed number of sessions at once; the rest waits in order. C_SignInit and C_Sign are called on the binding
 * itself: the asynchronous signature of the layer above hands it a copy of the digest that nobody holds, which garbage
 * collection frees under the HSM.
 */
export class SigningPool {
  readonly #lib: PKCS11;
  readonly #slot: Slot;
  readonly #keys: readonly HsmKey[];
  readonly #publicKeys: readonly Buffer[];
  readonly #onBroken: (error: HsmError) => void;
  readonly #idle: SigningSession[] = [];
  readonly #waiting: SignJob[] = [];
  #head = 0;
  #busy = 0;
  #failures = 0;
  #closed = false;
  #drained: (() => void) | undefined;

  /**
   * @param onBroken called once signatures fail again and again, or no session can be opened: the process should end
   * @throws HsmError when the sessions cannot be opened
   */
  constructor(slot: Slot, keys: readonly HsmKey[], sessions: number, onBroken: (e: HsmError) => void) {
    this.#lib = slot.module.lib;
    this.#slot = slot;
    this.#keys = keys;
    this.#publicKeys = keys.map((key) => Buffer.from(key.publicKey.slice(2), 'hex'));
    this.#onBroken = onBroken;
    for (let i = 0; i < sessions; i++) this.#idle.push(this.#open());
  }

  get inFlight(): number {
    return this.#busy;
  }

  submit(job: SignJob): void {
    const refusal = this.#refusal(job);
    if (refusal !== undefined) {
      job.done(refusal, undefined, 0);
      return;
    }
    const session = this.#idle.pop();
    if (session === undefined) this.#waiting.push(job);
    else this.#start(session, job);
  }

  /** Takes no more jobs and resolves when none is in flight: closing a session under a signature crashes the process. */
  drain(): Promise<void> {
    this.#closed = true;
    for (const job of this.#waiting.splice(0).slice(this.#head)) {
      job.done(new HsmError('HSM_UNAVAILABLE', 'The HSM process is stopping.'), undefined, 0);
    }
    this.#head = 0;
    if (this.#busy === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#drained = resolve;
    });
  }

  #refusal(job: SignJob): HsmError | undefined {
    if (this.#closed) return new HsmError('HSM_UNAVAILABLE', 'The HSM process is stopping.');
    // SoftHSM cuts longer input to 32 bytes without a word, and pads shorter.
    if (job.digest.length !== 32) {
      return new HsmError('BAD_REQUEST', `A digest has 32 bytes, this one has ${job.digest.length}.`);
    }
    if (this.#keys[job.keyIndex] === undefined) {
      return new HsmError('KEY_NOT_FOUND', `The token has no key number ${job.keyIndex}.`);
    }
    return undefined;
  }

  #open(): SigningSession {
    const session = openSession(this.#slot);
    // Handles are looked up in each session: some modules give each session its own.
    const keys = this.#keys.map((key) => findPrivateKey(session, key.id).handle);
    return { session, keys, input: Buffer.allocUnsafeSlow(32), output: Buffer.allocUnsafeSlow(128) };
  }

  #start(signing: SigningSession, job: SignJob): void {
    this.#busy++;
    signing.input.set(job.digest);
    try {
      this.#lib.C_SignInit(signing.session.handle, MECHANISM, signing.keys[job.keyIndex]!);
      this.#lib.C_Sign(signing.session.handle, signing.input, signing.output, (error, signature) => {
        // This closure is what keeps the session's buffers alive while the native side writes to them.
        if (error) this.#failed(signing, job, fromPkcs11(error, 'C_Sign'));
        else this.#signed(signing, job, signature);
      });
    } catch (error) {
      this.#failed(signing, job, fromPkcs11(error, 'C_SignInit'));
    }
  }

  #signed(signing: SigningSession, job: SignJob, signature: Buffer): void {
    let parity: 0 | 1;
    try {
      parity = finishSignature(signature, job.digest, this.#publicKeys[job.keyIndex]!);
    } catch (error) {
      this.#failed(signing, job, fromPkcs11(error, 'checking the signature'));
      return;
    }
    this.#failures = 0;
    this.#busy--;
    job.done(undefined, signature, parity);
    this.#next(signing);
  }

  /** Any error may leave an operation active on the session for ever, so the session goes and another one comes. */
  #failed(signing: SigningSession, job: SignJob, error: HsmError): void {
    this.#busy--;
    this.#failures++;
    try {
      signing.session.close();
    } catch {
      // A session that cannot be closed is gone already, which is what was wanted.
    }
    let replacement: SigningSession | undefined;
    let broken: HsmError | undefined = this.#failures >= MAX_CONSECUTIVE_FAILURES ? error : undefined;
    try {
      replacement = this.#open();
    } catch (reason) {
      broken = fromPkcs11(reason, 'opening a session again');
    }
    if (replacement !== undefined && error.retryable && !job.retried && !this.#closed) {
      job.retried = true;
      this.#start(replacement, job);
    } else {
      job.done(error, undefined, 0);
      if (replacement !== undefined) this.#next(replacement);
    }
    if (broken !== undefined) this.#onBroken(broken);
    this.#settle();
  }

  #next(signing: SigningSession): void {
    const job = this.#take();
    if (job === undefined) {
      this.#idle.push(signing);
      this.#settle();
    } else {
      this.#start(signing, job);
    }
  }

  /** The next job somebody still waits for. */
  #take(): SignJob | undefined {
    const now = performance.now();
    while (this.#head < this.#waiting.length) {
      const job = this.#waiting[this.#head]!;
      this.#head++;
      if (this.#head > 1024) {
        this.#waiting.splice(0, this.#head);
        this.#head = 0;
      }
      if (job.deadline > now) return job;
      job.done(new HsmError('HSM_TIMEOUT', 'The signature waited longer than its deadline.'), undefined, 0);
    }
    this.#waiting.length = 0;
    this.#head = 0;
    return undefined;
  }

  #settle(): void {
    if (this.#closed && this.#busy === 0) this.#drained?.();
  }
}
