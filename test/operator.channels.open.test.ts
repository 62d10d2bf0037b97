/** A batch of channels on a real coordinator and a node in memory: pending first, then signatures, then the books. */
import { expect, test } from 'vitest';
import { physicalRails, railDifferences } from '../operator/channels/books-check.ts';
import type { Batch } from '../operator/channels/channel-state.ts';
import { railTotals } from '../operator/ledger/rail-rows.ts';
import { type ChannelWorld, channelWorld, TWO } from './channel-world.ts';

function batchOf(world: ChannelWorld): Batch {
  const [batch] = world.state().channels.batches.values();
  if (batch === undefined) throw new Error('no batch');
  return batch;
}

async function differences(world: ChannelWorld) {
  const { reader, coordinator } = world.parts();
  await world.desk.work.look();
  const [balance, channels, pending, { treasurySat }] = await Promise.all([
    reader.balance(),
    reader.channels(),
    reader.pendingChannels(),
    coordinator.standing(),
  ]);
  const books = world.state().channels;
  const there = physicalRails({ books, balance, channels, pending, coldSat: treasurySat });
  return railDifferences(railTotals(world.state().ledger), there);
}
const NONE = { lightningMsat: 0n, pendingOpenMsat: 0n, chainMsat: 0n, coldMsat: 0n };

test('two channels open in one transaction, and books, node and treasury agree to the msat', async () => {
  const world = await channelWorld();
  const asked = await world.service().open({ initiator: 'olga', channels: TWO });
  expect([asked.exit, batchOf(world).phase]).toEqual([0, 'attested']);
  await world.quorumSigns(batchOf(world).proposal?.proposalId ?? '');
  await world.rounds(1);
  expect(batchOf(world).phase).toBe('broadcast');
  await world.mine(3);
  await world.rounds(3);
  expect(world.trouble()).toBe(null);
  expect(batchOf(world).phase).toBe('done');
  expect(await differences(world)).toEqual(NONE);
  await world.close();
});
