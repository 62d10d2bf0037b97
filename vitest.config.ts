import { defineConfig } from 'vitest/config';
import { LndLast } from './test/lnd-last.ts';

export default defineConfig({
  test: {
    dir: 'test',
    testTimeout: 60_000,
    hookTimeout: 120_000,
    // Two cores: one for the tests, one for the nodes and agents they start.
    maxWorkers: 2,
    sequence: { sequencer: LndLast },
    // A build of LND that failed is not tried again by each file of the run.
    env: { TEST_RUN_STARTED_AT: new Date().toISOString() },
  },
});
