/** Whether the funding of a batch is out, by our own node: then the books follow, whatever was decided before. */
import { invariant } from '../../policies/failure.ts';
import { batchNewsBooked, type ChannelParts } from './channel-parts.ts';
import { broadcastEntry } from './channel-postings.ts';
import { type Batch, outpointsOf } from './channel-state.ts';

/** Looks, and writes down what it sees. */
export async function seenOut(parts: ChannelParts, batch: Batch): Promise<boolean> {
  const { batchId, proposal } = batch;
  const [first] = outpointsOf(batch);
  if (proposal === null || first === undefined) return false;
  const output = await parts.chain.output(first);
  invariant(
    output === null || output.script === batch.funding[0]?.fundingScript,
    `${first} is another output than was asked`,
  );
  if (output === null && !(await wasMined(parts, proposal))) return false;
  const event = { kind: 'channel-batch-broadcast' as const, batchId };
  await parts.engine.act((state) => ({
    news: batchNewsBooked(state, event, broadcastEntry(batch)),
    answer: null,
  }));
  return true;
}

/** Where a channel closed before we looked, its output is spent: then the block that funded it still shows. */
async function wasMined(
  { treasury, chain }: ChannelParts,
  { proposalId, txid }: NonNullable<Batch['proposal']>,
): Promise<boolean> {
  const place = treasury.treasury().proposals.get(proposalId)?.place ?? null;
  return place?.in === 'block' && (await chain.minedAt(txid, place.height)) !== null;
}
