/** `npm run demo`: both stories on a private network, with visible progress and a readable end. */
import { once } from 'node:events';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Command, InvalidArgumentError, Option } from 'commander';
import { printJson, printLine, printNote, satText, tableText } from '../console/print.ts';
import { type BitcoindBinary, findBitcoind } from '../regtest/bitcoind-binary.ts';
import { type LndBinary, lndInBackground, type NoLnd } from '../regtest/lnd-binary.ts';
import { type RegtestNetwork, startNetwork } from '../regtest/network.ts';
import { keepHints } from './keep-hints.ts';
import { type PoolEnd, tellPoolStory } from './lightning-story.ts';
import { type PoolWorld, startPoolWorld } from './lightning-world.ts';
import { type SpendOfStory, type Teller, tellStory } from './story.ts';
import { type Quorum, SEATS, startWorld, type World } from './world.ts';

interface Options {
  quorum: Quorum;
  story: 'both' | 'treasury' | 'pool';
  keep?: boolean;
  json?: boolean;
  dir?: string;
}

const options = new Command('demo')
  .description(
    'a treasury and its pool spend real bitcoin on a private network, on-chain and over Lightning',
  )
  .option('--quorum <k-of-n>', 'how many guardians sign', quorumOf, { threshold: 2, of: 3 })
  .addOption(
    new Option('--story <which>', 'which story is told')
      .choices(['both', 'treasury', 'pool'])
      .default('both'),
  )
  .option('--keep', 'leave everything running until Ctrl-C, and say how to talk to it')
  .option('--json', 'print the end as one JSON document on stdout; progress goes to stderr')
  .option('--dir <folder>', 'where everything is kept; a new one by default')
  .parse()
  .opts<Options>();

/** What was told, and what is still running. */
interface Told {
  network: RegtestNetwork;
  bitcoind: BitcoindBinary;
  spends: SpendOfStory[];
  treasury: World | null;
  pool: { world: PoolWorld; end: PoolEnd } | null;
  lnd: LndBinary | NoLnd | null;
}

/** The treasury keeps these coins for the pool. */
const POOL_COINS_BTC = ['0.3', '0.2'];

await main();

async function main(): Promise<void> {
  const bitcoind = await findBitcoind();
  if ('because' in bitcoind) {
    printNote(`no bitcoind: ${bitcoind.because}`);
    process.exitCode = 1;
    return;
  }
  // Where LND has to be built that takes minutes: the treasury's story is told meanwhile.
  const lnd = options.story === 'treasury' ? null : lndInBackground();
  const dir = options.dir ?? (await mkdtemp(path.join(tmpdir(), 'weir-demo-')));
  const begun = performance.now();
  const network = await startNetwork({ binary: bitcoind, dir: path.join(dir, 'bitcoin') });
  const told: Told = { network, bitcoind, spends: [], treasury: null, pool: null, lnd: null };
  const teller = tellerOf(told.spends);
  try {
    if (options.story !== 'pool') told.treasury = await treasuryStory(told, dir, teller);
    if (lnd !== null) {
      told.lnd = await lnd.ready;
      await poolStory(told, dir, teller);
    }
    finish(told, dir, Math.round((performance.now() - begun) / 1_000));
    if (options.keep === true) await keep(told);
  } finally {
    await told.pool?.world.stop();
    await told.treasury?.stop();
    await network.stop();
  }
}

async function treasuryStory(
  { network, bitcoind }: Told,
  dir: string,
  teller: Teller,
): Promise<World> {
  const { quorum } = options;
  const { threshold, of } = quorum;
  teller.chapter(`Ceremony: ${threshold} of ${of} guardians, each with an agent of their own`);
  const world = await startWorld({
    dir: path.join(dir, 'treasury'),
    binary: bitcoind,
    quorum,
    network,
  });
  try {
    teller.tell(`treasury ${world.treasuryId}`);
    teller.tell(`first address ${world.firstAddress}, the same on every guardian's screen`);
    await tellStory(world, teller);
    return world;
  } catch (cause) {
    await world.stop();
    throw cause;
  }
}

async function poolStory(told: Told, dir: string, teller: Teller): Promise<void> {
  const { lnd, bitcoind, network } = told;
  if (lnd === null || 'because' in lnd) {
    teller.chapter('SKIPPED: the story of the pool needs LND');
    teller.tell(`no LND: ${lnd?.because ?? 'not asked for'}`);
    process.exitCode = options.story === 'pool' ? 1 : 0;
    return;
  }
  // One story's agents must not compete with the other's.
  await told.treasury?.stop();
  const { quorum } = options;
  teller.chapter('A second treasury, five Lightning nodes, and the pool on one of them');
  const start = { dir: path.join(dir, 'pool'), lnd, bitcoind, quorum, network };
  const world = await startPoolWorld({ ...start, coinsBtc: POOL_COINS_BTC });
  try {
    teller.tell(
      `treasury ${world.treasury.treasuryId}, its agents look at the pool's node before they sign`,
    );
    teller.tell(
      `the pool answers at ${world.operator.url}, receipts are signed by ${world.operator.receiptKey}`,
    );
    told.pool = { world, end: await tellPoolStory(world, teller) };
  } catch (cause) {
    await world.stop();
    throw cause;
  }
}

function tellerOf(spends: SpendOfStory[]): Teller {
  const say = options.json === true ? printNote : printLine;
  let chapters = 0;
  return {
    chapter(title) {
      chapters += 1;
      say(`\n${chapters}. ${title}`);
    },
    tell: (line) => say(`   ${line}`),
    spend: (row) => void spends.push(row),
  };
}

function journalsOf({ treasury, pool }: Told): string[] {
  const folders = [treasury, pool?.world.treasury ?? null].flatMap((world) =>
    world === null
      ? []
      : [world.coordinator.dir, ...[...world.agents.values()].map(({ dir }) => dir)],
  );
  if (pool !== null) folders.push(pool.world.operator.dir);
  return folders.map((folder) => path.join(folder, 'journal'));
}

function finish(told: Told, dir: string, seconds: number): void {
  const { threshold, of } = options.quorum;
  const { spends, bitcoind, lnd, treasury, pool, network } = told;
  const journals = journalsOf(told);
  if (options.json === true) {
    const { version, sha256, source } = bitcoind;
    printJson({
      quorum: `${threshold}-of-${of}`,
      bitcoind: { version, sha256, source },
      lnd:
        lnd === null || 'because' in lnd
          ? { skipped: lnd?.because ?? 'not asked for' }
          : { version: lnd.version, sha256: lnd.sha256, source: lnd.source },
      treasuryId: treasury?.treasuryId ?? null,
      firstAddress: treasury?.firstAddress ?? null,
      spends,
      pool:
        pool === null
          ? null
          : {
              treasuryId: pool.world.treasury.treasuryId,
              url: pool.world.operator.url,
              receiptKey: pool.world.operator.receiptKey,
              ...withoutToken(pool.end),
            },
      journals,
      bitcoinDataDirs: [network.first.dataDir, network.second.dataDir],
      dir,
      seconds,
    });
    return;
  }
  printLine('\nWhat happened on the chain');
  printLine(
    tableText(
      ['what', 'state', 'fee', 'signed', 'refused', 'txid'],
      spends.map(({ what, state, feeSat, signed, refused, txid }) => [
        what,
        state,
        feeSat === null ? '-' : satText(BigInt(feeSat)),
        signed.join(' ') || '-',
        refused.join(' ') || '-',
        txid ?? '-',
      ]),
    ),
  );
  printLine(`\n${seconds} seconds on ${bitcoind.version}. Journals, hash-chained, one a process:`);
  for (const journal of journals) printLine(`   ${journal}`);
  printLine(`Everything is in ${dir}; delete it when you have seen enough.`);
}

/** A token is for whoever keeps the pool running, not for a document. */
function withoutToken({ token: _token, ...rest }: PoolEnd): Omit<PoolEnd, 'token'> {
  return rest;
}

/** Leaves all processes running until Ctrl-C. */
async function keep({ treasury, pool, network, bitcoind, lnd }: Told): Promise<void> {
  const running = pool?.world.treasury ?? treasury;
  const lncli = lnd !== null && 'cli' in lnd ? (lnd.cli?.join(' ') ?? 'lncli') : 'lncli';
  const api = pool === null ? null : { world: pool.world, token: pool.end.token, lncli };
  for (const line of keepHints({ treasury: running, api, network, bitcoind })) printNote(line);
  await Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')]);
}

function quorumOf(text: string): Quorum {
  const [, threshold, of] = /^([2-5])-of-([2-5])$/.exec(text) ?? [];
  const quorum = {
    threshold: Number.parseInt(threshold ?? '', 10),
    of: Number.parseInt(of ?? '', 10),
  };
  if (quorum.threshold <= quorum.of && quorum.of <= SEATS.length) return quorum;
  throw new InvalidArgumentError('like 2-of-3 or 3-of-5');
}
