/** Brings stored transactions to the node, in nonce order, several in one request. */
import type { Logger } from 'pino';
import type { StoredTransaction } from '../accounts/nonces.ts';
import type { ChainClient, UpstreamAnswer } from '../gateway/upstream.ts';
import type { Store } from '../store/store.ts';
import { markSent } from '../store/transactions.ts';
import { type Outcome, outcomeOf } from './outcome.ts';

const MAX_BATCH = 64;
const MARK_DELAY_MS = 50;

interface Waiting {
  transaction: StoredTransaction;
  resolve(outcome: Outcome): void;
}

export class Sender {
  readonly #chain: ChainClient;
  readonly #store: Store;
  readonly #log: Logger;
  readonly #queues = new Map<string, { waiting: Waiting[]; running: boolean }>();
  #toMark: string[] = [];
  #marking: Promise<void> | undefined;

  constructor(chain: ChainClient, store: Store, log: Logger) {
    this.#chain = chain;
    this.#store = store;
    this.#log = log;
  }

  /** Never rejects: a node that does not answer is the outcome `later`. */
  send(address: string, transaction: StoredTransaction): Promise<Outcome> {
    const queue = this.#queues.get(address) ?? { waiting: [], running: false };
    this.#queues.set(address, queue);
    return new Promise((resolve) => {
      queue.waiting.push({ transaction, resolve });
      if (!queue.running) void this.#run(queue);
    });
  }

  async #run(queue: { waiting: Waiting[]; running: boolean }): Promise<void> {
    queue.running = true;
    await Promise.resolve(); // those stored in the same commit get into the same request
    while (queue.waiting.length > 0) {
      const batch = queue.waiting.splice(0, MAX_BATCH).sort((a, b) => a.transaction.nonce - b.transaction.nonce);
      const outcomes = await sendRaw(
        this.#chain,
        batch.map(({ transaction }) => transaction.raw),
      );
      const taken = batch.filter((_, index) => outcomes[index]!.kind === 'accepted');
      this.#mark(taken.map(({ transaction }) => transaction.id));
      for (const [index, { resolve }] of batch.entries()) resolve(outcomes[index]!);
    }
    queue.running = false;
  }

  /** Written a little later and together; when it is lost, the transaction is sent once more, which does no harm. */
  #mark(ids: string[]): void {
    if (ids.length === 0) return;
    this.#toMark.push(...ids);
    this.#marking ??= new Promise((resolve) => {
      setTimeout(async () => {
        this.#marking = undefined;
        const marked = this.#toMark.splice(0);
        await markSent(this.#store, marked).catch((error) => {
          this.#log.warn({ err: error, count: marked.length }, 'sent transactions could not be marked as sent');
        });
        resolve();
      }, MARK_DELAY_MS);
    });
  }

  /** Resolves when what was sent is marked. */
  async drain(): Promise<void> {
    await this.#marking;
  }
}

/** Sends raw transactions in this order. */
export async function sendRaw(chain: ChainClient, raws: string[]): Promise<Outcome[]> {
  let answers: UpstreamAnswer[];
  try {
    answers = await chain.batch(raws.map((raw) => ({ method: 'eth_sendRawTransaction', params: [raw] })));
  } catch (error) {
    return raws.map(() => ({ kind: 'later', message: (error as Error).message }));
  }
  return answers.map(outcomeOf);
}
