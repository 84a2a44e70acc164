import { computeAddress, SigningKey } from 'ethers';
import type { HsmClient } from '../hsm/types.ts';
import type { Account } from './accounts.ts';

/** A test double of the HSM: one key in memory. For tests of nonces and crashes, where the HSM is not what is tested. */
export class MemoryHsm implements HsmClient {
  readonly account: Account;
  readonly #key: SigningKey;
  /** Signatures made. */
  signed = 0;
  /** When set, signing waits for it first; it may throw. */
  before: ((digest: Uint8Array) => Promise<void>) | undefined;

  /** @param seed any number; the same number is the same key */
  constructor(seed: number) {
    this.#key = new SigningKey(`0x${(BigInt(seed) + 1n).toString(16).padStart(64, '5')}`);
    this.account = { name: 'default', address: computeAddress(this.#key).toLowerCase(), keyId: '01' };
  }

  keys() {
    const attributes = {
      sensitive: true,
      extractable: false,
      alwaysSensitive: true,
      neverExtractable: true,
      local: true,
      sign: true,
      derive: false,
      modifiable: false,
    };
    const publicKey = this.#key.publicKey as `0x04${string}`;
    return [{ id: '01', label: 'default', address: computeAddress(this.#key), publicKey, attributes }];
  }

  ready(): boolean {
    return true;
  }

  lastError() {
    return undefined;
  }

  async sign(_keyId: string, digest: Uint8Array) {
    await this.before?.(digest);
    this.signed += 1;
    const { r, s, yParity } = this.#key.sign(digest);
    return { r: r as `0x${string}`, s: s as `0x${string}`, yParity };
  }

  async stop(): Promise<void> {}
}
