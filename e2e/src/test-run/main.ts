/**
 * `npm test`: static checks, unit tests, tests against a real API server, scenarios on a real cluster. Sets up what they
 * need, prints each skipped test by name, and ends with `N passed, N failed, N skipped`.
 * `npm test -- unit api` runs only those parts.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { consoleOutput } from '../demo/output.ts';
import { execute, runChecks } from './check.ts';
import { ensureTestPrerequisites } from './prerequisites.ts';

const parts = ['check', 'unit', 'api', 'e2e'] as const;
type Part = (typeof parts)[number];

interface Tally {
  passed: number;
  failed: number;
  skipped: string[];
}

interface VitestReport {
  numPassedTests: number;
  numFailedTests: number;
  numFailedTestSuites: number;
  testResults: { name: string; status: string; assertionResults: { fullName: string; status: string }[] }[];
}

const output = consoleOutput();
const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => !(parts as readonly string[]).includes(name));
if (unknown.length > 0) {
  console.error(`unknown part: ${unknown.join(', ')}; there are ${parts.join(', ')}`);
  process.exit(2);
}
const selected: readonly Part[] = wanted.length === 0 ? parts : (wanted as Part[]);

/** A file that fails to load has no tests that could fail: it counts as one failure, or a broken import would pass. */
function tallyOf(report: VitestReport): Tally {
  const assertions = report.testResults.flatMap(({ assertionResults }) => assertionResults);
  const brokenFiles = report.testResults.filter(
    ({ status, assertionResults }) => status === 'failed' && !assertionResults.some((test) => test.status === 'failed'),
  );
  return {
    passed: assertions.filter(({ status }) => status === 'passed').length,
    failed: assertions.filter(({ status }) => status === 'failed').length + brokenFiles.length,
    skipped: assertions
      .filter(({ status }) => status !== 'passed' && status !== 'failed')
      .map(({ fullName }) => fullName),
  };
}

async function vitest(project: Part, folder: string): Promise<Tally> {
  const file = join(folder, `${project}.json`);
  const args = ['run', '--project', project, '--passWithNoTests', '--reporter=default', '--reporter=json'];
  const code = await execute('vitest', [...args, `--outputFile.json=${file}`]);
  const report = await readFile(file, 'utf8').catch(() => undefined);
  if (report === undefined) return { passed: 0, failed: 1, skipped: [] };
  const tally = tallyOf(JSON.parse(report) as VitestReport);
  // An error outside of any test (a global set-up, an unhandled rejection) shows in the exit code alone.
  if (code !== 0 && tally.failed === 0) tally.failed = 1;
  return tally;
}

async function check(): Promise<Tally> {
  const results = await runChecks(output.line);
  const failed = results.filter(({ passed }) => !passed);
  for (const { name } of failed) output.line(`FAILED: ${name}`);
  return { passed: results.length - failed.length, failed: failed.length, skipped: [] };
}

const folder = await mkdtemp(join(tmpdir(), 'quorum-operator-test-'));
const total: Tally = { passed: 0, failed: 0, skipped: [] };
try {
  if (selected.includes('unit')) await ensureTestPrerequisites(output.line);
  for (const part of selected) {
    output.step(part);
    const tally = part === 'check' ? await check() : await vitest(part, folder);
    output.line(`${part}: ${tally.passed} passed, ${tally.failed} failed, ${tally.skipped.length} skipped`);
    total.passed += tally.passed;
    total.failed += tally.failed;
    total.skipped.push(...tally.skipped);
  }
} finally {
  await rm(folder, { recursive: true, force: true });
}
if (total.skipped.length > 0) output.step('skipped, by name');
for (const name of total.skipped) output.line(name);
console.log(`\n${total.passed} passed, ${total.failed} failed, ${total.skipped.length} skipped`);
if (total.failed > 0 || total.passed === 0) process.exitCode = 1;
