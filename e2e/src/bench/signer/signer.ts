import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { unpackSoftHsm } from '../../../../signer-sidecar/src/hsm/softhsm.ts';
import { postgresBinaries } from '../../../../signer-sidecar/src/store/postgres-fixture.ts';
import { makeTestToken, SOFTHSM_MODULE, type TestToken } from '../../../../signer-sidecar/src/token/softhsm-fixture.ts';
import { findProgram } from '../../cluster/process.ts';
import type { Bench } from '../bench.ts';
import { ensureBaselineSigner } from '../build.ts';
import type { Figure } from '../figures.ts';
import { median } from '../statistics.ts';
import { type DoorWays, doorWays } from './door.ts';
import { cpuMicroseconds, rate, type Sample, together } from './sample.ts';
import { baselineWay, ethersWay, inProcessWays, type Way } from './ways.ts';

/** Rounds in which each way has its turn; machines change their speed from minute to minute, so only rounds compare. */
const ROUNDS = 5;
/** Signatures a round. The ethers way is ten times slower, and the door writes to a database. */
const COUNTS: Record<WayName, number> = {
  baseline: 2000,
  signOnly: 2000,
  transaction: 2000,
  https: 1000,
  send: 300,
  ethers: 100,
};
/** In each round the ways change places this often: on a busy machine a second is unlike the next. */
const TURNS = 5;
/** Before the first round, so that code is compiled and connections are open. */
const WARM_UP = 0.5;

type WayName = 'baseline' | 'signOnly' | 'transaction' | 'https' | 'send' | 'ethers';
type Round = Record<WayName, Sample>;

const RATIOS: readonly { name: string; way: WayName; goal?: number }[] = [
  { name: 'signer.sign_only_cpu_ratio', way: 'signOnly', goal: 0.9 },
  { name: 'signer.transaction_cpu_ratio', way: 'transaction', goal: 0.7 },
  { name: 'signer.https_cpu_ratio', way: 'https', goal: 0.5 },
  { name: 'signer.send_cpu_ratio', way: 'send' },
  { name: 'signer.ethers_cpu_ratio', way: 'ethers' },
];
const RATES: readonly { name: string; way: WayName }[] = [
  { name: 'signer.baseline_per_s', way: 'baseline' },
  { name: 'signer.sign_only_per_s', way: 'signOnly' },
  { name: 'signer.transaction_per_s', way: 'transaction' },
  { name: 'signer.https_per_s', way: 'https' },
  { name: 'signer.send_per_s', way: 'send' },
  { name: 'signer.ethers_per_s', way: 'ethers' },
];
const BASELINE_CPU = 'signer.baseline_cpu_us';
const DATABASE_CPU = 'signer.https_database_cpu_us';

/** The signer on SoftHSM against a C program that only signs. A ratio is the baseline's CPU time a signature by ours. */
export const signerBench: Bench = {
  figures: [...RATIOS.map(({ name }) => name), ...RATES.map(({ name }) => name), BASELINE_CPU, DATABASE_CPU],
  async missing() {
    if ((await findProgram('gcc')) === undefined) return 'gcc is not installed';
    if (!existsSync(SOFTHSM_MODULE)) return `${SOFTHSM_MODULE} does not exist (Debian: apt-get install softhsm2)`;
    if (postgresBinaries() === undefined) return 'no Postgres server is installed (Debian: apt-get install postgresql)';
    return process.platform === 'linux' ? undefined : 'CPU time of other processes is read from /proc';
  },
  async run(log) {
    const program = await ensureBaselineSigner(log);
    const stops: (() => Promise<void>)[] = [];
    try {
      return await measure(program, log, stops);
    } finally {
      for (const stop of stops.reverse()) await stop();
    }
  },
};

/** The token unpacked to a folder of its own: SoftHSM rewrites a token's files at each login. */
function unpackedFor(token: TestToken, way: WayName): TestToken {
  const { softhsm } = token.options;
  const directory = join(token.directory, way);
  unpackSoftHsm(softhsm!.archiveFile, directory);
  return { ...token, options: { ...token.options, softhsm: { ...softhsm!, directory } } };
}

async function measure(
  program: string,
  log: (line: string) => void,
  stops: (() => Promise<void>)[],
): Promise<Figure[]> {
  const keep = <T extends Way>(way: T): T => {
    stops.push(() => way.stop());
    return way;
  };
  log('signer: making tokens, starting the HSM process and the door');
  const token = await makeTestToken();
  stops.push(async () => rmSync(token.directory, { recursive: true, force: true }));
  const baseline = keep(baselineWay(program, unpackedFor(token, 'baseline')));
  const ethers = keep(ethersWay(unpackedFor(token, 'ethers')));
  const { signOnly, transaction } = await inProcessWays(unpackedFor(token, 'signOnly'));
  keep(signOnly);
  const door = await doorWays(unpackedFor(token, 'https'));
  keep(door.https);
  const ways: Record<WayName, Way> = { baseline, signOnly, transaction, https: door.https, send: door.send, ethers };

  for (const name of Object.keys(ways) as WayName[]) await ways[name].measure(Math.ceil(COUNTS[name] * WARM_UP));
  const rounds: Round[] = [];
  const database: number[] = [];
  for (let index = 0; index < ROUNDS; index++) {
    rounds.push(await oneRound(ways, door, database));
    log(`signer: round ${index + 1} of ${ROUNDS}: ${roundText(rounds.at(-1)!)}`);
  }
  return figuresOf(rounds, database);
}

async function oneRound(ways: Record<WayName, Way>, door: DoorWays, database: number[]): Promise<Round> {
  const round: Partial<Round> = {};
  let databaseSeconds = 0;
  for (let turn = 0; turn < TURNS; turn++) {
    for (const name of Object.keys(ways) as WayName[]) {
      const before = door.databaseCpuSeconds();
      round[name] = together(round[name], await ways[name].measure(COUNTS[name] / TURNS));
      if (name === 'https') databaseSeconds += door.databaseCpuSeconds() - before;
    }
  }
  database.push((databaseSeconds / COUNTS.https) * 1e6);
  return round as Round;
}

const roundText = (round: Round) =>
  Object.entries(round)
    .map(([name, sample]) => `${name} ${Math.round(cpuMicroseconds(sample))} us`)
    .join(', ');

function figuresOf(rounds: readonly Round[], database: readonly number[]): Figure[] {
  const over = (value: (round: Round) => number) => median(rounds.map(value));
  return [
    ...RATIOS.map(({ name, way, goal }): Figure => {
      const value = over((round) => cpuMicroseconds(round.baseline) / cpuMicroseconds(round[way]));
      return { name, value, goal: goal === undefined ? undefined : { comparison: '>=', value: goal } };
    }),
    ...RATES.map(({ name, way }): Figure => ({ name, value: over((round) => rate(round[way])) })),
    { name: BASELINE_CPU, value: over((round) => cpuMicroseconds(round.baseline)) },
    { name: DATABASE_CPU, value: median(database) },
  ];
}
