import { createReadStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import type { SignedCheckpoint } from '@quorum-operator/signer-sidecar/audit/chain.ts';
import {
  type AuditReport,
  type Fault,
  isSignedCheckpoint,
  verifyAudit,
} from '@quorum-operator/signer-sidecar/audit/verify.ts';

export interface VerifyArguments {
  /** An export, `-` for standard input. */
  file: string;
  publicKeys: readonly string[];
  /** File with the last checkpoint that is known from elsewhere: a line of the sidecar's log, or an earlier export. */
  checkpoint?: string | undefined;
  /** File with the checkpoint after which the export begins. */
  since?: string | undefined;
}

/**
 * `audit verify`: works by the files alone, and holds no more of the export in memory than a line.
 * @throws Error when a file cannot be read or holds no checkpoint, or a public key is none
 */
export async function verifyAuditFile({ file, publicKeys, checkpoint, since }: VerifyArguments): Promise<AuditReport> {
  if (publicKeys.length === 0) {
    throw new Error(
      'audit verify needs --public-key 0x04…: status.accounts[].publicKey of the HsmSigner, taken when you trusted it',
    );
  }
  const input = file === '-' ? process.stdin.setEncoding('utf8') : createReadStream(file, 'utf8');
  return verifyAudit(linesOf(input), {
    publicKey: publicKeys,
    lastCheckpoint: checkpoint === undefined ? undefined : await readCheckpoint(checkpoint),
    since: since === undefined ? undefined : await readCheckpoint(since),
  });
}

/** Lines as they are, cut at line feeds alone: a carriage return that somebody added is a change. */
async function* linesOf(input: AsyncIterable<string>): AsyncGenerator<string> {
  let rest = '';
  for await (const chunk of input) {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop() as string;
    yield* lines;
  }
  if (rest !== '') yield rest;
}

/** The last checkpoint in a file: of an export, or of a log, whose lines hold more fields than the checkpoint's. */
async function readCheckpoint(file: string): Promise<SignedCheckpoint> {
  const lines = (await readFile(file, 'utf8')).split('\n').reverse();
  for (const line of lines) {
    if (!line.includes('"checkpoint"')) continue;
    try {
      const { checkpoint, hash, signature } = JSON.parse(line);
      const signed = { checkpoint, hash, signature };
      if (isSignedCheckpoint(signed)) return signed;
    } catch {
      // a line of something else
    }
  }
  throw new Error(`${file} holds no checkpoint: give an export, or the line "audit checkpoint" of a sidecar's log`);
}

/** For people. */
export function renderAudit(report: AuditReport): string {
  const { entries, checkpoints, last, uncovered, heads, faults, faultsTotal } = report;
  const lines = [`${entries} entries of ${heads.length} writers, ${checkpoints} checkpoints`];
  if (last !== undefined) lines.push(`last checkpoint: ${last.number} of ${last.time}, ${last.hash}`);
  if (uncovered > 0)
    lines.push(`${uncovered} entries are behind the last checkpoint: only a later one proves their end`);
  if (faultsTotal === 0) lines.push('Nothing is wrong.');
  else {
    lines.push(`What is wrong (${faultsTotal}):`, ...faults.map((fault) => `  ${renderFault(fault)}`));
    if (faultsTotal > faults.length) lines.push(`  and ${faultsTotal - faults.length} more`);
  }
  return `${lines.join('\n')}\n`;
}

function renderFault({ line, writer, sequence, checkpoint, what }: Fault): string {
  const where = [
    ...(line === undefined ? [] : [`line ${line}`]),
    ...(checkpoint === undefined ? [] : [`checkpoint ${checkpoint}`]),
    ...(writer === undefined ? [] : [`writer ${writer}`]),
    ...(sequence === undefined ? [] : [`entry ${sequence}`]),
  ];
  return where.length === 0 ? what : `${where.join(', ')}: ${what}`;
}
