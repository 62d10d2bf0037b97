/**
 * Opens a batch step by step: the node is asked, the coordinator proposes, the node verifies, all are pending,
 * the backup is stored, the pool gives its word. Every step may run twice; what it finds decides.
 */
import { base64 } from '@scure/base';
import { Failure, invariant } from '../../policies/failure.ts';
import { feerate } from '../../policies/units.ts';
import { available } from '../ledger/ledger.ts';
import type { PoolState } from '../pool-state.ts';
import { scriptOf } from './address-script.ts';
import { backUp } from './backup-run.ts';
import { conflict, forget, giveUp, release, withdrawn } from './batch-abort.ts';
import { type BatchStep, batchStep, lookAtPending } from './batch-steps.ts';
import { seenOut } from './broadcast-look.ts';
import type { ChannelEventOf } from './channel-event.ts';
import {
  batchNews,
  batchOf,
  type ChannelParts,
  detailOf,
  isPassing,
  recordBatch,
} from './channel-parts.ts';
import { type Batch, outpointsOf } from './channel-state.ts';
import { checkFunding, readFunding } from './funding-check.ts';
import { busySlots, committedMsat } from './open-decision.ts';

/** No sane funding pays this much; the quorum's policy has the narrower bound. */
const FEERATE_SANE_MAX = feerate(1_000_000n);
/** A batch has fewer phases than this: one that does not come to rest is a bug. */
const STEPS_MAX = 24;

/**
 * Does what can be done for a batch now. Resolves where it has to wait for somebody.
 *
 * @throws Failure of who is away: the same call later goes on
 */
export async function advanceBatch(parts: ChannelParts, batchId: string): Promise<void> {
  for (let steps = 0; steps < STEPS_MAX; steps += 1) {
    const before = marksOf(parts.engine.state(), batchId);
    const batch = batchOf(parts.engine.state(), batchId);
    const step = batchStep(
      batch,
      { nowMs: parts.now(), deadlineMs: parts.pendingDeadlineMs },
      isActive(parts.engine.state(), batch),
    );
    if (step.do === 'nothing') return;
    await perform(parts, batch, step);
    if (marksOf(parts.engine.state(), batchId) === before) return;
  }
  throw new Failure('NOT_READY', `batch ${batchId} does not come to rest`);
}

function marksOf(state: PoolState, batchId: string): string {
  const { phase, backup, abort } = batchOf(state, batchId);
  return [phase, backup, abort?.cancelId, abort?.conflict?.txid].join(' ');
}

/** Whether all its channels are open, or were. */
export function isActive({ channels }: PoolState, batch: Batch): boolean {
  return outpointsOf(batch).every(
    (outpoint) => channels.open.has(outpoint) || channels.closes.get(outpoint)?.closed != null,
  );
}

function perform(parts: ChannelParts, batch: Batch, step: BatchStep): Promise<void> {
  const { batchId } = batch;
  switch (step.do) {
    case 'ask-funding':
      return askFunding(parts, batch);
    case 'propose':
      return propose(parts, batch);
    case 'verify':
      return verify(parts, batch);
    case 'look-pending':
      return lookPending(parts, batch);
    case 'back-up':
      return backUp(parts, outpointsOf(batch));
    case 'attest':
      return attest(parts, batch);
    case 'send-word':
      return sendWord(parts, batch);
    case 'finish':
      return recordBatch(parts, { kind: 'channel-batch-done', batchId });
    case 'release':
      return release(parts, batch);
    case 'conflict':
      return conflict(parts, batch);
    case 'forget':
      return forget(parts, batch);
    case 'give-up':
      return giveUp(parts, batch, step.why, LATE[step.why]);
    case 'nothing':
      return Promise.resolve();
  }
}

const LATE = {
  interrupted: 'the pool stopped while the node was asked',
  reservation_lost: 'nothing was proposed before peers forget the request',
  not_pending_in_time: 'not every peer signed in time',
} as const;

async function askFunding(parts: ChannelParts, batch: Batch): Promise<void> {
  const { batchId, channels } = batch;
  await recordBatch(parts, { kind: 'channel-funding-asking', batchId });
  parts.crashPoint('before-open-channels');
  let asked: Awaited<ReturnType<ChannelParts['manager']['openChannels']>>;
  try {
    asked = await parts.manager.openChannels(channels);
  } catch (cause) {
    if (!(cause instanceof Failure)) throw cause;
    const peers = channels.map(({ peer }) => peer);
    const busy = busySlots(parts.engine.state().channels, peers, parts.now());
    return giveUp(parts, batch, 'peer_refused', [...busy, detailOf(cause)].join('; '));
  }
  parts.crashPoint('after-open-channels');
  const funding = asked.map(({ pendingId, address, amountSat }) => ({
    pendingId,
    fundingScript: scriptOf(address, parts.network),
    amountSat,
  }));
  // The ids are kept whatever they are: with them alone the node can be told to forget.
  await recordBatch(parts, { kind: 'channel-funding-asked', batchId, funding });
  const wrong = asked.findIndex(
    ({ peer, amountSat }, at) =>
      peer !== channels[at]?.peer || amountSat !== channels[at]?.capacitySat,
  );
  if (wrong >= 0) {
    const why = `channel ${wrong + 1} is funded otherwise than was asked`;
    await giveUp(parts, batch, 'node_refused', why);
  }
}

async function propose(parts: ChannelParts, batch: Batch): Promise<void> {
  const { batchId, initiator, reserve, funding, channels } = batch;
  await withdrawn(parts, batch, 'the pool was interrupted');
  const asked = channels.map(({ peer, capacitySat, closeIndex, announced }, at) => ({
    peer,
    capacitySat,
    fundingScript: funding[at]?.fundingScript ?? '',
    closeIndex,
    announced,
  }));
  parts.crashPoint('before-propose');
  let proposed: Awaited<ReturnType<ChannelParts['coordinator']['proposeChannelOpen']>>;
  try {
    proposed = await parts.coordinator.proposeChannelOpen({ channels: asked, reserve, initiator });
  } catch (cause) {
    if (isPassing(cause) || !(cause instanceof Failure)) throw cause;
    return giveUp(parts, batch, 'proposal_refused', detailOf(cause));
  }
  parts.crashPoint('after-propose');
  if (proposed.id === null) {
    const why = proposed.reasons.map(({ code, detail }) => `${code} ${detail}`).join('; ');
    return giveUp(parts, batch, 'proposal_refused', why);
  }
  const checked = await checkedProposal(parts, batch, { ...proposed, id: proposed.id });
  if (typeof checked === 'string') return giveUp(parts, batch, 'proposal_unlike', checked);
  const event = { kind: 'channel-batch-proposed' as const, batchId, ...checked };
  const short = await parts.engine.act((state) => {
    const needed = committedMsat(state.channels) + checked.feeSat * 1_000n;
    const lacks = needed > available(state.ledger, 'LLP:asset:cold');
    return { news: lacks ? [] : batchNews(state, event), answer: lacks };
  });
  if (short) {
    await giveUp(parts, batch, 'books_short', 'the books have less in the treasury than it takes');
  }
}

/** What is proposed, read and checked by us; a text says what is wrong with it. */
async function checkedProposal(
  parts: ChannelParts,
  batch: Batch,
  proposed: { id: string; txid: string; psbt: string; expiryHeight: number },
): Promise<Omit<ChannelEventOf<'channel-batch-proposed'>, 'kind' | 'batchId'> | string> {
  const tx = readFunding(proposed.psbt);
  if (tx === null) return 'it is no PSBT';
  const treasury = await parts.treasury.refresh();
  const logged = treasury.proposals.get(proposed.id);
  if (logged?.proposal.unsignedTx !== tx.unsignedTx) return 'the log holds another transaction';
  const { change } = logged.proposal.intent.plan;
  const ours = change === null ? null : parts.treasury.changeScript(change.index);
  const coins = await Promise.all(tx.inputs.map(({ outpoint }) => parts.chain.output(outpoint)));
  const check = checkFunding({
    tx,
    claimedTxid: proposed.txid,
    batch,
    reserve:
      batch.reserve === null
        ? null
        : { ...batch.reserve, script: scriptOf(batch.reserve.address, parts.network) },
    coins,
    maxFeerate: FEERATE_SANE_MAX,
    isOurs: (script) => script === ours,
  });
  if (check.is === 'bad') return check.why;
  return {
    proposalId: proposed.id,
    txid: tx.txid,
    unsignedTx: tx.unsignedTx,
    psbt: proposed.psbt,
    inputs: tx.inputs.map(({ outpoint }) => outpoint),
    vouts: check.vouts,
    feeSat: check.feeSat,
    expiryHeight: proposed.expiryHeight,
  };
}

async function verify(parts: ChannelParts, batch: Batch): Promise<void> {
  const { batchId, proposal, funding } = batch;
  invariant(proposal !== null, `${batchId} is verified and not proposed`);
  const look = lookAtPending(batch, await parts.reader.pendingChannels());
  if (look.is === 'unlike') return giveUp(parts, batch, 'node_refused', look.why);
  if (look.is === 'none') {
    parts.crashPoint('before-verify');
    try {
      const ids = funding.map(({ pendingId }) => pendingId);
      await parts.manager.verifyFunding(ids, base64.decode(proposal.psbt));
    } catch (cause) {
      if (isPassing(cause) || !(cause instanceof Failure)) throw cause;
      return giveUp(parts, batch, 'node_refused', detailOf(cause));
    }
    parts.crashPoint('after-verify');
  }
  await recordBatch(parts, { kind: 'channel-batch-verified', batchId });
}

async function lookPending(parts: ChannelParts, batch: Batch): Promise<void> {
  const { batchId } = batch;
  const look = lookAtPending(batch, await parts.reader.pendingChannels());
  if (look.is === 'unlike') return giveUp(parts, batch, 'node_refused', look.why);
  if (look.is === 'all') await recordBatch(parts, { kind: 'channel-batch-pending', batchId });
}

/** Looks once more, signs the pool's word, and writes it down before anybody hears it. */
async function attest(parts: ChannelParts, batch: Batch): Promise<void> {
  const { batchId, proposal, channels } = batch;
  invariant(proposal !== null, `${batchId} is attested and not proposed`);
  const look = lookAtPending(batch, await parts.reader.pendingChannels());
  if (look.is !== 'all') {
    const why = look.is === 'unlike' ? look.why : 'the node does not list them all any more';
    return giveUp(parts, batch, 'node_refused', why);
  }
  const { id: treasuryId } = await parts.treasury.refresh();
  if (treasuryId === null) throw new Failure('NOT_READY', 'the treasury log is not read yet');
  const statement = parts.attest({
    treasuryId,
    network: parts.network,
    proposalId: proposal.proposalId,
    txid: proposal.txid,
    channels: channels.map(({ peer, capacitySat, closeIndex }, at) => ({
      peer,
      vout: proposal.vouts[at] ?? 0,
      capacitySat,
      closeIndex,
    })),
  });
  await recordBatch(parts, { kind: 'channel-batch-attested', batchId, statement });
}

/** Sends the pool's word until the log holds it, then waits for the transaction or for its end. */
async function sendWord(parts: ChannelParts, batch: Batch): Promise<void> {
  const { proposal, statement } = batch;
  invariant(proposal !== null && statement !== null, `${batch.batchId} has no word to send`);
  if (await seenOut(parts, batch)) return;
  const treasury = await parts.treasury.refresh();
  if (treasury.proposals.get(proposal.proposalId)?.pending == null) {
    parts.crashPoint('before-word');
    await parts.coordinator.channelsPending(statement);
    parts.crashPoint('after-word');
  }
  const { standing } = await parts.coordinator.proposal(proposal.proposalId);
  if (standing === 'dead') {
    return giveUp(parts, batch, 'proposal_dead', 'its coins were spent otherwise');
  }
  if (standing === 'expired') {
    await giveUp(parts, batch, 'expired', 'no quorum signed it before its height, or one said no');
  }
}
