/** Both sizes of quorum, with every set of agents offline that leaves enough, one that lies, and a restart in between. */
import { describe, expect, test } from 'vitest';
import {
  type Quorum,
  SEATS,
  STEP_MS_MAX,
  startAgent,
  startCoordinator,
  stopAgent,
  type World,
} from '../demo/world.ts';
import { makeDeriver } from '../descriptors/derive.ts';
import { parseTreasuryDescriptor } from '../descriptors/descriptor.ts';
import { NETWORKS } from '../descriptors/network.ts';
import type { Contribution } from '../policies/proposal.ts';
import { until } from '../regtest/wait.ts';
import { describeWithBitcoind } from './bitcoind-available.ts';
import {
  callSeat,
  confirmed,
  doorOf,
  foldedLog,
  keystoreOf,
  logThrough,
  paymentsTo,
  proposed,
  rowOf,
  sharedWorld,
  untilRow,
} from './e2e-world.ts';

const TEST_MS_MAX = 200_000;
/** Of 5: neighbours differ by one agent or two, so that few are started and stopped. */
const OF_FIVE = [
  'a',
  'ab',
  'b',
  'bc',
  'c',
  'cd',
  'd',
  'de',
  'e',
  'ae',
  'ac',
  'ad',
  'bd',
  'be',
  'ce',
];

const sizes: readonly [string, Quorum, readonly string[]][] = [
  ['2 of 3', { threshold: 2, of: 3 }, ['a', 'b', 'c']],
  ['3 of 5', { threshold: 3, of: 5 }, OF_FIVE],
];

describeWithBitcoind('any quorum', () => {
  describe.each(sizes)('%s', (_, quorum, offlineSets) => {
    const world = sharedWorld({ quorum, coinsBtc: ['1', '1', '1'] });

    test.each(
      offlineSets.map((letters) => [named(letters).join(' and '), named(letters)] as const),
    )(
      'pays without %s',
      async (_missing, offline) => {
        await onlyOffline(world(), offline);
        const { id, address } = await proposed(world(), '120000');
        const row = await confirmed(world(), id);
        expect(row.signed.filter((seatId) => offline.includes(seatId))).toEqual([]);
        expect(row.signed.length).toBeGreaterThanOrEqual(quorum.threshold);
        expect(await paymentsTo(world().network.first, address)).toEqual([
          { txid: row.txid, amountBtc: '0.00120000' },
        ]);
      },
      TEST_MS_MAX,
    );

    test(
      'waits while too few are there, and pays when one comes back',
      async () => {
        const there = seatsOf(world()).slice(0, quorum.threshold - 1);
        const missing = seatsOf(world()).slice(quorum.threshold - 1);
        await onlyOffline(world(), missing);
        const { id } = await proposed(world(), '130000');
        for (const seatId of there) await untilWaits(world(), seatId, id);
        const waiting = await rowOf(world(), id);
        expect(waiting).toMatchObject({ state: 'collecting', signed: [], refused: [] });
        expect(await world().network.first.rpc('getrawmempool')).toEqual([]);
        await onlyOffline(world(), missing.slice(1));
        const paid = await confirmed(world(), id);
        expect(new Set(paid.signed)).toEqual(new Set([...there, missing[0]]));
      },
      TEST_MS_MAX,
    );

    test(
      'names the one that lies, by seat and input, and pays with the others',
      async () => {
        const [liar = '', ...others] = seatsOf(world());
        await onlyOffline(world(), [liar, ...others.slice(quorum.threshold - 1)]);
        const { id } = await proposed(world(), '140000');
        const lie = await wrongSignatures(world(), liar, id);
        const door = await doorOf(world(), liar);
        for (const again of [1, 2]) {
          await expect(door.postContribution(lie), `time ${again}`).rejects.toMatchObject({
            code: 'SIGNATURE_INVALID',
          });
        }
        expect(await rowOf(world(), id)).toMatchObject({ faulty: [liar], signed: [] });
        await onlyOffline(world(), [liar, ...others.slice(quorum.threshold)]);
        const paid = await confirmed(world(), id);
        expect(new Set(paid.signed)).toEqual(new Set(others.slice(0, quorum.threshold)));
        const faults = (await logThrough(door)).filter(
          ({ body }) => body.kind === 'contribution-faulty',
        );
        expect(faults.map(({ body }) => body)).toEqual([
          { kind: 'contribution-faulty', proposalId: id, seatId: liar, input: 0 },
        ]);
      },
      TEST_MS_MAX,
    );

    test(
      'goes on after the coordinator was killed between two signatures',
      async () => {
        const there = seatsOf(world()).slice(0, quorum.threshold);
        const last = there.at(-1) ?? '';
        await onlyOffline(world(), seatsOf(world()).slice(quorum.threshold - 1));
        await startAgent(world(), last, { WEIR_CRASH_AT: 'before-sign:1' });
        const { id, address } = await proposed(world(), '150000');
        expect(await world().agents.get(last)?.daemon?.ended).toBe('SIGKILL');
        const early = there.slice(0, -1);
        await untilRow(
          world(),
          id,
          'the early signatures',
          ({ signed }) => signed.length === early.length,
        );
        await world().coordinator.daemon?.kill();
        await startCoordinator(world());
        const between = await untilRow(world(), id, 'the early signatures', () => true);
        expect(between).toMatchObject({ state: 'collecting' });
        expect(new Set(between.signed)).toEqual(new Set(early));
        await startAgent(world(), last);
        const paid = await confirmed(world(), id);
        expect(new Set(paid.signed)).toEqual(new Set(there));
        expect(await paymentsTo(world().network.first, address)).toEqual([
          { txid: paid.txid, amountBtc: '0.00150000' },
        ]);
      },
      TEST_MS_MAX,
    );
  });
});

function named(letters: string): string[] {
  return SEATS.filter(([letter]) => letters.includes(letter ?? ''));
}

function seatsOf({ agents }: World): string[] {
  return [...agents.keys()];
}

/** Stops these and starts all others that do not run. */
async function onlyOffline(world: World, offline: readonly string[]): Promise<void> {
  await Promise.all(
    [...world.agents.values()].map(async ({ seatId, daemon }) => {
      const runs = daemon !== null && daemon.pid !== null;
      if (offline.includes(seatId)) await stopAgent(world, seatId);
      else if (!runs) await startAgent(world, seatId);
    }),
  );
}

/** Waits until an agent has judged a proposal and waits for its peers. */
async function untilWaits(world: World, seatId: string, id: string): Promise<void> {
  await until(
    `${seatId} to wait for its peers`,
    async () => {
      const review = await callSeat(world, seatId, (client) => client.review.query({ id })).catch(
        () => null,
      );
      return review !== null && JSON.stringify(review.json).includes('W-ENV-ACK');
    },
    STEP_MS_MAX,
  );
}

/** Signatures of the right key, well formed, over a transaction that differs in its locktime. */
async function wrongSignatures(world: World, seatId: string, id: string): Promise<Contribution> {
  const door = await doorOf(world, seatId);
  const { proposals, wallet } = foldedLog(await logThrough(door));
  const proposal = proposals.get(id)?.proposal;
  if (proposal === undefined || wallet === null) throw new Error(`no ${id}`);
  const deriver = makeDeriver(parseTreasuryDescriptor(wallet.descriptor, NETWORKS.regtest));
  const coins = proposal.prevouts.map(({ amountSat, outpoint }) => {
    const coin = proposal.intent.plan.coins.find((each) => each.outpoint === outpoint);
    return { amountSat, place: deriver.at(coin?.branch ?? 0, coin?.index ?? 0) };
  });
  const other = Buffer.from(proposal.unsignedTx, 'hex');
  other.writeUInt8((other.at(-4) ?? 0) ^ 1, other.length - 4);
  const signatures = (await keystoreOf(world, seatId)).signInputs(other, coins);
  return {
    proposalId: id,
    seatId,
    round: 1,
    scheme: 'wsh-ecdsa',
    signatures: signatures.map((each) => Buffer.from(each).toString('hex')),
  };
}
