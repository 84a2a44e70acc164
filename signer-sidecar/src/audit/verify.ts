/**
 * Verifies an export of the audit log by itself: no database, no network, one line at a time. It finds entries that were
 * changed, removed, moved or doubled, checkpoints that are broken or forged, and, with the last checkpoint that somebody
 * kept elsewhere, an end that was cut off.
 */
import { SigningKey } from 'ethers';
import { canonicalJson } from './canonical.ts';
import {
  type Checkpoint,
  checkpointDigest,
  formerHash,
  GENESIS,
  type Head,
  type SignedCheckpoint,
  sha256,
} from './chain.ts';

export interface VerifyOptions {
  /** Of the keys that sign checkpoints: 0x04 and 128 hex digits each. Several after a change of keys. */
  publicKey: string | readonly string[];
  /** The last checkpoint that is known from elsewhere (a log, an earlier export): all that it covers must be there. */
  lastCheckpoint?: SignedCheckpoint | undefined;
  /** The export begins after this checkpoint, which is known from elsewhere. */
  since?: SignedCheckpoint | undefined;
  /** Faults that are kept; the rest is only counted. */
  maxFaults?: number;
}

/** One thing that is wrong, and where. */
export interface Fault {
  /** Of the export, from 1; absent for what is missing at the end or wrong with the options. */
  line?: number;
  writer?: string;
  sequence?: number;
  checkpoint?: number;
  what: string;
}

export interface AuditReport {
  ok: boolean;
  faults: Fault[];
  faultsTotal: number;
  entries: number;
  checkpoints: number;
  /** The last checkpoint of the export whose signature is good. */
  last: { number: number; time: string; hash: string } | undefined;
  /** Entries after it: their end could be cut off, or made anew, without a trace in this file. */
  uncovered: number;
  heads: Head[];
}

/** @throws Error when a public key of the options is none */
export async function verifyAudit(
  lines: Iterable<string> | AsyncIterable<string>,
  options: VerifyOptions,
): Promise<AuditReport> {
  const verifier = new Verifier(options);
  for await (const line of lines) verifier.line(line);
  return verifier.end();
}

class Verifier {
  readonly #keys: string[];
  readonly #options: VerifyOptions;
  readonly #heads = new Map<string, Head>();
  readonly #faults: Fault[] = [];
  #faultsTotal = 0;
  #line = 0;
  #entries = 0;
  #checkpoints = 0;
  #uncovered = 0;
  #last: AuditReport['last'];
  /** Of the checkpoint line before, good or not, so that one fault is told once. */
  #previous = { number: 0, hash: GENESIS };
  #writer: string | undefined;
  #seenLast = false;

  constructor(options: VerifyOptions) {
    this.#options = options;
    const keys = typeof options.publicKey === 'string' ? [options.publicKey] : options.publicKey;
    this.#keys = keys.map(parsePublicKey);
    for (const [name, given] of [
      ['since', options.since] as const,
      ['lastCheckpoint', options.lastCheckpoint] as const,
    ]) {
      if (given === undefined) continue;
      const what = this.#checkSigned(given);
      if (what !== undefined) this.#fault({ checkpoint: given.checkpoint?.number, what: `${name}: ${what}` });
    }
    this.#begin(options);
  }

  #begin({ since, lastCheckpoint }: VerifyOptions): void {
    if (since !== undefined) {
      const { number, heads } = since.checkpoint;
      this.#previous = { number, hash: since.hash };
      for (const head of heads) this.#heads.set(head.writer, head);
    }
    this.#seenLast = lastCheckpoint === undefined || lastCheckpoint.hash === since?.hash;
  }

  line(text: string): void {
    this.#line += 1;
    const value = parseLine(text);
    if (typeof value === 'string') this.#fault({ what: value });
    else if ('checkpoint' in value) this.#checkpoint(value);
    else this.#entry(value);
  }

  #entry({ head, previous, computed }: EntryLine): void {
    this.#entries += 1;
    this.#uncovered += 1;
    const { writer, sequence, hash } = head;
    const where = { writer, sequence };
    const before = this.#heads.get(writer) ?? { writer, sequence: 0, hash: GENESIS };
    if (computed !== hash) this.#fault({ ...where, what: 'changed: its hash is not the one of its text' });
    if (this.#writer !== undefined && writer < this.#writer) {
      this.#fault({ ...where, what: `moved: it stands behind entries of ${this.#writer}` });
    }
    this.#writer = writer;
    if (sequence <= before.sequence) {
      this.#fault({ ...where, what: `doubled or moved: it stands behind entry ${before.sequence}` });
      return;
    }
    if (sequence > before.sequence + 1) {
      this.#fault({ ...where, what: `missing before it: ${range(before.sequence + 1, sequence - 1)}` });
    } else if (previous !== before.hash) {
      this.#fault({ ...where, what: `changed: it does not continue entry ${before.sequence}` });
    }
    this.#heads.set(writer, head);
  }

  #checkpoint(signed: SignedCheckpoint): void {
    this.#checkpoints += 1;
    this.#writer = undefined;
    const { number, previous, heads } = signed.checkpoint;
    const fault = (what: string, more: Partial<Fault> = {}) => this.#fault({ checkpoint: number, what, ...more });
    const broken = this.#checkSigned(signed);
    if (broken !== undefined) fault(broken);
    const expected = this.#previous.number + 1;
    if (number < expected) fault(`doubled or moved: it stands behind checkpoint ${expected - 1}`);
    else if (number > expected) fault(`missing before it: checkpoint ${range(expected, number - 1)}`);
    else if (previous !== this.#previous.hash) fault(`changed: it does not continue checkpoint ${number - 1}`);
    this.#previous = { number, hash: signed.hash };
    if (broken === undefined) {
      for (const difference of this.#differences(heads)) fault(difference.what, difference);
      // what a good checkpoint says is the truth from here on: one fault is told once
      this.#heads.clear();
      for (const head of heads) this.#heads.set(head.writer, head);
      this.#last = { number, time: signed.checkpoint.time, hash: signed.hash };
      this.#uncovered = 0;
    }
    this.#compareWithLast(signed);
  }

  #compareWithLast({ checkpoint, hash }: SignedCheckpoint): void {
    const known = this.#options.lastCheckpoint;
    if (known === undefined || checkpoint.number !== known.checkpoint.number) return;
    this.#seenLast = true;
    if (hash !== known.hash) {
      this.#fault({ checkpoint: checkpoint.number, what: 'it is another one than the checkpoint that is known' });
    }
  }

  /** Between what a checkpoint says and the entries before it. */
  #differences(heads: Head[]): { writer: string; sequence: number; what: string }[] {
    const found: { writer: string; sequence: number; what: string }[] = [];
    const named = new Set(heads.map(({ writer }) => writer));
    for (const { writer, sequence, hash } of heads) {
      const ours = this.#heads.get(writer);
      const at = ours?.sequence ?? 0;
      if (at < sequence) found.push({ writer, sequence, what: `missing: ${range(at + 1, sequence)}` });
      else if (at > sequence)
        found.push({ writer, sequence: at, what: `behind entry ${sequence}, the last it covers` });
      else if (ours!.hash !== hash) found.push({ writer, sequence, what: 'changed: it covers another entry here' });
    }
    for (const { writer, sequence } of this.#heads.values()) {
      if (!named.has(writer)) found.push({ writer, sequence, what: 'before it, though it does not cover this writer' });
    }
    return found;
  }

  /** @returns what is wrong with hash or signature */
  #checkSigned({ checkpoint, hash, signature }: SignedCheckpoint): string | undefined {
    if (sha256(canonicalJson(checkpoint)) !== hash) return 'changed: its hash is not the one of its text';
    const key = signerOf(checkpointDigest(checkpoint), signature);
    if (key !== undefined && this.#keys.includes(key)) return undefined;
    return 'forged or of another key: its signature is not of the given public key';
  }

  end(): AuditReport {
    const known = this.#options.lastCheckpoint;
    if (!this.#seenLast && known !== undefined) {
      const { number, heads } = known.checkpoint;
      this.#fault({ checkpoint: number, what: `cut off: the export ends before the known checkpoint ${number}` });
      for (const { writer, sequence } of heads) {
        const at = this.#heads.get(writer)?.sequence ?? 0;
        if (at < sequence) this.#fault({ writer, sequence, what: `cut off: ${range(at + 1, sequence)}` });
      }
    }
    if (this.#checkpoints === 0 && this.#options.since === undefined) {
      this.#fault({ what: 'there is no checkpoint: nothing proves these entries' });
    }
    return {
      ok: this.#faultsTotal === 0,
      faults: this.#faults,
      faultsTotal: this.#faultsTotal,
      entries: this.#entries,
      checkpoints: this.#checkpoints,
      last: this.#last,
      uncovered: this.#uncovered,
      heads: [...this.#heads.values()],
    };
  }

  #fault(fault: Fault): void {
    this.#faultsTotal += 1;
    if (this.#faults.length >= (this.#options.maxFaults ?? 100)) return;
    this.#faults.push(this.#line === 0 ? fault : { line: this.#line, ...fault });
  }
}

interface EntryLine {
  head: Head;
  previous: string;
  /** The hash as it should be. */
  computed: string;
}

/** @returns what a line holds, or why it is no line of an export */
function parseLine(text: string): EntryLine | SignedCheckpoint | string {
  let value: Record<string, unknown>;
  try {
    value = JSON.parse(text);
    if (canonicalJson(value) !== text) return 'changed: the line is not in its canonical form';
  } catch {
    return 'changed: the line is not JSON';
  }
  const { entry, hash, ...rest } = value ?? {};
  if (typeof hash !== 'string') return 'this is no line of an export';
  if (isSignedCheckpoint(value)) return value;
  if (typeof entry === 'string' && isPlace(rest) && Object.keys(rest).length === 3) {
    const { writer, sequence, previous } = rest;
    return { head: { writer, sequence, hash }, previous, computed: formerHash(previous, sequence, entry) };
  }
  if (isPlace(entry) && Object.keys(rest).length === 0) {
    const { writer, sequence, previous } = entry;
    return { head: { writer, sequence, hash }, previous, computed: sha256(canonicalJson(entry)) };
  }
  return 'this is no line of an export';
}

function isPlace(value: unknown): value is { writer: string; sequence: number; previous: string } {
  if (typeof value !== 'object' || value === null) return false;
  const { writer, sequence, previous } = value as Record<string, unknown>;
  return typeof writer === 'string' && Number.isSafeInteger(sequence) && typeof previous === 'string';
}

/** True for a value with the form of a checkpoint, and nothing more; its signature is another question. */
export function isSignedCheckpoint(value: unknown): value is SignedCheckpoint {
  if (typeof value !== 'object' || value === null) return false;
  const { checkpoint, hash, signature, ...rest } = value as Record<string, unknown>;
  if (Object.keys(rest).length > 0 || typeof hash !== 'string' || typeof signature !== 'string') return false;
  if (typeof checkpoint !== 'object' || checkpoint === null) return false;
  const { number, previous, heads, time } = checkpoint as Partial<Checkpoint>;
  const complete = Number.isSafeInteger(number) && typeof previous === 'string' && typeof time === 'string';
  return complete && Array.isArray(heads) && heads.every(isHead);
}

function isHead(value: unknown): value is Head {
  if (typeof value !== 'object' || value === null) return false;
  const { writer, sequence, hash } = value as Record<string, unknown>;
  return typeof writer === 'string' && Number.isSafeInteger(sequence) && typeof hash === 'string';
}

function parsePublicKey(key: string): string {
  try {
    if (/^0x04[0-9a-fA-F]{128}$/.test(key)) return SigningKey.computePublicKey(key, false);
  } catch {
    // 64 bytes that are no point of the curve
  }
  throw new Error(`not a public key: ${key.slice(0, 20)}…; give the uncompressed point, 0x04 and 128 hex digits`);
}

/** Half the order of secp256k1: of the two values of s that are valid, one line of text has room for the lower only. */
const HALF_ORDER = 0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0n;

/** The key that made a signature; undefined when it is malformed or not low-s. */
function signerOf(digest: string, signature: string): string | undefined {
  if (!/^0x[0-9a-f]{128}1[bc]$/.test(signature)) return undefined;
  const [r, s, v] = [signature.slice(0, 66), `0x${signature.slice(66, 130)}`, Number(`0x${signature.slice(130)}`)];
  if (BigInt(s) > HALF_ORDER) return undefined;
  try {
    return SigningKey.recoverPublicKey(digest, { r, s, v });
  } catch {
    return undefined;
  }
}

function range(from: number, to: number): string {
  return from === to ? `${from}` : `${from} to ${to}`;
}
