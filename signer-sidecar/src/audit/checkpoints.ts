/**
 * Makes checkpoints: every so many entries, or every so many seconds when there is something new, one sidecar (the one
 * that gets the lock) has the ends of all chains signed in the HSM, stores that, and writes it to its log.
 */
import type { Logger } from 'pino';
import type { Account } from '../accounts/accounts.ts';
import type { HsmClient, HsmSignature } from '../hsm/types.ts';
import type { Queries, Store } from '../store/store.ts';
import { signatureHex } from '../transactions/messages.ts';
import { signDigest } from '../transactions/sign.ts';
import { canonicalJson } from './canonical.ts';
import {
  byWriter,
  type Checkpoint,
  type CheckpointKeyName,
  checkpointDigest,
  GENESIS,
  type Head,
  type SignedCheckpoint,
  sha256,
} from './chain.ts';
import { auditEntry, ownOrigin } from './entry.ts';
import type { Appended, AuditLog } from './log.ts';

/** Any number; the same at every sidecar, so that only one makes a checkpoint at a time. */
const LOCK = 7_202_612;
const LANE = 'checkpoints';

export interface CheckpointOptions {
  /** New entries after which one is due. */
  everyEntries: number;
  /** Age of the last one after which the next is due, if there are new entries. Seconds. */
  everySeconds: number;
  /** Between two looks, milliseconds. */
  lookMs: number;
}

export const defaultCheckpoints: CheckpointOptions = { everyEntries: 1_000, everySeconds: 60, lookMs: 5_000 };

/** The key that signs checkpoints. */
export interface CheckpointKey {
  /** Undefined while the HSM has not been logged in to. */
  name(): CheckpointKeyName | undefined;
  sign(digest: Uint8Array): Promise<HsmSignature>;
}

/** An account's own key: the only one that the sidecar's HSM process has. */
export function accountCheckpointKey(hsm: HsmClient, account: Account): CheckpointKey {
  return {
    name: () => {
      const key = hsm.keys().find(({ id }) => id.toLowerCase() === account.keyId.toLowerCase());
      if (key === undefined) return undefined;
      return { use: 'account', address: account.address, keyId: account.keyId, publicKey: key.publicKey };
    },
    sign: (digest) => signDigest(hsm, account, digest),
  };
}

export interface CheckpointerParts {
  store: Store;
  audit: AuditLog;
  key: CheckpointKey;
  organization: string;
  chainId: number;
  log: Logger;
  options: CheckpointOptions;
  /** The last one there is, whoever made it. Seconds since 1970. */
  onLast?: (seconds: number) => void;
  onFailure?: () => void;
}

/** `busy`: another sidecar is at it. `none`: nothing is due. */
type Look = { kind: 'none' | 'busy' } | { kind: 'made'; signed: SignedCheckpoint };

interface State {
  last: { number: number; hash: string; entries: number; ageSeconds: number; madeAt: number } | undefined;
  heads: Head[];
  entries: number;
}

export class Checkpointer {
  readonly #parts: CheckpointerParts;
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> = Promise.resolve();
  #stopped = false;
  #lastFailure: string | undefined;

  constructor(parts: CheckpointerParts) {
    this.#parts = parts;
  }

  /** Looks now, and again and again until stop(). */
  start(): void {
    const turn = () => {
      this.#running = this.#turn().finally(() => {
        if (!this.#stopped) this.#timer = setTimeout(turn, this.#parts.options.lookMs).unref();
      });
    };
    turn();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await this.#running;
  }

  async #turn(): Promise<void> {
    const { log, onFailure } = this.#parts;
    try {
      await this.look();
      this.#lastFailure = undefined;
    } catch (error) {
      onFailure?.();
      const reason = (error as Error).message;
      if (reason !== this.#lastFailure) log.warn({ err: error }, 'no audit checkpoint could be made; tried again');
      this.#lastFailure = reason;
    }
  }

  /** One look; makes a checkpoint when one is due. */
  async look(): Promise<Look> {
    const { store, audit, log, onLast } = this.#parts;
    const state = await readState(store);
    if (state.last !== undefined) onLast?.(state.last.madeAt);
    if (!this.#due(state)) return { kind: 'none' };
    let appended: Appended | undefined;
    const look = await store.transaction(async (queries): Promise<Look> => {
      const [row] = await queries.query<{ got: boolean }>('SELECT pg_try_advisory_xact_lock($1) AS got', [LOCK]);
      if (row?.got !== true) return { kind: 'busy' };
      const now = await readState(queries);
      if (!this.#due(now)) return { kind: 'none' };
      const made = await this.#make(queries, now);
      appended = made.appended;
      return { kind: 'made', signed: made.signed };
    });
    if (appended !== undefined) audit.committed(appended);
    if (look.kind === 'made') {
      // the log goes elsewhere than the database: whoever cuts the one cannot cut the other
      log.info(look.signed, 'audit checkpoint');
      onLast?.(Date.now() / 1000);
    }
    return look;
  }

  #due({ last, entries }: State): boolean {
    const { everyEntries, everySeconds } = this.#parts.options;
    const fresh = entries - (last?.entries ?? 0);
    return fresh >= everyEntries || (fresh > 0 && (last === undefined || last.ageSeconds >= everySeconds));
  }

  async #make(queries: Queries, state: State): Promise<{ signed: SignedCheckpoint; appended: Appended }> {
    const { audit, key, organization, chainId } = this.#parts;
    const signedBy = key.name();
    if (signedBy === undefined)
      throw new Error('the key for checkpoints is not known yet: the HSM was not logged in to');
    const checkpoint: Checkpoint = {
      format: 1,
      number: (state.last?.number ?? 0) + 1,
      previous: state.last?.hash ?? GENESIS,
      time: new Date().toISOString(),
      organization,
      chainId,
      heads: state.heads,
      entries: state.entries,
      node: audit.node,
      signedBy,
    };
    const digest = Buffer.from(checkpointDigest(checkpoint).slice(2), 'hex');
    const purpose = { kind: 'checkpoint' as const, number: checkpoint.number };
    // its own signature has an entry first, too, which the next checkpoint covers
    const origin = ownOrigin(audit.node, 'checkpoint', 'schedule of checkpoints');
    const appended = await audit.append(queries, [auditEntry(origin, signedBy, digest, purpose)], LANE);
    const signature = signatureHex(await key.sign(digest));
    const text = canonicalJson(checkpoint);
    const signed = { checkpoint, hash: sha256(text), signature };
    await queries.query('INSERT INTO audit_checkpoints (number, hash, checkpoint, signature) VALUES ($1, $2, $3, $4)', [
      checkpoint.number,
      signed.hash,
      text,
      signed.signature,
    ]);
    return { signed, appended };
  }
}

/** Heads of one moment, and the last checkpoint. Chains of checkpoints alone make nothing due. */
async function readState(queries: Queries): Promise<State> {
  const [last] = await queries.query<Record<string, string | number>>(
    `SELECT number, hash, checkpoint, extract(epoch FROM now() - created_at) AS age,
       extract(epoch FROM created_at) AS made FROM audit_checkpoints ORDER BY number DESC LIMIT 1`,
  );
  const rows = await queries.query<{ writer: string; sequence: string | number; hash: string }>(
    'SELECT writer, sequence, hash FROM audit_heads WHERE sequence > 0',
  );
  const heads = rows.map(({ writer, sequence, hash }) => ({ writer, sequence: Number(sequence), hash })).sort(byWriter);
  return {
    last:
      last === undefined
        ? undefined
        : {
            number: Number(last.number),
            hash: String(last.hash),
            entries: (JSON.parse(String(last.checkpoint)) as Checkpoint).entries,
            ageSeconds: Number(last.age),
            madeAt: Number(last.made),
          },
    heads,
    entries: heads.reduce((sum, { writer, sequence }) => sum + (writer.endsWith(`/${LANE}`) ? 0 : sequence), 0),
  };
}
