/** The last lines of a test run: what was skipped and why, then `N passed, N failed`. */
import { readFileSync } from 'node:fs';

const report = JSON.parse(readFileSync(process.argv[2], 'utf8'));
const tests = report.testResults.flatMap((file) =>
  file.assertionResults.map((test) => ({ ...test, file: file.name })),
);
const count = (...states) => tests.filter((test) => states.includes(test.status)).length;
const skipped = tests.filter((test) => !['passed', 'failed'].includes(test.status));
const brokenFiles = report.testResults.filter(
  (file) => file.status === 'failed' && !file.assertionResults.some((t) => t.status === 'failed'),
);

for (const test of skipped) console.log(`SKIPPED ${test.fullName}`);
for (const file of brokenFiles) console.log(`FAILED TO RUN ${file.name}: ${file.message}`);
const failed = count('failed') + brokenFiles.length;
const tail = skipped.length > 0 ? `, ${skipped.length} skipped` : '';
console.log(`${count('passed')} passed, ${failed} failed${tail}`);
process.exitCode = failed === 0 && tests.length > 0 ? 0 : 1;
