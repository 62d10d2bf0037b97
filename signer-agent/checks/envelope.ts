/** Rows A and B: who says this, where it stands in the log, and what this guardian once confirmed. */

import { type Acknowledgement, proposalId } from '../../policies/proposal.ts';
import { type Reason, reason } from '../../policies/reason.ts';
import { statementHolds } from '../../policies/statement.ts';
import { ceremonyDone, policyAt, type Treasury } from '../../policies/treasury.ts';
import { walletRecordHash } from '../../policies/wallet-record.ts';
import type { JudgeInput } from '../judgement.ts';

/** A1-A5: the proposal belongs here, is what its id says, and peers know the same log. */
export function checkEnvelope(input: JudgeInput): Reason[] {
  const { treasury, state, memory } = input;
  const { proposal } = state;
  const found: Reason[] = [];
  if (proposal.treasuryId !== treasury.id || proposal.network !== treasury.params?.network) {
    found.push(reason('W-ENV-NETWORK', 'made for another treasury or network'));
  }
  if (proposalId(proposal) !== state.id) {
    found.push(reason('W-ENV-PROPOSAL-ID', `the content hashes to ${proposalId(proposal)}`));
  }
  if (treasury.proposals.get(state.id) !== state || state.entrySeq !== proposal.seq) {
    found.push(reason('W-ENV-SEQ', `not the entry ${proposal.seq} of this agent's log`));
  }
  if (memory.fork !== null) {
    found.push(reason('W-ENV-FORK', `two heads are signed for entry ${memory.fork.seq}`));
  }
  return found;
}

/** A4, H6: too few peers said they have this log up to the proposal. Waited for, never refused. */
export function missingAcknowledgements(input: JudgeInput): Reason[] {
  const { treasury, state, pinned } = input;
  const needed = (treasury.params?.threshold ?? Number.MAX_SAFE_INTEGER) - 1;
  const peers = new Set(
    input.acknowledgements
      .filter((each) => acknowledges(treasury, each, state.entrySeq))
      .map((each) => each.body.seatId),
  );
  peers.delete(pinned.seatId);
  return peers.size >= needed
    ? []
    : [
        reason(
          'W-ENV-ACKS',
          `${peers.size} of ${needed} peers acknowledged entry ${state.entrySeq}`,
        ),
      ];
}

/** B1-B5, B7: the wallet this guardian confirmed is the one the log and the proposal speak of. */
export function checkSetup(input: JudgeInput, descriptorHash: string): Reason[] {
  const { pinned, treasury, state } = input;
  const { record } = pinned;
  const found: Reason[] = [];
  if (pinned.integrity === 'mac-wrong') {
    found.push(reason('W-DESC-PIN', 'the wallet record on disk fails its MAC'));
  }
  if (treasury.wallet === null || walletRecordHash(treasury.wallet) !== pinned.recordHash) {
    found.push(reason('W-DESC-PIN', 'the log holds another wallet record than the one confirmed'));
  }
  if (state.proposal.descriptorHash !== descriptorHash || state.proposal.epoch !== record.epoch) {
    found.push(reason('W-DESC-HASH', 'the proposal names another descriptor or epoch'));
  }
  const own = record.keyRecords.find((each) => each.body.seatId === pinned.seatId);
  if (own?.body.xpub !== pinned.ownXpub || !record.descriptor.includes(pinned.ownXpub)) {
    found.push(reason('W-DESC-OWN-KEY', `seat ${pinned.seatId} holds another key`));
  }
  const xpubs = record.keyRecords.map((each) => each.body.xpub);
  if (new Set(xpubs).size !== xpubs.length) {
    found.push(reason('W-DESC-DUPLICATE-KEY', 'two seats share an extended key'));
  }
  const broken = record.keyRecords.filter(
    (each) => each.key !== each.body.identityKey || !statementHolds('key-record', each),
  );
  if (broken.length > 0 || xpubs.length !== record.params.seats.length) {
    found.push(reason('W-DESC-RECORD', 'a key record is missing or not signed by its seat'));
  }
  if (!ceremonyDone(treasury)) {
    found.push(reason('W-DESC-UNCONFIRMED', 'not every guardian confirmed the first address'));
  }
  return found;
}

/** H1: the proposal names the policy that rules at the agent's own height. */
export function checkPolicyHash(input: JudgeInput, tipHeight: number): Reason[] {
  const ruling = policyAt(input.treasury, tipHeight).hash;
  return ruling === input.state.proposal.policyHash
    ? []
    : [reason('W-POL-HASH', `policy ${ruling.slice(0, 16)} rules at height ${tipHeight}`)];
}

function acknowledges(treasury: Treasury, value: Acknowledgement, entrySeq: number): boolean {
  const { body } = value;
  const seat = treasury.seats.get(body.seatId);
  return (
    body.treasuryId === treasury.id &&
    body.seq >= entrySeq &&
    seat?.claim?.body.identityKey === value.key &&
    statementHolds('acknowledgement', value)
  );
}
