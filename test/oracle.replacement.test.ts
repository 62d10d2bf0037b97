/**
 * BIP-125 with bitcoind as the oracle: a bump that pays the least fee our rule demands is taken, one sat
 * less is refused. Sizes are chosen so that the signed transactions are as large as predicted: the rule
 * speaks of the prediction, the node of the real size, and for a smaller one it would ask for less.
 */
import { expect, test } from 'vitest';
import type { BuiltTx, Payee } from '../descriptors/build.ts';
import type { CoinRef } from '../policies/intent.ts';
import { bumpRules } from '../policies/rules/fees.ts';
import { type FeeRate, feerateFloor, sat, type VBytes } from '../policies/units.ts';
import { mine } from '../regtest/network.ts';
import { describeWithBitcoind, sharedNetwork } from './bitcoind-available.ts';
import {
  feerateFor,
  nodeVerdict,
  oracleTreasury,
  payeesOf,
  type Verdict,
} from './oracle-treasury.ts';

/** What replaces pays this much more per 1,000 vB (policy/policy.h); said aloud, as nodes differ. */
const NODE_ARGUMENTS = ['-incrementalrelayfee=0.00001', '-minrelaytxfee=0.00001'];
/** A signature is a byte short half of the time: this many locktimes hold a whole one by far. */
const TRIES_MAX = 400;

describeWithBitcoind('replacement, with bitcoind as the oracle', () => {
  const network = sharedNetwork(NODE_ARGUMENTS);
  const treasury = oracleTreasury({ threshold: 2, of: 3 });

  /** Builds with exactly this fee, at the first locktime whose signatures are all of the longest. */
  function built(coins: readonly CoinRef[], to: readonly Payee[], feeSat: bigint, tip: number) {
    const size = treasury.build(treasury.plan(coins), to).vsize;
    for (let lockTime = tip; lockTime > tip - TRIES_MAX && lockTime >= 0; lockTime -= 1) {
      const plan = treasury.plan(coins, { lockTime, feerateSatPerKvb: feerateFor(feeSat, size) });
      const tx = treasury.build(plan, to);
      const rawTx = treasury.final(tx.unsignedTx, treasury.spent(tx.coins));
      if (fullSize(tx, rawTx)) return { ...tx, rawTx };
    }
    throw new Error('no locktime gives the longest signatures');
  }

  test.each<[string, bigint, bigint, number]>([
    ['the increment decides', 1_000n, 1_000n, 1],
    ['the increment decides, from a high fee', 20_000n, 20_000n, 1],
    ['the increment decides, two coins', 5_000n, 5_000n, 2],
  ])('%s: the least fee is taken, one sat less is not', async (_, first, feeSat, count) => {
    const { first: node } = network();
    // Locktimes to choose from: the wallet's chain has to be that high.
    await mine(network(), node, 50);
    const { coins } = await treasury.fund(
      network(),
      Array.from({ length: count }, () => 3_000_000n),
    );
    const tip = await node.rpc<number>('getblockcount');
    const to = payeesOf(700_000n);
    const original = built(coins, to, first, tip);
    expect(original.feeSat).toBe(feeSat);
    await node.rpc('sendrawtransaction', [original.rawTx]);

    const least = leastFee(original, original.vsize);
    const enough = built(coins, to, least, tip);
    const short = built(coins, to, least - 1n, tip);
    expect([enough.feeSat, short.feeSat]).toEqual([least, least - 1n]);
    expect(findingsOf(original, enough)).toEqual([]);
    expect(findingsOf(original, short)).toEqual(['W-FEE-BUMP-LOW']);
    expect(await nodeVerdict(node, short.rawTx)).toMatchObject(REFUSED);
    expect(await nodeVerdict(node, enough.rawTx)).toMatchObject({ allowed: true });
    await node.rpc('sendrawtransaction', [enough.rawTx]);
    const mempool = await node.rpc<string[]>('getrawmempool');
    expect(mempool).toContain(enough.txid);
    expect(mempool).not.toContain(original.txid);
  });

  test('a bump with one coin more pays for its whole size, and not less than the old rate', async () => {
    const { first: node } = network();
    await mine(network(), node, 50);
    const { coins } = await treasury.fund(network(), [3_000_000n, 2_000_000n]);
    const tip = await node.rpc<number>('getblockcount');
    const to = payeesOf(700_000n);
    const original = built(coins.slice(0, 1), to, 30_000n, tip);
    await node.rpc('sendrawtransaction', [original.rawTx]);
    const size = treasury.build(treasury.plan(coins), to).vsize;
    const least = leastFee(original, size);
    // The rate decides: twice the size at 30,000 sat is far more than the increment asks for.
    expect(least).toBeGreaterThan(original.feeSat + size);
    const enough = built(coins, to, least, tip);
    const nearly = built(coins, to, least - 1n, tip);
    const short = built(coins, to, least - 2n, tip);
    expect(findingsOf(original, enough)).toEqual([]);
    expect(findingsOf(original, nearly)).toEqual(['W-FEE-BUMP-LOW']);
    expect(await nodeVerdict(node, enough.rawTx)).toMatchObject({ allowed: true });
    // The node compares rates in whole sat/kvB: the rule is a satoshi stricter, never less.
    expect(await nodeVerdict(node, short.rawTx)).toMatchObject(REFUSED);
  });
});

const REFUSED: { allowed: boolean; 'reject-reason': unknown } & Partial<Verdict> = {
  allowed: false,
  'reject-reason': expect.stringContaining('insufficient fee') as string,
};

type Original = Pick<BuiltTx, 'feeSat' | 'vsize'>;

/** Codes that the policy's rule about bumps gives for replacing one by the other. */
function findingsOf(original: Original, bump: Original): string[] {
  return rules(original, bump).flatMap(({ reason }) => (reason === null ? [] : [reason.code]));
}

/** The limit that the rule itself names. */
function leastFee(original: Original, vsize: VBytes): bigint {
  const [row] = rules(original, { feeSat: sat(0n), vsize });
  if (row?.row === undefined || row.row === null) throw new Error('the rule names its limit');
  return row.row.limit;
}

function rules(original: Original, bump: Original): ReturnType<typeof bumpRules> {
  const facts = {
    kind: 'fee_bump',
    bump: {
      of: 'withdrawal_batch',
      feeSat: original.feeSat,
      feerate: rateOf(original),
      earlierBumps: 0,
    },
    feeSat: bump.feeSat,
    vsize: bump.vsize,
  };
  const policy = { intents: { fee_bump: { max_bumps: 3 } } };
  return bumpRules({ policy, facts } as unknown as Parameters<typeof bumpRules>[0]);
}

function rateOf({ feeSat, vsize }: Original): FeeRate {
  return feerateFloor(feeSat, vsize);
}

/** Whether the signed transaction weighs what was predicted. */
function fullSize(tx: BuiltTx, rawTx: string): boolean {
  const [total, stripped] = [rawTx.length / 2, tx.unsignedTx.length];
  return BigInt(Math.ceil((stripped * 3 + total) / 4)) === tx.vsize;
}
