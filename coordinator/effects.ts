/**
 * What is still to be done, read off the state and one look at the chain. Pure: there is no list of
 * jobs, so no crash can lose one; after a restart the same state gives the same effects.
 */
import { canonicalJson } from '../policies/canonical-json.ts';
import { deadByRefusal, type Family, families, spendsByOutpoint } from '../policies/commitments.ts';
import { proposalTxid } from '../policies/proposal.ts';
import type { ProposalState, Treasury } from '../policies/treasury.ts';
import type { ChainView, SeenSpend } from './chain.ts';
import { type Place, rejectedByOperator } from './machine.ts';

export type Effect =
  /** All seats brought their keys: assemble the wallet record. */
  | { do: 'record-wallet' }
  /** The first k seats in the order they signed: combine, check, and intend the broadcast. */
  | { do: 'finalize'; proposalId: string; seats: readonly string[] }
  /** Offer the transaction to the node, for the first time or again. */
  | { do: 'broadcast'; proposalId: string; rawTx: string }
  /** The chain already holds what was sent before a crash. */
  | { do: 'note-answer'; proposalId: string; reason: string }
  | { do: 'note-place'; proposalId: string; place: Place };

/** All effects a treasury waits for; without a look at the chain only those that need none. */
export function pendingEffects(treasury: Treasury, view: ChainView | null): readonly Effect[] {
  const ceremony: Effect[] = walletIsDue(treasury) ? [{ do: 'record-wallet' }] : [];
  if (view === null || view.sync === 'syncing') return ceremony;
  const seen = lookAt(view);
  const spends = families(treasury, spendsByOutpoint(view.spends), view.tipHeight).flatMap(
    (family) => effectsOf(treasury, family, seen),
  );
  return [...ceremony, ...spends];
}

/** Where a proposal's transaction is, as this look at the chain shows it. */
export function placeOf(state: ProposalState, view: ChainView): Place {
  return placeSeen(state, lookAt(view));
}

interface Look {
  view: ChainView;
  byTxid: ReadonlyMap<string, SeenSpend>;
  byOutpoint: ReadonlyMap<string, SeenSpend>;
}

function lookAt(view: ChainView): Look {
  const byOutpoint = new Map<string, SeenSpend>();
  for (const spend of view.spends) {
    for (const outpoint of spend.outpoints) {
      if ((byOutpoint.get(outpoint)?.height ?? null) === null) byOutpoint.set(outpoint, spend);
    }
  }
  return { view, byTxid: new Map(view.spends.map((each) => [each.txid, each])), byOutpoint };
}

function walletIsDue(treasury: Treasury): boolean {
  const seats = [...treasury.seats.values()];
  return (
    treasury.wallet === null && seats.length > 0 && seats.every(({ record }) => record !== null)
  );
}

function effectsOf(treasury: Treasury, family: Family, look: Look): Effect[] {
  const noted = family.variants.flatMap((state) => placeEffects(state, look));
  if (family.fate.is !== 'live') return noted;
  return [
    ...noted,
    ...family.variants.flatMap((state) => finalizeEffects(treasury, family, state, look.view)),
    ...broadcastEffects(family, look),
  ];
}

function placeEffects(state: ProposalState, look: Look): Effect[] {
  const place = placeSeen(state, look);
  const proposalId = state.id;
  const found = place.in === 'mempool' || place.in === 'block';
  const effects: Effect[] = [];
  if (found && state.broadcast !== null && state.broadcast.answer?.outcome !== 'accepted') {
    effects.push({ do: 'note-answer', proposalId, reason: `seen in the ${place.in}` });
  }
  if (worthNoting(state, place)) effects.push({ do: 'note-place', proposalId, place });
  return effects;
}

/** Never sent and not there is nothing new; nor is an unconfirmed sibling in its stead. */
function worthNoting(state: ProposalState, place: Place): boolean {
  if (canonicalJson(place) === canonicalJson(state.place)) return false;
  if (state.place !== null) return true;
  if (place.in === 'nowhere') return false;
  return place.in !== 'conflict' || state.broadcast !== null || place.height !== null;
}

function placeSeen(state: ProposalState, { byTxid, byOutpoint }: Look): Place {
  const own = byTxid.get(proposalTxid(state.proposal));
  if (own !== undefined) {
    return own.height === null || own.blockHash === null
      ? { in: 'mempool' }
      : { in: 'block', height: own.height, blockHash: own.blockHash };
  }
  const other = byOutpoint.get(state.proposal.intent.plan.anchor);
  return other === undefined
    ? { in: 'nowhere' }
    : { in: 'conflict', txid: other.txid, height: other.height };
}

function finalizeEffects(
  treasury: Treasury,
  family: Family,
  state: ProposalState,
  view: ChainView,
): Effect[] {
  const threshold = treasury.params?.threshold ?? Number.MAX_SAFE_INTEGER;
  if (state.broadcast !== null || state.contributions.size < threshold) return [];
  if (state.proposal.expiryHeight < view.tipHeight || rejectedByOperator(state)) return [];
  // A cancel passes a tripped breaker and overtakes what it cancels.
  const isHeld = treasury.breaker === 'tripped' || hasCancel(treasury, family, view.tipHeight);
  if (isHeld && state.proposal.intent.kind !== 'cancel') return [];
  const seats = [...state.contributions.keys()].slice(0, threshold);
  return [{ do: 'finalize', proposalId: state.id, seats }];
}

/**
 * The newest variant that was meant to go out, until the chain shows it. One that the node refuses gives
 * the one before it another chance, but nothing that a cancel was meant to undo is ever sent again.
 */
function broadcastEffects(family: Family, look: Look): Effect[] {
  const sent = family.variants.flatMap(({ id, broadcast, proposal }) =>
    broadcast === null ? [] : [{ proposalId: id, ...broadcast, kind: proposal.intent.kind }],
  );
  const cancels = sent.filter(({ kind }) => kind === 'cancel');
  const isOut = look.byOutpoint.has(family.root.proposal.intent.plan.anchor);
  const effects: Effect[] = [];
  for (const each of (cancels.length > 0 ? cancels : sent).toReversed()) {
    if (look.byTxid.has(each.txid) || (isOut && each.answer !== null)) break;
    effects.push({ do: 'broadcast', proposalId: each.proposalId, rawTx: each.rawTx });
    if (each.answer?.outcome !== 'refused') break;
  }
  return effects;
}

/** Whether a cancel stands that may still be signed: nothing older is finished meanwhile. */
function hasCancel(treasury: Treasury, family: Family, tipHeight: number): boolean {
  return family.variants.some(
    (state) =>
      state.proposal.intent.kind === 'cancel' &&
      !deadByRefusal(treasury, state) &&
      !rejectedByOperator(state) &&
      (state.broadcast !== null || state.proposal.expiryHeight >= tipHeight),
  );
}
