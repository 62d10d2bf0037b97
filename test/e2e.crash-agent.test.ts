/** An agent is killed at every edge of every effect around a batch: it signs once, and its journal never goes back. */
import { beforeAll, expect, test } from 'vitest';
import { stopAgent } from '../demo/world.ts';
import { describeWithBitcoind } from './bitcoind-available.ts';
import {
  crashPolicy,
  expectNothingLostOrTwice,
  paidThroughCrash,
  type SeenHead,
  type Size,
} from './e2e-crash.ts';
import { sharedWorld } from './e2e-world.ts';

const QUORUM = { threshold: 2, of: 3 };
const POLICY = await crashPolicy(QUORUM);
const MOMENT_MS_MAX = 150_000;

/** Each kind of entry that a batch brings into its journal, before and after it is written. */
const moments: readonly [moment: string, size: Size][] = [
  ['before-record-log', 'small'],
  ['after-record-log', 'small'],
  ['before-record-reserved', 'small'],
  ['after-record-reserved', 'small'],
  ['before-sign', 'small'],
  ['before-record-released', 'small'],
  ['after-record-released', 'small'],
  ['after-post', 'small'],
  ['before-record-notified', 'small'],
  ['after-record-notified', 'small'],
  ['before-record-asked', 'for a guardian'],
  ['after-record-asked', 'for a guardian'],
  ['before-record-approved-here', 'for a guardian'],
  ['after-record-approved-here', 'for a guardian'],
];

describeWithBitcoind('an agent killed around a batch', () => {
  const world = sharedWorld({
    quorum: QUORUM,
    policy: POLICY,
    coinsBtc: ['1', '1', '1'],
  });
  const seen: SeenHead[] = [];
  // Both that are left have to sign: none stands in for one that forgot.
  beforeAll(() => stopAgent(world(), 'cleo'));

  test.each(moments)(
    'pays once when it dies at %s',
    async (moment, size) => {
      const { died, head } = await paidThroughCrash(world(), { victim: 'ana', moment, size });
      seen.push(head);
      process.stderr.write(`hit: ana ${moment}, ${died} at entry ${head.head.seq}\n`);
      expect(died).toBe('SIGKILL');
    },
    MOMENT_MS_MAX,
  );

  test(
    'no journal went back, and nothing was promised twice',
    async () => {
      expect(seen.map(({ moment }) => moment)).toEqual(moments.map(([moment]) => moment));
      await world().stop();
      await expectNothingLostOrTwice(world(), seen);
    },
    MOMENT_MS_MAX,
  );
});
