/** `npm run demo`: the whole story on a private network, with visible progress and a readable end. */
import { once } from 'node:events';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Command, InvalidArgumentError } from 'commander';
import { printJson, printLine, printNote, satText, tableText } from '../console/print.ts';
import { type BitcoindBinary, findBitcoind } from '../regtest/bitcoind-binary.ts';
import { type SpendOfStory, type Teller, tellStory } from './story.ts';
import { type Quorum, SEATS, startWorld, type World } from './world.ts';

interface Options {
  quorum: Quorum;
  keep?: boolean;
  json?: boolean;
  dir?: string;
}

const options = new Command('demo')
  .description('a treasury spends real bitcoin on a private network, and only when guardians agree')
  .option('--quorum <k-of-n>', 'how many guardians sign', quorumOf, { threshold: 2, of: 3 })
  .option('--keep', 'leave everything running until Ctrl-C, and say how to talk to it')
  .option('--json', 'print the end as one JSON document on stdout; progress goes to stderr')
  .option('--dir <folder>', 'where everything is kept; a new one by default')
  .parse()
  .opts<Options>();

await main();

async function main(): Promise<void> {
  const found = await findBitcoind();
  if ('because' in found) {
    printNote(`no bitcoind: ${found.because}`);
    process.exitCode = 1;
    return;
  }
  const dir = options.dir ?? (await mkdtemp(path.join(tmpdir(), 'weir-demo-')));
  const begun = performance.now();
  const spends: SpendOfStory[] = [];
  const teller = tellerOf(spends);
  const { quorum } = options;
  teller.chapter(
    `Ceremony: ${quorum.threshold} of ${quorum.of} guardians, each with an agent of their own`,
  );
  const world = await startWorld({ dir, binary: found, quorum });
  try {
    teller.tell(`treasury ${world.treasuryId}`);
    teller.tell(`first address ${world.firstAddress}, the same on every guardian's screen`);
    await tellStory(world, teller);
    const seconds = Math.round((performance.now() - begun) / 1_000);
    finish({ world, binary: found, spends, seconds });
    if (options.keep === true) await keep(world, found);
  } finally {
    await world.stop();
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

interface End {
  world: World;
  binary: BitcoindBinary;
  spends: readonly SpendOfStory[];
  seconds: number;
}

function finish({ world, binary, spends, seconds }: End): void {
  const { threshold, of } = world.quorum;
  const journals = [
    path.join(world.coordinator.dir, 'journal'),
    ...[...world.agents.values()].map(({ dir }) => path.join(dir, 'journal')),
  ];
  if (options.json === true) {
    printJson({
      quorum: `${threshold}-of-${of}`,
      bitcoind: { version: binary.version, sha256: binary.sha256, source: binary.source },
      treasuryId: world.treasuryId,
      firstAddress: world.firstAddress,
      spends,
      journals,
      bitcoinDataDirs: [world.network.first.dataDir, world.network.second.dataDir],
      dir: world.dir,
      seconds,
    });
    return;
  }
  printLine('\nWhat happened');
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
  printLine(`\n${seconds} seconds on ${binary.version}. Journals, hash-chained, one a process:`);
  for (const journal of journals) printLine(`   ${journal}`);
  printLine(`Everything is in ${world.dir}; delete it when you have seen enough.`);
}

/** Leaves all processes running until Ctrl-C. */
async function keep(world: World, { cli = ['bitcoin-cli'] }: BitcoindBinary): Promise<void> {
  const command = 'node dist/cli/weir.js';
  const [seat = ''] = world.agents.keys();
  const lines = [
    'Everything is still running. Talk to it from another terminal:',
    `   ${command} coordinator status --dir ${world.coordinator.dir}`,
    `   ${command} coordinator proposals --dir ${world.coordinator.dir}`,
    `   ${command} signer-agent status --dir ${path.join(world.dir, seat)}`,
    `   ${command} signer-agent history --dir ${path.join(world.dir, seat)}`,
    `   ${cli.join(' ')} -datadir=${world.network.first.dataDir} getblockchaininfo`,
    'Ctrl-C ends it.',
  ];
  for (const line of lines) printNote(line);
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
