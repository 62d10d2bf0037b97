/**
 * bitcoind's mempool as the oracle of what we build and finalize: what we call in order it takes, at the
 * size we predicted, and what we refuse it refuses too.
 */
import { hexToBytes } from '@noble/hashes/utils.js';
import { RawOldTx } from '@scure/btc-signer/script.js';
import { expect, test } from 'vitest';
import type { BuiltTx } from '../descriptors/build.ts';
import { proposalPsbt } from '../descriptors/proposal-psbt.ts';
import { decodePsbt } from '../descriptors/psbt.ts';
import { encodePsbt } from '../descriptors/psbt-write.ts';
import { finalizeTx, firstFault } from '../descriptors/signature.ts';
import { spendFromPsbt } from '../descriptors/spend-from-psbt.ts';
import { dustSat } from '../descriptors/weight.ts';
import { sat } from '../policies/units.ts';
import { describeWithBitcoind, sharedNetwork } from './bitcoind-available.ts';
import { type Funded, nodeVerdict, oracleTreasury, payeesOf } from './oracle-treasury.ts';

type Tx = Parameters<typeof RawOldTx.encode>[0];

const HASH20 = '11'.repeat(20);
const HASH32 = '22'.repeat(32);
/** A public key of the curve for a taproot output: the generator's x. */
const POINT = '79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798';
const OUTPUTS: [string, string][] = [
  ['P2WPKH', `0014${HASH20}`],
  ['P2WSH', `0020${HASH32}`],
  ['P2TR', `5120${POINT}`],
  ['P2PKH', `76a914${HASH20}88ac`],
  ['P2SH', `a914${HASH20}87`],
];

describeWithBitcoind('the mempool, with bitcoind as the oracle', () => {
  const network = sharedNetwork();

  /** One treasury with coins enough for all tests: nothing here is sent. */
  let funded: Promise<Funded> | undefined;
  const treasury = oracleTreasury({ threshold: 2, of: 3 });
  function coinsOfAll(): Promise<Funded> {
    funded ??= treasury.fund(network(), [1_000_000n, 2_000_000n, 3_000_000n, 4_000_000n]);
    return funded;
  }

  test.each([
    [2, 3, 1],
    [2, 3, 4],
    [2, 3, 30],
    [3, 5, 1],
    [3, 5, 30],
  ])('%i of %i, %i inputs: accepted, at most at the predicted size', async (k, n, count) => {
    const of = oracleTreasury({ threshold: k, of: n });
    const { coins } = await of.fund(
      network(),
      Array.from({ length: count }, () => 400_000n),
    );
    const built = of.build(of.plan(coins), payeesOf(100_000n, 50_000n));
    for (const seats of [
      [0, 1, 2],
      [2, 1, 0],
      [1, 2, 0],
    ]) {
      const rawTx = of.final(built.unsignedTx, of.spent(built.coins), seats);
      const verdict = await nodeVerdict(network().first, rawTx);
      expect(verdict).toMatchObject({ allowed: true, txid: built.txid });
      const vsize = BigInt(verdict.vsize ?? 0);
      expect(vsize).toBeLessThanOrEqual(built.vsize);
      expect(vsize).toBeGreaterThanOrEqual(built.vsize - BigInt(k * count));
    }
  });

  test.each(OUTPUTS)('%s: the least that relays is our dust limit', async (_, script) => {
    const { coins } = await coinsOfAll();
    const limit = dustSat(script);
    const tested = async (amount: bigint) => {
      const plan = treasury.plan(coins.slice(0, 1));
      const built = treasury.build(plan, [{ script, amountSat: sat(amount) }]);
      const rawTx = treasury.final(built.unsignedTx, treasury.spent(built.coins));
      const decoded = decodePsbt(proposalPsbt(built, treasury.deriver, 0));
      const { previous } = await coinsOfAll();
      const spend = spendFromPsbt(decoded, previous, treasury.deriver, { indexMax: 20 });
      const ours = spend.problems.map(({ code }) => code);
      return { node: await nodeVerdict(network().first, rawTx), ours };
    };
    expect(await tested(limit)).toMatchObject({ node: { allowed: true }, ours: [] });
    expect(await tested(limit - 1n)).toMatchObject({
      node: { allowed: false, 'reject-reason': expect.stringContaining('dust') },
      ours: ['W-OUT-DUST'],
    });
  });

  /** A valid spend of two coins, edited, and asked of both. */
  async function asked(edit: (tx: Tx, built: BuiltTx) => Tx) {
    const { coins, previous } = await coinsOfAll();
    const built = treasury.build(treasury.plan(coins.slice(0, 2)), payeesOf(600_000n));
    const tx = edit(RawOldTx.decode(built.unsignedTx), built);
    const unsignedTx = RawOldTx.encode(tx);
    const spent = tx.inputs.map(({ txid, index }) => {
      const outpoint = `${Buffer.from(txid).toString('hex')}:${index}`;
      const coin = coins.find((each) => each.outpoint === outpoint);
      if (coin === undefined) throw new Error('a coin of nobody');
      const [of] = treasury.spent([coin]);
      if (of === undefined) throw new Error('a coin without a place');
      return of;
    });
    const psbt = encodePsbt({
      unsignedTx,
      inputs: spent.map(({ amountSat, place }) => ({
        witnessUtxo: { amountSat, script: place.script },
        previousTx: null,
        witnessScript: place.witnessScript,
        origins: [],
        partialSigs: [],
      })),
      outputs: tx.outputs.map(() => null),
      xpubs: [],
    });
    const spend = spendFromPsbt(decodePsbt(psbt), previous, treasury.deriver, { indexMax: 20 });
    const rawTx = treasury.final(unsignedTx, spent);
    return {
      ours: spend.problems.map(({ code }) => code),
      node: await nodeVerdict(network().first, rawTx),
    };
  }

  test('unedited, both take it', async () => {
    expect(await asked((tx) => tx)).toMatchObject({ ours: [], node: { allowed: true } });
  });

  const far = 4_000_000_000;
  test.each<[string, (tx: Tx) => Tx, string, RegExp]>([
    [
      'an input twice',
      (tx) => ({ ...tx, inputs: [...tx.inputs, ...tx.inputs.slice(0, 1)] }),
      'W-TX-DUPLICATE-INPUT',
      /inputs-duplicate/,
    ],
    [
      'outputs worth more than the inputs',
      (tx) => ({ ...tx, outputs: tx.outputs.map((each) => ({ ...each, amount: 2_000_000n })) }),
      'W-FEE-NEGATIVE',
      /in-belowout/,
    ],
    [
      'no fee',
      (tx) => ({ ...tx, outputs: tx.outputs.map((each) => ({ ...each, amount: 1_500_000n })) }),
      'W-FEE-NEGATIVE',
      /min relay fee not met/,
    ],
    ['a version that does not relay', (tx) => ({ ...tx, version: 4 }), 'W-TX-VERSION', /version/],
    ['a locktime that is a time', (tx) => ({ ...tx, lockTime: far }), 'W-TX-LOCKTIME', /non-final/],
    [
      'a script that is not standard',
      (tx) => ({
        ...tx,
        outputs: tx.outputs.map((each) => ({ ...each, script: hexToBytes('51ac') })),
      }),
      'W-TX-WITNESS-VERSION',
      /scriptpubkey/,
    ],
    [
      'dust',
      (tx) => ({ ...tx, outputs: tx.outputs.map((each) => ({ ...each, amount: 100n })) }),
      'W-OUT-DUST',
      /dust/,
    ],
  ])('refused by the node as by us: %s', async (_, edit, code, why) => {
    const { ours, node } = await asked(edit);
    expect(ours).toContain(code);
    expect(node).toMatchObject({ allowed: false, 'reject-reason': expect.stringMatching(why) });
  });

  test.each<[string, (signature: Uint8Array) => Uint8Array]>([
    ['one bit of s flipped', (signature) => edited(signature, signature.length - 8)],
    ['a high S', highS],
    ['another sighash byte', (signature) => Uint8Array.from([...signature.slice(0, -1), 0x21])],
    ['not DER', (signature) => signature.slice(1)],
  ])('a signature refused by the node as by us: %s', async (_, spoil) => {
    const { coins } = await coinsOfAll();
    const built = treasury.build(treasury.plan(coins.slice(0, 2)), payeesOf(600_000n));
    const spent = treasury.spent(built.coins);
    const [good, other] = [0, 1].map((seat) => treasury.sign(built.unsignedTx, spent, seat));
    if (good === undefined || other === undefined) throw new Error('two seats sign');
    const bad = good.map((signature, at) => (at === 1 ? spoil(signature) : signature));
    expect(firstFault(built.unsignedTx, spent, 0, good)).toBeNull();
    expect(firstFault(built.unsignedTx, spent, 0, bad)).toBe(1);
    const seats = [
      { seat: 0, signatures: bad },
      { seat: 1, signatures: other },
    ];
    const { rawTx } = finalizeTx(built.unsignedTx, spent, seats, 2);
    expect(await nodeVerdict(network().first, rawTx)).toMatchObject({
      allowed: false,
      'reject-reason': expect.stringContaining('script-verify-flag-failed'),
    });
  });

  test('one seat short is refused by the node as by us', async () => {
    const { coins } = await coinsOfAll();
    const built = treasury.build(treasury.plan(coins.slice(0, 1)), payeesOf(600_000n));
    const spent = treasury.spent(built.coins);
    const signatures = treasury.sign(built.unsignedTx, spent, 0);
    expect(() => finalizeTx(built.unsignedTx, spent, [{ seat: 0, signatures }], 2)).toThrow(
      '1 seats signed, 2 are needed',
    );
    const { rawTx } = finalizeTx(built.unsignedTx, spent, [{ seat: 0, signatures }], 1);
    expect(await nodeVerdict(network().first, rawTx)).toMatchObject({ allowed: false });
  });
});

function edited(bytes: Uint8Array, place: number): Uint8Array {
  return Uint8Array.from(bytes, (byte, at) => (at === place ? byte ^ 1 : byte));
}

const ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;

/** The same signature with s taken from the order: valid by consensus, and not relayed (BIP-146). */
function highS(signature: Uint8Array): Uint8Array {
  const rLength = signature[3] ?? 0;
  const r = signature.slice(2, 4 + rLength);
  const sHex = Buffer.from(signature.slice(6 + rLength, -1)).toString('hex');
  const high = (ORDER - BigInt(`0x${sHex}`)).toString(16).padStart(64, '0');
  const s = hexToBytes(`022100${high}`);
  return Uint8Array.from([0x30, r.length + s.length, ...r, ...s, 1]);
}
