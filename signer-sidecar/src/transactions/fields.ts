/** What a client may put into a transaction, checked strictly: nothing is guessed, nothing is ignored. */
import { z } from 'zod';
import { invalidParams } from '../errors.ts';

const MAX_DATA_BYTES = 128 * 1024;

/** A quantity (execution API): hex, no leading zeros. @param bits how large it may be */
const quantity = (bits: number) =>
  z
    .string()
    .regex(/^0x(0|[1-9a-fA-F][0-9a-fA-F]*)$/, {
      message: 'must be a quantity: 0x and hex digits without leading zeros',
      abort: true, // what follows reads it as a number
    })
    .refine(
      (text) => text.length - 2 <= Math.ceil(bits / 4) && BigInt(text) < 1n << BigInt(bits),
      `must be below 2^${bits}`,
    )
    .transform((text) => BigInt(text));

const address = z
  .string()
  .regex(/^0x[0-9a-fA-F]{40}$/, 'must be an address: 0x and 40 hex digits')
  .transform((text) => text.toLowerCase());

const data = z
  .string()
  .max(2 + 2 * MAX_DATA_BYTES, `must be at most ${MAX_DATA_BYTES} bytes`)
  .regex(/^0x([0-9a-fA-F]{2})*$/, 'must be bytes: 0x and an even number of hex digits')
  .transform((text) => text.toLowerCase());

const word = z.string().regex(/^0x[0-9a-fA-F]{64}$/, 'must be 32 bytes: 0x and 64 hex digits');

/** A field that is null counts as absent, as it does for geth. */
const optional = <T extends z.ZodType>(schema: T) =>
  schema.nullish().transform((value) => (value === null ? undefined : value));

const schema = z.strictObject({
  from: address,
  to: optional(address),
  gas: optional(quantity(53)),
  gasPrice: optional(quantity(256)),
  maxFeePerGas: optional(quantity(256)),
  maxPriorityFeePerGas: optional(quantity(256)),
  value: optional(quantity(256)),
  nonce: optional(quantity(53)),
  data: optional(data),
  input: optional(data),
  type: optional(z.enum(['0x0', '0x00', '0x1', '0x01', '0x2', '0x02'], 'must be 0x0, 0x1 or 0x2')),
  chainId: optional(quantity(53)),
  accessList: optional(z.array(z.strictObject({ address, storageKeys: z.array(word).max(1024) })).max(1024)),
});

/** A transaction as a client asks for it. */
export interface TransactionRequest {
  from: string;
  to?: string | undefined;
  gas?: bigint | undefined;
  gasPrice?: bigint | undefined;
  maxFeePerGas?: bigint | undefined;
  maxPriorityFeePerGas?: bigint | undefined;
  value: bigint;
  nonce?: number | undefined;
  data: string;
  type?: 0 | 1 | 2 | undefined;
  accessList?: { address: string; storageKeys: string[] }[] | undefined;
}

/**
 * Reads `params` of eth_sendTransaction or eth_signTransaction.
 * @param chainId of the chain this door signs for
 * @throws RpcError -32602 that names the field
 */
export function parseTransaction(params: unknown, chainId: number): TransactionRequest {
  if (!Array.isArray(params) || params.length !== 1) {
    throw invalidParams('params must be an array with one transaction', { action: 'Send params: [{from, to, …}].' });
  }
  const parsed = schema.safeParse(params[0]);
  if (!parsed.success) throw invalidField(parsed.error);
  const { input, chainId: wanted, type, nonce, value, data, ...rest } = parsed.data;
  if (data !== undefined && input !== undefined && data !== input) {
    throw invalidParams('data and input are both given and differ', { field: 'input', action: 'Send one of them.' });
  }
  if (wanted !== undefined && wanted !== BigInt(chainId)) {
    throw invalidParams(`chainId is ${wanted}, but this chain is ${chainId}`, {
      field: 'chainId',
      action: `Leave chainId out, or send 0x${chainId.toString(16)}.`,
    });
  }
  const request: TransactionRequest = { ...rest, value: value ?? 0n, data: data ?? input ?? '0x' };
  if (nonce !== undefined) request.nonce = Number(nonce);
  if (type !== undefined) request.type = Number(type) as 0 | 1 | 2;
  if (request.to === undefined && request.data === '0x') {
    throw invalidParams('neither to nor data is given', { field: 'to', action: 'Give a receiver, or code to deploy.' });
  }
  return request;
}

function invalidField(error: z.ZodError): ReturnType<typeof invalidParams> {
  const issue = error.issues[0]!;
  if (issue.code === 'unrecognized_keys') {
    const names = issue.keys.map((key) => key.slice(0, 40)).join(', ');
    return invalidParams(`unknown field of a transaction: ${names}`, { action: 'Remove it; nothing is ignored here.' });
  }
  const field = issue.path.join('.');
  return invalidParams(`${field || 'params[0]'}: ${issue.message}`, { field, action: 'Correct this field.' });
}
