/** Rows B: the wallet that this guardian confirmed once, and nothing that only looks like it. */
import { beforeEach, expect, test } from 'vitest';
import { makeDeriver } from '../descriptors/derive.ts';
import { makeDescriptor } from '../descriptors/descriptor.ts';
import { NETWORKS } from '../descriptors/network.ts';
import { type WalletRecord, walletRecordHash } from '../policies/wallet-record.ts';
import type { JudgeInput } from '../signer-agent/judgement.ts';
import {
  found,
  givenBatch,
  type Hostile,
  loggedWith,
  validBatch,
  wanted,
} from './hostile-spend.ts';
import { codesOf, hashOf, judgeScenario, rewinder } from './judge-scenario.ts';
import { keyRecordOf } from './treasury-scenario.ts';

const s = judgeScenario();
beforeEach(rewinder(s));

/** The pinned record changed, and everything that hashes it changed along: only its content is wrong. */
function withRecord(input: JudgeInput, record: WalletRecord, deriver = input.deriver): JudgeInput {
  return {
    ...input,
    deriver,
    pinned: { ...input.pinned, record, recordHash: walletRecordHash(record) },
    treasury: { ...input.treasury, wallet: record },
    state: input.state,
  };
}

const refused: Hostile[] = [
  [
    'B1 refuses when the record on disk fails its MAC',
    'W-DESC-PIN',
    givenBatch((input) => ({ ...input, pinned: { ...input.pinned, integrity: 'mac-wrong' } })),
  ],
  [
    'B1 refuses a log with another wallet record',
    'W-DESC-PIN',
    givenBatch((input, of) => ({
      ...input,
      treasury: { ...input.treasury, wallet: { ...of.t.wallet, firstAddress: 'elsewhere' } },
    })),
  ],
  [
    'B1 refuses a proposal for another descriptor',
    'W-DESC-HASH',
    loggedWith(() => ({ descriptorHash: hashOf('another descriptor') })),
  ],
  ['B1 refuses a proposal of another epoch', 'W-DESC-HASH', loggedWith(() => ({ epoch: 2 }))],
  [
    'B2 refuses a record whose key for this seat is not the own key',
    'W-DESC-OWN-KEY',
    givenBatch((input, of) => ({
      ...input,
      pinned: {
        ...input.pinned,
        ownXpub: of.t.wallet.keyRecords[1]?.body.xpub ?? '',
      },
    })),
  ],
  [
    'B3 refuses a record in which two seats share a key',
    'W-DESC-DUPLICATE-KEY W-DESC-PATH',
    givenBatch((input, of) => {
      const [ana, , cleo] = of.t.wallet.keyRecords;
      const ben = keyRecordOf(of.t.params, 'ben', { xpub: ana?.body.xpub ?? '' });
      return withRecord(input, {
        ...of.t.wallet,
        keyRecords: [ana, ben, cleo].flatMap((each) => (each === undefined ? [] : [each])),
      });
    }),
  ],
  [
    'B3 refuses a descriptor with a wrong checksum',
    'W-DESC-CHECKSUM',
    givenBatch((input, of) => {
      const text = `${of.t.wallet.descriptor.slice(0, -8)}qqqqqqqq`;
      const descriptor = { ...input.deriver.descriptor, text };
      return withRecord(
        input,
        { ...of.t.wallet, descriptor: text },
        { ...input.deriver, descriptor },
      );
    }),
  ],
  [
    'B4 refuses before every guardian confirmed the first address',
    'W-DESC-UNCONFIRMED',
    givenBatch((input) => {
      const seats = new Map(
        [...input.treasury.seats].map(([id, seat]) => [
          id,
          id === 'cleo' ? { ...seat, confirmation: null } : seat,
        ]),
      );
      return { ...input, treasury: { ...input.treasury, seats } };
    }),
  ],
  [
    'B5 refuses a descriptor that fewer keys can spend than was agreed',
    'W-DESC-PATH W-DESC-RECORD',
    givenBatch((input, of) =>
      withRecord(input, { ...of.t.wallet, params: { ...of.t.params, threshold: 3 } }),
    ),
  ],
  [
    'B7 refuses a record with a key record that its seat did not sign',
    'W-DESC-RECORD',
    givenBatch((input, of) => {
      const keyRecords = of.t.wallet.keyRecords.map((each) =>
        each.body.seatId === 'cleo' ? { ...each, signature: 'ab'.repeat(64) } : each,
      );
      return withRecord(input, { ...of.t.wallet, keyRecords });
    }),
  ],
];

test.each(refused)('%s', (...row) => {
  expect(found(row, row[2](s))).toEqual(wanted(row, 'refuse'));
});

test('B1 a deriver of another descriptor is noticed', () => {
  const { descriptor } = s.deriver;
  const other = makeDeriver(
    makeDescriptor({
      ...descriptor,
      network: NETWORKS.regtest,
      keys: descriptor.keys.toReversed(),
    }),
  );
  const judgement = s.judge(validBatch(s), (input) => ({ ...input, deriver: other }));
  expect(judgement.decision).toBe('refuse');
  expect(codesOf(judgement)).toContain('W-DESC-PIN');
});
