import { randomBytes } from 'node:crypto';
import { statSync } from 'node:fs';
import type { Logger } from 'pino';
import { restartDelayMs } from './backoff.ts';
import { type HsmChild, spawnHsmChild } from './child.ts';
import { HsmError, type HsmErrorCode } from './errors.ts';
import { Requests } from './requests.ts';
import type { HsmClient, HsmKey, HsmOptions, HsmSignature } from './types.ts';
import {
  type ControlToParent,
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

export { HsmError, type HsmErrorCode } from './errors.ts';
export type { HsmClient, HsmKey, HsmKeyAttributes, HsmOptions, HsmSignature } from './types.ts';

/** Times in milliseconds; tests shorten them. */
export interface HsmTuning {
  /** The HSM process must be ready this long after it was started. */
  readonly startTimeoutMs: number;
  /** How often the HSM process is asked whether its event loop turns. */
  readonly pingIntervalMs: number;
  /** No answer for this long: it hangs, and is killed. */
  readonly pingTimeoutMs: number;
  readonly restartFirstMs: number;
  readonly restartMaxMs: number;
  /** Ready for this long: the count of failures starts again. */
  readonly stableAfterMs: number;
  readonly pinPollMs: number;
  readonly healthIntervalMs: number;
  /** Signatures waited for at once; more are refused at once. */
  readonly maxPending: number;
}

const defaults: HsmTuning = {
  startTimeoutMs: 30_000,
  pingIntervalMs: 1_000,
  pingTimeoutMs: 5_000,
  restartFirstMs: 250,
  restartMaxMs: 30_000,
  stableAfterMs: 30_000,
  pinPollMs: 2_000,
  healthIntervalMs: 30_000,
  maxPending: 16_384,
};

/**
 * Starts the HSM process and returns at once; `ready()` turns true when it has logged in and made a first signature.
 * The process is started again, with growing pauses, whenever it dies or hangs. While there is none, signatures are
 * refused immediately (an open circuit) instead of waiting for their deadline.
 */
export async function startHsm(options: HsmOptions, log: Logger, tuning: Partial<HsmTuning> = {}): Promise<HsmClient> {
  const supervisor = new Supervisor(options, log, { ...defaults, ...tuning });
  supervisor.start();
  return supervisor;
}

class Supervisor implements HsmClient {
  readonly #options: HsmOptions;
  readonly #log: Logger;
  readonly #tuning: HsmTuning;
  readonly #requests: Requests;
  readonly #signs = new RecordBatch(FRAME_SIGN, SIGN_RECORD);
  readonly #pinSalt = randomBytes(32).toString('hex');
  readonly #refusedPins = new Set<string>();
  #child: HsmChild | undefined;
  #keys: readonly HsmKey[] = [];
  #index = new Map<string, number>();
  #ready = false;
  #error: { code: HsmErrorCode; message: string } | undefined;
  /** Why the present process ends, once it or we have said so. */
  #reason: { code: HsmErrorCode; message: string } | undefined;
  #pinVersion = '';
  #failures = 0;
  #flushing = false;
  #lastSigned = 0;
  #pingSent: number | undefined;
  #stopping = false;
  #restart: NodeJS.Timeout | undefined;
  #timers: NodeJS.Timeout[] = [];

  constructor(options: HsmOptions, log: Logger, tuning: HsmTuning) {
    this.#options = options;
    this.#log = log;
    this.#tuning = tuning;
    this.#requests = new Requests(options.signTimeoutMs, (sentAt) => this.#timedOut(sentAt));
  }

  keys(): readonly HsmKey[] {
    return this.#keys;
  }

  ready(): boolean {
    return this.#ready;
  }

  lastError(): { code: HsmErrorCode; message: string } | undefined {
    return this.#error;
  }

  sign(keyId: string, digest: Uint8Array): Promise<HsmSignature> {
    if (digest.length !== 32) {
      return Promise.reject(new HsmError('BAD_REQUEST', `A digest has 32 bytes, this one has ${digest.length}.`));
    }
    if (!this.#ready) return Promise.reject(this.#unavailable());
    const index = this.#index.get(keyId);
    if (index === undefined) {
      return Promise.reject(new HsmError('KEY_NOT_FOUND', `The token has no key with id ${keyId}.`));
    }
    if (this.#requests.size >= this.#tuning.maxPending) {
      return Promise.reject(
        new HsmError('HSM_OVERLOADED', `${this.#requests.size} signatures are waited for already.`),
      );
    }
    return this.#requests.add((id) => {
      const { buffer, offset } = this.#signs.add();
      buffer.writeUInt32BE(id, offset);
      buffer.writeUInt16BE(index, offset + 4);
      buffer.set(digest, offset + 6);
      this.#flushSoon();
    });
  }

  async stop(): Promise<void> {
    if (this.#stopping) return;
    this.#stopping = true;
    clearTimeout(this.#restart);
    const child = this.#child;
    if (child === undefined) return;
    await this.#requests.settled();
    this.#ready = false;
    const ended = new Promise<void>((resolve) => child.process.once('close', () => resolve()));
    child.channel.write(encodeControl({ type: 'stop' }));
    const forced = setTimeout(() => child.process.kill('SIGKILL'), this.#options.signTimeoutMs + 1_000);
    await ended;
    clearTimeout(forced);
  }

  start(): void {
    this.#reason = undefined;
    // Taken before the process reads the file, so that a change in between is not missed.
    this.#pinVersion = fileVersion(this.#options.pinFile);
    const child = spawnHsmChild(this.#options, (line) => this.#log.warn({ line }, 'HSM process wrote to stderr'));
    this.#child = child;
    const reader = new FrameReader();
    child.channel.on('data', (chunk: Buffer) => {
      if (this.#child === child) reader.push(chunk, (frame) => this.#receive(frame));
    });
    child.channel.on('error', () => {});
    child.process.once('error', (error) => this.#ended(child, `cannot be started: ${error.message}`));
    // 'close' comes after the channel was read to its end, so a last 'failed' message is not lost.
    child.process.once('close', (code, signal) => this.#ended(child, `ended (${signal ?? `exit code ${code}`})`));
    child.channel.write(
      encodeControl({
        type: 'start',
        options: this.#options,
        refusedPins: [...this.#refusedPins],
        pinSalt: this.#pinSalt,
        healthIntervalMs: this.#tuning.healthIntervalMs,
      }),
    );
    this.#timers.push(setTimeout(() => this.#kill('was not ready in time'), this.#tuning.startTimeoutMs));
  }

  #receive(frame: Frame): void {
    // Whatever it says, it is alive.
    this.#pingSent = undefined;
    if (frame.type === FRAME_SIGNED) this.#receiveSignatures(frame.payload);
    else if (frame.type === FRAME_CONTROL) this.#receiveControl(JSON.parse(frame.payload.toString('utf8')));
  }

  #receiveSignatures(payload: Buffer): void {
    this.#lastSigned = performance.now();
    for (let offset = 0; offset + SIGNED_RECORD <= payload.length; offset += SIGNED_RECORD) {
      const hex = payload.toString('hex', offset + 4, offset + 68);
      this.#requests.resolve(payload.readUInt32BE(offset), {
        r: `0x${hex.slice(0, 64)}`,
        s: `0x${hex.slice(64)}`,
        yParity: payload[offset + 68] === 1 ? 1 : 0,
      });
    }
  }

  #receiveControl(message: ControlToParent): void {
    if (message.type === 'log') {
      this.#log[message.level](message.message);
    } else if (message.type === 'sign-failed') {
      const { id, code, retryable } = message;
      this.#lastSigned = performance.now();
      this.#requests.reject(id, new HsmError(code as HsmErrorCode, message.message, { retryable }));
    } else if (message.type === 'ready') {
      this.#becomeReady(message.keys);
    } else if (message.type === 'failed') {
      this.#reason = { code: message.code as HsmErrorCode, message: message.message };
      if (message.refusedPin !== undefined) this.#refusedPins.add(message.refusedPin);
    }
  }

  #becomeReady(keys: readonly HsmKey[]): void {
    this.#clearTimers();
    this.#keys = keys;
    this.#index = new Map(keys.map((key, index) => [key.id, index]));
    this.#ready = true;
    this.#error = undefined;
    this.#pingSent = undefined;
    this.#log.info({ keys: keys.map((key) => key.address) }, 'HSM ready');
    this.#timers.push(
      setInterval(() => this.#ping(), this.#tuning.pingIntervalMs),
      setTimeout(() => {
        this.#failures = 0;
      }, this.#tuning.stableAfterMs),
    );
  }

  #flushSoon(): void {
    if (this.#flushing) return;
    this.#flushing = true;
    setImmediate(() => {
      this.#flushing = false;
      const frame = this.#signs.take();
      if (this.#ready) this.#child?.channel.write(frame);
    });
  }

  #ping(): void {
    // After the next poll of the sockets, so that a pause of our own is not taken for one of the HSM process.
    setImmediate(() => {
      if (!this.#ready) return;
      const now = performance.now();
      if (this.#pingSent === undefined) {
        this.#pingSent = now;
        this.#child?.channel.write(encodeControl({ type: 'ping' }));
      } else if (now - this.#pingSent > this.#tuning.pingTimeoutMs) {
        this.#kill('does not answer');
      }
    });
  }

  /** A signature may hang alone, others going on; when nothing was signed since, the whole process hangs. */
  #timedOut(sentAt: number): void {
    if (this.#lastSigned < sentAt) this.#kill('signs no more');
  }

  #kill(why: string): void {
    const child = this.#child;
    if (child === undefined) return;
    this.#reason = { code: 'HSM_TIMEOUT', message: `The HSM process ${why} and was killed.` };
    child.process.kill('SIGKILL');
    this.#ended(child, why);
  }

  #ended(child: HsmChild, how: string): void {
    if (this.#child !== child) return;
    this.#child = undefined;
    this.#ready = false;
    this.#clearTimers();
    child.channel.destroy();
    this.#signs.take();
    const reason = this.#reason ?? { code: 'HSM_UNAVAILABLE', message: `The HSM process ${how}.` };
    this.#error = reason;
    this.#requests.rejectAll(
      new HsmError('HSM_UNAVAILABLE', `The HSM process ${how} before it answered; the request can be sent again.`),
    );
    if (this.#stopping) return;
    this.#failures++;
    this.#log.warn({ ...reason, failures: this.#failures }, `HSM process ${how}`);
    if (reason.code === 'PIN_INCORRECT' || reason.code === 'PIN_LOCKED') this.#awaitNewPin();
    else this.#restartLater();
  }

  #restartLater(): void {
    const { restartFirstMs, restartMaxMs } = this.#tuning;
    const delay = restartDelayMs(this.#failures, { firstMs: restartFirstMs, maxMs: restartMaxMs, random: Math.random });
    this.#restart = setTimeout(() => this.start(), delay);
  }

  /** Tokens lock after a few wrong PINs, so nothing is tried again until somebody has written another one. */
  #awaitNewPin(): void {
    this.#restart = setInterval(() => {
      const version = fileVersion(this.#options.pinFile);
      if (version === this.#pinVersion || version === ABSENT) return;
      clearInterval(this.#restart);
      this.start();
    }, this.#tuning.pinPollMs);
  }

  #unavailable(): HsmError {
    const because = this.#error === undefined ? 'it is starting' : this.#error.message;
    return new HsmError('HSM_UNAVAILABLE', `The HSM cannot sign now: ${because}`);
  }

  #clearTimers(): void {
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers = [];
  }
}

const ABSENT = 'absent';

/** Changes when a file is written again or a Secret's volume is switched to a new version. */
function fileVersion(file: string): string {
  try {
    const { ino, mtimeMs, size } = statSync(file);
    return `${ino} ${mtimeMs} ${size}`;
  } catch {
    return ABSENT;
  }
}
