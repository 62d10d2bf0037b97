/** What people do in the world: fund, approve, wait for a proposal to come somewhere. */
import path from 'node:path';
import { fund, mine, syncMempools, syncTips } from '../regtest/network.ts';
import { until } from '../regtest/wait.ts';
import { agentJson, coordinatorJson, OPERATOR, STEP_MS_MAX, type World } from './world.ts';

/** The operator says yes to a proposal. */
export async function operatorApproves(world: World, id: string): Promise<void> {
  const file = path.join(world.dir, `${OPERATOR}.passphrase`);
  await coordinatorJson(world, ['approve', id, '--operator', OPERATOR, '--passphrase-file', file]);
}

/** A guardian reviews and says yes. */
export async function guardianApproves(world: World, seatId: string, id: string): Promise<void> {
  const file = path.join(world.dir, `${seatId}.approval-passphrase`);
  await untilKnown(world, seatId, id);
  await agentJson(
    world,
    seatId,
    ['approve', id, '--yes', '--approval-passphrase-file', file],
    [0, 6],
  );
}

/** Pays the treasury by mining: one coin of each amount, confirmed on both nodes. */
export async function fundTreasury(world: World, amountsBtc: readonly string[]): Promise<void> {
  const [seatId = ''] = world.agents.keys();
  for (const [index, amount] of amountsBtc.entries()) {
    const { address } = await agentJson<{ address: string }>(world, seatId, [
      'address',
      '--index',
      String(index),
    ]);
    await fund(world.network, address, amount);
  }
}

/** Mines until both nodes have it. */
export async function mineBlocks(world: World, count: number): Promise<void> {
  await syncMempools(world.network);
  await mine(world.network, world.network.first, count);
  await syncTips(world.network);
}

/** Row of `weir coordinator proposals --json`. */
export interface ProposalRow {
  id: string;
  kind: string;
  state: string;
  txid: string | null;
  amountSat: string;
  feeSat: string;
  signed: string[];
  refused: { seatId: string; classes: string[] }[];
  asks: string[];
}

export async function proposalRow(world: World, id: string): Promise<ProposalRow> {
  const { proposals } = await coordinatorJson<{ proposals: ProposalRow[] }>(world, ['proposals']);
  const row = proposals.find((each) => each.id === id);
  if (row === undefined) throw new Error(`the coordinator knows no ${id}`);
  return row;
}

/** Waits for a proposal to come to a state that `is` accepts. */
export function untilProposal(
  world: World,
  id: string,
  what: string,
  is: (row: ProposalRow) => boolean,
): Promise<ProposalRow> {
  return until(
    `${what} of ${id.slice(0, 8)}`,
    async () => {
      const row = await proposalRow(world, id);
      return is(row) ? row : null;
    },
    STEP_MS_MAX,
  );
}

/**
 * Waits until both nodes hold a proposal's transaction: the coordinator writes that it will send before it
 * does, and a block mined in between would be without it.
 */
export async function untilSent(world: World, id: string): Promise<ProposalRow> {
  const row = await untilProposal(
    world,
    id,
    'the broadcast',
    ({ state }) => state === 'broadcast' || state === 'confirmed',
  );
  for (const node of [world.network.first, world.network.second]) {
    await until(
      `the transaction of ${id.slice(0, 8)}`,
      () => node.rpc<string>('getrawtransaction', [row.txid]).catch(() => null),
      STEP_MS_MAX,
    );
  }
  return row;
}

/** Waits until a seat's agent has the entry that a person is to decide on. */
export async function untilKnown(world: World, seatId: string, id: string): Promise<void> {
  await until(
    `${seatId} to know ${id.slice(0, 8)}`,
    async () => {
      const found = await agentJson<{ error?: unknown }>(
        world,
        seatId,
        ['review', id],
        [0, 1, 3, 4, 6],
      );
      return found.error === undefined ? true : null;
    },
    STEP_MS_MAX,
  );
}
