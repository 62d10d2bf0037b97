/** The coordinator is killed at every edge of every effect around a batch: the batch is paid once, nothing is lost. */
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

/** Each kind of entry that a batch brings into the log, before and after it is written. */
const moments: readonly [moment: string, size: Size][] = [
  ['before-append-order-queued', 'small'],
  ['after-append-order-queued', 'small'],
  ['before-append-proposed', 'small'],
  ['after-append-proposed', 'small'],
  ['before-append-approval', 'for the operator'],
  ['after-append-approval', 'for the operator'],
  ['before-append-contributed', 'small'],
  ['after-append-contributed', 'small'],
  ['before-append-verdict', 'small'],
  ['after-append-verdict', 'small'],
  ['before-append-broadcast-intended', 'small'],
  ['after-append-broadcast-intended', 'small'],
  ['before-broadcast', 'small'],
  ['after-broadcast', 'small'],
  ['before-append-broadcast-answered', 'small'],
  ['after-append-broadcast-answered', 'small'],
  ['before-append-tx-seen', 'small'],
  ['after-append-tx-seen', 'small'],
];

describeWithBitcoind('a coordinator killed around a batch', () => {
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
      const { died, head } = await paidThroughCrash(world(), {
        victim: 'coordinator',
        moment,
        size,
      });
      seen.push(head);
      process.stderr.write(`hit: coordinator ${moment}, ${died} at entry ${head.head.seq}\n`);
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
