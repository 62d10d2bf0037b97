/**
 * The bitcoind of the end-to-end tests. Where there is none they are reported as skipped, with the reason in
 * their names and in a line on stderr; a BITCOIND that does not run is an error, not a reason to skip.
 */
import { afterAll, beforeAll, describe } from 'vitest';
import type { BitcoindBinary } from '../regtest/bitcoind-binary.ts';
import { findBitcoind } from '../regtest/bitcoind-binary.ts';
import type { RegtestNetwork } from '../regtest/network.ts';
import { startNetwork } from '../regtest/network.ts';

const found = await findBitcoind();
const reason = 'because' in found ? found.because : null;
if (reason !== null && (process.env['BITCOIND'] ?? '') !== '') throw new Error(reason);
if (reason !== null) process.stderr.write(`\nSKIPPED, no bitcoind: ${reason}\n\n`);

/** Whether end-to-end tests can run here. */
export const bitcoindAvailable = reason === null;

/** `describe` for tests that need bitcoind: skipped aloud where there is none. */
export function describeWithBitcoind(title: string, tests: () => void): void {
  const why = reason === null ? '' : ` [no bitcoind: ${reason}]`;
  describe.runIf(bitcoindAvailable)(`${title}${why}`, () => {
    tests();
  });
}

/** The binary, inside a test of `describeWithBitcoind`. */
export function bitcoindBinary(): BitcoindBinary {
  if ('because' in found) throw new Error(found.because);
  return found;
}

/**
 * Two connected nodes for all tests of the `describe` this is called in: started before the first, stopped
 * after the last. The answer is a function, since the nodes exist only once the tests run.
 */
export function sharedNetwork(extraArgs: readonly string[] = []): () => RegtestNetwork {
  let network: RegtestNetwork | undefined;
  beforeAll(async () => {
    network = await startNetwork({ binary: bitcoindBinary(), extraArgs });
  });
  afterAll(async () => {
    await network?.stop();
  });
  return () => {
    if (network === undefined) throw new Error('the nodes are there only inside a test');
    return network;
  };
}
