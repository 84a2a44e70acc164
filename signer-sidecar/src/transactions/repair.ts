/**
 * Follows every stored transaction to its end: finds out what was mined, sends again byte for byte what was not, in nonce
 * order, and fills gaps. Every sidecar does this; all of it may be done twice without harm.
 */
import type { Logger } from 'pino';
import type { Account, Accounts } from '../accounts/accounts.ts';
import { chainNonce } from '../accounts/nonces.ts';
import type { ChainClient } from '../gateway/upstream.ts';
import { endTransaction, markMined, markSent, type OpenTransaction, openTransactions } from '../store/transactions.ts';
import { type FillerTools, fillGaps, giveBack } from './give-back.ts';
import { sendRaw } from './sender.ts';

const LOOK_AT = 1_000;
const SEND_AT_ONCE = 64;
const FORGET_KEYS_MS = 3_600_000;

export interface RepairOptions {
  /** Between two looks, milliseconds. */
  intervalMs: number;
  /** A `signed` transaction of this age is sent by the loop; younger ones are still in their request's hands. Seconds. */
  graceSeconds: number;
  /** A `sent` one that is not mined is sent again after this long. Seconds. */
  resendSeconds: number;
  /**
   * One that a node took and dropped, and that is refused now (its account cannot pay any more), is given up at this
   * age: it would hold up everybody behind it. Seconds.
   */
  giveUpSeconds: number;
}

export const defaultRepair: RepairOptions = {
  intervalMs: 2_000,
  graceSeconds: 3,
  resendSeconds: 15,
  giveUpSeconds: 60,
};

/** What the loop saw at its last look, for metrics. */
export interface RepairReport {
  open: number;
  /** Given out and not mined: next − latest of the chain. */
  nonceGap: number;
  oldestSeconds: number;
  resent: number;
  filled: number;
}

export class Repair {
  readonly #tools: FillerTools;
  readonly #accounts: Accounts;
  readonly #chain: ChainClient;
  readonly #log: Logger;
  readonly #options: RepairOptions;
  readonly #onReport: (account: Account, report: RepairReport) => void;
  /** Seen without a receipt though their nonce is used: believed at the second look. */
  #suspects = new Set<string>();
  #forgotKeysAt = Number.NEGATIVE_INFINITY;
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> = Promise.resolve();
  #stopped = false;

  constructor(
    tools: FillerTools,
    accounts: Accounts,
    chain: ChainClient,
    log: Logger,
    onReport: (account: Account, report: RepairReport) => void = () => undefined,
    options: RepairOptions = defaultRepair,
  ) {
    this.#tools = tools;
    this.#accounts = accounts;
    this.#chain = chain;
    this.#log = log;
    this.#onReport = onReport;
    this.#options = options;
  }

  /** Looks now, and again and again until stop(). */
  start(): void {
    const turn = () => {
      this.#running = this.#all().finally(() => {
        if (!this.#stopped) this.#timer = setTimeout(turn, this.#options.intervalMs).unref();
      });
    };
    turn();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await this.#running;
  }

  /** An idempotency key is kept for a week. */
  async #forgetKeys(): Promise<void> {
    if (performance.now() - this.#forgotKeysAt < FORGET_KEYS_MS) return;
    this.#forgotKeysAt = performance.now();
    await this.#tools.store
      .query("DELETE FROM idempotency_keys WHERE created_at < now() - interval '7 days'")
      .catch((error) => this.#log.debug({ err: error }, 'old idempotency keys stay for now'));
  }

  async #all(): Promise<void> {
    await this.#forgetKeys();
    for (const account of this.#accounts.list()) {
      if (this.#stopped) return;
      try {
        this.#onReport(account, await this.look(account));
      } catch (error) {
        this.#log.debug({ err: error, account: account.address }, 'looking after transactions');
      }
    }
  }

  /** One look at one account. */
  async look(account: Account): Promise<RepairReport> {
    const { next, open } = await openTransactions(this.#tools.store, account.address, LOOK_AT);
    if (next === undefined) return { open: 0, nonceGap: 0, oldestSeconds: 0, resent: 0, filled: 0 };
    const latest = await this.#count(account, 'latest');
    await this.#settle(
      account,
      open.filter(({ nonce }) => nonce < latest),
    );
    const waiting = open.filter(({ nonce }) => nonce >= latest);
    const filled = await this.#fill(account, waiting, latest, next);
    const resent = await this.#resend(account, waiting);
    return {
      open: open.length,
      nonceGap: Math.max(next - latest, 0),
      oldestSeconds: waiting.reduce((oldest, { ageSeconds }) => Math.max(oldest, ageSeconds), 0),
      resent,
      filled,
    };
  }

  async #count(account: Account, block: 'latest' | 'pending'): Promise<number> {
    return Number(BigInt((await this.#chain.call('eth_getTransactionCount', [account.address, block])) as string));
  }

  /** Their nonce is used by a mined transaction: theirs, or another one. */
  async #settle(account: Account, used: OpenTransaction[]): Promise<void> {
    const receipts = await this.#receipts(used.map(({ hash }) => hash));
    const mined = used.flatMap(({ id }, index) => {
      const blockNumber = receipts[index];
      return blockNumber === undefined ? [] : [{ id, blockNumber }];
    });
    await markMined(this.#tools.store, mined);
    const missing = used.filter((_, index) => receipts[index] === undefined);
    for (const transaction of missing.filter(({ id }) => this.#suspects.has(id))) {
      await this.#replaced(account, transaction);
    }
    this.#suspects = new Set(missing.map(({ id }) => id));
  }

  /** Block numbers, undefined where there is no receipt. */
  async #receipts(hashes: string[]): Promise<(number | undefined)[]> {
    const calls = hashes.map((hash) => ({ method: 'eth_getTransactionReceipt', params: [hash] }));
    const answers = await this.#chain.batch(calls);
    return answers.map((answer) => {
      if ('error' in answer) throw new Error(`eth_getTransactionReceipt: ${answer.error.message}`);
      const receipt = answer.result as { blockNumber: string } | null;
      return receipt === null ? undefined : Number(BigInt(receipt.blockNumber));
    });
  }

  /** One that we had ended as failed may have been mined after all, through another node. */
  async #replaced(account: Account, { id, nonce, hash, purpose }: OpenTransaction): Promise<void> {
    const { store } = this.#tools;
    await endTransaction(store, id, 'replaced', 'another transaction with this nonce is in a block');
    const failed = await store.query<{ id: string; hash: string }>(
      "SELECT id, hash FROM transactions WHERE address = $1 AND nonce = $2 AND status = 'failed'",
      [account.address, nonce],
    );
    const receipts = await this.#receipts(failed.map((row) => row.hash));
    const mined = failed.flatMap((row, index) => {
      const blockNumber = receipts[index];
      return blockNumber === undefined ? [] : [{ id: row.id, blockNumber }];
    });
    await markMined(store, mined);
    const fields = { account: account.address, nonce, hash, purpose };
    if (mined.length > 0) this.#log.warn(fields, 'a transaction that was given up is in a block after all');
    else this.#log.error(fields, 'somebody else uses this account: another transaction has this nonce');
  }

  async #fill(account: Account, waiting: OpenTransaction[], latest: number, next: number): Promise<number> {
    if (waiting.length >= Math.min(next - latest, LOOK_AT)) return 0;
    // the pool may hold what the database does not: transactions of another writer
    const free = await chainNonce(this.#chain, account.address);
    const filled = await fillGaps(this.#tools, account, Math.max(free, latest));
    if (filled.length > 0) this.#log.warn({ account: account.address, nonces: filled }, 'nonce gaps filled');
    return filled.length;
  }

  async #resend(account: Account, waiting: OpenTransaction[]): Promise<number> {
    const due = waiting.filter((transaction) => this.#isDue(transaction));
    let resent = 0;
    for (let at = 0; at < due.length; at += SEND_AT_ONCE) {
      const batch = due.slice(at, at + SEND_AT_ONCE);
      const outcomes = await sendRaw(
        this.#chain,
        batch.map(({ raw }) => raw),
      );
      const accepted = batch.filter((_, index) => outcomes[index]!.kind === 'accepted').map(({ id }) => id);
      resent += accepted.length;
      if (accepted.length > 0) await markSent(this.#tools.store, accepted);
      for (const [index, transaction] of batch.entries()) {
        const outcome = outcomes[index]!;
        if (outcome.kind === 'accepted' || outcome.kind === 'taken') continue; // taken: settled when it is mined
        await this.#notAccepted(account, transaction, outcome);
      }
    }
    if (resent > 0) this.#log.info({ account: account.address, resent }, 'transactions sent again');
    return resent;
  }

  async #notAccepted(
    account: Account,
    { id, nonce, hash, status, ageSeconds }: OpenTransaction,
    outcome: { kind: 'later' | 'refused'; message: string },
  ): Promise<void> {
    const fields = { account: account.address, nonce, hash, reason: outcome.message };
    this.#log.warn(fields, 'the node did not take a transaction');
    if (outcome.kind !== 'refused') return;
    // one that a node took before may still be in some pool, so it is given time; whichever is mined then is found out
    if (status === 'sent' && ageSeconds < this.#options.giveUpSeconds) return;
    const floor = await chainNonce(this.#chain, account.address);
    await giveBack(this.#tools.store, account, { id, nonce }, floor, outcome.message);
    this.#log.error(fields, 'a transaction was given up');
  }

  #isDue({ status, ageSeconds, sentSecondsAgo }: OpenTransaction): boolean {
    if (status === 'signed') return ageSeconds >= this.#options.graceSeconds;
    return (sentSecondsAgo ?? ageSeconds) >= this.#options.resendSeconds;
  }
}
