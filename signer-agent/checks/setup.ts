/** Rows B1 to B7: the wallet this guardian confirmed once is whole, and is the one that is spoken of. */
import { parseTreasuryDescriptor } from '../../descriptors/descriptor.ts';
import { NETWORKS } from '../../descriptors/network.ts';
import { canonicalJson } from '../../policies/canonical-json.ts';
import { Failure } from '../../policies/failure.ts';
import { type Reason, reason } from '../../policies/reason.ts';
import { statementHolds } from '../../policies/statement.ts';
import { ceremonyDone } from '../../policies/treasury.ts';
import { treasuryIdOf, walletRecordHash } from '../../policies/wallet-record.ts';
import type { JudgeInput } from '../judgement.ts';

export function checkSetup(input: JudgeInput): Reason[] {
  return [...checkPin(input), ...checkKeys(input), ...checkDescriptor(input)];
}

/** B1, B4: the record is the pinned one, everywhere, and everybody confirmed it. */
function checkPin({ pinned, treasury, state, deriver }: JudgeInput): Reason[] {
  const { record } = pinned;
  const found: Reason[] = [];
  if (pinned.integrity === 'mac-wrong' || walletRecordHash(record) !== pinned.recordHash) {
    found.push(reason('W-DESC-PIN', 'the wallet record on disk fails its MAC'));
  }
  if (treasury.wallet === null || walletRecordHash(treasury.wallet) !== pinned.recordHash) {
    found.push(reason('W-DESC-PIN', 'the log holds another wallet record than the one confirmed'));
  }
  if (deriver.descriptor.text !== record.descriptor) {
    found.push(reason('W-DESC-PIN', 'scripts are not derived from the pinned descriptor'));
  }
  const { descriptorHash, epoch } = state.proposal;
  if (descriptorHash !== deriver.descriptor.hash || epoch !== record.epoch) {
    found.push(reason('W-DESC-HASH', 'the proposal names another descriptor or epoch'));
  }
  if (!ceremonyDone(treasury)) {
    found.push(reason('W-DESC-UNCONFIRMED', 'not every guardian confirmed the first address'));
  }
  return found;
}

/** B2, B3, B7: every seat's key is there, signed, its own, and distinct. */
function checkKeys({ pinned }: JudgeInput): Reason[] {
  const { record } = pinned;
  const found: Reason[] = [];
  const own = record.keyRecords.find((each) => each.body.seatId === pinned.seatId);
  if (own?.body.xpub !== pinned.ownXpub || !record.descriptor.includes(`${pinned.ownXpub}/`)) {
    found.push(reason('W-DESC-OWN-KEY', `seat ${pinned.seatId} holds another key`));
  }
  const xpubs = record.keyRecords.map((each) => each.body.xpub);
  if (new Set(xpubs).size !== xpubs.length) {
    found.push(reason('W-DESC-DUPLICATE-KEY', 'two seats share an extended key'));
  }
  const seats = record.keyRecords.map((each) => each.body.seatId);
  const broken = record.keyRecords.some(
    (each) => each.key !== each.body.identityKey || !statementHolds('key-record', each),
  );
  const whole = canonicalJson(seats) === canonicalJson(record.params.seats);
  if (broken || !whole || treasuryIdOf(record.params) !== record.treasuryId) {
    found.push(reason('W-DESC-RECORD', 'a key record is missing or not signed by its seat'));
  }
  return found;
}

/** B3, B5: canonical text, and no other quorum or path than the parameters name. */
function checkDescriptor({ pinned }: JudgeInput): Reason[] {
  const { params, keyRecords, descriptor: text } = pinned.record;
  try {
    const { threshold, template, keys } = parseTreasuryDescriptor(text, NETWORKS[params.network]);
    const records = keyRecords.map(({ body }) => body.xpub);
    const same =
      threshold === params.threshold &&
      canonicalJson(template) === canonicalJson(params.template) &&
      canonicalJson(keys.map(({ xpub }) => xpub)) === canonicalJson(records);
    return same
      ? []
      : [reason('W-DESC-PATH', 'the descriptor can be spent otherwise than was agreed')];
  } catch (cause) {
    if (!(cause instanceof Failure)) throw cause;
    return [reason('W-DESC-CHECKSUM', cause.message)];
  }
}
