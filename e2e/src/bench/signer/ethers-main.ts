/**
 * The straightforward way, as a process of its own: ethers' Transaction, one blocking signature after the other, ethers'
 * recovery. Reads `{options, signatures}` lines from stdin and answers each with a sample.
 */
import { createInterface } from 'node:readline';
import { recoverAddress, Signature, Transaction } from 'ethers';
import { findPrivateKey } from '../../../../signer-sidecar/src/hsm/keys.ts';
import { findSlot, login, openModule } from '../../../../signer-sidecar/src/hsm/module.ts';
import { readPin } from '../../../../signer-sidecar/src/hsm/pin.ts';
import type { HsmOptions } from '../../../../signer-sidecar/src/hsm/types.ts';
import { type Sample, sample } from './sample.ts';
import { CHAIN_ID, DATA, GAS, TO } from './transactions.ts';

/** Order of the curve secp256k1. */
const ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;

export interface EthersStart {
  readonly options: HsmOptions;
  readonly key: { readonly id: string; readonly address: string };
}

const hex = (value: Uint8Array) => `0x${Buffer.from(value).toString('hex')}`;

async function signer({ options, key }: EthersStart): Promise<(nonce: number) => string> {
  const slot = await findSlot(
    openModule(options.modulePath),
    { label: options.tokenLabel, serial: options.tokenSerial },
    6,
  );
  const session = login(slot, readPin(options.pinFile));
  const privateKey = findPrivateKey(session, key.id);
  return (nonce) => {
    const transaction = Transaction.from({
      type: 0,
      chainId: CHAIN_ID,
      nonce,
      gasPrice: 0,
      gasLimit: GAS,
      to: TO,
      data: DATA,
    });
    const digest = Buffer.from(transaction.unsignedHash.slice(2), 'hex');
    const signed = session.createSign('ECDSA', privateKey.toType()).once(digest);
    const s = BigInt(hex(signed.subarray(32)));
    const low = s > ORDER / 2n ? ORDER - s : s;
    const parts = { r: hex(signed.subarray(0, 32)), s: `0x${low.toString(16).padStart(64, '0')}` };
    const found = ([0, 1] as const).find(
      (yParity) => recoverAddress(transaction.unsignedHash, { ...parts, yParity }) === key.address,
    );
    if (found === undefined) throw new Error('the signature is not by this key');
    transaction.signature = Signature.from({ ...parts, yParity: found });
    return `${transaction.serialized} ${transaction.hash}`;
  };
}

const cpu = () => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
};

let sign: ((nonce: number) => string) | undefined;
for await (const line of createInterface({ input: process.stdin })) {
  const message = JSON.parse(line) as EthersStart | { signatures: number };
  if ('options' in message) {
    sign = await signer(message);
    continue;
  }
  const result: Sample = await sample(message.signatures, cpu, async () => {
    for (let nonce = 0; nonce < message.signatures; nonce++) sign!(nonce);
  });
  console.log(JSON.stringify(result));
}
