/**
 * Gives a batch up. What was never pending is let go at once; what was, or may be signed, only after another
 * spend of its coins is six blocks deep by our own node: LND forgets whatever it is told to, and coins that
 * then confirm would lie in a 2-of-2 that nobody knows.
 */
import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js';
import { RawTx } from '@scure/btc-signer/script.js';
import { invariant } from '../../policies/failure.ts';
import type { Proposal } from '../../policies/proposal.ts';
import { textUpTo } from '../../policies/text.ts';
import type { Treasury } from '../../policies/treasury.ts';
import { outputsOfTx } from '../../policies/tx-outputs.ts';
import { type Sat, sat } from '../../policies/units.ts';
import { CONFLICT_CONFIRMATIONS } from './batch-apply.ts';
import { abortRoute, isPendingAnywhere } from './batch-steps.ts';
import { seenOut } from './broadcast-look.ts';
import type { AbortWhy, ChannelEventOf } from './channel-event.ts';
import {
  batchNewsBooked,
  batchOf,
  type ChannelParts,
  recordBatch,
  unlessRefused,
} from './channel-parts.ts';
import { cancelledEntry } from './channel-postings.ts';
import { type Batch, outpointsOf } from './channel-state.ts';

/**
 * What was proposed is looked for this long before it is withdrawn: LND refuses some fundings after it has asked
 * the peer (lnwallet/wallet.go, PsbtFundingVerify), and the channel is pending all the same. A cancel can move
 * the coins then; of what is withdrawn, only their next use ends it.
 */
export const RELEASE_LOOK_MS = 20_000;
/** Proposals of the log that are looked through for a conflict at once. */
const CANDIDATES_MAX = 50;

/** Decides how it ends, by what the node lists now. @throws Failure LND_UNREACHABLE where that matters */
export async function giveUp(
  parts: ChannelParts,
  { batchId }: Batch,
  why: AbortWhy,
  detail: string,
): Promise<void> {
  // The caller's copy may be older than what it recorded since.
  const batch = batchOf(parts.engine.state(), batchId);
  const listed = batch.proposal === null ? [] : await parts.reader.pendingChannels();
  await recordBatch(parts, {
    kind: 'channel-batch-aborting',
    batchId,
    why,
    detail: textUpTo(detail, 300),
    route: abortRoute(batch, listed),
  });
}

/** Ids of proposals that fund these very channels and still stand without the pool's word. */
export function orphansOf(treasury: Treasury, batch: Batch): string[] {
  const scripts = new Set(batch.funding.map(({ fundingScript }) => fundingScript));
  return [...treasury.proposals.values()]
    .filter(
      ({ proposal: { intent }, withdrawn: gone, pending }) =>
        intent.kind === 'channel_open' &&
        gone === null &&
        pending === null &&
        intent.channels.some(({ fundingScript }) => scripts.has(fundingScript)),
    )
    .map(({ id }) => id);
}

/** Has them dropped: proposed before a crash, or of a batch that is given up. */
export async function withdrawn(parts: ChannelParts, batch: Batch, why: string): Promise<void> {
  if (batch.funding.length === 0) return;
  for (const id of orphansOf(await parts.treasury.refresh(), batch)) {
    // Where it is refused nobody signs either: there is no word of the pool.
    await unlessRefused(parts.coordinator.withdrawProposal(id, why));
  }
}

/** Nothing was pending: the node, the coordinator and so the peers let go. */
export async function release(parts: ChannelParts, batch: Batch): Promise<void> {
  const { batchId, funding, proposal, abort } = batch;
  invariant(abort !== null, `${batchId} is let go and was not given up`);
  const { why, detail, atMs } = abort;
  for (const { pendingId } of funding) await parts.manager.cancelPending(pendingId);
  const listed = proposal === null ? [] : await parts.reader.pendingChannels();
  if (isPendingAnywhere(batch, listed)) {
    // A peer signed while we let go.
    const event = { kind: 'channel-batch-aborting' as const, batchId, why, detail };
    return recordBatch(parts, { ...event, route: 'conflict' });
  }
  if (proposal !== null && parts.now() - atMs < RELEASE_LOOK_MS) return;
  await withdrawn(parts, batch, `given up: ${why}`);
  // Whose request got lost without its id holds a slot until the peer forgets it.
  const lost = funding.length === 0 && why === 'interrupted';
  const busyPeers = lost ? batch.channels.map(({ peer }) => peer) : [];
  await recordBatch(parts, { kind: 'channel-batch-aborted', batchId, busyPeers });
}

/** Asks for the coins to move, and looks whether they did. */
export async function conflict(parts: ChannelParts, batch: Batch): Promise<void> {
  const { batchId, proposal, abort, statement } = batch;
  invariant(proposal !== null && abort !== null, `${batchId} has nothing to conflict with`);
  if (statement !== null && (await seenOut(parts, batch))) return;
  if (abort.cancelId === null) {
    const cancel = await unlessRefused(parts.coordinator.cancelChannelOpen(proposal.proposalId));
    if (cancel?.id != null) {
      const event = { kind: 'channel-batch-cancel-proposed' as const, batchId };
      await recordBatch(parts, { ...event, cancelId: cancel.id });
    }
  }
  const treasury = await parts.treasury.refresh();
  for (const candidate of conflictCandidates(treasury, proposal)) {
    const found = await buriedConflict(parts, proposal, candidate);
    if (found === null) continue;
    const event = { kind: 'channel-conflict-buried' as const, batchId, ...found };
    await parts.engine.act((state) => ({
      news: batchNewsBooked(state, event, cancelledEntry(found.feeSat)),
      answer: null,
    }));
    return;
  }
}

type Funding = Pick<ChannelEventOf<'channel-batch-proposed'>, 'txid' | 'inputs' | 'proposalId'>;

interface Candidate {
  txid: string;
  height: number;
  feeSat: Sat;
}

/** Transactions that the log says are mined and that share a coin with the funding: claims, to be checked. */
export function conflictCandidates(treasury: Treasury, funding: Funding): Candidate[] {
  const inputs = new Set(funding.inputs);
  const found = [...treasury.proposals.values()].flatMap((state): Candidate[] => {
    const { id, proposal, place, broadcast } = state;
    if (id === funding.proposalId) {
      return place?.in === 'conflict' && place.height !== null
        ? [{ txid: place.txid, height: place.height, feeSat: sat(0n) }]
        : [];
    }
    const shares = proposal.prevouts.some(({ outpoint }) => inputs.has(outpoint));
    if (!shares || place?.in !== 'block' || broadcast === null) return [];
    const { intent } = proposal;
    const isOurs = intent.kind === 'cancel' && intent.of === funding.proposalId;
    const feeSat = isOurs ? feeOf(proposal) : sat(0n);
    return [{ txid: broadcast.txid, height: place.height, feeSat }];
  });
  // What is known whole comes first: our own place names the same transaction without its fee.
  return found
    .filter(({ txid }) => txid !== funding.txid)
    .toSorted((a, b) => (a.feeSat === b.feeSat ? 0 : a.feeSat > b.feeSat ? -1 : 1))
    .slice(0, CANDIDATES_MAX);
}

/** Inputs less outputs, computed here. */
function feeOf({ prevouts, unsignedTx }: Proposal): Sat {
  const paid = prevouts.reduce((sum, { amountSat }) => sum + amountSat, 0n);
  return sat(outputsOfTx(unsignedTx).reduce((left, { amountSat }) => left - amountSat, paid));
}

/** The conflict as our own node holds it, six deep; null where it does not. */
async function buriedConflict(
  { chain }: ChannelParts,
  { inputs }: Funding,
  { txid, height, feeSat }: Candidate,
): Promise<Omit<ChannelEventOf<'channel-conflict-buried'>, 'kind' | 'batchId'> | null> {
  const mined = await chain.minedAt(txid, height);
  if (mined === null || mined.confirmations < CONFLICT_CONFIRMATIONS) return null;
  const spends = spentBy(mined.rawTx).find((each) => inputs.includes(each));
  if (spends === undefined) return null;
  const { rawTx, confirmations } = mined;
  return { txid, rawTx, spends, height, confirmations, feeSat };
}

function spentBy(rawTx: string): string[] {
  const { inputs } = RawTx.decode(hexToBytes(rawTx));
  return inputs.map(({ txid, index }) => `${bytesToHex(txid)}:${index}`);
}

/** Tells the node to forget, after one more look at the chain: a block may have been taken back since. */
export async function forget(parts: ChannelParts, batch: Batch): Promise<void> {
  const { batchId, proposal, abort } = batch;
  const buried = abort?.conflict ?? null;
  invariant(proposal !== null && buried !== null, `${batchId} is forgotten without a conflict`);
  const still = await buriedConflict(parts, proposal, buried);
  if (still === null) return;
  const ours = new Set(outpointsOf(batch));
  const listed = await parts.reader.pendingChannels();
  for (const { outpoint } of listed.filter((each) => ours.has(each.outpoint))) {
    const pendingTx = proposal.unsignedTx;
    parts.crashPoint('before-forget');
    await parts.manager.forgetConflicted({ outpoint, pendingTx, confirmedTx: still.rawTx });
    parts.crashPoint('after-forget');
  }
  const busyPeers = batch.channels.map(({ peer }) => peer);
  await recordBatch(parts, { kind: 'channel-batch-aborted', batchId, busyPeers });
}
