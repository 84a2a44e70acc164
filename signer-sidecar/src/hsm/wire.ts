/**
 * The messages between the sidecar and its HSM process: frames of `u32 length, u8 type, payload` (big endian) over a
 * socket pair. Signatures travel as fixed-size records, many to a frame, because they are what there are many of; all
 * else is JSON.
 */

export type ControlToWorker =
  | {
      readonly type: 'start';
      readonly options: import('./types.ts').HsmOptions;
      /** Fingerprints of PINs that the token has refused already; see pin.ts. */
      readonly refusedPins: readonly string[];
      readonly pinSalt: string;
      readonly healthIntervalMs: number;
    }
  | { readonly type: 'ping' }
  | { readonly type: 'stop' };

export type ControlToParent =
  | { readonly type: 'ready'; readonly keys: readonly import('./types.ts').HsmKey[] }
  | { readonly type: 'pong' }
  | { readonly type: 'log'; readonly level: 'debug' | 'info' | 'warn' | 'error'; readonly message: string }
  /** The worker cannot go on; it ends after this. */
  | { readonly type: 'failed'; readonly code: string; readonly message: string; readonly refusedPin?: string }
  /** One signature failed; errors are rare, so they may cost more. */
  | {
      readonly type: 'sign-failed';
      readonly id: number;
      readonly code: string;
      readonly message: string;
      readonly retryable: boolean;
    };

export const FRAME_CONTROL = 1;
export const FRAME_SIGN = 2;
export const FRAME_SIGNED = 3;

/** `u32 request, u16 index into the keys of the last 'ready', 32 bytes digest`. */
export const SIGN_RECORD = 4 + 2 + 32;
/** `u32 request, 32 bytes r, 32 bytes s, u8 parity`. */
export const SIGNED_RECORD = 4 + 64 + 1;

const HEADER = 5;
/** Larger than any honest frame, so that a confused peer cannot make us allocate without bound. */
const MAX_FRAME = 16 * 1024 * 1024;

export interface Frame {
  readonly type: number;
  readonly payload: Buffer;
}

export function encodeControl(message: ControlToWorker | ControlToParent): Buffer {
  const json = Buffer.from(JSON.stringify(message), 'utf8');
  const frame = Buffer.allocUnsafe(HEADER + json.length);
  writeHeader(frame, FRAME_CONTROL, json.length);
  json.copy(frame, HEADER);
  return frame;
}

/** Collects fixed-size records into one frame, so that a turn of the event loop costs one write. */
export class RecordBatch {
  readonly #type: number;
  readonly #size: number;
  #buffer: Buffer;
  #count = 0;

  constructor(type: number, recordSize: number) {
    this.#type = type;
    this.#size = recordSize;
    this.#buffer = Buffer.allocUnsafeSlow(HEADER + recordSize * 64);
  }

  get count(): number {
    return this.#count;
  }

  /** Reserves the next record and returns where it starts in `buffer`. */
  add(): { buffer: Buffer; offset: number } {
    const offset = HEADER + this.#count * this.#size;
    if (offset + this.#size > this.#buffer.length) {
      const larger = Buffer.allocUnsafeSlow(this.#buffer.length * 2);
      this.#buffer.copy(larger, 0, 0, offset);
      this.#buffer = larger;
    }
    this.#count++;
    return { buffer: this.#buffer, offset };
  }

  /** The finished frame; the batch is empty again afterwards. */
  take(): Buffer {
    const length = this.#count * this.#size;
    writeHeader(this.#buffer, this.#type, length);
    const frame = Buffer.from(this.#buffer.subarray(0, HEADER + length));
    this.#count = 0;
    return frame;
  }
}

/** Cuts a byte stream into frames; `push` calls back once for each complete one. */
export class FrameReader {
  #rest: Buffer = Buffer.alloc(0);

  /** @throws Error when the stream is not ours: a frame longer than any honest one. */
  push(chunk: Buffer, onFrame: (frame: Frame) => void): void {
    let buffer = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    while (buffer.length >= HEADER) {
      const length = buffer.readUInt32BE(0);
      if (length > MAX_FRAME)
        throw new Error(`HSM channel: frame of ${length} bytes, at most ${MAX_FRAME} are allowed`);
      if (buffer.length < HEADER + length) break;
      onFrame({ type: buffer[4]!, payload: buffer.subarray(HEADER, HEADER + length) });
      buffer = buffer.subarray(HEADER + length);
    }
    this.#rest = buffer;
  }
}

function writeHeader(frame: Buffer, type: number, length: number): void {
  frame.writeUInt32BE(length, 0);
  frame[4] = type;
}
