/** What the chain says about fees and size right now, asked at most once a second however many transactions there are. */
import type { ChainClient } from '../gateway/upstream.ts';

export interface ChainFacts {
  /** What eth_gasPrice suggests; 0 where the chain demands it. */
  gasPrice: bigint;
  /** Of the last block; absent on chains without EIP-1559. */
  baseFee?: bigint;
  blockGasLimit: bigint;
}

export class ChainFactsCache {
  readonly #chain: ChainClient;
  readonly #ttlMs: number;
  #asked: { at: number; facts: Promise<ChainFacts> } | undefined;

  constructor(chain: ChainClient, ttlMs = 1_000) {
    this.#chain = chain;
    this.#ttlMs = ttlMs;
  }

  get(): Promise<ChainFacts> {
    const now = performance.now();
    if (this.#asked === undefined || now - this.#asked.at > this.#ttlMs) {
      const facts = this.#ask();
      this.#asked = { at: now, facts };
      facts.catch(() => {
        this.#asked = undefined;
      });
    }
    return this.#asked.facts;
  }

  async #ask(): Promise<ChainFacts> {
    const [price, block] = await Promise.all([
      this.#chain.call('eth_gasPrice', []),
      this.#chain.call('eth_getBlockByNumber', ['latest', false]),
    ]);
    const { gasLimit, baseFeePerGas } = block as { gasLimit: string; baseFeePerGas?: string };
    const facts: ChainFacts = { gasPrice: BigInt(price as string), blockGasLimit: BigInt(gasLimit) };
    if (baseFeePerGas !== undefined) facts.baseFee = BigInt(baseFeePerGas);
    return facts;
  }
}
