/** Which test files wait for LND: it only decides how long a run takes where LND must be built. */
import path from 'node:path';
import { expect, test } from 'vitest';
import { needsLnd } from './lnd-last.ts';

test.each([
  ['regtest.lightning.test.ts', true],
  ['lnd-available.ts', true],
  ['regtest.bitcoind.test.ts', false],
  ['regtest.lnd-binary.test.ts', false],
  ['not-there.test.ts', false],
])('%s needs LND: %s', (file, verdict) => {
  expect(needsLnd(path.join(import.meta.dirname, file))).toBe(verdict);
});
