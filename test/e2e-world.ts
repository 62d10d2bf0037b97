/**
 * What the end-to-end tests share: a treasury of running processes for all tests of one `describe`, and ways
 * to look into it and to pay from it that start no process of their own.
 */
import { randomBytes } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createTRPCClient, httpLink, type TRPCClient } from '@trpc/client';
import { afterAll, afterEach, beforeAll } from 'vitest';
import { FILES } from '../coordinator/config.ts';
import type { OperatorRouter } from '../coordinator/operator-protocol.ts';
import type { CoordinatorService } from '../coordinator/protocol.ts';
import { openSealedFile } from '../custody/sealed-file.ts';
import { fundTreasury, mineBlocks } from '../demo/decisions.ts';
import { registerLps } from '../demo/lps.ts';
import { homeOf, type Quorum, STEP_MS_MAX, startWorld, type World } from '../demo/world.ts';
import type { Head, JournalEntry } from '../journal/entry.ts';
import { readHeadFile } from '../journal/head-file.ts';
import { everyEntry } from '../journal/journal.ts';
import { openJournal } from '../journal/level-journal.ts';
import { scriptOfAddress, secretOfText } from '../lp/order.ts';
import { toWire } from '../policies/canonical-json.ts';
import { Failure } from '../policies/failure.ts';
import { type LpOrder, lpOrderBody } from '../policies/intent.ts';
import type { LogEntry } from '../policies/log-entry.ts';
import { signStatement } from '../policies/statement.ts';
import { EMPTY_TREASURY, type Treasury } from '../policies/treasury.ts';
import { applyEntry } from '../policies/treasury-fold.ts';
import type { Bitcoind } from '../regtest/bitcoind.ts';
import { minerAddress } from '../regtest/network.ts';
import { until } from '../regtest/wait.ts';
import { coordinatorDoor } from '../signer-agent/adapters/coordinator.ts';
import { type Keystore, openKeystore } from '../signer-agent/keystore.ts';
import { type AgentRouter, SOCKET_NAME } from '../signer-agent/local-protocol.ts';
import { failureOfCall } from '../transport/trpc-failure.ts';
import { SOCKET_URL, unixFetch } from '../transport/trpc-fetch.ts';
import { bitcoindBinary } from './bitcoind-available.ts';

/** A world takes half a minute on a machine that does much else. */
export const WORLD_MS_MAX = 240_000;
const TAIL_CHARS = 2_000;

export interface WorldOptions {
  quorum: Quorum;
  policy?: string;
  /** Coins the treasury begins with; an LP `lp-one` is registered where there are any. */
  coinsBtc?: readonly string[];
}

/** A world for all tests of the `describe` this is called in; there only once the tests run. */
export function sharedWorld(options: WorldOptions): () => World {
  let world: World | undefined;
  let dir: string | undefined;
  beforeAll(async () => {
    dir = await mkdtemp(path.join(tmpdir(), 'weir-e2e-'));
    const { quorum, policy, coinsBtc = [] } = options;
    world = await startWorld({
      dir,
      binary: bitcoindBinary(),
      quorum,
      ...(policy !== undefined && { policy }),
    });
    if (coinsBtc.length === 0) return;
    await fundTreasury(world, coinsBtc);
    await registerLps(world, ['lp-one']);
  }, WORLD_MS_MAX);
  afterEach(async ({ task }) => {
    if (task.result?.state === 'fail' && dir !== undefined) await showLogs(dir);
  });
  afterAll(async () => {
    await world?.stop();
    if (dir !== undefined) await rm(dir, { recursive: true, force: true });
  }, WORLD_MS_MAX);
  return () => {
    if (world === undefined) throw new Error('the world is there only inside a test');
    return world;
  };
}

/** Ends of the processes' logs, where a test failed. */
async function showLogs(dir: string): Promise<void> {
  for (const name of (await readdir(dir)).filter((each) => each.endsWith('.log'))) {
    const text = await readFile(path.join(dir, name), 'utf8');
    if (text !== '') process.stderr.write(`${name}: ${text.slice(-TAIL_CHARS)}\n`);
  }
}

/** Clients by socket: a poll must not open a connection of its own each time. */
const coordinators = new Map<string, TRPCClient<OperatorRouter>>();
const agents = new Map<string, TRPCClient<AgentRouter>>();

/** One question to the coordinator over its socket. @throws Failure of the coordinator */
export async function askCoordinator<T>(
  world: World,
  question: (client: TRPCClient<OperatorRouter>) => Promise<{ json?: unknown }>,
): Promise<T> {
  const { json } = await callCoordinator(world, question);
  return json as T;
}

/** The same, with the answer as it comes. */
export async function callCoordinator<T>(
  world: World,
  question: (client: TRPCClient<OperatorRouter>) => Promise<T>,
): Promise<T> {
  const socket = path.join(world.coordinator.dir, FILES.socket);
  const client = coordinators.get(socket) ?? createTRPCClient<OperatorRouter>(linkTo(socket));
  coordinators.set(socket, client);
  try {
    return await question(client);
  } catch (cause) {
    throw failureOfCall(cause, 'COORDINATOR_UNREACHABLE');
  }
}

/** One question to an agent over its socket. @throws Failure of the agent */
export async function callSeat<T>(
  world: World,
  seatId: string,
  question: (client: TRPCClient<AgentRouter>) => Promise<T>,
): Promise<T> {
  const socket = path.join(homeOf(world, seatId).dir, SOCKET_NAME);
  const client = agents.get(socket) ?? createTRPCClient<AgentRouter>(linkTo(socket));
  agents.set(socket, client);
  try {
    return await question(client);
  } catch (cause) {
    throw failureOfCall(cause, 'AGENT_UNREACHABLE');
  }
}

function linkTo(socket: string) {
  return { links: [httpLink({ url: SOCKET_URL, fetch: unixFetch(socket) })] };
}

/** One question to an agent whose answer is a value. */
export async function askSeat<T>(
  world: World,
  seatId: string,
  question: (client: TRPCClient<AgentRouter>) => Promise<{ json?: unknown }>,
): Promise<T> {
  const { json } = await callSeat(world, seatId, question);
  return json as T;
}

/** Row of a proposal as the coordinator shows it. */
export interface Row {
  id: string;
  kind: string;
  state: string;
  txid: string;
  feeSat: string;
  signed: string[];
  refused: { seatId: string; classes: string[] }[];
  asks: string[];
  faulty: string[];
  place: { in: string; txid?: string; height?: number | null } | null;
}

export async function rowsOf(world: World): Promise<Row[]> {
  const { proposals } = await askCoordinator<{ proposals: Row[] }>(world, (client) =>
    client.proposals.query(),
  );
  return proposals;
}

export function rowOf(world: World, id: string): Promise<Row> {
  return askCoordinator<Row>(world, (client) => client.show.query({ id }));
}

/** Waits until a proposal is as `is` says; a coordinator that is away or busy is asked again. */
export function untilRow(
  world: World,
  id: string,
  what: string,
  is: (row: Row) => boolean,
): Promise<Row> {
  return until(
    `${what} of ${id.slice(0, 8)}`,
    async () => {
      const row = await whenReached(rowOf(world, id));
      return row !== null && is(row) ? row : null;
    },
    STEP_MS_MAX,
  );
}

/** The answer, or null where another try may work. */
export async function whenReached<T>(asked: Promise<T>): Promise<T | null> {
  try {
    return await asked;
  } catch (cause) {
    if (cause instanceof Failure && cause.retry === 'later') return null;
    throw cause;
  }
}

export function isOut({ state }: Row): boolean {
  return state === 'broadcast' || state === 'confirmed' || state === 'buried';
}

/** An order that `lp-one` signed, to an address that nobody else is paid at. */
export interface PaidOrder {
  order: LpOrder;
  address: string;
}

const secrets = new Map<string, Uint8Array>();

export async function signedOrder(
  world: World,
  amountSat: string,
  change: Partial<{ expiryHeight: number; orderId: string; maxFeeSat: string }> = {},
): Promise<PaidOrder> {
  const address = await minerAddress(world.network);
  const file = world.lps.get('lp-one') ?? '';
  const secret = secrets.get(file) ?? (await lpSecret(world, file));
  secrets.set(file, secret);
  const fields = {
    treasuryId: world.treasuryId,
    network: 'regtest' as const,
    lpId: 'lp-one',
    orderId: randomBytes(32).toString('hex'),
    amountSat,
    maxFeeSat: '50000',
    script: scriptOfAddress(address, 'regtest'),
    expiryHeight: 100_000,
    ...change,
  };
  // Not by the LP's own command, which signs nothing that would be refused.
  const body = lpOrderBody.parse(fields);
  return { order: signStatement('lp-order', body, secret, randomBytes(32)), address };
}

async function lpSecret(world: World, file: string): Promise<Uint8Array> {
  const passphrase = (await readFile(path.join(world.dir, 'lp-one.passphrase'), 'utf8')).trim();
  return secretOfText(Buffer.from(await openSealedFile(file, passphrase)).toString('utf8'));
}

export async function queue(world: World, order: LpOrder): Promise<void> {
  await askCoordinator(world, (client) => client.queueOrder.mutate(toWire(order) as never));
}

/** Queues an order and proposes the batch that pays it. */
export async function proposed(
  world: World,
  amountSat: string,
): Promise<PaidOrder & { id: string }> {
  const paid = await signedOrder(world, amountSat);
  await queue(world, paid.order);
  const { id } = await askCoordinator<{ id: string | null }>(world, (client) =>
    client.proposeSpend.mutate({ request: { kind: 'withdrawal_batch' }, initiator: null }),
  );
  if (id === null) throw new Error('the coordinator refused its own batch');
  return { ...paid, id };
}

/** Waits until both nodes hold a proposal's transaction, mined or not: what the coordinator means to send may not be sent yet. */
export async function untilSent(world: World, id: string): Promise<Row> {
  const row = await untilRow(world, id, 'the broadcast', isOut);
  const { first, second } = world.network;
  for (const node of [first, second]) {
    await until(
      `the transaction of ${id.slice(0, 8)}`,
      () => node.rpc('getrawtransaction', [row.txid]).catch(() => null),
      STEP_MS_MAX,
    );
  }
  return row;
}

/** Mines one block with the proposal in it and waits until the coordinator sees it there. */
export async function confirmed(world: World, id: string): Promise<Row> {
  await untilSent(world, id);
  await mineBlocks(world, 1);
  // The row is confirmed by what the node shows, its place by what the log says of it: a moment later.
  return untilRow(
    world,
    id,
    'its block',
    ({ state, place }) => state === 'confirmed' && place?.in === 'block',
  );
}

/** Payments to an address in the best chain: every block is asked, so that a second one is never missed. */
export async function paymentsTo(node: Bitcoind, address: string): Promise<Payment[]> {
  const tip = await node.rpc<number>('getblockcount');
  const found: Payment[] = [];
  for (let height = FIRST_HEIGHT; height <= tip; height += 1) {
    const hash = await node.rpc<string>('getblockhash', [height]);
    const { tx } = await node.rpc<{ tx: MinedTx[] }>('getblock', [hash, 2]);
    found.push(...tx.flatMap((each) => paymentsIn(each, address)));
  }
  return found;
}

/** An amount in BTC text, as the node writes it. */
export interface Payment {
  txid: string;
  amountBtc: string;
}

interface MinedTx {
  txid: string;
  vout: { value: string; scriptPubKey: { address?: string } }[];
}

/** Below it the miner only pays itself. */
const FIRST_HEIGHT = 106;

function paymentsIn({ txid, vout }: MinedTx, address: string): Payment[] {
  return vout
    .filter(({ scriptPubKey }) => scriptPubKey.address === address)
    .map(({ value }) => ({ txid, amountBtc: value }));
}

/** The keys of a seat, opened in the test's own process. */
export async function keystoreOf(world: World, seatId: string): Promise<Keystore> {
  const text = await readFile(path.join(world.dir, `${seatId}.passphrase`), 'utf8');
  return openKeystore(homeOf(world, seatId).dir, text.trim());
}

/** The coordinator as that seat's agent calls it. */
export async function doorOf(world: World, seatId: string): Promise<CoordinatorService> {
  const keystore = await keystoreOf(world, seatId);
  return coordinatorDoor({
    url: `http://127.0.0.1:${world.coordinator.port}`,
    treasuryId: world.treasuryId,
    seatId,
    say: (domain, body) => keystore.say(domain, body),
    random32: () => randomBytes(32).toString('hex'),
    now: () => Date.now(),
  });
}

/** The whole log through a seat's door. */
export async function logThrough(door: CoordinatorService): Promise<LogEntry[]> {
  const log: LogEntry[] = [];
  for (;;) {
    const page = await door.log(log.length, 200, 0);
    if (page.length === 0) return log;
    log.push(...page);
  }
}

export function foldedLog(log: readonly LogEntry[]): Treasury {
  return log.reduce((treasury, entry) => applyEntry(treasury, entry), EMPTY_TREASURY);
}

/** Where a process's journal stands, as its head file says: may be read while it runs, and after it died. */
export async function headOf(dir: string): Promise<Head> {
  const stored = await readHeadFile(path.join(dir, 'journal'));
  if (stored === null) throw new Error(`${dir} has no journal`);
  return stored.head;
}

/** All entries of a process that does not run; their hash chain is verified. */
export async function journalOf(dir: string): Promise<JournalEntry[]> {
  const journal = await openJournal(path.join(dir, 'journal'));
  try {
    const entries: JournalEntry[] = [];
    for await (const entry of everyEntry(journal)) entries.push(entry);
    return entries;
  } finally {
    await journal.close();
  }
}
