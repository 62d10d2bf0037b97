/** The pool's look at its node: a node that is away, or cannot answer yet, is asked again and stops nothing. */
import { expect, test } from 'vitest';
import type { NodeStanding } from '../operator/lightning.ts';
import { nodeWatch } from '../operator/node-watch.ts';
import { emptyPool } from '../operator/pool-state.ts';
import { decideSeen } from '../operator/reconcile.ts';
import { Failure, type FailureCode } from '../policies/failure.ts';
import { until } from '../regtest/wait.ts';

const WAIT_MS = 5_000;
const STANDING = { publicKey: '02', height: 1 } as NodeStanding;

test.each<[code: FailureCode, verdict: 'asks again' | 'stops the pool']>([
  // LND says so of everything while its own bitcoind loads a wallet.
  ['LND_REFUSED', 'asks again'],
  ['LND_UNREACHABLE', 'asks again'],
  ['NETWORK_MISMATCH', 'stops the pool'],
])('a look that ends in %s %s', async (code, verdict) => {
  let asked = 0;
  let fatal: unknown = null;
  const watch = nodeWatch({
    reader: {
      standing() {
        asked += 1;
        return asked === 1 ? Promise.reject(new Failure(code, 'no')) : Promise.resolve(STANDING);
      },
      channels: () => Promise.resolve([]),
      lostChannels: () => Promise.resolve([]),
    },
    now: () => 0,
    seq: () => 0,
    sleep: () => new Promise((resolve) => setImmediate(resolve)),
    onFatal(cause) {
      fatal = cause;
    },
  });
  await until('a look or the end', () => watch.look() !== null || fatal !== null, WAIT_MS);
  await watch.stop();
  expect(fatal === null ? 'asks again' : 'stops the pool').toBe(verdict);
  expect(watch.look()?.standing ?? null).toEqual(verdict === 'asks again' ? STANDING : null);
});

test('LN-14 a node that says itself that it lost a channel freezes the pool, whatever else it shows', () => {
  const look = { standing: STANDING, channels: [], lost: ['aa:0'] };
  const { news } = decideSeen(emptyPool(), look);
  expect(news.map(({ event }) => event)).toEqual([
    expect.objectContaining({ kind: 'alarm', detail: expect.stringContaining('aa:0') as unknown }),
    expect.objectContaining({ kind: 'mode-changed', mode: 'frozen' }),
  ]);
});
