import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    dir: 'test',
    testTimeout: 60_000,
    hookTimeout: 120_000,
    // Two cores: one for the tests, one for the nodes and agents they start.
    maxWorkers: 2,
  },
});
