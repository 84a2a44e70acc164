/** Logs to verify, made without a database. For tests only. */
import { computeAddress, SigningKey } from 'ethers';
import { canonicalJson } from './canonical.ts';
import {
  byWriter,
  type ChainedEntry,
  type Checkpoint,
  checkpointDigest,
  formerHash,
  GENESIS,
  type Head,
  type SignedCheckpoint,
  sha256,
} from './chain.ts';

export const KEY = new SigningKey(`0x${'77'.repeat(32)}`);

/** Builds an export line by line, as `exportAudit` orders it. */
export class TestLog {
  readonly lines: string[] = [];
  readonly checkpoints: SignedCheckpoint[] = [];
  readonly #heads = new Map<string, Head>();
  #pending: { writer: string; line: string }[] = [];

  entry(writer: string, value = '0'): void {
    const before = this.#heads.get(writer) ?? { writer, sequence: 0, hash: GENESIS };
    const sequence = before.sequence + 1;
    const entry: ChainedEntry = {
      format: 2,
      organization: 'alpha',
      node: 'n1',
      writer,
      sequence,
      previous: before.hash,
      time: '2026-01-01T00:00:00.000Z',
      who: { issuer: 'https://login.alpha.example', subject: 'alice' },
      account: `0x${'11'.repeat(20)}`,
      keyId: '01',
      digest: `0x${'22'.repeat(32)}`,
      method: 'eth_sendTransaction',
      purpose: { kind: 'transaction', type: 0, chainId: 83210, nonce: sequence, value, gas: '21000', dataBytes: 0 },
      verdict: { result: 'allowed', rules: ['scope rpc://eth_*'] },
    };
    const hash = sha256(canonicalJson(entry));
    this.#add({ writer, sequence, hash }, canonicalJson({ entry, hash }));
  }

  /** An entry as the first version of the sidecar wrote it. */
  formerEntry(writer: string): void {
    const { sequence, hash: previous } = this.#heads.get(writer) ?? { sequence: 0, hash: GENESIS };
    const entry = JSON.stringify({ action: 'transaction', subject: 'alice' });
    const hash = formerHash(previous, sequence + 1, entry);
    const line = canonicalJson({ entry, hash, previous, sequence: sequence + 1, writer });
    this.#add({ writer, sequence: sequence + 1, hash }, line);
  }

  #add(head: Head, line: string): void {
    this.#heads.set(head.writer, head);
    this.#pending.push({ writer: head.writer, line });
  }

  #flush(): void {
    this.lines.push(...this.#pending.sort(byWriter).map(({ line }) => line));
    this.#pending = [];
  }

  checkpoint(key = KEY): SignedCheckpoint {
    this.#flush();
    const heads = [...this.#heads.values()].sort(byWriter);
    const last = this.checkpoints.at(-1);
    const checkpoint: Checkpoint = {
      format: 1,
      number: (last?.checkpoint.number ?? 0) + 1,
      previous: last?.hash ?? GENESIS,
      time: '2026-01-01T00:01:00.000Z',
      organization: 'alpha',
      chainId: 83210,
      heads,
      entries: heads.reduce((sum, { sequence }) => sum + sequence, 0),
      node: 'n1',
      signedBy: { use: 'account', address: computeAddress(key), keyId: '01', publicKey: key.publicKey },
    };
    const signature = key.sign(checkpointDigest(checkpoint)).serialized;
    const signed = { checkpoint, hash: sha256(canonicalJson(checkpoint)), signature };
    this.checkpoints.push(signed);
    this.lines.push(canonicalJson(signed));
    return signed;
  }

  /** The lines, also those that no checkpoint covers. */
  end(): string[] {
    this.#flush();
    return this.lines;
  }
}
