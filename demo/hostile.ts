/**
 * Somebody took over the coordinator's host: its log, its key, its process. They write a proposal into the
 * log that pays one of the LPs' withdrawals to themselves, properly built and properly signed, and let the
 * coordinator go on. This is all that a hacked coordinator can do by itself.
 */
import { randomBytes } from 'node:crypto';
import path from 'node:path';
import { buildUnsignedTx } from '../descriptors/build.ts';
import { makeDeriver } from '../descriptors/derive.ts';
import { parseTreasuryDescriptor } from '../descriptors/descriptor.ts';
import { NETWORKS } from '../descriptors/network.ts';
import { everyEntry } from '../journal/journal.ts';
import { openJournal } from '../journal/level-journal.ts';
import { toWire } from '../policies/canonical-json.ts';
import type { CoinRef, LpOrder, SpendIntent } from '../policies/intent.ts';
import { type LogEvent, logEvent } from '../policies/log-entry.ts';
import { type Proposal, proposalId } from '../policies/proposal.ts';
import { EMPTY_TREASURY, policyAt, type Treasury } from '../policies/treasury.ts';
import { applyEvent } from '../policies/treasury-fold.ts';
import { feerate } from '../policies/units.ts';
import { startCoordinator, type World } from './world.ts';

/** What the thief changes in an honest proposal. */
export interface Theft {
  /** Orders as the LPs signed them. */
  orders: readonly LpOrder[];
  /** A coin of the treasury that no proposal holds. */
  coin: CoinRef;
  tipHeight: number;
  change: { index: number };
  /** The payees that the proposal really pays. */
  swap(orders: readonly LpOrder[]): readonly LpOrder[];
}

/** Stops the coordinator, writes the stolen proposal into its log, starts it again. Gives its id. */
export async function plantTheft(world: World, theft: Theft): Promise<string> {
  await world.coordinator.daemon?.stop();
  const id = await writeToLog(world, (treasury) => stolen(treasury, theft));
  await startCoordinator(world);
  return id;
}

/** The log of a stopped coordinator, folded. */
export async function readLog(world: World): Promise<Treasury> {
  const journal = await openJournal(path.join(world.coordinator.dir, 'journal'));
  try {
    return await folded(journal);
  } finally {
    await journal.close();
  }
}

async function writeToLog(world: World, make: (treasury: Treasury) => Proposal): Promise<string> {
  const journal = await openJournal(path.join(world.coordinator.dir, 'journal'));
  try {
    const proposal = make(await folded(journal));
    const event: LogEvent = { kind: 'proposed', proposal };
    await journal.append([toWire(event)]);
    return proposalId(proposal);
  } finally {
    await journal.close();
  }
}

async function folded(journal: Awaited<ReturnType<typeof openJournal>>): Promise<Treasury> {
  let treasury = EMPTY_TREASURY;
  for await (const { seq, hash, body } of everyEntry(journal)) {
    treasury = { ...applyEvent(treasury, logEvent.parse(body), seq), seq, hash };
  }
  return treasury;
}

function stolen(treasury: Treasury, theft: Theft): Proposal {
  const { wallet, params, id } = treasury;
  if (wallet === null || params === null || id === null) throw new Error('no treasury to rob');
  const descriptor = parseTreasuryDescriptor(wallet.descriptor, NETWORKS[params.network]);
  const deriver = makeDeriver(descriptor);
  const orders = theft.swap(theft.orders);
  const intent: SpendIntent = {
    kind: 'withdrawal_batch',
    orders: [...orders],
    plan: {
      coins: [theft.coin],
      feerateSatPerKvb: feerate(2_000n),
      lockTime: theft.tipHeight,
      change: theft.change,
      orderSeed: randomBytes(32).toString('hex'),
      anchor: theft.coin.outpoint,
    },
  };
  const payees = orders.map(({ body }) => ({ script: body.script, amountSat: body.amountSat }));
  const built = buildUnsignedTx(intent.plan, payees, deriver);
  return {
    schema: 'weir.proposal/v1',
    treasuryId: id,
    network: params.network,
    seq: treasury.seq + 1,
    epoch: wallet.epoch,
    policyHash: policyAt(treasury, theft.tipHeight).hash,
    expiryHeight: theft.tipHeight + 100,
    initiator: 'queue',
    descriptorHash: descriptor.hash,
    intent,
    unsignedTx: Buffer.from(built.unsignedTx).toString('hex'),
    prevouts: built.coins.map(({ outpoint, amountSat, branch, index }) => ({
      outpoint,
      amountSat,
      script: deriver.at(branch, index).script,
    })),
    feeSat: built.feeSat,
  };
}
