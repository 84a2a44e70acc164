import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { availableParallelism } from 'node:os';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { pino } from 'pino';
import { startHsm } from '../../../../signer-sidecar/src/hsm/client.ts';
import { softHsmConfigFile } from '../../../../signer-sidecar/src/hsm/softhsm.ts';
import type { HsmClient } from '../../../../signer-sidecar/src/hsm/types.ts';
import type { TestToken } from '../../../../signer-sidecar/src/token/softhsm-fixture.ts';
import { signTransaction } from '../../../../signer-sidecar/src/transactions/sign.ts';
import { run, until } from '../../cluster/process.ts';
import { inParallel } from '../parallel.ts';
import { cpuSecondsOf, descendants } from '../processes.ts';
import type { EthersStart } from './ethers-main.ts';
import { type Sample, sample } from './sample.ts';
import { CHAIN_ID, DATA, GAS, TO } from './transactions.ts';

/** One way to make signatures on the same token. */
export interface Way {
  measure(signatures: number): Promise<Sample>;
  stop(): Promise<void>;
}

/** Signatures under way at once, as behind a door that many users talk to. */
export const IN_FLIGHT = 64;

/** The C program; the token must be unpacked. */
export function baselineWay(program: string, token: TestToken): Way {
  const { modulePath, tokenLabel, tokenSerial, pinFile } = token.options;
  const env = { ...process.env, SOFTHSM2_CONF: softHsmConfigFile(token.options.softhsm!.directory) };
  return {
    async measure(signatures) {
      const threads = String(availableParallelism());
      const args = [modulePath, tokenLabel, tokenSerial, pinFile, threads, String(signatures)];
      return JSON.parse((await run(program, args, { env, timeoutMs: 120_000 })).stdout) as Sample;
    },
    stop: async () => {},
  };
}

export interface InProcess {
  readonly signOnly: Way;
  readonly transaction: Way;
}

/** The sidecar's own HSM client with its process: digests alone, and whole transactions. */
export async function inProcessWays(token: TestToken): Promise<InProcess> {
  const before = new Set(descendants(process.pid));
  const hsm: HsmClient = await startHsm(token.options, pino({ level: 'silent' }));
  await until(() => hsm.ready(), { timeoutMs: 60_000, what: 'the HSM process' });
  const children = descendants(process.pid).filter((pid) => !before.has(pid));
  const { id: keyId, address } = hsm.keys()[0]!;
  const account = { name: 'default', keyId, address: address.toLowerCase() };
  const body = { type: 0 as const, chainId: CHAIN_ID, gas: GAS, gasPrice: 0n, to: TO, value: 0n, data: DATA };
  const cpu = () => {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1e6 + cpuSecondsOf(children);
  };
  const way = (one: (index: number) => Promise<unknown>): Way => ({
    measure: (signatures) => sample(signatures, cpu, () => inParallel(signatures, IN_FLIGHT, one)),
    stop: () => hsm.stop(),
  });
  return {
    signOnly: way(() => hsm.sign(keyId, randomBytes(32))),
    transaction: way((nonce) => signTransaction(hsm, account, body, nonce)),
  };
}

/** ethers all the way, see ethers-main.ts; the token must be unpacked. */
export function ethersWay(token: TestToken): Way {
  const program = fileURLToPath(new URL('./ethers-main.ts', import.meta.url));
  const env = { ...process.env, SOFTHSM2_CONF: softHsmConfigFile(token.options.softhsm!.directory) };
  const child: ChildProcess = spawn(process.execPath, [program], { env, stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = createInterface({ input: child.stdout! })[Symbol.asyncIterator]();
  const start: EthersStart = { options: token.options, key: token.record.keys[0]! };
  child.stdin!.write(`${JSON.stringify(start)}\n`);
  return {
    async measure(signatures) {
      child.stdin!.write(`${JSON.stringify({ signatures })}\n`);
      const { value, done } = await lines.next();
      if (done === true) throw new Error('the ethers process ended');
      return JSON.parse(value) as Sample;
    },
    async stop() {
      const ended = once(child, 'exit');
      child.stdin!.end();
      await ended;
    },
  };
}
