/**
 * What an agent checks of a wallet record before it shows it to its guardian (checklist B1 to B7):
 * everything is made again from the key records, nothing in the record is believed.
 */
import { makeDeriver } from '../descriptors/derive.ts';
import { makeDescriptor } from '../descriptors/descriptor.ts';
import { NETWORKS } from '../descriptors/network.ts';
import { canonicalJson } from '../policies/canonical-json.ts';
import { Failure } from '../policies/failure.ts';
import { type Reason, reason } from '../policies/reason.ts';
import { statementHolds } from '../policies/statement.ts';
import type { Treasury } from '../policies/treasury.ts';
import type { KeyRecord, WalletRecord } from '../policies/wallet-record.ts';

/** Problems of the wallet record that stands in the log; empty when a guardian may confirm it. */
export function checkWalletRecord(
  record: WalletRecord,
  treasury: Treasury,
  own: KeyRecord | null,
): readonly Reason[] {
  const found: Reason[] = [];
  const note = (code: Reason['code'], detail: string) => void found.push(reason(code, detail));
  const { params } = treasury;
  if (params === null || canonicalJson(record.params) !== canonicalJson(params)) {
    note('W-DESC-RECORD', 'the record holds other parameters than the ceremony');
    return found;
  }
  if (record.treasuryId !== treasury.id) note('W-DESC-RECORD', 'a record of another treasury');
  checkSeats(record, treasury, note);
  const mine = record.keyRecords.find(({ body }) => body.seatId === own?.body.seatId);
  if (own === null || mine === undefined || canonicalJson(mine) !== canonicalJson(own)) {
    note('W-DESC-OWN-KEY', "this seat's own key record is not in it, to the byte");
  }
  checkDescriptor(record, note);
  checkPeople(treasury, note);
  return found;
}

type Note = (code: Reason['code'], detail: string) => void;

function checkSeats(record: WalletRecord, treasury: Treasury, note: Note): void {
  const seats = [...treasury.seats.values()];
  if (record.keyRecords.length !== seats.length) {
    note('W-DESC-RECORD', `${record.keyRecords.length} key records for ${seats.length} seats`);
  }
  for (const seat of seats) {
    const named = record.keyRecords.find(({ body }) => body.seatId === seat.id);
    const holds =
      named !== undefined &&
      named.key === seat.claim?.body.identityKey &&
      named.body.identityKey === named.key &&
      statementHolds('key-record', named);
    if (!holds) note('W-DESC-RECORD', `the key record of ${seat.id} is missing or not its own`);
  }
  const keys = record.keyRecords.flatMap(({ body }) => [
    body.xpub,
    body.identityKey,
    body.approvalKey,
  ]);
  if (new Set(keys).size !== keys.length) note('W-DESC-DUPLICATE-KEY', 'two seats share a key');
}

function checkDescriptor(record: WalletRecord, note: Note): void {
  const { params, keyRecords } = record;
  try {
    const made = makeDescriptor({
      template: params.template,
      threshold: params.threshold,
      keys: keyRecords.map(({ body }) => body),
      network: NETWORKS[params.network],
    });
    if (made.text !== record.descriptor) {
      note('W-DESC-CHECKSUM', 'the descriptor is not the one that these keys make');
    } else if (makeDeriver(made).address(0, 0) !== record.firstAddress) {
      note('W-DESC-CHECKSUM', 'the first address is not the one that the descriptor derives');
    }
  } catch (cause) {
    if (!(cause instanceof Failure)) throw cause;
    note('W-DESC-CHECKSUM', cause.message);
  }
}

/** A policy that asks guardians who have no seat, or leaves one out, could never be met as meant. */
function checkPeople(treasury: Treasury, note: Note): void {
  const policy = treasury.policies[0]?.policy;
  const seats = [...treasury.seats.keys()].toSorted((a, b) => a.localeCompare(b));
  const named = (policy?.guardians ?? []).map(({ id }) => id);
  if (seats.join() !== named.toSorted((a, b) => a.localeCompare(b)).join()) {
    note(
      'W-DESC-RECORD',
      `the policy names ${named.join(', ')}, the seats are ${seats.join(', ')}`,
    );
  }
}
