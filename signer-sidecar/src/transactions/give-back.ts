/** A signed transaction that a node refused for good must not stop those behind it: its nonce is used again. */
import { randomUUID } from 'node:crypto';
import type { Account } from '../accounts/accounts.ts';
import type { HsmClient } from '../hsm/types.ts';
import { appendAudit } from '../store/audit.ts';
import type { Queries, Store } from '../store/store.ts';
import { endTransaction, insertTransactions, lockNonce, missingNonces, setNextNonce } from '../store/transactions.ts';
import type { ChainFacts } from './chain-facts.ts';
import type { TransactionBody } from './encode.ts';
import { suggestedTip } from './prepare.ts';
import { type SignedTransaction, signTransaction } from './sign.ts';

export interface FillerTools {
  store: Store;
  hsm: HsmClient;
  chainId: number;
  /** Name of the node, writer of the audit log. */
  node: string;
  facts(): Promise<ChainFacts>;
}

/**
 * Ends a refused transaction. The last nonces given out go back when nothing live has them; one in the middle is left
 * to the repair loop, which fills it with a transaction that does nothing (no value, to the account itself).
 * @param floor the lowest nonce that the chain leaves free
 */
export async function giveBack(
  store: Store,
  account: Account,
  refused: { id: string; nonce: number },
  floor: number,
  reason: string,
): Promise<void> {
  await store.transaction(async (queries) => {
    const next = await lockNonce(queries, account.address, floor);
    if (!(await endTransaction(queries, refused.id, 'failed', reason))) return;
    const [row] = await queries.query<{ next: string | number | null }>(
      `SELECT max(nonce) + 1 AS next FROM transactions
       WHERE address = $1 AND status IN ('signed', 'sent', 'mined', 'replaced')`,
      [account.address],
    );
    const free = Math.max(Number(row?.next ?? 0), floor);
    if (free < next) await setNextNonce(queries, account.address, free);
  });
}

/**
 * Fills nonces that were given out but have no live transaction and that the chain does not know (a database restored from
 * a backup, a refusal that was not handled before a crash).
 * @param from the lowest nonce that the chain leaves free
 * @returns the nonces that were filled
 */
export async function fillGaps(tools: FillerTools, account: Account, from: number): Promise<number[]> {
  const facts = await tools.facts();
  return tools.store.transaction(async (queries) => {
    const next = await lockNonce(queries, account.address, from);
    const missing = await missingNonces(queries, account.address, from, next);
    for (const nonce of missing) await storeFiller(tools, queries, account, nonce, facts);
    return missing;
  });
}

async function storeFiller(
  tools: FillerTools,
  queries: Queries,
  account: Account,
  nonce: number,
  facts: ChainFacts,
): Promise<void> {
  const signed = await signTransaction(tools.hsm, account, fillerBody(account, tools.chainId, facts), nonce);
  await appendAudit(queries, tools.node, [fillerEntry(account, nonce, signed)]);
  await insertTransactions(queries, [
    {
      id: randomUUID(),
      address: account.address,
      nonce,
      purpose: 'filler',
      requestHash: '',
      raw: signed.raw,
      hash: signed.hash,
      issuer: '',
      subject: '',
      node: tools.node,
    },
  ]);
}

function fillerBody(account: Account, chainId: number, facts: ChainFacts): TransactionBody {
  const common = { chainId, gas: 21_000n, to: account.address, value: 0n, data: '0x' };
  if (facts.baseFee === undefined) return { type: 0, ...common, gasPrice: facts.gasPrice };
  const tip = suggestedTip(facts);
  return { type: 2, ...common, maxFeePerGas: facts.baseFee * 2n + tip, maxPriorityFeePerGas: tip, accessList: [] };
}

function fillerEntry(account: Account, nonce: number, { digest, hash }: SignedTransaction) {
  const time = new Date().toISOString();
  return {
    time,
    action: 'filler' as const,
    issuer: '',
    subject: '',
    account: account.address,
    digest,
    nonce,
    hash,
    to: account.address,
    value: '0',
  };
}
