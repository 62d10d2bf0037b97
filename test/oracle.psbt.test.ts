/**
 * bitcoind as the oracle of our PSBTs. A PSBT we export is signed by the node's own wallet with one
 * guardian's key, and we accept the result; and the other way round: the node's wallet adds the second
 * signature to ours, and the node finalizes what its mempool takes.
 */

import { bytesToHex } from '@noble/hashes/utils.js';
import { base64 } from '@scure/base';
import { expect, test } from 'vitest';
import type { BuiltTx } from '../descriptors/build.ts';
import { proposalPsbt, standardPsbt } from '../descriptors/proposal-psbt.ts';
import { decodePsbt, type Psbt, psbtBytes } from '../descriptors/psbt.ts';
import {
  finalizeTx,
  firstFault,
  seatSignaturesIn,
  sighashes,
  signatureHolds,
} from '../descriptors/signature.ts';
import { spendFromPsbt } from '../descriptors/spend-from-psbt.ts';
import { describeWithBitcoind, sharedNetwork } from './bitcoind-available.ts';
import {
  type Funded,
  nodeVerdict,
  type OracleTreasury,
  oracleTreasury,
  payeesOf,
} from './oracle-treasury.ts';

const AMOUNTS = [1_000_000n, 2_000_000n, 3_000_000n];
/** A file with embedded previous transactions is larger than the wire allows. */
const FILE_BYTES_MAX = 10_000_000;
const FORMS = ['as it travels', 'as a file with previous transactions'] as const;

interface Proposed {
  built: BuiltTx;
  spent: ReturnType<OracleTreasury['spent']>;
  traveling: Uint8Array;
  file: (partialSigs?: Psbt['inputs'][number]['partialSigs'][]) => Uint8Array;
}

function propose(treasury: OracleTreasury, { coins, previous }: Funded): Proposed {
  const built = treasury.build(treasury.plan(coins), payeesOf(500_000n, 700_000n));
  const spent = treasury.spent(built.coins);
  const traveling = proposalPsbt(built, treasury.deriver, 0);
  const places = spent.map(({ place }) => place);
  return {
    built,
    spent,
    traveling,
    file(partialSigs = []) {
      const decoded = decodePsbt(traveling);
      const inputs = decoded.inputs.map((input, at) => ({
        ...input,
        partialSigs: partialSigs[at] ?? [],
      }));
      return standardPsbt({ ...decoded, inputs }, previous, treasury.deriver, places);
    },
  };
}

describeWithBitcoind('PSBTs, with bitcoind as the oracle', () => {
  const network = sharedNetwork();

  async function processed(wallet: string, psbt: Uint8Array, sign: boolean): Promise<string> {
    const text = base64.encode(psbt);
    const options = [text, sign, 'ALL', true, false];
    const answer = await network().first.rpc<{ psbt: string }>(
      'walletprocesspsbt',
      options,
      wallet,
    );
    return answer.psbt;
  }

  const SIZES: [number, number, (typeof FORMS)[number]][] = [
    [2, 3, FORMS[0]],
    [2, 3, FORMS[1]],
    [3, 5, FORMS[0]],
    [3, 5, FORMS[1]],
  ];

  test.each(SIZES)(
    "%i of %i, %s: the node's wallet signs it, and we accept",
    async (k, n, form) => {
      const { first } = network();
      const treasury = oracleTreasury({ threshold: k, of: n });
      const seat = n - 1;
      const wallet = await treasury.seatWallet(first, seat);
      const funded = await treasury.fund(network(), AMOUNTS);
      const proposed = propose(treasury, funded);
      const psbt = form === FORMS[0] ? proposed.traveling : proposed.file();
      const signed = decodePsbt(psbtBytes(await processed(wallet, psbt, true)), FILE_BYTES_MAX);
      expect(signed.unsignedTx).toEqual(proposed.built.unsignedTx);
      const signatures = seatSignaturesIn(signed.inputs, proposed.spent, seat);
      expect(signatures).toHaveLength(AMOUNTS.length);
      if (signatures === null) throw new Error('checked above');
      const digests = sighashes(signed.unsignedTx, proposed.spent);
      const held = signatures.map((signature, at) => {
        const key = proposed.spent[at]?.place.publicKeys[seat] ?? new Uint8Array();
        return signatureHolds(digests[at] ?? new Uint8Array(), key, signature);
      });
      expect(held).toEqual(AMOUNTS.map(() => true));
      expect(firstFault(signed.unsignedTx, proposed.spent, seat, signatures)).toBeNull();
      const others = Array.from({ length: k - 1 }, (_, each) => ({
        seat: each,
        signatures: treasury.sign(signed.unsignedTx, proposed.spent, each),
      }));
      const seats = [...others, { seat, signatures }];
      const { rawTx, txid } = finalizeTx(signed.unsignedTx, proposed.spent, seats, k);
      expect(await nodeVerdict(first, rawTx)).toMatchObject({ allowed: true, txid });
    },
  );

  test.each([
    [2, 3],
    [3, 5],
  ])("%i of %i: the node's wallet adds its signature to ours and finalizes", async (k, n) => {
    const { first } = network();
    const treasury = oracleTreasury({ threshold: k, of: n });
    const seat = n - 1;
    const wallet = await treasury.seatWallet(first, seat);
    const proposed = propose(treasury, await treasury.fund(network(), AMOUNTS));
    const ours = Array.from({ length: k - 1 }, (_, each) =>
      treasury.sign(proposed.built.unsignedTx, proposed.spent, each),
    );
    const partialSigs = proposed.spent.map(({ place }, at) =>
      ours.map((signatures, each) => ({
        publicKey: bytesToHex(place.publicKeys[each] ?? new Uint8Array()),
        signature: signatures[at] ?? new Uint8Array(),
      })),
    );
    const psbt = await processed(wallet, proposed.file(partialSigs), true);
    const final = await first.rpc<{ complete: boolean; hex: string }>('finalizepsbt', [psbt]);
    expect(final.complete).toBe(true);
    expect(await nodeVerdict(first, final.hex)).toMatchObject({
      allowed: true,
      txid: proposed.built.txid,
    });
    // What we would have sent is the same transaction, to the byte.
    const decoded = decodePsbt(psbtBytes(psbt), FILE_BYTES_MAX);
    const theirs = seatSignaturesIn(decoded.inputs, proposed.spent, seat) ?? [];
    const seats = [
      ...ours.map((signatures, each) => ({ seat: each, signatures })),
      { seat, signatures: theirs },
    ];
    expect(finalizeTx(proposed.built.unsignedTx, proposed.spent, seats, k).rawTx).toBe(final.hex);
  });

  test("the node reads in it what we read: fee, amounts, origins, and nobody's signature", async () => {
    const { first } = network();
    const treasury = oracleTreasury({ threshold: 2, of: 3 });
    const funded = await treasury.fund(network(), AMOUNTS);
    const { built, file, spent } = propose(treasury, funded);
    const text = base64.encode(file());
    const read = await first.rpc<{
      fee: string;
      tx: { txid: string };
      inputs: { witness_script: { hex: string }; bip32_derivs: { path: string }[] }[];
      global_xpubs: { xpub: string }[];
      unknown: Record<string, string>;
    }>('decodepsbt', [text]);
    const spend = spendFromPsbt(
      decodePsbt(file(), FILE_BYTES_MAX),
      funded.previous,
      treasury.deriver,
      {
        indexMax: 20,
      },
    );
    expect(spend.problems).toEqual([]);
    expect(satOf(read.fee)).toBe(spend.feeSat);
    expect(read.tx.txid).toBe(built.txid);
    expect(read.unknown).toEqual({});
    expect(read.global_xpubs.map(({ xpub }) => xpub).toSorted()).toEqual(
      treasury.descriptor.keys.map(({ xpub }) => xpub).toSorted(),
    );
    expect(read.inputs.map((input) => input.witness_script.hex)).toEqual(
      spent.map(({ place }) => bytesToHex(place.witnessScript)),
    );
    const paths = read.inputs.map((input) => input.bip32_derivs.map(({ path }) => path));
    expect(paths).toEqual(
      built.coins.map(({ branch, index }) =>
        treasury.seats.map(() => `m/48h/1h/0h/2h/${branch}/${index}`),
      ),
    );
    const analysis = await first.rpc<{ next: string; fee: string }>('analyzepsbt', [text]);
    expect(analysis).toMatchObject({ next: 'signer' });
    expect(satOf(analysis.fee)).toBe(built.feeSat);
  });

  test("the node's wallet calls the change its own, and only the change", async () => {
    const { first } = network();
    const treasury = oracleTreasury({ threshold: 2, of: 3 });
    const wallet = await treasury.seatWallet(first, 0);
    const { built, file } = propose(treasury, await treasury.fund(network(), AMOUNTS));
    const filled = await processed(wallet, file(), false);
    const read = await first.rpc<{ outputs: { bip32_derivs?: unknown[] }[] }>('decodepsbt', [
      filled,
    ]);
    const ours = read.outputs.map(({ bip32_derivs: derivs }) => derivs !== undefined);
    expect(ours).toEqual(built.outputs.map((_, vout) => vout === built.changeVout));
  });
});

/** Sat of the node's decimal BTC. */
function satOf(btc: string): bigint {
  const [whole = '', part = ''] = btc.split('.');
  return BigInt(whole) * 100_000_000n + BigInt(part.padEnd(8, '0'));
}
