/** Making proposals: look, draft, judge, check the own work, log. Only the last step changes anything. */
import { bytesToHex } from '@noble/hashes/utils.js';
import type { Verdict } from '../policies/evaluate.ts';
import { Failure } from '../policies/failure.ts';
import type { ChannelFunding, ListedPayee } from '../policies/intent.ts';
import { type Proposal, proposalId, proposalTxid } from '../policies/proposal.ts';
import type { FeeRate, Sat } from '../policies/units.ts';
import { batchOffer, type LeftOut, QUEUE_INITIATOR } from './batch.ts';
import { channelOpenDraft } from './channel-open.ts';
import {
  chosenDraft,
  consolidationDraft,
  type Draft,
  type DraftTerms,
  draftsPaying,
} from './draft.ts';
import type { Situation } from './facts.ts';
import { feerateFor } from './feerate.ts';
import { decide } from './machine.ts';
import { checkOwnWork } from './own-check.ts';
import { previousTxsOf } from './parcel.ts';
import { usedIndexOf } from './payees.ts';
import { bumpDrafts, cancelDrafts } from './variants.ts';
import type { Workplace } from './workplace.ts';

/** What somebody asks for. */
export type SpendRequest =
  | { kind: 'withdrawal_batch' }
  | { kind: 'treasury_move' | 'hot_topup'; entry: string; index: number | null; amountSat: Sat }
  | { kind: 'consolidate' }
  | { kind: 'fee_bump'; of: string; feerate: FeeRate | null }
  | { kind: 'cancel'; of: string; feerate: FeeRate | null }
  | { kind: 'channel_open'; channels: ChannelFunding[]; reserve: ListedPayee | null };

export interface ProposeSettings {
  longTermFeerate: FeeRate;
  /** Operator id, or a name for nobody in particular. */
  initiator: string;
}

/** `id` is null where the coordinator's own policy refuses: then nothing is logged. */
export interface Outcome {
  id: string | null;
  txid: string | null;
  verdict: Verdict;
  draft: Draft;
  leftOut: readonly LeftOut[];
}

/** The log moved on while the proposal was made: it is made again for its new place. */
const TRIES_MAX = 10;

/**
 * Proposes a spend.
 *
 * @throws Failure INSUFFICIENT_FUNDS, NOT_FOUND, NOT_READY, WRONG_STATE, INPUT_INVALID, INPUT_TOO_LARGE,
 *   BITCOIND_UNREACHABLE
 */
export async function propose(
  work: Workplace,
  request: SpendRequest,
  settings: ProposeSettings,
): Promise<Outcome> {
  for (let tries = 0; tries < TRIES_MAX; tries += 1) {
    const outcome = await proposeOnce(work, request, settings);
    if (outcome !== 'stale') return outcome;
  }
  throw new Failure('NOT_READY', 'the log moves faster than a proposal is made: try again');
}

async function proposeOnce(
  work: Workplace,
  request: SpendRequest,
  { longTermFeerate, initiator }: ProposeSettings,
): Promise<Outcome | 'stale'> {
  const view = await work.look();
  if (view.sync === 'syncing') throw new Failure('NOT_READY', 'bitcoind is still syncing');
  const situation = work.situation();
  const terms = {
    feerate: feerateFor(request.kind, situation.policy, view.estimate),
    longTermFeerate,
    seed: work.random32(),
  };
  const { drafts, leftOut } = draftsOf(request, situation, terms);
  const coins = drafts.flatMap(({ built }) => built.coins.map(({ outpoint }) => outpoint));
  const hidden = await work.hiddenCoins(coins);
  const { draft, verdict } = chosenDraft(drafts, situation, hidden, initiator);
  if (verdict.kind === 'refuse') return { id: null, txid: null, verdict, draft, leftOut };
  const outpoints = draft.built.coins.map(({ outpoint }) => outpoint);
  checkOwnWork(draft, situation.vault, await previousTxsOf(work.chain, outpoints));
  const proposal = proposalFrom(draft, situation, initiator);
  const written = await work.log.act((treasury) =>
    treasury.seq + 1 === proposal.seq ? decide(treasury, { kind: 'propose', proposal }) : [],
  );
  if (written.length === 0) return 'stale';
  return { id: proposalId(proposal), txid: proposalTxid(proposal), verdict, draft, leftOut };
}

/** Drafts that answer a request, the preferred one first. Pure. */
export function draftsOf(
  request: SpendRequest,
  situation: Situation,
  terms: DraftTerms,
): { drafts: readonly Draft[]; leftOut: readonly LeftOut[] } {
  switch (request.kind) {
    case 'withdrawal_batch':
      return batchOffer(situation, terms);
    case 'treasury_move':
    case 'hot_topup': {
      const { kind } = request;
      const payees = [listedPayee(request, situation)];
      return { drafts: draftsPaying({ kind, payees }, situation, terms), leftOut: [] };
    }
    case 'consolidate':
      return { drafts: [consolidationDraft(situation, terms)], leftOut: [] };
    case 'fee_bump':
      return { drafts: bumpDrafts(situation, { ...request, seed: terms.seed }), leftOut: [] };
    case 'cancel':
      return { drafts: cancelDrafts(situation, { ...request, seed: terms.seed }), leftOut: [] };
    case 'channel_open':
      return { drafts: [channelOpenDraft(request, situation, terms)], leftOut: [] };
  }
}

/** The proposal of a draft, at the next place of the log. Pure. */
export function proposalFrom(draft: Draft, situation: Situation, initiator: string): Proposal {
  const { treasury, vault, policyHash } = situation;
  const { params, id, wallet } = treasury;
  if (params === null || id === null || wallet === null) {
    throw new Failure('NOT_READY', 'there is no wallet yet');
  }
  const { intent, built, expiryHeight } = draft;
  return {
    schema: 'weir.proposal/v1',
    treasuryId: id,
    network: params.network,
    seq: treasury.seq + 1,
    epoch: wallet.epoch,
    policyHash,
    expiryHeight,
    initiator: intent.kind === 'withdrawal_batch' ? QUEUE_INITIATOR : initiator,
    descriptorHash: vault.descriptor.hash,
    intent,
    unsignedTx: bytesToHex(built.unsignedTx),
    prevouts: built.coins.map(({ outpoint, amountSat, branch, index }) => ({
      outpoint,
      amountSat,
      script: vault.deriver.at(branch, index).script,
    })),
    feeSat: built.feeSat,
  };
}

/** An entry of the policy's list; of a descriptor without an index, the next one nobody was paid at. */
function listedPayee(
  request: Extract<SpendRequest, { entry: string }>,
  { policy, all }: Situation,
): ListedPayee {
  const list = policy.intents[request.kind].to;
  const entry = policy.allowlists[list]?.find(({ name }) => name === request.entry);
  if (entry === undefined) {
    throw new Failure('NOT_FOUND', `the list ${list} of the policy has no ${request.entry}`);
  }
  const next = 'descriptor' in entry ? (usedIndexOf(entry.name, all) ?? -1) + 1 : null;
  return { entry: entry.name, index: request.index ?? next, amountSat: request.amountSat };
}
