/** The story, chapter by chapter. Each chapter drives the processes through their commands and checks what came of it. */
import { satText } from '../console/print.ts';
import type { LpOrder } from '../policies/intent.ts';
import { lpOrder } from '../policies/intent.ts';
import { minerAddress } from '../regtest/network.ts';
import { until } from '../regtest/wait.ts';
import {
  fundTreasury,
  guardianApproves,
  mineBlocks,
  operatorApproves,
  type ProposalRow,
  untilProposal,
  untilSent,
} from './decisions.ts';
import { plantTheft, readLog } from './hostile.ts';
import { queueOrder, registerLps, signOrder } from './lps.ts';
import { rescue } from './rescue.ts';
import { weir } from './weir-process.ts';
import {
  agentJson,
  coordinatorJson,
  homeOf,
  STEP_MS_MAX,
  startAgent,
  stopAgent,
  type World,
} from './world.ts';

/** How a chapter reports: a heading, lines under it, and what the end will show. */
export interface Teller {
  chapter(title: string): void;
  tell(line: string): void;
  spend(row: SpendOfStory): void;
}

export interface SpendOfStory {
  what: string;
  txid: string | null;
  state: string;
  feeSat: string | null;
  signed: readonly string[];
  refused: readonly string[];
}

const BATCH_SAT = ['600000', '550000', '700000', '450000', '500000'];
/** Above 5,000,000 sat the policy asks one guardian. */
const LARGE_SAT = '8000000';
const THIEF = '0014dead00000000000000000000000000000000beef';

export async function tellStory(world: World, teller: Teller): Promise<void> {
  await chapterFunding(world, teller);
  await chapterBatch(world, teller);
  await chapterAttack(world, teller);
  await chapterLarge(world, teller);
  await chapterBump(world, teller);
  await chapterRescue(world, teller);
}

async function chapterFunding(world: World, teller: Teller): Promise<void> {
  teller.chapter('Funding, and three LPs that the guardians let in');
  await fundTreasury(world, ['0.5', '0.5', '0.4', '0.3']);
  await registerLps(world, ['lp-one', 'lp-two', 'lp-three']);
  teller.tell(await balanceLine(world));
}

async function chapterBatch(world: World, teller: Teller): Promise<void> {
  const offline = lastSeat(world);
  teller.chapter(`Five withdrawals in one batch, while ${offline} is offline`);
  await stopAgent(world, offline);
  for (const [n, amountSat] of BATCH_SAT.entries()) {
    await queueOrder(world, lpName(n), { amountSat, to: await minerAddress(world.network) });
  }
  const { id } = await coordinatorJson<{ id: string }>(world, ['propose', 'batch']);
  teller.tell(`proposed ${id.slice(0, 16)}; the operator approves`);
  await operatorApproves(world, id);
  const sent = await untilSent(world, id);
  teller.tell(`signed by ${sent.signed.join(' and ')}, broadcast as ${sent.txid}`);
  await confirmed(world, teller, { id, what: 'batch of five withdrawals' });
  teller.tell(await balanceLine(world));
  await startAgent(world, offline);
}

async function chapterAttack(world: World, teller: Teller): Promise<void> {
  teller.chapter('The coordinator is hacked: one payee becomes the thief');
  const signed = await orderFiles(world, ['600000', '500000']);
  await world.coordinator.daemon?.stop();
  const treasury = await readLog(world);
  const taken = new Set(
    [...treasury.proposals.values()].flatMap(({ proposal }) =>
      proposal.prevouts.map(({ outpoint }) => outpoint),
    ),
  );
  const coin = await freeCoin(world, taken);
  const tipHeight = await world.network.first.rpc<number>('getblockcount');
  const id = await plantTheft(world, {
    orders: signed,
    coin,
    tipHeight,
    change: { index: 1 },
    swap: ([first, ...rest]) =>
      first === undefined ? [] : [{ ...first, body: { ...first.body, script: THIEF } }, ...rest],
  });
  const seats = [...world.agents.keys()];
  const row = await untilProposal(
    world,
    id,
    'a refusal of every agent',
    ({ refused }) => refused.length === seats.length,
  );
  for (const { seatId, classes } of row.refused) {
    const why = await refusalOf(world, seatId, id);
    teller.tell(`${seatId} refuses (the coordinator hears only ${classes.join(', ')}): ${why}`);
  }
  teller.spend({ what: 'theft by a hacked coordinator', ...shownAs(row, 'refused by all') });
}

async function chapterLarge(world: World, teller: Teller): Promise<void> {
  const [guardian = ''] = world.agents.keys();
  teller.chapter(`A withdrawal above the limit waits until ${guardian} reviews it`);
  await queueOrder(world, 'lp-two', {
    amountSat: LARGE_SAT,
    to: await minerAddress(world.network),
  });
  const { id } = await coordinatorJson<{ id: string }>(world, ['propose', 'batch']);
  await operatorApproves(world, id);
  await untilProposal(world, id, 'a question to a guardian', ({ asks }) => asks.includes(guardian));
  const { stdout } = await weir([
    ...['signer-agent', 'review', id, '--dir', homeOf(world, guardian).dir],
  ]);
  for (const line of stdout.trimEnd().split('\n')) teller.tell(`| ${line}`);
  await guardianApproves(world, guardian, id);
  teller.tell(`${guardian} approved with the approval key`);
  await untilSent(world, id);
  await confirmed(world, teller, { id, what: 'withdrawal above the limit' });
}

async function chapterBump(world: World, teller: Teller): Promise<void> {
  teller.chapter('A spend gets stuck and is bumped (RBF)');
  await queueOrder(world, 'lp-one', { amountSat: '650000', to: await minerAddress(world.network) });
  const { id } = await coordinatorJson<{ id: string }>(world, ['propose', 'batch']);
  const stuck = await untilSent(world, id);
  teller.tell(`stuck in the mempool: ${stuck.txid}, fee ${satText(BigInt(stuck.feeSat))}`);
  const bump = await coordinatorJson<{ id: string }>(world, [
    ...['propose', 'bump', '--of', id, '--feerate', '12000'],
  ]);
  const sent = await untilSent(world, bump.id);
  teller.tell(`replaced by ${sent.txid}, fee ${satText(BigInt(sent.feeSat))}`);
  await confirmed(world, teller, { id: bump.id, what: 'fee bump' });
  const first = await untilProposal(world, id, 'the end', ({ state }) => state === 'dead');
  teller.spend({ what: 'the spend it replaced', ...shownAs(first, 'replaced') });
}

async function chapterRescue(world: World, teller: Teller): Promise<void> {
  const seats = [...world.agents.keys()].slice(0, world.quorum.threshold);
  teller.chapter(`Rescue: Bitcoin Core and the words of ${seats.join(' and ')}, without Weir`);
  const txid = await rescue(world, seats, await minerAddress(world.network));
  await mineBlocks(world, 1);
  teller.tell(`everything that was left moved by ${txid}`);
  teller.spend({
    what: 'rescue without Weir',
    txid,
    state: 'confirmed',
    feeSat: null,
    signed: seats,
    refused: [],
  });
  const [watcher = ''] = seats;
  const alarms = await until(
    'an agent to see a spend that the log does not hold',
    async () => {
      const status = await agentJson<{ alarms: { code: string }[] }>(world, watcher, ['status']);
      return status.alarms.some(({ code }) => code === 'W-BRK-UNKNOWN-SPEND')
        ? status.alarms
        : null;
    },
    STEP_MS_MAX,
  );
  teller.tell(`${watcher}'s agent noticed: ${alarms.map(({ code }) => code).join(', ')}`);
  teller.tell(await balanceLine(world));
}

async function confirmed(
  world: World,
  teller: Teller,
  { id, what }: { id: string; what: string },
): Promise<void> {
  await mineBlocks(world, 1);
  const row = await untilProposal(world, id, 'its block', ({ state }) => state === 'confirmed');
  teller.tell(`confirmed: ${row.txid}`);
  teller.spend({ what, ...shownAs(row, row.state) });
}

function shownAs(row: ProposalRow, state: string): Omit<SpendOfStory, 'what'> {
  const { txid, feeSat, signed, refused } = row;
  return { txid, state, feeSat, signed, refused: refused.map(({ seatId }) => seatId) };
}

async function balanceLine(world: World): Promise<string> {
  const { balance } = await coordinatorJson<{
    balance: { confirmedSat: string; unconfirmedSat: string };
  }>(world, ['status']);
  return `the treasury holds ${satText(BigInt(balance.confirmedSat))}`;
}

/** The agent's own reasons, as its guardian reads them. */
async function refusalOf(world: World, seatId: string, id: string): Promise<string> {
  const { reasons } = await agentJson<{ reasons: { code: string; detail: string }[] }>(
    world,
    seatId,
    ['review', id],
    [0, 4],
  );
  // By now the agent has also refused it before, and no peer waits for anything: the cause comes first.
  const cause = reasons.find(({ code }) => code.startsWith('W-OUT')) ?? reasons[0];
  return cause === undefined ? 'for good' : `${cause.code} ${cause.detail}`;
}

async function orderFiles(world: World, amounts: readonly string[]): Promise<LpOrder[]> {
  const orders: LpOrder[] = [];
  for (const [n, amountSat] of amounts.entries()) {
    const to = await minerAddress(world.network);
    const { signed } = await signOrder(world, lpName(n), { amountSat, to });
    orders.push(lpOrder.parse(signed));
  }
  return orders;
}

async function freeCoin(world: World, taken: ReadonlySet<string>) {
  const { unspents } = await world.network.first.rpc<{
    unspents: { txid: string; vout: number; amount: string; desc: string }[];
  }>('scantxoutset', ['start', [{ desc: await receiveDescriptor(world), range: 20 }]]);
  const found = unspents.find(({ txid, vout }) => !taken.has(`${txid}:${vout}`));
  if (found === undefined) throw new Error('the treasury has no coin to steal');
  const index = /\/([0-9]+)\]/.exec(found.desc)?.[1] ?? '0';
  const [whole = '0', part = ''] = found.amount.split('.');
  const amountSat = BigInt(`${whole}${part.padEnd(8, '0')}`);
  return {
    outpoint: `${found.txid}:${found.vout}`,
    amountSat: amountSat as LpOrder['body']['amountSat'],
    branch: 0 as const,
    index: Number.parseInt(index, 10),
  };
}

async function receiveDescriptor(world: World): Promise<string> {
  const [any = ''] = world.agents.keys();
  const { wallet } = await agentJson<{ wallet: string }>(world, any, [
    'export',
    'wallet',
    '--format',
    'core',
  ]);
  const rows = JSON.parse(wallet) as { desc: string; internal: boolean }[];
  return rows.find(({ internal }) => !internal)?.desc ?? '';
}

function lastSeat(world: World): string {
  return [...world.agents.keys()].at(-1) ?? '';
}

function lpName(n: number): string {
  return ['lp-one', 'lp-two', 'lp-three'][n % 3] ?? 'lp-one';
}
