/** The ceremony's part of the fold: seats are claimed, keys join, a wallet is recorded and confirmed. */

import { refuseWhen, requireHere, seatOf, withSeat } from './fold-step.ts';
import type { LogEventOf } from './log-entry.ts';
import { parsePolicy, policyHash } from './policy.ts';
import { requireStatement } from './statement.ts';
import { ceremonyDone, type Treasury } from './treasury.ts';
import {
  type KeyRecord,
  type SeatClaim,
  type SeatConfirmation,
  treasuryIdOf,
  type WalletRecord,
  walletRecordHash,
} from './wallet-record.ts';

/** The first entry: parameters and first policy. */
export function openCeremony(treasury: Treasury, event: LogEventOf<'ceremony-opened'>): Treasury {
  refuseWhen(treasury.seq !== 0, 'a ceremony opens the log and happens once');
  const policy = parsePolicy(event.policyText);
  const hash = policyHash(policy);
  refuseWhen(hash !== event.params.policyHash, 'the policy is not the one of the parameters');
  refuseWhen(event.params.threshold > event.params.seats.length, 'more keys needed than seats');
  refuseWhen(new Set(event.params.seats).size !== event.params.seats.length, 'a seat named twice');
  return {
    ...treasury,
    id: treasuryIdOf(event.params),
    params: event.params,
    policies: [{ policy, hash, activeFromHeight: 0 }],
    seats: new Map(
      event.params.seats.map((id) => [id, { id, claim: null, record: null, confirmation: null }]),
    ),
  };
}

/** A guardian takes a seat, before any key is made. */
export function claimSeat(treasury: Treasury, claim: SeatClaim): Treasury {
  const seat = seatOf(treasury, claim.body.seatId);
  requireHere(treasury, claim.body);
  requireStatement('seat-claim', claim, claim.body.identityKey);
  refuseWhen(ceremonyDone(treasury), 'the ceremony is over');
  const held = seat.claim?.body.identityKey;
  refuseWhen(
    held !== undefined && held !== claim.body.identityKey,
    `seat ${seat.id} is taken by another identity`,
  );
  return withSeat(treasury, { ...seat, claim });
}

/** A seat's public keys; a second record redoes the seat's part. */
export function joinSeat(treasury: Treasury, record: KeyRecord): Treasury {
  const seat = seatOf(treasury, record.body.seatId);
  requireHere(treasury, record.body);
  refuseWhen(ceremonyDone(treasury), 'the ceremony is over');
  refuseWhen(
    seat.claim?.body.identityKey !== record.body.identityKey,
    `seat ${seat.id} was not claimed by this identity`,
  );
  requireStatement('key-record', record, record.body.identityKey);
  for (const other of treasury.seats.values()) {
    refuseWhen(
      other.id !== seat.id && other.record !== null && sharesKey(other.record, record),
      `seats ${other.id} and ${seat.id} share a key`,
    );
  }
  // A redo takes back what everybody confirmed: a new record has to be assembled and seen again.
  return unconfirmed({ ...withSeat(treasury, { ...seat, record }), wallet: null });
}

/** The wallet assembled from all key records. */
export function recordWallet(treasury: Treasury, record: WalletRecord): Treasury {
  refuseWhen(record.treasuryId !== treasury.id, 'the wallet record is for another treasury');
  refuseWhen(ceremonyDone(treasury), 'the ceremony is over');
  const joined = [...treasury.seats.values()].map((seat) => seat.record?.signature);
  const named = record.keyRecords.map((each) => each.signature);
  refuseWhen(
    joined.includes(undefined) || joined.join() !== named.join(),
    'the wallet record does not hold the key record of every seat',
  );
  refuseWhen(
    record.epoch !== treasury.epoch + 1,
    `epoch ${record.epoch} does not follow ${treasury.epoch}`,
  );
  return unconfirmed({ ...treasury, wallet: record, epoch: record.epoch });
}

/** A guardian saw the wallet and its first address. */
export function confirmSeat(treasury: Treasury, confirmation: SeatConfirmation): Treasury {
  const seat = seatOf(treasury, confirmation.body.seatId);
  requireHere(treasury, confirmation.body);
  requireStatement('seat-confirmation', confirmation, seat.claim?.body.identityKey ?? '');
  const wallet = treasury.wallet;
  refuseWhen(
    wallet === null || confirmation.body.recordHash !== walletRecordHash(wallet),
    'the confirmation is for another wallet record',
  );
  refuseWhen(
    confirmation.body.firstAddress !== wallet?.firstAddress,
    'the confirmation is for another first address',
  );
  refuseWhen(
    confirmation.body.policyHash !== treasury.params?.policyHash,
    'the confirmation is for another policy',
  );
  return withSeat(treasury, { ...seat, confirmation });
}

function sharesKey(a: KeyRecord, b: KeyRecord): boolean {
  const keys = [a.body.identityKey, a.body.approvalKey, a.body.xpub];
  return [b.body.identityKey, b.body.approvalKey, b.body.xpub].some((key) => keys.includes(key));
}

function unconfirmed(treasury: Treasury): Treasury {
  const seats = [...treasury.seats.values()].map(
    (seat) => [seat.id, { ...seat, confirmation: null }] as const,
  );
  return { ...treasury, seats: new Map(seats) };
}
