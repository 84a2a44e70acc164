/** The signer of a door: what eth_accounts and the signing methods do. */
import { hash as digestOf } from 'node:crypto';
import type { Logger } from 'pino';
import { type Account, Accounts, bindAccounts } from '../accounts/accounts.ts';
import { chainNonce, NonceAllocator, type PreparedTransaction, type StoredTransaction } from '../accounts/nonces.ts';
import {
  accountCheckpointKey,
  Checkpointer,
  type CheckpointKey,
  type CheckpointOptions,
  defaultCheckpoints,
} from '../audit/checkpoints.ts';
import { type AuditEntry, auditEntry, type Origin, transactionPurpose, typedDataPurpose } from '../audit/entry.ts';
import { AuditLog } from '../audit/log.ts';
import type { DoorConfig, SignerConfig } from '../config.ts';
import {
  databaseError,
  databaseUnavailable,
  hsmUnavailable,
  internalError,
  invalidParams,
  transactionRejected,
} from '../errors.ts';
import type { Identity } from '../gateway/identity.ts';
import type { LocalMethod } from '../gateway/methods.ts';
import { refusePrivate } from '../gateway/private-guard.ts';
import type { ChainClient } from '../gateway/upstream.ts';
import type { HsmClient } from '../hsm/types.ts';
import type { SignerStatus } from '../ops/types.ts';
import { type Store, StoreUnavailableError } from '../store/store.ts';
import { endTransaction } from '../store/transactions.ts';
import { ChainFactsCache } from './chain-facts.ts';
import type { TransactionBody } from './encode.ts';
import { parseTransaction, type TransactionRequest } from './fields.ts';
import { giveBack } from './give-back.ts';
import { parseMessage, parseTypedData, personalDigest, signatureHex } from './messages.ts';
import { prepare } from './prepare.ts';
import { defaultRepair, Repair, type RepairOptions, type RepairReport } from './repair.ts';
import { Sender } from './sender.ts';
import { signDigest, signUnsigned, unsignedTransaction } from './sign.ts';

const MAX_TRIES = 3;
const BIND_RETRY_MS = 2_000;

type SignaturePurpose = 'transaction' | 'sign-transaction' | 'message' | 'typed-data';

/** For metrics. */
export interface AuditEvents {
  entries?(entries: AuditEntry[]): void;
  /** The last checkpoint there is, seconds since 1970. */
  checkpoint?(seconds: number): void;
  failure?(what: 'entry' | 'checkpoint'): void;
}

export interface SignerParts {
  config: SignerConfig;
  chainConfig: DoorConfig['chain'];
  /** Name of the node. */
  node: string;
  organization: string;
  hsm: HsmClient;
  store: Store;
  chain: ChainClient;
  log: Logger;
  repair?: RepairOptions;
  checkpoints?: CheckpointOptions;
  /** The key that signs the audit log's checkpoints; absent: the one of the first account. */
  checkpointKey?: CheckpointKey;
  onAudit?: AuditEvents;
  onSignature?: (purpose: SignaturePurpose, seconds: number, ok: boolean) => void;
  onReport?: (account: Account, report: RepairReport) => void;
}

export class Signer {
  readonly accounts: Accounts;
  readonly #parts: SignerParts;
  readonly #facts: ChainFactsCache;
  readonly #allocator: NonceAllocator;
  readonly #sender: Sender;
  readonly #repair: Repair;
  readonly #audit: AuditLog;
  readonly #checkpoints: Checkpointer;
  /** Set when the database knows these accounts on another chain. */
  #refusal: Error | undefined;
  #bound = false;
  #lastError: string | undefined;
  #stopped = false;

  constructor(parts: SignerParts) {
    this.#parts = parts;
    const { config, store, chain, node, organization, log, onAudit } = parts;
    this.accounts = new Accounts(config.accounts);
    this.#facts = new ChainFactsCache(chain);
    this.#audit = new AuditLog({
      store,
      node,
      organization,
      onEntries: (entries) => onAudit?.entries?.(entries),
      onFailure: () => onAudit?.failure?.('entry'),
    });
    this.#checkpoints = this.#checkpointer();
    this.#allocator = new NonceAllocator(store, chain, this.#audit, log);
    this.#sender = new Sender(chain, store, log);
    const onReport = parts.onReport ?? (() => undefined);
    this.#repair = new Repair(this.#fillerTools(), this.accounts, chain, log, onReport, parts.repair ?? defaultRepair);
  }

  /** Binds the accounts as soon as the database is there, then looks after unfinished transactions. Returns at once. */
  start(): void {
    void this.#bind();
  }

  async #bind(): Promise<void> {
    const { store, chainConfig, log } = this.#parts;
    while (!this.#stopped) {
      try {
        await store.whenReady();
        await bindAccounts(store, this.accounts, chainConfig);
        this.#bound = true;
        this.#refusal = undefined;
        this.#repair.start();
        this.#checkpoints.start();
        return;
      } catch (error) {
        if (this.#stopped) return;
        if (!(error instanceof StoreUnavailableError)) this.#refusal = error as Error;
        log.error({ err: error }, 'the accounts cannot be used yet');
        await new Promise((resolve) => setTimeout(resolve, BIND_RETRY_MS).unref());
      }
    }
  }

  #checkpointer(): Checkpointer {
    const { hsm, store, chainConfig, organization, log, onAudit, checkpointKey } = this.#parts;
    return new Checkpointer({
      store,
      audit: this.#audit,
      key: checkpointKey ?? accountCheckpointKey(hsm, this.accounts.list()[0]!),
      organization,
      chainId: chainConfig.chainId,
      log,
      options: this.#parts.checkpoints ?? defaultCheckpoints,
      onLast: (seconds) => onAudit?.checkpoint?.(seconds),
      onFailure: () => onAudit?.failure?.('checkpoint'),
    });
  }

  /**
   * @param rules that allowed this call, for the audit log
   * @throws RpcError
   */
  async handle(
    method: LocalMethod,
    params: unknown,
    identity: Identity,
    idempotencyKey?: string,
    rules: string[] = [],
  ): Promise<unknown> {
    const origin: Origin = { who: identity, method, verdict: { result: 'allowed', rules } };
    switch (method) {
      case 'eth_accounts':
        return this.accounts.list().map(({ address }) => address);
      case 'eth_sendTransaction':
        return this.#send(params, identity, origin, idempotencyKey);
      case 'eth_signTransaction':
        return this.#sign(params, origin);
      case 'eth_sign':
      case 'personal_sign': {
        const { address, message } = parseMessage(method, params);
        const account = this.accounts.get(address, 'address');
        const digest = personalDigest(message);
        const entry = auditEntry(origin, account, digest, { kind: 'message', bytes: message.length });
        return this.#signMessage(account, digest, 'message', entry);
      }
      case 'eth_signTypedData_v4': {
        const { address, digest, primaryType, domain } = parseTypedData(params, this.#parts.chainConfig.chainId);
        const account = this.accounts.get(address, 'address');
        const entry = auditEntry(origin, account, digest, typedDataPurpose(primaryType, domain));
        return this.#signMessage(account, digest, 'typed-data', entry);
      }
    }
  }

  async #request(params: unknown): Promise<{ request: TransactionRequest; account: Account }> {
    refusePrivate(params);
    const request = parseTransaction(params, this.#parts.chainConfig.chainId);
    const account = this.accounts.get(request.from);
    this.#assertUsable();
    return { request, account };
  }

  async #prepare(request: TransactionRequest): Promise<TransactionBody> {
    const { chain, chainConfig } = this.#parts;
    return prepare(request, await this.#facts.get(), chain, chainConfig.chainId);
  }

  /** eth_sendTransaction. The hash is returned once the signed transaction is stored, be it at the node yet or not. */
  async #send(params: unknown, identity: Identity, origin: Origin, idempotencyKey?: string): Promise<string> {
    const { request, account } = await this.#request(params);
    const requestHash = hashOf(request);
    const earlier = await this.#earlier(identity, idempotencyKey, requestHash);
    if (earlier !== undefined) return earlier;
    const body = await this.#prepare(request);
    const { issuer, subject } = identity;
    for (let attempt = 1; ; attempt += 1) {
      const stored = await this.#allocator.allocate(account.address, {
        issuer,
        subject,
        requestHash,
        idempotencyKey,
        nonce: request.nonce,
        prepare: (nonce) => this.#prepared(origin, account, body, nonce),
      });
      if (!stored.fresh) return stored.hash;
      if ((await this.#deliver(account, stored, attempt)) === 'done') return stored.hash;
    }
  }

  #prepared(origin: Origin, account: Account, body: TransactionBody, nonce: number): PreparedTransaction {
    const unsigned = unsignedTransaction(body, nonce);
    return {
      entry: auditEntry(origin, account, unsigned.digest, transactionPurpose(body, nonce)),
      sign: () => this.#timed('transaction', () => signUnsigned(this.#parts.hsm, account, unsigned)),
    };
  }

  /** A repeated request is answered before the node is asked anything, so that it also works while the node is away. */
  async #earlier(identity: Identity, key: string | undefined, requestHash: string): Promise<string | undefined> {
    if (key === undefined) return undefined;
    try {
      const [row] = await this.#parts.store.query<{ hash: string }>(
        `SELECT t.hash FROM idempotency_keys k JOIN transactions t ON t.id = k.transaction_id
         WHERE k.issuer = $1 AND k.subject = $2 AND k.key = $3 AND k.request_hash = $4`,
        [identity.issuer, identity.subject, key, requestHash],
      );
      return row?.hash;
    } catch (error) {
      throw databaseError(error);
    }
  }

  async #deliver(account: Account, stored: StoredTransaction, attempt: number): Promise<'done' | 'again'> {
    const { store, log } = this.#parts;
    const outcome = await this.#sender.send(account.address, stored);
    const fields = { account: account.address, nonce: stored.nonce, hash: stored.hash };
    switch (outcome.kind) {
      case 'accepted':
        return 'done';
      case 'later':
        log.warn({ ...fields, reason: outcome.message }, 'stored, and sent again until the node takes it');
        return 'done';
      case 'taken':
        log.warn({ ...fields, reason: outcome.message }, 'somebody else used this nonce of the account');
        this.#allocator.forgetFloor(account.address);
        await this.#end(() => endTransaction(store, stored.id, 'replaced', outcome.message));
        if (attempt < MAX_TRIES) return 'again';
        throw transactionRejected(outcome.message, 'Another program uses the same account; stop it, then retry.');
      case 'refused':
        await this.#end(async () => {
          const floor = await chainNonce(this.#parts.chain, account.address);
          await giveBack(store, account, stored, floor, outcome.message);
        });
        throw transactionRejected(outcome.message, 'The node refused the transaction; its nonce was given back.');
    }
  }

  /** When the database is lost just now the row stays as it is and the repair loop comes to the same end. */
  async #end(work: () => Promise<unknown>): Promise<void> {
    await work().catch((error) => this.#parts.log.warn({ err: error }, 'a refused transaction is ended later'));
  }

  /** eth_signTransaction: signs, sends nothing, gives out no nonce. */
  async #sign(params: unknown, origin: Origin): Promise<string> {
    const { request, account } = await this.#request(params);
    const { nonce } = request;
    if (nonce === undefined) {
      throw invalidParams('nonce: must be given for eth_signTransaction', {
        field: 'nonce',
        action: 'Give the nonce, or use eth_sendTransaction, where the signer chooses it.',
      });
    }
    const body = await this.#prepare(request);
    const unsigned = unsignedTransaction(body, nonce);
    await this.#audit.write(auditEntry(origin, account, unsigned.digest, transactionPurpose(body, nonce)));
    const signed = await this.#timed('sign-transaction', () => signUnsigned(this.#parts.hsm, account, unsigned));
    return signed.raw;
  }

  /** Signs only after the audit entry is committed. */
  async #signMessage(
    account: Account,
    digest: Uint8Array,
    action: 'message' | 'typed-data',
    entry: AuditEntry,
  ): Promise<string> {
    this.#assertUsable();
    await this.#audit.write(entry);
    return signatureHex(await this.#timed(action, () => signDigest(this.#parts.hsm, account, digest)));
  }

  async #timed<T>(purpose: SignaturePurpose, work: () => Promise<T>): Promise<T> {
    const started = performance.now();
    let ok = false;
    try {
      const result = await work();
      ok = true;
      return result;
    } catch (error) {
      this.#lastError = (error as Error).message;
      throw error;
    } finally {
      this.#parts.onSignature?.(purpose, (performance.now() - started) / 1000, ok);
    }
  }

  #assertUsable(): void {
    const { hsm, store } = this.#parts;
    if (this.#refusal !== undefined) throw internalError(this.#refusal);
    if (!this.#bound || !store.ready()) throw databaseUnavailable(new Error(store.lastError() ?? 'not bound yet'));
    if (!hsm.ready()) throw hsmUnavailable(hsm.lastError()?.code ?? 'HSM_UNAVAILABLE', true, hsm.lastError());
  }

  #fillerTools() {
    const { store, hsm, chainConfig } = this.#parts;
    return { store, hsm, audit: this.#audit, chainId: chainConfig.chainId, facts: () => this.#facts.get() };
  }

  status(): SignerStatus {
    const { hsm, store } = this.#parts;
    const keys = new Map(hsm.keys().map((key) => [key.id.toLowerCase(), key.address.toLowerCase()]));
    const accounts = this.accounts.list().map(({ name, address, keyId }) => {
      return { name, address, keyId, ready: hsm.ready() && keys.get(keyId.toLowerCase()) === address };
    });
    const hsmReady = hsm.ready();
    const databaseReady = store.ready() && this.#bound;
    const lastError =
      this.#refusal?.message ??
      hsm.lastError()?.message ??
      (databaseReady ? undefined : store.lastError()) ??
      this.#lastError;
    const ready = hsmReady && databaseReady && accounts.every((account) => account.ready);
    return { ready, hsmReady, databaseReady, accounts, ...(lastError === undefined ? {} : { lastError }) };
  }

  /** Ends the repair loop and waits until what was sent is marked. HSM and database are the caller's to stop. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#checkpoints.stop();
    await this.#repair.stop();
    await this.#sender.drain();
  }
}

/** sha256 of what was asked for, whatever the order of its fields. */
function hashOf(request: TransactionRequest): string {
  const entries = Object.entries(request).filter(([, value]) => value !== undefined);
  const sorted = entries.sort(([a], [b]) => (a < b ? -1 : 1));
  const text = JSON.stringify(sorted, (_, value) => (typeof value === 'bigint' ? value.toString() : value));
  return digestOf('sha256', text, 'hex');
}
