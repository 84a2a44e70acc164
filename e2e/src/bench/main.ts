/**
 * `npm run bench`: measures operator and signer against a baseline written for each, on this machine, in the same run.
 * Prints a line a figure and a summary; ends with 0 when all was measured, whatever the figures. docs/benchmarks.md
 * says what each figure means. `npm run bench -- signer operator.bringup` runs those whose names begin so.
 */
import { type Bench, selectBenches } from './bench.ts';
import { type Figure, figureLine, summaryLines } from './figures.ts';
import { bringUpBench } from './operator/bring-up.ts';
import { steadyBench } from './operator/steady.ts';
import { descendants } from './processes.ts';
import { scale } from './scale.ts';
import { signerBench } from './signer/signer.ts';

const benches: readonly Bench[] = [signerBench, bringUpBench, steadyBench];
const names = process.argv.slice(2);
const selected = selectBenches(benches, names);
if (selected.length === 0) {
  const known = benches.flatMap(({ figures }) => figures);
  console.error(`no figure is called ${names.join(', ')}; there are ${known.join(', ')}`);
  process.exit(2);
}

// Operators, doors and databases would go on without us.
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    for (const pid of descendants(process.pid)) process.kill(pid, 'SIGKILL');
    process.exit(130);
  });
}

const started = performance.now();
const log = (line: string) => console.log(`[${Math.round((performance.now() - started) / 1000)} s] ${line}`);
const measured: Figure[] = [];
const skipped: { name: string; why: string }[] = [];
const failed: string[] = [];
for (const bench of selected) {
  const why = await bench.missing();
  if (why !== undefined) {
    skipped.push(...bench.figures.map((name) => ({ name, why })));
    continue;
  }
  try {
    for (const figure of await bench.run(log)) {
      measured.push(figure);
      console.log(figureLine(figure));
    }
  } catch (error) {
    console.error(error);
    failed.push(...bench.figures);
  }
}

console.log('\nsummary');
if (scale < 1) console.log(`BENCH_SCALE is ${scale}: the goals are for the full number of nodes`);
for (const line of summaryLines(measured, skipped)) console.log(line);
for (const name of failed) console.log(`failed: ${name} could not be measured, see the error above`);
process.exit(failed.length > 0 ? 1 : 0);
