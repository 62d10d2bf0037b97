/** From intent to signed transaction, and back to what it does: built, encoded, read, signed, final. */
import { hexToBytes } from '@noble/hashes/utils.js';
import { Transaction } from '@scure/btc-signer';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { buildUnsignedTx } from '../descriptors/build.ts';
import { parsePreviousTx } from '../descriptors/previous-tx.ts';
import { decodePsbt } from '../descriptors/psbt.ts';
import { finalizeTx, firstFault, sighashes, signInputs } from '../descriptors/signature.ts';
import { spendFromPsbt } from '../descriptors/spend-from-psbt.ts';
import { type CoinRef, satAmount } from '../policies/intent.ts';
import { type FeeRate, feeCeil, sat } from '../policies/units.ts';
import { type SpendScenario, spendScenario, strangerScript } from './spend-scenario.ts';
import { accountOf } from './treasury-scenario.ts';

function signedBy(
  s: SpendScenario,
  seatId: string,
  built: { unsignedTx: Uint8Array; coins: readonly CoinRef[] },
) {
  const coins = built.coins.map(({ amountSat, branch, index }) => ({
    amountSat,
    place: s.deriver.at(branch, index),
  }));
  const account = accountOf(seatId);
  const signatures = signInputs(built.unsignedTx, coins, ({ branch, index }) => {
    const key = account.deriveChild(branch).deriveChild(index).privateKey;
    if (key === null) throw new Error('no key');
    return key;
  });
  return { coins, signatures };
}

test.each([
  [2, 3],
  [3, 5],
])('%i of %i: a batch is built, read back without a problem, signed and final', (threshold, of) => {
  const s = spendScenario({ threshold, of });
  const orders = [1, 2, 3].map((n) => s.t.order('lp-one', { script: strangerScript(n) }));
  const coins = s.coins.slice(0, 3);
  const { built, psbt } = s.batch(orders, { coins });
  const decoded = decodePsbt(psbt);
  const previous = new Map([...s.funding].map(([txid, { raw }]) => [txid, parsePreviousTx(raw)]));
  const spend = spendFromPsbt(decoded, previous, s.deriver, { indexMax: 20 });
  expect(spend.problems).toEqual([]);
  expect(spend.feeSat).toBe(built.feeSat);
  expect(spend.vsize).toBe(built.vsize);
  expect(spend.outputs.filter(({ kind }) => kind === 'change')).toHaveLength(1);
  expect(spend.outputs.filter(({ kind }) => kind === 'foreign')).toHaveLength(3);

  const seats = s.t.seats.slice(0, threshold).map((seatId) => ({
    seat: s.t.seats.indexOf(seatId),
    ...signedBy(s, seatId, built),
  }));
  for (const { seat, coins: spent, signatures } of seats) {
    expect(firstFault(built.unsignedTx, spent, seat, signatures)).toBeNull();
    expect(firstFault(built.unsignedTx, spent, (seat + 1) % of, signatures)).toBe(0);
  }
  const final = finalizeTx(built.unsignedTx, seats[0]?.coins ?? [], seats, threshold);
  const read = Transaction.fromRaw(hexToBytes(final.rawTx), { disableScriptCheck: true });
  expect(read.id).toBe(built.txid);
  expect(BigInt(read.vsize)).toBeLessThanOrEqual(built.vsize);
  expect(built.vsize - BigInt(read.vsize)).toBeLessThanOrEqual(BigInt(coins.length * threshold));
});

test('BIP-143 digests and RFC 6979 signatures equal those of scure', () => {
  const s = spendScenario({ threshold: 2, of: 3 });
  const { built, psbt } = s.batch([s.t.order('lp-one', { script: strangerScript(1) })], {
    coins: s.coins.slice(0, 2),
  });
  const { coins, signatures } = signedBy(s, 'ana', built);
  const tx = Transaction.fromPSBT(psbt, { allowLegacyWitnessUtxo: true, lowR: false });
  const account = accountOf('ana');
  built.coins.forEach(({ branch, index }, at) => {
    const key = account.deriveChild(branch).deriveChild(index).privateKey;
    if (key === null) throw new Error('no key');
    tx.signIdx(key, at);
    expect(tx.getInput(at).partialSig?.[0]?.[1]).toEqual(signatures[at]);
  });
  expect(sighashes(built.unsignedTx, coins)).toHaveLength(2);
});

test('the order of coins and payees in the intent does not change a byte', () => {
  const s = spendScenario({ threshold: 2, of: 3 });
  const payees = [1, 2, 3, 4].map((n) => ({ script: strangerScript(n), amountSat: sat(50_000n) }));
  const reference = buildUnsignedTx(s.plan({ coins: s.coins }), payees, s.deriver);
  fc.assert(
    fc.property(
      fc.shuffledSubarray(s.coins, { minLength: s.coins.length }),
      fc.shuffledSubarray(payees, { minLength: payees.length }),
      (coins, shuffled) => {
        const again = buildUnsignedTx(
          s.plan({ coins, anchor: s.coins[0]?.outpoint ?? '' }),
          shuffled,
          s.deriver,
        );
        expect(again.txid).toBe(reference.txid);
      },
    ),
    { numRuns: 50 },
  );
});

test('the fee is feerate times predicted size, rounded up, and nothing is lost', () => {
  const s = spendScenario({ threshold: 2, of: 3 });
  fc.assert(
    fc.property(
      fc.bigInt(1_000n, 300_000n),
      fc.integer({ min: 1, max: 4 }),
      fc.array(fc.bigInt(1_000n, 1_000_000n), { minLength: 1, maxLength: 20 }),
      (rate, count, amounts) => {
        const coins = s.coins.slice(0, count);
        const payees = amounts.map((amount, n) => ({
          script: strangerScript(n),
          amountSat: satAmount.parse(amount),
        }));
        const plan = s.plan({ coins, feerateSatPerKvb: rate as FeeRate });
        const built = buildUnsignedTx(plan, payees, s.deriver);
        expect(built.feeSat).toBe(feeCeil(rate as FeeRate, built.vsize));
        const inputs = coins.reduce((sum, coin) => sum + coin.amountSat, 0n);
        const outputs = built.outputs.reduce((sum, each) => sum + each.amountSat, 0n);
        expect(inputs).toBe(outputs + built.feeSat);
      },
    ),
    { numRuns: 200 },
  );
});
