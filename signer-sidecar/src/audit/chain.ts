/** The chains of hashes, the checkpoints over them, and the lines of an export: what writer and verifier must agree on. */
import { hash } from 'node:crypto';
import { keccak256, toUtf8Bytes } from 'ethers';
import { canonicalJson } from './canonical.ts';
import type { AuditEntry } from './entry.ts';

/** `previous` of the first entry of every writer, and of the first checkpoint. */
export const GENESIS = '0'.repeat(64);

/** Where one writer's chain ends. */
export interface Head {
  writer: string;
  sequence: number;
  /** sha256, 64 hex digits. */
  hash: string;
}

/** An entry with its place in a chain; its hash is the sha256 of its canonical JSON. */
export type ChainedEntry = AuditEntry & {
  format: 2;
  organization: string;
  /** The node whose sidecar signs. */
  node: string;
  writer: string;
  /** From 1, without gaps. */
  sequence: number;
  /** The hash of the writer's entry before this one. */
  previous: string;
};

export function sha256(text: string): string {
  return hash('sha256', text, 'hex');
}

/** The hash of an entry that the first version of the sidecar wrote: its text does not hold its place. */
export function formerHash(previous: string, sequence: number, entry: string): string {
  return sha256(`${previous}\n${sequence}\n${entry}`);
}

/** One statement over all chains, signed by a key of the HSM. */
export interface Checkpoint {
  format: 1;
  /** From 1, without gaps. */
  number: number;
  /** The hash of the checkpoint before this one. */
  previous: string;
  time: string;
  organization: string;
  chainId: number;
  /** The end of every chain, sorted by writer. */
  heads: Head[];
  /** How many entries the heads cover, not counting those about checkpoints. */
  entries: number;
  /** The node whose sidecar made it. */
  node: string;
  signedBy: CheckpointKeyName;
}

/** Which key signs. `use` says what else it is for. */
export interface CheckpointKeyName {
  use: 'account';
  address: string;
  keyId: string;
  /** 0x04 and 128 hex digits. */
  publicKey: string;
}

export interface SignedCheckpoint {
  checkpoint: Checkpoint;
  /** sha256 of the canonical JSON of `checkpoint`. */
  hash: string;
  /** r, s (low-s) and v (27 or 28): 0x and 130 hex digits. */
  signature: string;
}

const DOMAIN = 'quorum-operator audit checkpoint v1\n';

/**
 * What is signed: keccak-256 of the domain and the canonical JSON. The domain begins with "q" (0x71), so that the same
 * bytes are neither a transaction (a list, or a type below 5), nor an EIP-191 message (0x19).
 * @returns 32 bytes, 0x and hex
 */
export function checkpointDigest(checkpoint: Checkpoint): string {
  return keccak256(toUtf8Bytes(DOMAIN + canonicalJson(checkpoint)));
}

/** A line of an export: an entry, one of the first version, or a checkpoint. */
export type ExportLine =
  | { entry: ChainedEntry; hash: string }
  | { entry: string; hash: string; previous: string; sequence: number; writer: string }
  | SignedCheckpoint;

/** By UTF-16 code units, the same wherever it runs. */
export function byWriter(a: { writer: string }, b: { writer: string }): number {
  return a.writer < b.writer ? -1 : a.writer > b.writer ? 1 : 0;
}
