/**
 * What a guardian compares before confirming a wallet: everybody's keys, the threshold, the descriptor,
 * the first address alone, and six words for the ear.
 */

import type { Reason } from '../../policies/reason.ts';
import { ceremonyDone, policyAt, type Treasury } from '../../policies/treasury.ts';
import type { KeyRecord } from '../../policies/wallet-record.ts';
import { walletRecordHash } from '../../policies/wallet-record.ts';
import type { CeremonyAnswer } from '../local-protocol.ts';
import { wordsOf } from '../word-fingerprint.ts';
import {
  addressText,
  oneLine,
  plural,
  reasonsTable,
  screen,
  section,
  tableOrNothing,
  type View,
  WIDTH,
  wrapped,
} from './wording.ts';

/** Words of a wallet record: 66 bits. */
const RECORD_WORDS = 6;

export interface CeremonyView extends View {
  recordHash: string | null;
  state: CeremonyAnswer['state'];
}

export interface CeremonyQuestion {
  treasury: Treasury;
  seatId: string;
  /** What this agent found wrong with the wallet record: then there is nothing to confirm. */
  problems: readonly Reason[];
  /** Hash of the record that this agent pinned, or null. */
  pinnedHash: string | null;
}

/** The ceremony as this agent sees it. */
export function ceremonyView(question: CeremonyQuestion): CeremonyView {
  const { treasury } = question;
  const { wallet, params } = treasury;
  if (wallet === null || params === null) return waitingView(question);
  const recordHash = walletRecordHash(wallet);
  const words = wordsOf(recordHash, RECORD_WORDS);
  const state = stateOf(question, recordHash);
  const { policy, hash } = policyAt(treasury, 0);
  const confirmed = [...treasury.seats.values()].filter((seat) => seat.confirmation !== null);
  const text = screen([
    [
      `Treasury “${oneLine(params.name)}” on ${params.network}: ${params.threshold} of ${params.seats.length} guardians sign`,
      `you are ${question.seatId}`,
    ].join('\n'),
    ...section('SEATS', seatTable(wallet.keyRecords, question.seatId)),
    ...section('DESCRIPTOR', wrapped(wallet.descriptor, WIDTH)),
    ...section(
      'POLICY',
      `version ${policy.version}, ${hash}\n${plural(policy.guardians.length, 'guardian')}, ${plural(policy.operators.length, 'operator')}`,
    ),
    ...section('WRONG WITH THIS WALLET: DO NOT FUND IT', reasonsTable(question.problems)),
    `FIRST ADDRESS\n\n${indented(addressText(wallet.firstAddress))}\n\n    ${wallet.firstAddress}`,
    `SIX WORDS\n\n    ${words}`,
    closing(state, confirmed.length, params.seats.length),
  ]);
  return {
    text,
    recordHash,
    state,
    json: {
      state,
      recordHash,
      words,
      firstAddress: wallet.firstAddress,
      descriptor: wallet.descriptor,
      threshold: params.threshold,
      seats: wallet.keyRecords.map(({ body }) => body),
      confirmed: confirmed.map(({ id }) => id),
      policy: { version: policy.version, hash },
      treasuryId: treasury.id,
      network: params.network,
      problems: question.problems,
    },
  };
}

function stateOf({ treasury, pinnedHash, problems }: CeremonyQuestion, recordHash: string) {
  if (problems.length > 0) return 'waiting';
  if (pinnedHash !== recordHash) return 'to-confirm';
  return ceremonyDone(treasury) ? 'complete' : 'confirmed';
}

function closing(state: CeremonyAnswer['state'], confirmed: number, of: number): string {
  switch (state) {
    case 'waiting':
      return 'This agent does not let you confirm it. Tell the other guardians.';
    case 'to-confirm':
      return 'Compare this address and these words with the other guardians by voice.';
    case 'confirmed':
      return `You confirmed it; ${confirmed} of ${of} guardians did. Nothing is signed before all did.`;
    case 'complete':
      return `All ${of} guardians confirmed it.`;
  }
}

function waitingView({ treasury, seatId }: CeremonyQuestion): CeremonyView {
  const seats = [...treasury.seats.values()].map(({ id, claim, record }) => ({
    seatId: id,
    has: record !== null ? 'keys' : claim !== null ? 'a seat' : 'nothing yet',
  }));
  return {
    text: screen([
      `you are ${seatId}; the wallet is made once every seat brought its keys`,
      tableOrNothing(
        ['seat', 'has'],
        seats.map(({ seatId: id, has }) => [id, has]),
      ),
    ]),
    recordHash: null,
    state: 'waiting',
    json: { state: 'waiting', recordHash: null, firstAddress: null, seats },
  };
}

function seatTable(records: readonly KeyRecord[], own: string): string {
  return tableOrNothing(
    ['seat', 'fingerprint', 'path', 'key is'],
    records.map(({ body }) => [
      body.seatId === own ? `${body.seatId} (you)` : body.seatId,
      body.fingerprint,
      body.path,
      body.device === null ? 'at the agent' : `on ${oneLine(body.device.name).slice(0, 30)}`,
    ]),
  );
}

function indented(text: string): string {
  return text
    .split('\n')
    .map((line) => `    ${line}`)
    .join('\n');
}
