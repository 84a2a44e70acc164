/** `npm run check`: types, format, lint, unused code. */
import { runChecks } from './check.ts';

const results = await runChecks((line) => console.log(line));
for (const { name, passed } of results) console.log(`${passed ? 'passed' : 'FAILED'}: ${name}`);
if (results.some(({ passed }) => !passed)) process.exitCode = 1;
