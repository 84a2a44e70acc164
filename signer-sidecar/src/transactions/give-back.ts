/** A signed transaction that a node refused for good must not stop those behind it: its nonce is used again. */
import { randomUUID } from 'node:crypto';
import type { Account } from '../accounts/accounts.ts';
import { auditEntry, ownOrigin, transactionPurpose } from '../audit/entry.ts';
import type { Appended, AuditLog } from '../audit/log.ts';
import type { HsmClient } from '../hsm/types.ts';
import type { Queries, Store } from '../store/store.ts';
import { endTransaction, insertTransactions, lockNonce, missingNonces, setNextNonce } from '../store/transactions.ts';
import type { ChainFacts } from './chain-facts.ts';
import type { TransactionBody } from './encode.ts';
import { suggestedTip } from './prepare.ts';
import { signUnsigned, unsignedTransaction } from './sign.ts';

export interface FillerTools {
  store: Store;
  hsm: HsmClient;
  chainId: number;
  audit: AuditLog;
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
  const body = fillerBody(account, tools.chainId, await tools.facts());
  let appended: Appended | undefined;
  const filled = await tools.store.transaction(async (queries) => {
    const next = await lockNonce(queries, account.address, from);
    const missing = await missingNonces(queries, account.address, from, next);
    if (missing.length > 0) appended = await storeFillers(tools, queries, account, body, missing);
    return missing;
  });
  if (appended !== undefined) tools.audit.committed(appended);
  return filled;
}

async function storeFillers(
  { audit, hsm }: FillerTools,
  queries: Queries,
  account: Account,
  body: TransactionBody,
  nonces: number[],
): Promise<Appended> {
  const unsigned = nonces.map((nonce) => unsignedTransaction(body, nonce));
  const origin = ownOrigin(audit.node, 'filler', 'a nonce that was given out has no transaction');
  const appended = await audit.append(
    queries,
    unsigned.map(({ nonce, digest }) => auditEntry(origin, account, digest, transactionPurpose(body, nonce))),
    account.address,
  );
  for (const transaction of unsigned) {
    const { raw, hash } = await signUnsigned(hsm, account, transaction);
    await insertTransactions(queries, [
      {
        id: randomUUID(),
        address: account.address,
        nonce: transaction.nonce,
        purpose: 'filler',
        requestHash: '',
        raw,
        hash,
        issuer: '',
        subject: '',
        node: audit.node,
      },
    ]);
  }
  return appended;
}

function fillerBody(account: Account, chainId: number, facts: ChainFacts): TransactionBody {
  const common = { chainId, gas: 21_000n, to: account.address, value: 0n, data: '0x' };
  if (facts.baseFee === undefined) return { type: 0, ...common, gasPrice: facts.gasPrice };
  const tip = suggestedTip(facts);
  return { type: 2, ...common, maxFeePerGas: facts.baseFee * 2n + tip, maxPriorityFeePerGas: tip, accessList: [] };
}
