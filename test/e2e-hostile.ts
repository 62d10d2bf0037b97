/**
 * Somebody who took over the coordinator's host, for the end-to-end attacks: the coordinator's own code, key,
 * journal and node in the hands of a test. What is planted so is what a hacked coordinator can make everybody
 * read; then the real process goes on with it.
 */
import { randomBytes } from 'node:crypto';
import path from 'node:path';
import { bitcoindChain } from '../coordinator/adapters/bitcoind.ts';
import type { TreasuryCoin } from '../coordinator/chain.ts';
import { bitcoindAddress, FILES, readConfig, readCoordinatorKey } from '../coordinator/config.ts';
import { NO_CRASH } from '../coordinator/crash-point.ts';
import { type Draft, draftOf } from '../coordinator/draft.ts';
import { openTreasuryLog } from '../coordinator/log.ts';
import { proposalFrom } from '../coordinator/propose.ts';
import { nextChangeIndex, spendableCoins } from '../coordinator/spendable.ts';
import { openWorkplace, type Workplace } from '../coordinator/workplace.ts';
import { STEP_MS_MAX, startAgent, startCoordinator, type World } from '../demo/world.ts';
import { openJournal } from '../journal/level-journal.ts';
import type { CoinRef, LpOrder } from '../policies/intent.ts';
import { proposalId } from '../policies/proposal.ts';
import { type FeeRate, feerate } from '../policies/units.ts';
import { until } from '../regtest/wait.ts';
import {
  askCoordinator,
  askSeat,
  isOut,
  type Row,
  untilRow,
  untilSent,
  whenReached,
} from './e2e-world.ts';

export const PLAIN_FEERATE = feerate(2_000n);

/** A coordinator at work in a folder, in this process, with nobody to stop it. */
export async function atDesk<T>(dir: string, act: (work: Workplace) => Promise<T>): Promise<T> {
  const config = await readConfig(dir);
  const log = await openTreasuryLog({
    journal: await openJournal(path.join(dir, FILES.journal)),
    secretKey: await readCoordinatorKey(dir),
    broken: (cause) => {
      throw cause;
    },
  });
  try {
    const chain = bitcoindChain({
      address: await bitcoindAddress(config),
      wallet: `weir-coordinator-${(log.treasury().id ?? '').slice(0, 16)}`,
      birthTime: config.birth_time,
      fallbackFeerate: config.fallback_feerate ?? null,
    });
    const work = openWorkplace({
      log,
      chain,
      now: () => Date.now(),
      random32: () => randomBytes(32).toString('hex'),
      crashPoint: NO_CRASH,
    });
    await work.look();
    return await act(work);
  } finally {
    await log.close();
  }
}

/** The world's coordinator is taken over for a moment and goes on with what it then finds in its log. */
export async function takenOver<T>(world: World, act: (work: Workplace) => Promise<T>): Promise<T> {
  await world.coordinator.daemon?.stop();
  try {
    return await atDesk(world.coordinator.dir, act);
  } finally {
    await backAtWork(world);
  }
}

/** Starts the agents that a test before left stopped. */
export async function everybodyWorks(world: World): Promise<void> {
  for (const { seatId, daemon } of world.agents.values()) {
    if (daemon === null) await startAgent(world, seatId);
  }
}

/** Starts the coordinator and waits until it has looked at the chain: only then it can propose. */
export async function backAtWork(world: World, env: Record<string, string> = {}): Promise<void> {
  await startCoordinator(world, env);
  await until(
    'the coordinator to look at the chain',
    async () => {
      const status = await askCoordinator<{ tipHeight: number | null }>(world, (client) =>
        client.status.query(),
      );
      return status.tipHeight;
    },
    STEP_MS_MAX,
  );
}

/** The coin at a place among those that no live proposal holds. @throws Error when there are fewer */
export function freeCoin(work: Workplace, at = 0): TreasuryCoin {
  const found = spendableCoins(work.situation());
  const coin = found[at];
  if (coin === undefined) throw new Error(`there are ${found.length} free coins only`);
  return coin;
}

export interface BatchParts {
  coins?: readonly CoinRef[];
  change?: { index: number };
  anchor?: string;
}

/** A batch of these orders, well built, whatever the policy says of it. */
export function batchOf(
  work: Workplace,
  orders: readonly LpOrder[],
  { coins = [freeCoin(work)], change, anchor }: BatchParts = {},
): Draft {
  const situation = work.situation();
  return draftOf(
    { kind: 'withdrawal_batch', orders: [...orders] },
    {
      situation,
      payees: orders.map(({ body: { script, amountSat } }) => ({ script, amountSat })),
      terms: { feerate: PLAIN_FEERATE, seed: work.random32() },
      coins,
      change: change ?? { index: nextChangeIndex(situation) },
      ...(anchor !== undefined && { anchor }),
    },
  );
}

export interface BumpParts {
  of: string;
  orders: readonly LpOrder[];
  coins: readonly CoinRef[];
  anchor: string;
  rate: FeeRate;
}

/** A fee bump of these coins, well built, whatever it spends. */
export function bumpOf(work: Workplace, { of, orders, coins, anchor, rate }: BumpParts): Draft {
  const situation = work.situation();
  const root = situation.treasury.proposals.get(of)?.proposal.intent.plan;
  return draftOf(
    { kind: 'fee_bump', of },
    {
      situation,
      payees: orders.map(({ body: { script, amountSat } }) => ({ script, amountSat })),
      terms: { feerate: rate, seed: work.random32() },
      coins,
      change: root?.change ?? null,
      anchor,
    },
  );
}

/** Writes a draft into the log, past the coordinator's own judgement. Gives its id. */
export async function planted(
  work: Workplace,
  draft: Draft,
  initiator = 'coordinator',
): Promise<string> {
  const proposal = proposalFrom(draft, work.situation(), initiator);
  await work.log.act(() => [{ kind: 'proposed', proposal }]);
  return proposalId(proposal);
}

/** What an agent says that it did with a subject. */
export interface Said {
  did: string[];
  codes: string[];
}

export async function saidBy(world: World, seatId: string, id: string): Promise<Said> {
  const history = await askSeat<(Said & { id: string })[]>(world, seatId, (client) =>
    client.history.query(),
  );
  const row = history.find((each) => each.id === id);
  return { did: row?.did ?? [], codes: row?.codes ?? [] };
}

/** Waits until each of these agents said no to a subject; gives the codes that all of them have. */
export async function untilRefused(
  world: World,
  id: string,
  seats: readonly string[],
): Promise<string[]> {
  const found: string[][] = [];
  for (const seatId of seats) {
    const { codes } = await until(
      `${seatId} to refuse ${id.slice(0, 8)}`,
      async () => {
        const said = await whenReached(saidBy(world, seatId, id));
        if (said?.did.includes('signed')) throw new Error(`${seatId} signed ${id}`);
        return said?.did.includes('refused') ? said : null;
      },
      STEP_MS_MAX,
    );
    found.push(codes);
  }
  return (found[0] ?? []).filter((code) => found.every((codes) => codes.includes(code)));
}

/** Waits until a proposal is broadcast; where it is not, the failure says what each agent found. */
export async function untilOut(world: World, id: string, what: string): Promise<Row> {
  try {
    await untilRow(world, id, what, isOut);
  } catch (cause) {
    const found = await Promise.all(
      [...world.agents.values()]
        .filter(({ daemon }) => daemon !== null)
        .map(async ({ seatId }) => `${seatId}: ${await reasonsOf(world, seatId, id)}`),
    );
    throw new Error(`${what} is not out; ${found.join('; ')}`, { cause });
  }
  // What the coordinator means to send may not be sent yet: a block mined now would be without it.
  return untilSent(world, id);
}

async function reasonsOf(world: World, seatId: string, id: string): Promise<string> {
  const { reasons } = await askSeat<{ reasons: { code: string; detail: string }[] }>(
    world,
    seatId,
    (client) => client.review.query({ id }),
  );
  const { did } = await saidBy(world, seatId, id);
  return [did.join(), ...reasons.map(({ code, detail }) => `${code} ${detail}`)].join(', ');
}
