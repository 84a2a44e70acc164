/** The accounts of this door's signer: named by address, each bound to one key of the HSM and to one chain. */
import type { DoorConfig, SignerConfig } from '../config.ts';
import { invalidParams } from '../errors.ts';
import type { Store } from '../store/store.ts';

export interface Account {
  name: string;
  /** Lower case. */
  address: string;
  /** CKA_ID, hex. */
  keyId: string;
}

/** The accounts of the configuration, by address. */
export class Accounts {
  readonly #byAddress: Map<string, Account>;

  constructor(accounts: SignerConfig['accounts']) {
    const list = accounts.map(({ name, address, keyId }) => ({ name, address: address.toLowerCase(), keyId }));
    this.#byAddress = new Map(list.map((account) => [account.address, account]));
  }

  list(): Account[] {
    return [...this.#byAddress.values()];
  }

  /**
   * @param field where the address came from, for the error
   * @throws RpcError -32602 naming the accounts there are
   */
  get(address: string, field = 'from'): Account {
    const account = this.#byAddress.get(address.toLowerCase());
    if (account !== undefined) return account;
    const addresses = [...this.#byAddress.keys()];
    throw invalidParams(`${field}: ${address} is not an account of this signer`, {
      field,
      accounts: addresses,
      action: `Use one of ${addresses.join(', ')} (eth_accounts lists them).`,
    });
  }
}

/** An account is known to the database as one of another chain: signing would risk replays there. */
export class AccountBoundElsewhereError extends Error {
  override name = 'AccountBoundElsewhereError';
}

/** Makes the accounts known to the database, or checks that they are the ones it knows, on the chain it knows. */
export async function bindAccounts(store: Store, accounts: Accounts, chain: DoorConfig['chain']): Promise<void> {
  for (const account of accounts.list()) {
    await store.query(
      `INSERT INTO accounts (address, name, key_id, chain_id, genesis_sha256, config_hash)
       VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (address) DO NOTHING`,
      [account.address, account.name, account.keyId, chain.chainId, chain.genesisSha256, chain.configHash],
    );
    const [known] = await store.query<{ chain_id: string | number; genesis_sha256: string; config_hash: string }>(
      'SELECT chain_id, genesis_sha256, config_hash FROM accounts WHERE address = $1',
      [account.address],
    );
    const same =
      known !== undefined &&
      Number(known.chain_id) === chain.chainId &&
      known.genesis_sha256 === chain.genesisSha256 &&
      known.config_hash === chain.configHash;
    if (!same) {
      throw new AccountBoundElsewhereError(
        `account ${account.address} belongs to chain ${known?.chain_id} (configuration ${known?.config_hash}), ` +
          `but this node is on chain ${chain.chainId} (configuration ${chain.configHash}). ` +
          'Use a new key for a new chain: name it in spec.keys of the HsmSigner.',
      );
    }
  }
}
