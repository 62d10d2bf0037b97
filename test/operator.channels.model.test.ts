/**
 * Whatever order things happen in, with crashes, silence and signers who try too early: nobody is asked to sign
 * before all is pending, nothing is forgotten that could still be funded, nothing closes without a quorum.
 */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { isBeforePending } from '../operator/channels/batch-steps.ts';
import { CRASH_MOMENTS } from '../operator/crash-at.ts';
import { Failure } from '../policies/failure.ts';
import { feerate } from '../policies/units.ts';
import { BETA } from './channel-cases.ts';
import {
  asksToOpen,
  type ChannelWorld,
  channelWorld,
  differences,
  driven,
  NO_DIFFERENCE,
  surviving,
  TWO,
} from './channel-world.ts';

const RUNS = 24;
/** Of channels only: what else the operator does is not done here. */
const MOMENTS = CRASH_MOMENTS.slice(CRASH_MOMENTS.indexOf('before-open-channels'));
const NOTHING = '0'.repeat(64);
const SEATS = ['ana', 'ben', 'cleo'] as const;

const command = fc.oneof(
  { weight: 2, arbitrary: fc.constant({ do: 'open' as const }) },
  { weight: 8, arbitrary: fc.constant({ do: 'round' as const }) },
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constant('mine' as const), blocks: fc.constantFrom(1, 3, 6) }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant('sign' as const),
      seat: fc.constantFrom(...SEATS),
      back: fc.nat(3),
    }),
  },
  { weight: 4, arbitrary: fc.constant({ do: 'quorum' as const }) },
  { weight: 3, arbitrary: fc.constant({ do: 'agree' as const }) },
  { weight: 2, arbitrary: fc.constant({ do: 'abort' as const }) },
  { weight: 2, arbitrary: fc.constant({ do: 'close' as const }) },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant('approve' as const), seat: fc.constantFrom(...SEATS) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('wait' as const), minutes: fc.constantFrom(1, 10, 90) }),
  },
  { weight: 1, arbitrary: fc.constant({ do: 'restart-node' as const }) },
  { weight: 1, arbitrary: fc.constant({ do: 'restart' as const }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('crash' as const),
      at: fc.constantFrom(...MOMENTS),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('mood' as const),
      mood: fc.constantFrom('signs' as const, 'silent' as const, 'refuses' as const),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('node' as const),
      is: fc.constantFrom('away' as const, 'there' as const),
    }),
  },
);
type Command = typeof command extends fc.Arbitrary<infer T> ? T : never;

/** Somebody says no: that is an answer. */
async function orRefused(work: () => Promise<unknown>): Promise<void> {
  try {
    await work();
  } catch (cause) {
    if (!(cause instanceof Failure)) throw cause;
  }
}

async function run(world: ChannelWorld, each: Command): Promise<void> {
  const { desk, lnd } = world;
  switch (each.do) {
    case 'open':
      if ([...world.state().channels.batches.values()].some(isBeforePending)) return;
      return surviving(world, () =>
        orRefused(() => world.service().open({ initiator: 'olga', channels: TWO })),
      );
    case 'round':
      return surviving(world, () => world.round());
    case 'mine':
      return world.mine(each.blocks);
    case 'sign': {
      const id = [...desk.work.log.treasury().proposals.keys()].at(-1 - each.back);
      if (id === undefined) return;
      await orRefused(() => desk.contribute(each.seat, id));
      return orRefused(() => desk.loop.round());
    }
    case 'quorum': {
      const id = [...desk.work.log.treasury().proposals.keys()].at(-1);
      if (id === undefined) return;
      for (const seat of SEATS) await orRefused(() => desk.contribute(seat, id));
      return orRefused(() => desk.loop.round());
    }
    case 'agree': {
      const id = [...desk.work.log.treasury().authorizations.keys()].at(-1) ?? NOTHING;
      for (const seat of SEATS) {
        const word = desk.s.t.approval(seat, 'guardian', { id, txid: null });
        await orRefused(() => desk.service.postApproval(word));
      }
      return;
    }
    case 'abort': {
      const batch = [...world.state().channels.batches.values()].at(-1);
      if (batch === undefined) return;
      return surviving(world, () =>
        orRefused(() => world.service().abort({ batchId: batch.batchId, why: 'test' })),
      );
    }
    case 'close': {
      const [outpoint] = world.state().channels.open.keys();
      if (outpoint === undefined) return;
      const ask = { initiator: 'olga', outpoint, force: 'cooperative' as const };
      return surviving(world, () =>
        orRefused(() => world.service().close({ ...ask, maxFeeRateSatPerKvb: feerate(5_000n) })),
      );
    }
    case 'approve': {
      const id = [...desk.work.log.treasury().authorizations.keys()].at(-1);
      const subject = { id: id ?? NOTHING, txid: null };
      const word = desk.s.t.approval(each.seat, 'guardian', subject);
      return orRefused(() => desk.service.postApproval(word));
    }
    case 'wait':
      world.clock.now += each.minutes * 60_000;
      return;
    case 'restart-node':
      lnd.restart();
      return;
    case 'restart':
      world.restart();
      return;
    case 'crash':
      world.crashAt(each.at);
      return;
    case 'mood':
      lnd.moods.set(BETA, each.mood);
      return;
    case 'node':
      lnd.away = each.is === 'away' ? new Failure('LND_UNREACHABLE', 'away') : null;
      return;
  }
}

/** Puts an eye on every call that moves something; what it sees wrong is thrown, and no Failure. */
function watched(world: ChannelWorld): void {
  const { desk, lnd } = world;
  const word = desk.pool.channelsPending.bind(desk.pool);
  desk.pool.channelsPending = async (value) => {
    const held = new Set(lnd.held().map(({ outpoint }) => outpoint));
    const { txid, channels } = value.body;
    const missing = channels.filter(({ vout }) => !held.has(`${txid}:${vout}`));
    if (missing.length > 0) throw new Error('the word was given before all was pending');
    await word(value);
  };
  const forget = lnd.manager.forgetConflicted.bind(lnd.manager);
  lnd.manager.forgetConflicted = async (ask) => {
    const [txid = ''] = ask.outpoint.split(':');
    const funding = [...desk.work.log.treasury().proposals.values()].find(
      ({ proposal }) => proposal.unsignedTx === ask.pendingTx,
    );
    const coins = funding?.proposal.prevouts.map(({ outpoint }) => outpoint) ?? [];
    const blocks = desk.chain.blocks();
    const at = blocks.findIndex((block) =>
      block.some((tx) => tx.txid !== txid && tx.outpoints.some((each) => coins.includes(each))),
    );
    if (at < 0 || blocks.length - at < 6) throw new Error('forgotten without a buried conflict');
    await forget(ask);
  };
  const close = lnd.manager.close.bind(lnd.manager);
  lnd.manager.close = (order) => {
    const agreed = [...desk.work.log.treasury().authorizations.values()].some(
      ({ authorization: { intent }, approvals }) =>
        intent.kind === 'channel_close' &&
        intent.channelPoint === order.outpoint &&
        new Set(approvals.map(({ body }) => body.signerId)).size >= 2,
    );
    if (!agreed) throw new Error('closed without a quorum');
    return close(order);
  };
}

/** A funding that is out has all its channels at the node: else its coins lie where nobody finds them. */
function requireNothingLost(world: ChannelWorld): void {
  const known = new Set([
    ...world.desk.chain.blocks().flatMap((block) => block.map(({ txid }) => txid)),
    ...world.desk.chain.mempool(),
  ]);
  const held = new Set(world.lnd.held().map(({ outpoint }) => outpoint));
  for (const { proposal } of world.state().channels.batches.values()) {
    if (proposal === null || !known.has(proposal.txid)) continue;
    for (const vout of proposal.vouts) expect(held.has(`${proposal.txid}:${vout}`)).toBe(true);
  }
}

/** Everybody is there again and does what is due, until nothing is under way. */
async function settled(world: ChannelWorld): Promise<void> {
  const { desk, lnd } = world;
  lnd.away = null;
  lnd.moods.set(BETA, 'signs');
  world.restart();
  for (let turn = 0; turn < 30; turn += 1) {
    world.clock.now += 11 * 60_000;
    await world.rounds(2);
    for (const { id, proposal } of desk.work.log.treasury().proposals.values()) {
      if (proposal.intent.kind !== 'cancel') continue;
      for (const seat of SEATS) await orRefused(() => desk.contribute(seat, id));
    }
    await world.mine(turn < 3 ? 60 : 3);
  }
  await world.rounds(3);
}

test('in any order: no word before all is pending, nothing lost, no close without a quorum, and the books right', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.boolean(),
      fc.array(command, { minLength: 10, maxLength: 60 }),
      async (isOpen, commands) => {
        const world = await channelWorld();
        watched(world);
        try {
          if (isOpen) {
            await asksToOpen(world);
            await driven(world);
          }
          for (const each of commands) {
            await run(world, each);
            requireNothingLost(world);
          }
          await settled(world);
          requireNothingLost(world);
          const phases = [...world.state().channels.batches.values()].map(({ phase }) => phase);
          expect(phases.filter((phase) => phase !== 'done' && phase !== 'aborted')).toEqual([]);
          expect(await differences(world)).toEqual(NO_DIFFERENCE);
        } finally {
          await world.close();
        }
      },
    ),
    { numRuns: RUNS },
  );
}, 600_000);
