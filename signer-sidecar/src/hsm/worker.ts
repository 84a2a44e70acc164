import { createHash, randomBytes } from 'node:crypto';
import { Socket } from 'node:net';
import type { Module, Session } from 'graphene-pk11';
import { fromPkcs11, HsmError } from './errors.ts';
import { listKeys } from './keys.ts';
import { findSlot, login, openModule } from './module.ts';
import { pinFingerprint, readPin } from './pin.ts';
import { SigningPool } from './pool.ts';
import { unpackSoftHsm } from './softhsm.ts';
import type { HsmOptions } from './types.ts';
import {
  type ControlToParent,
  type ControlToWorker,
  encodeControl,
  FRAME_CONTROL,
  FRAME_SIGN,
  FRAME_SIGNED,
  type Frame,
  FrameReader,
  RecordBatch,
  SIGN_RECORD,
  SIGNED_RECORD,
} from './wire.ts';

/** File descriptor of the socket to the sidecar. */
export const CHANNEL_FD = 3;
/** How often a token that is not seen is looked for before the process gives up (the parent starts another later). */
const TOKEN_ATTEMPTS = 6;
const DRAIN_MS = 5_000;
/**
 * While more is being signed, an answer waits so long for others to go with: a message of its own costs the two
 * processes about a tenth of the CPU time of a SoftHSM signature.
 */
const TOGETHER_MS = 1;

type Start = Extract<ControlToWorker, { type: 'start' }>;

/**
 * The HSM process: the only one that loads the PKCS#11 module and reads the PIN. It talks to the sidecar over file
 * descriptor 3 and ends when that closes.
 */
export function runHsmWorker(): void {
  const channel = new Socket({ fd: CHANNEL_FD, readable: true, writable: true });
  const worker = new Worker(channel);
  const reader = new FrameReader();
  channel.on('data', (chunk: Buffer) => reader.push(chunk, (frame) => worker.receive(frame)));
  channel.on('error', () => process.exit(0));
  channel.on('close', () => process.exit(0));
  channel.on('end', () => process.exit(0));
  // The sidecar decides when to stop: a signal to the whole group must not cut signatures off.
  process.on('SIGTERM', () => {});
  process.on('SIGINT', () => {});
  process.on('uncaughtException', (error) => worker.fail(fromPkcs11(error, 'HSM process')));
}

class Worker {
  readonly #channel: Socket;
  readonly #signed = new RecordBatch(FRAME_SIGNED, SIGNED_RECORD);
  #flushing = false;
  #module: Module | undefined;
  #pool: SigningPool | undefined;
  #signTimeoutMs = 0;
  #lastSuccess = 0;
  #ending = false;

  constructor(channel: Socket) {
    this.#channel = channel;
  }

  receive(frame: Frame): void {
    if (frame.type === FRAME_SIGN) this.#sign(frame.payload);
    else if (frame.type === FRAME_CONTROL) this.#control(JSON.parse(frame.payload.toString('utf8')) as ControlToWorker);
  }

  /** Reports why the process cannot go on, and ends it. Exit with signatures in flight is safe; finalising is not. */
  fail(error: HsmError, refusedPin?: string): void {
    if (this.#ending) return;
    this.#ending = true;
    this.#send({
      type: 'failed',
      code: error.code,
      message: error.message,
      ...(refusedPin === undefined ? {} : { refusedPin }),
    });
    this.#channel.end(() => process.exit(1));
  }

  #control(message: ControlToWorker): void {
    if (message.type === 'ping') this.#send({ type: 'pong' });
    else if (message.type === 'stop') void this.#stop();
    else this.#start(message).catch((error) => this.fail(fromPkcs11(error, 'starting')));
  }

  async #start(start: Start): Promise<void> {
    const { options } = start;
    this.#signTimeoutMs = options.signTimeoutMs;
    const pin = readPin(options.pinFile);
    const fingerprint = pinFingerprint(start.pinSalt, pin);
    if (start.refusedPins.includes(fingerprint)) {
      const message = `The token refused the PIN in ${options.pinFile} before; write the right one to that file.`;
      this.fail(new HsmError('PIN_INCORRECT', message), fingerprint);
      return;
    }
    if (options.softhsm !== undefined) unpackSoftHsm(options.softhsm.archiveFile, options.softhsm.directory);
    this.#module = openModule(options.modulePath);
    const slot = await findSlot(
      this.#module,
      { label: options.tokenLabel, serial: options.tokenSerial },
      TOKEN_ATTEMPTS,
    );
    this.#log('info', `logging in to token ${options.tokenLabel} (serial ${options.tokenSerial})`);
    let session: Session;
    try {
      session = login(slot, pin);
    } catch (error) {
      const known = fromPkcs11(error, 'C_Login');
      this.fail(known, known.code.startsWith('PIN_') ? fingerprint : undefined);
      return;
    }
    const keys = listKeys(session);
    this.#pool = new SigningPool(slot, keys, options.sessions, (error) => this.fail(error));
    if (keys.length > 0) {
      await this.#healthSignature(options);
      setInterval(() => this.#checkHealth(options, start.healthIntervalMs), start.healthIntervalMs).unref();
    }
    this.#send({ type: 'ready', keys });
  }

  #sign(payload: Buffer): void {
    const deadline = performance.now() + this.#signTimeoutMs;
    for (let offset = 0; offset + SIGN_RECORD <= payload.length; offset += SIGN_RECORD) {
      const id = payload.readUInt32BE(offset);
      if (this.#pool === undefined) {
        this.#signFailed(id, new HsmError('HSM_UNAVAILABLE', 'The HSM process is still starting.'));
        continue;
      }
      this.#pool.submit({
        keyIndex: payload.readUInt16BE(offset + 4),
        digest: payload.subarray(offset + 6, offset + SIGN_RECORD),
        deadline,
        done: (error, signature, parity) => {
          if (signature === undefined) this.#signFailed(id, error!);
          else this.#signSucceeded(id, signature, parity);
        },
      });
    }
  }

  #signSucceeded(id: number, signature: Buffer, parity: 0 | 1): void {
    this.#lastSuccess = performance.now();
    const { buffer, offset } = this.#signed.add();
    buffer.writeUInt32BE(id, offset);
    signature.copy(buffer, offset + 4, 0, 64);
    buffer[offset + 68] = parity;
    if (this.#flushing) return;
    this.#flushing = true;
    const flush = () => {
      this.#flushing = false;
      this.#channel.write(this.#signed.take());
    };
    if (this.#pool!.inFlight === 0) setImmediate(flush);
    else setTimeout(flush, TOGETHER_MS);
  }

  #signFailed(id: number, error: HsmError): void {
    const { code, message, retryable } = error;
    this.#send({ type: 'sign-failed', id, code, message, retryable });
  }

  /** Signing is the only check that tells a living token from one whose files or device have gone. */
  #checkHealth(options: HsmOptions, intervalMs: number): void {
    if (performance.now() - this.#lastSuccess < intervalMs) return;
    this.#healthSignature(options).catch((error) => this.fail(fromPkcs11(error, 'health check')));
  }

  #healthSignature(options: HsmOptions): Promise<void> {
    // A digest of random data with a fixed beginning: no transaction can have it, and the signature stays here.
    const digest = createHash('sha256').update('quorum-operator HSM health check').update(randomBytes(32)).digest();
    return new Promise((resolve, reject) => {
      this.#pool!.submit({
        keyIndex: 0,
        digest,
        deadline: performance.now() + options.signTimeoutMs,
        done: (error) => {
          if (error !== undefined) return reject(error);
          this.#lastSuccess = performance.now();
          resolve();
        },
      });
    });
  }

  async #stop(): Promise<void> {
    this.#ending = true;
    const forced = setTimeout(() => process.exit(0), DRAIN_MS);
    await this.#pool?.drain();
    clearTimeout(forced);
    this.#module?.finalize();
    setImmediate(() => this.#channel.end(() => process.exit(0)));
  }

  #log(level: Extract<ControlToParent, { type: 'log' }>['level'], message: string): void {
    this.#send({ type: 'log', level, message });
  }

  #send(message: ControlToParent): void {
    this.#channel.write(encodeControl(message));
  }
}
