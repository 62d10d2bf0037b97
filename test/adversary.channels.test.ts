/** Attacks on the pool's channels: by a coordinator that lies, and by peers at the same moment. */
import { describe, expect, test } from 'vitest';
import { sat } from '../policies/units.ts';
import { ALPHA, BETA } from './channel-cases.ts';
import { channelWorld, TWO } from './channel-world.ts';

const INBOUND = [ALPHA, BETA].map((node, at) => ({
  node,
  name: `peer-${at}`,
  minSat: sat(100_000n),
  maxSat: sat(1_000_000n),
}));

/** Its coordinator hands out one and the same address of the treasury to whoever asks. */
async function oneAddressWorld() {
  const world = await channelWorld({ inbound: INBOUND });
  await world.desk.work.look();
  const [only] = await world.desk.pool.closeAddresses(1);
  if (only === undefined) throw new Error('no address');
  return { world, only };
}

describe('a coordinator that hands out one close address twice', () => {
  test('to two peers at once: one of them gets it', async () => {
    const { world, only } = await oneAddressWorld();
    world.desk.pool.closeAddresses = async () => [only];
    const opened = await Promise.all([
      world.lnd.peerOpens(ALPHA, 500_000n),
      world.lnd.peerOpens(BETA, 500_000n),
    ]);
    expect(opened.filter((each) => each !== null)).toHaveLength(1);
    expect(world.state().channels.inbound.size).toBe(1);
    await world.close();
  });

  test('to a peer while a batch is planned with it: the batch is refused', async () => {
    const { world, only } = await oneAddressWorld();
    const [more] = await world.desk.pool.closeAddresses(1);
    const { manager } = world.lnd;
    const address = await manager.walletAddress();
    world.desk.pool.closeAddresses = async (count) =>
      [only, ...(more === undefined ? [] : [more])].slice(0, count);
    manager.walletAddress = async () => {
      expect(await world.lnd.peerOpens(ALPHA, 500_000n)).not.toBeNull();
      return address;
    };
    const answer = await world.service().open({ channels: [...TWO], initiator: 'tess' });
    expect(answer.text).toContain(only.address);
    expect([...world.state().channels.batches]).toEqual([]);
    await world.close();
  });
});
