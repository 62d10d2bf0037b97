/** What the coordinator does for the pool: channels proposed, said to be pending, dropped, taken back, closed. */
import { base64 } from '@scure/base';
import { canonicalJson } from '../policies/canonical-json.ts';
import { BURIED_DEPTH, type Family } from '../policies/commitments.ts';
import { Failure } from '../policies/failure.ts';
import type { SpendIntent } from '../policies/intent.ts';
import { type Proposal, proposalTxid } from '../policies/proposal.ts';
import { reason } from '../policies/reason.ts';
import type { ProposalState } from '../policies/treasury.ts';
import { type FeeRate, sumSat } from '../policies/units.ts';
import { authorize } from './authorize.ts';
import { reservePayee } from './channel-open.ts';
import { freeCloseIndexes } from './close-index.ts';
import { aliveVariants, type Situation, spendOf } from './facts.ts';
import { type Command, decide, proposalOf, rejectedByOperator } from './machine.ts';
import { psbtOf } from './parcel.ts';
import {
  type ChannelOpenProposed,
  type ChannelOpenRequest,
  POOL_LOG_PAGE_MAX,
  type PoolService,
  type ProposalStanding,
  type Proposed,
} from './pool-protocol.ts';
import { type ProposeSettings, propose } from './propose.ts';
import type { Workplace } from './workplace.ts';

export interface PoolOptions {
  work: Workplace;
  longTermFeerate: FeeRate;
}

type ChannelOpenIntent = Extract<SpendIntent, { kind: 'channel_open' }>;

/** Who cancels in the log, where the pool asks for it. */
const POOL = 'pool';

export function poolService({ work, longTermFeerate }: PoolOptions): PoolService {
  const { log } = work;
  const handedOut = new Set<number>();
  const settings = (initiator: string): ProposeSettings => ({ longTermFeerate, initiator });
  const act = async (command: Command): Promise<void> => {
    await log.act((treasury) => decide(treasury, command));
  };

  return {
    async standing() {
      const { id } = log.treasury();
      if (id === null) throw new Failure('NOT_READY', 'no treasury yet');
      const { tipHeight, coins } = work.view();
      const treasurySat = sumSat(coins.map(({ amountSat }) => amountSat));
      return { treasuryId: id, tipHeight, treasurySat };
    },
    async closeAddresses(count) {
      await work.look();
      const indexes = freeCloseIndexes(work.situation(), handedOut, count);
      for (const index of indexes) handedOut.add(index);
      const { deriver } = work.vault();
      return indexes.map((index) => ({ index, address: deriver.address(0, index) }));
    },
    proposeChannelOpen: (request) => openChannels(work, request, settings(request.initiator)),
    channelsPending: (pending) =>
      act({ kind: 'hear-pending', pending, tipHeight: work.view().tipHeight }),
    withdrawProposal: (proposalId, why) => act({ kind: 'withdraw', proposalId, why }),
    async cancelChannelOpen(id) {
      const state = proposalOf(log.treasury(), id);
      const { kind } = state.proposal.intent;
      if (kind !== 'channel_open') throw new Failure('WRONG_STATE', `${id} is a ${kind}`);
      await work.look();
      const standing = standingCancel(id, work.situation());
      if (standing !== null) return { id: standing, reasons: [] };
      const { id: made, verdict } = await propose(
        work,
        { kind: 'cancel', of: id, feerate: null },
        settings(POOL),
      );
      return { id: made, reasons: verdict.reasons };
    },
    async proposal(id) {
      const state = proposalOf(log.treasury(), id);
      await work.look();
      return proposalStanding(state, work.situation());
    },
    async proposeChannelClose({ initiator, ...close }): Promise<Proposed> {
      const { id, verdict } = await authorize(work, { kind: 'channel_close', ...close }, initiator);
      return { id, reasons: verdict.reasons };
    },
    async log(afterSeq, limit) {
      if (afterSeq >= log.treasury().seq) return [];
      return log.entries(afterSeq, Math.min(limit, POOL_LOG_PAGE_MAX));
    },
  };
}

async function openChannels(
  work: Workplace,
  { channels, reserve: wanted }: ChannelOpenRequest,
  settings: ProposeSettings,
): Promise<ChannelOpenProposed> {
  await work.look();
  const reserve = wanted === null ? null : reservePayee(wanted, work.situation());
  if (wanted !== null && reserve === null) {
    const unlisted = reason('W-OUT-PAYEE-UNSIGNED', 'the reserve is no address of the list');
    return { id: null, reasons: [unlisted], txid: '', psbt: '', expiryHeight: 0 };
  }
  const before = proposedBefore({ channels, reserve }, work.situation());
  if (before !== null) return answerAgain(before, work);
  const outcome = await propose(work, { kind: 'channel_open', channels, reserve }, settings);
  const { id, verdict, draft } = outcome;
  if (id === null) {
    // Nobody is to show LND a transaction that is in no log.
    return { id, reasons: verdict.reasons, txid: '', psbt: '', expiryHeight: 0 };
  }
  return {
    id,
    reasons: verdict.reasons,
    txid: draft.built.txid,
    psbt: base64.encode(psbtOf(draft.built, draft.intent.plan, work.vault())),
    expiryHeight: draft.expiryHeight,
  };
}

/** Funding scripts are made for one negotiation: the same ones again are a question asked again. */
function proposedBefore(
  asked: Pick<ChannelOpenIntent, 'channels' | 'reserve'>,
  { all }: Situation,
): ProposalState | null {
  const wanted = canonicalJson(asked);
  const same = all.find(({ root: { proposal, withdrawn }, fate }) => {
    const { intent } = proposal;
    if (intent.kind !== 'channel_open' || fate.is !== 'live' || withdrawn !== null) return false;
    const { channels, reserve } = intent;
    return canonicalJson({ channels, reserve }) === wanted;
  });
  return same?.root ?? null;
}

function answerAgain(state: ProposalState, work: Workplace): ChannelOpenProposed {
  const { built, intent, expiryHeight } = spendOf(state, work.situation());
  const psbt = base64.encode(psbtOf(built, intent.plan, work.vault()));
  return { id: state.id, reasons: [], txid: built.txid, psbt, expiryHeight };
}

/** A cancel of it that may still be signed: asking twice is asking once. */
function standingCancel(id: string, situation: Situation): string | null {
  const { treasury, view } = situation;
  const family = familyOf(proposalOf(treasury, id), situation);
  if (family === undefined) return null;
  const cancels = aliveVariants(family, treasury).filter(
    (state) =>
      state.proposal.intent.kind === 'cancel' &&
      !rejectedByOperator(state) &&
      (state.broadcast !== null || state.proposal.expiryHeight >= view.tipHeight),
  );
  return cancels.at(-1)?.id ?? null;
}

function proposalStanding(state: ProposalState, situation: Situation): ProposalStanding {
  const { proposal } = state;
  const threshold = situation.treasury.params?.threshold ?? Number.MAX_SAFE_INTEGER;
  const count = state.contributions.size;
  const saysSigned = [...state.verdicts.values()].some(({ body }) => body.verdict === 'signed');
  const nobody = count === 0 && !saysSigned;
  return {
    id: state.id,
    txid: proposalTxid(proposal),
    standing: standingOf(state, situation),
    signed: count >= threshold ? 'enough' : nobody ? 'nobody' : 'somebody',
    confirmations: confirmationsOf(state, situation),
    feeSat: proposal.feeSat,
  };
}

/**
 * Stricter than what the treasury itself needs: a channel that LND is told to forget must never be funded, so
 * `dead` is a proposal that was withdrawn before it was pending, or whose anchor another transaction spent
 * six blocks deep. Seats that say "never" are not enough: one liar among them could still sign.
 */
function standingOf(state: ProposalState, situation: Situation): ProposalStanding['standing'] {
  const fate = familyOf(state, situation)?.fate;
  const isBy = (fate?.is === 'confirmed' || fate?.is === 'buried') && fate.by.id === state.id;
  if (isBy) return fate.is;
  if (state.withdrawn !== null || isOvertaken(state.proposal, situation)) return 'dead';
  if (state.broadcast !== null) return 'broadcast';
  const { expiryHeight } = state.proposal;
  const isOver = expiryHeight < situation.view.tipHeight || (fate?.is ?? 'live') !== 'live';
  return isOver || rejectedByOperator(state) ? 'expired' : 'collecting';
}

function familyOf(state: ProposalState, { all }: Situation): Family | undefined {
  return all.find(({ root }) => root.id === state.root);
}

/** Whether another transaction took a coin of it, six blocks deep. */
function isOvertaken(proposal: Proposal, { view }: Situation): boolean {
  const txid = proposalTxid(proposal);
  const coins = new Set(proposal.prevouts.map(({ outpoint }) => outpoint));
  return view.spends.some(
    (spend) =>
      spend.txid !== txid &&
      depthOf(spend.height, view.tipHeight) >= BURIED_DEPTH &&
      spend.outpoints.some((each) => coins.has(each)),
  );
}

function confirmationsOf({ proposal }: ProposalState, { view }: Situation): number {
  const txid = proposalTxid(proposal);
  const own = view.spends.find((spend) => spend.txid === txid);
  return own === undefined ? 0 : depthOf(own.height, view.tipHeight);
}

function depthOf(height: number | null, tipHeight: number): number {
  return height === null ? 0 : tipHeight - height + 1;
}
