/**
 * A process that is killed at one chosen moment between two effects and started again, while people go on
 * with one withdrawal until it is paid; and what must be true of all journals afterwards.
 */
import { expect } from 'vitest';
import {
  policyFor,
  type Quorum,
  STEP_MS_MAX,
  startAgent,
  startCoordinator,
  type World,
} from '../demo/world.ts';
import type { Head } from '../journal/entry.ts';
import { logEvent } from '../policies/log-entry.ts';
import { proposalTxid } from '../policies/proposal.ts';
import { until } from '../regtest/wait.ts';
import { ownEvent } from '../signer-agent/own-event.ts';
import { guardianSaysYes, operatorSaysYes } from './e2e-people.ts';
import {
  askCoordinator,
  confirmed,
  headOf,
  isOut,
  journalOf,
  type PaidOrder,
  paymentsTo,
  queue,
  rowsOf,
  signedOrder,
  untilRow,
  whenReached,
} from './e2e-world.ts';

/** `coordinator`, or a seat. */
export type Victim = string;

/** Whose consent a withdrawal of that size needs, by the demo's policy. */
export type Size = 'small' | 'for the operator' | 'for a guardian';
const AMOUNT: Record<Size, { sat: string; btc: string }> = {
  small: { sat: '150000', btc: '0.00150000' },
  'for the operator': { sat: '1200000', btc: '0.01200000' },
  'for a guardian': { sat: '5200000', btc: '0.05200000' },
};

/** Heads as they were when a process was killed: each must still be there at the end. */
export interface SeenHead {
  dir: string;
  moment: string;
  head: Head;
}

/** The demo's policy for as many small payments as there are moments. */
export async function crashPolicy(quorum: Quorum): Promise<string> {
  return (await policyFor(quorum)).replace('max_tx: 40', 'max_tx: 400');
}

/** Kills a process at a moment, once, and starts it again at once; pays one withdrawal through all of it. */
export async function paidThroughCrash(
  world: World,
  { victim, moment, size }: { victim: Victim; moment: string; size: Size },
): Promise<{ died: string; head: SeenHead }> {
  const known = new Set((await rowsOf(world)).map(({ id }) => id));
  const fallen = await withKnife(world, victim, moment);
  const paid = await signedOrder(world, AMOUNT[size].sat);
  const id = await driveToBroadcast(world, { known, paid, size });
  await confirmed(world, id);
  const fell = await until(`${victim} to come to ${moment}`, () => fallen(), STEP_MS_MAX);
  await untilRow(world, id, 'its block', ({ state }) => state === 'confirmed');
  const fresh = (await rowsOf(world)).filter((row) => !known.has(row.id));
  expect(fresh.map((row) => row.id)).toEqual([id]);
  expect(await paymentsTo(world.network.first, paid.address)).toEqual([
    { txid: fresh[0]?.txid, amountBtc: AMOUNT[size].btc },
  ]);
  return fell;
}

/** What a person does again when a process was away: nothing of it is done twice. */
async function driveToBroadcast(
  world: World,
  step: { known: ReadonlySet<string>; paid: PaidOrder; size: Size },
): Promise<string> {
  const { known, paid, size } = step;
  await until(
    'the order to be queued',
    () => whenReached(queue(world, paid.order).then(() => true)),
    STEP_MS_MAX,
  );
  const id = await until(
    'the proposal',
    async () => {
      const rows = await whenReached(rowsOf(world));
      const made = rows?.find((row) => !known.has(row.id));
      if (rows === null || made !== undefined) return made?.id;
      const asked = askCoordinator<{ id: string | null }>(world, (client) =>
        client.proposeSpend.mutate({ request: { kind: 'withdrawal_batch' }, initiator: null }),
      );
      return (await whenReached(asked))?.id;
    },
    STEP_MS_MAX,
  );
  if (size !== 'small') await operatorSaysYes(world, id);
  if (size === 'for a guardian') {
    await untilRow(world, id, 'a question to ana', ({ asks }) => asks.includes('ana'));
    await guardianSaysYes(world, 'ana', id);
  }
  await untilRow(world, id, 'the broadcast', isOut);
  return id;
}

/** Starts a process anew with the knife, and again without it when it died. Tells how it died, once it did. */
async function withKnife(
  world: World,
  victim: Victim,
  moment: string,
): Promise<() => Promise<{ died: string; head: SeenHead } | null>> {
  const dir =
    victim === 'coordinator' ? world.coordinator.dir : (world.agents.get(victim)?.dir ?? '');
  await daemonOf(world, victim)?.stop();
  let fell: { died: string; head: SeenHead } | null = null;
  let failed: unknown = null;
  const rise = async (died: string): Promise<void> => {
    if (died !== 'SIGKILL') return;
    const head = { dir, moment, head: await headOf(dir) };
    await start(world, victim);
    fell = { died, head };
  };
  try {
    await start(world, victim, { WEIR_CRASH_AT: `${moment}:1` });
    void daemonOf(world, victim)
      ?.ended.then(rise)
      .catch((cause: unknown) => (failed = cause));
  } catch (cause) {
    // It came to the moment before it could say that it is ready.
    if (!String(cause).includes('ended with SIGKILL')) throw cause;
    await rise('SIGKILL');
  }
  return async () => {
    if (failed !== null) throw failed;
    return fell;
  };
}

function start(world: World, victim: Victim, env: Record<string, string> = {}): Promise<void> {
  return victim === 'coordinator' ? startCoordinator(world, env) : startAgent(world, victim, env);
}

function daemonOf(world: World, victim: Victim) {
  return victim === 'coordinator' ? world.coordinator.daemon : world.agents.get(victim)?.daemon;
}

/** Of a stopped world: no order and no coin was promised twice, nothing that was there is gone. */
export async function expectNothingLostOrTwice(
  world: World,
  seen: readonly SeenHead[],
): Promise<void> {
  const journals = new Map<string, Awaited<ReturnType<typeof journalOf>>>();
  for (const { dir } of [world.coordinator, ...world.agents.values()]) {
    journals.set(dir, await journalOf(dir));
  }
  const gone = seen.filter(
    ({ dir, head }) => journals.get(dir)?.[head.seq - 1]?.hash !== head.hash,
  );
  expect(gone).toEqual([]);
  const log = (journals.get(world.coordinator.dir) ?? []).map(({ body }) => logEvent.parse(body));
  const proposals = log.flatMap((event) => (event.kind === 'proposed' ? [event.proposal] : []));
  const orders = proposals.flatMap(({ intent }) =>
    intent.kind === 'withdrawal_batch' ? intent.orders.map(({ body }) => body.orderId) : [],
  );
  const coins = proposals.flatMap(({ prevouts }) => prevouts.map(({ outpoint }) => outpoint));
  const sent = log.flatMap((event) => (event.kind === 'broadcast-intended' ? [event.txid] : []));
  expect(new Set(orders).size).toBe(orders.length);
  expect(new Set(coins).size).toBe(coins.length);
  expect(sent).toEqual(proposals.map((each) => proposalTxid(each)));
  for (const { dir } of world.agents.values()) {
    const events = (journals.get(dir) ?? []).map(({ body }) => ownEvent.parse(body));
    const roots = new Map<string, Set<string>>();
    for (const event of events) {
      if (event.kind !== 'reserved') continue;
      for (const coin of event.outpoints) {
        roots.set(coin, (roots.get(coin) ?? new Set()).add(event.root));
      }
    }
    expect([...roots].filter(([, each]) => each.size > 1)).toEqual([]);
    const released = events.flatMap((event) =>
      event.kind === 'released' ? [event.proposalId] : [],
    );
    expect(new Set(released).size).toBe(released.length);
  }
}
