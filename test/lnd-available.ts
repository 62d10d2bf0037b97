/**
 * The Lightning nodes of the end-to-end tests. Where there is no LND, or no bitcoind, they are reported as
 * skipped, with the reason in their names and in a line on stderr; an LND that does not run is an error.
 */
import { afterAll, beforeAll, describe } from 'vitest';
import type { LightningNetwork, LightningStart } from '../regtest/lightning.ts';
import { startLightning } from '../regtest/lightning.ts';
import type { LndBinary } from '../regtest/lnd-binary.ts';
import { findLnd } from '../regtest/lnd-binary.ts';
import type { RegtestNetwork } from '../regtest/network.ts';
import { startNetwork } from '../regtest/network.ts';
import { bitcoindAvailable, bitcoindBinary } from './bitcoind-available.ts';

// Where LND has to be built this takes minutes: see lnd-last.ts.
const failedSince = new Date(process.env['TEST_RUN_STARTED_AT'] ?? Date.now());
const found = bitcoindAvailable
  ? await findLnd({ failedSince })
  : { because: 'there is no bitcoind either' };
const reason = 'because' in found ? found.because : null;
if (reason !== null && (process.env['LND'] ?? '') !== '') throw new Error(reason);
if (reason !== null) process.stderr.write(`\nSKIPPED, no LND: ${reason}\n\n`);

/** Whether Lightning tests can run here. */
export const lndAvailable = reason === null;
/** Nodes may start beside others' nodes on few cores. */
const START_MS_MAX = 400_000;

/** `describe` for tests that need LND: skipped aloud where there is none. */
export function describeWithLnd(title: string, tests: () => void): void {
  const why = reason === null ? '' : ` [no LND: ${reason}]`;
  describe.runIf(lndAvailable)(`${title}${why}`, () => {
    tests();
  });
}

/** The binary, inside a test of `describeWithLnd`. */
export function lndBinary(): LndBinary {
  if ('because' in found) throw new Error(found.because);
  return found;
}

export interface SharedLightning extends Omit<LightningStart, 'binary' | 'network'> {
  /** What else must stand before the first test: channels, coins. */
  prepare?: (lightning: LightningNetwork) => Promise<unknown>;
}

/**
 * One network for all tests of the `describe` this is called in: two bitcoinds and the nodes asked for, started
 * before the first test, stopped after the last. The answer is a function: the nodes exist once the tests run.
 */
export function sharedLightning({ prepare, ...start }: SharedLightning): () => LightningNetwork {
  let chain: RegtestNetwork | undefined;
  let lightning: LightningNetwork | undefined;
  beforeAll(async () => {
    chain = await startNetwork({ binary: bitcoindBinary() });
    lightning = await startLightning({ ...start, binary: lndBinary(), network: chain });
    await prepare?.(lightning);
  }, START_MS_MAX);
  afterAll(async () => {
    await lightning?.stop();
    await chain?.stop();
  });
  return () => {
    if (lightning === undefined) throw new Error('the nodes are there only inside a test');
    return lightning;
  };
}
