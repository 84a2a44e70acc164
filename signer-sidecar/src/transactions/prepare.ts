/** From what a client asks for to a transaction that only lacks nonce and signature. All asking is done here, before any lock. */
import { invalidParams, type RpcError, transactionRejected } from '../errors.ts';
import type { ChainClient } from '../gateway/upstream.ts';
import type { ChainFacts } from './chain-facts.ts';
import { intrinsicGas, type TransactionBody } from './encode.ts';
import type { TransactionRequest } from './fields.ts';

/** An estimate is exact for the state it was made on; others change the state before the block is made. */
const GAS_MARGIN_PERCENT = 25n;

const hex = (value: bigint) => `0x${value.toString(16)}`;

/**
 * Chooses type and fees, estimates gas when none is given, and refuses what the node would refuse after signing.
 * @throws RpcError; a revert during estimation is the node's own error
 */
export async function prepare(
  request: TransactionRequest,
  facts: ChainFacts,
  chain: ChainClient,
  chainId: number,
): Promise<TransactionBody> {
  const fees = chooseFees(request, facts);
  const common = {
    chainId,
    value: request.value,
    data: request.data,
    ...(request.to === undefined ? {} : { to: request.to }),
  };
  const gas = request.gas ?? (await estimate(request, fees, facts, chain));
  const body: TransactionBody = { ...common, gas, ...fees };
  checkGas(body, facts, request.accessList);
  await checkBalance(request, body, chain);
  return body;
}

type Fees =
  | { type: 0; gasPrice: bigint }
  | { type: 1; gasPrice: bigint; accessList: NonNullable<TransactionRequest['accessList']> }
  | {
      type: 2;
      maxFeePerGas: bigint;
      maxPriorityFeePerGas: bigint;
      accessList: NonNullable<TransactionRequest['accessList']>;
    };

/** The type that was asked for, else the one that the given fields need, else the one that suits the chain. */
export function chooseFees(request: TransactionRequest, facts: ChainFacts): Fees {
  const { type, gasPrice, maxFeePerGas, maxPriorityFeePerGas, accessList } = request;
  const dynamic = maxFeePerGas !== undefined || maxPriorityFeePerGas !== undefined;
  if (gasPrice !== undefined && dynamic)
    throw feeError('gasPrice and maxFeePerGas are both given', 'Send one of them.');
  if (type === 0 && accessList !== undefined && accessList.length > 0) {
    throw feeError('a transaction of type 0x0 takes no accessList', 'Leave it out, or use type 0x1.');
  }
  const chosen =
    type ?? (dynamic ? 2 : gasPrice !== undefined || facts.baseFee === undefined ? (accessList ? 1 : 0) : 2);
  if (chosen !== 2) {
    if (dynamic) throw feeError(`a transaction of type 0x${chosen} takes no maxFeePerGas`, 'Send gasPrice instead.');
    const price = gasPrice ?? facts.gasPrice;
    return chosen === 0 ? { type: 0, gasPrice: price } : { type: 1, gasPrice: price, accessList: accessList ?? [] };
  }
  if (facts.baseFee === undefined) {
    throw feeError('this chain has no base fee (EIP-1559)', 'Send gasPrice, or no fee field at all.');
  }
  if (gasPrice !== undefined)
    throw feeError('a transaction of type 0x2 takes no gasPrice', 'Send maxFeePerGas instead.');
  const tip = maxPriorityFeePerGas ?? suggestedTip(facts);
  const cap = maxFeePerGas ?? facts.baseFee * 2n + tip;
  if (tip > cap) throw feeError('maxPriorityFeePerGas is above maxFeePerGas', 'Lower it.');
  return { type: 2, maxFeePerGas: cap, maxPriorityFeePerGas: tip, accessList: accessList ?? [] };
}

/** A base fee of 0 says that gas is free here, whatever a node suggests by default. */
export function suggestedTip(facts: ChainFacts): bigint {
  if (facts.baseFee === undefined || facts.baseFee === 0n) return 0n;
  return facts.gasPrice > facts.baseFee ? facts.gasPrice - facts.baseFee : 0n;
}

function feeError(message: string, action: string): RpcError {
  return invalidParams(message, { action });
}

async function estimate(
  request: TransactionRequest,
  fees: Fees,
  facts: ChainFacts,
  chain: ChainClient,
): Promise<bigint> {
  const call = {
    from: request.from,
    ...(request.to === undefined ? {} : { to: request.to }),
    value: hex(request.value),
    data: request.data,
    ...(fees.type === 0 ? {} : { accessList: fees.accessList }),
  };
  const estimated = BigInt((await chain.call('eth_estimateGas', [call])) as string);
  const withMargin = estimated + (estimated * GAS_MARGIN_PERCENT) / 100n;
  return withMargin > facts.blockGasLimit ? facts.blockGasLimit : withMargin;
}

function checkGas(body: TransactionBody, facts: ChainFacts, accessList: TransactionRequest['accessList']): void {
  const least = intrinsicGas({ ...body, accessList: accessList ?? [] });
  if (body.gas < least) {
    throw transactionRejected('intrinsic gas too low', `Send at least ${hex(least)} as gas, or leave gas out.`);
  }
  if (body.gas > facts.blockGasLimit) {
    throw transactionRejected('exceeds block gas limit', `Send at most ${hex(facts.blockGasLimit)} as gas.`);
  }
}

async function checkBalance(request: TransactionRequest, body: TransactionBody, chain: ChainClient): Promise<void> {
  const price = body.type === 2 ? body.maxFeePerGas : body.gasPrice;
  const cost = body.value + body.gas * price;
  if (cost === 0n) return;
  const balance = BigInt((await chain.call('eth_getBalance', [request.from, 'latest'])) as string);
  if (balance < cost) {
    throw transactionRejected(
      'insufficient funds for gas * price + value',
      `The account has ${balance} wei and would need ${cost}. Fund it, or send less.`,
    );
  }
}
