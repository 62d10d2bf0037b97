/** The private network by hand: `fetch` says which bitcoind and LND there are, `up` runs nodes until Ctrl-C. */
import { once } from 'node:events';
import { Command } from 'commander';
import type { Bitcoind } from './bitcoind.ts';
import type { BitcoindBinary } from './bitcoind-binary.ts';
import { findBitcoind } from './bitcoind-binary.ts';
import { startLightning } from './lightning.ts';
import { openRing } from './lightning-channels.ts';
import type { LndNode } from './lnd.ts';
import { findLnd, lndInBackground } from './lnd-binary.ts';
import type { RegtestNetwork } from './network.ts';
import { startNetwork } from './network.ts';

const program = new Command('regtest').description('a private Bitcoin and Lightning network');

program
  .command('fetch')
  .description(
    'find bitcoind and LND, fetch or build what is missing, print what was found as JSON',
  )
  .action(async () => {
    const bitcoind = await findBitcoind();
    const lnd = await findLnd();
    process.stdout.write(`${JSON.stringify({ bitcoind, lnd }, null, 2)}\n`);
    if ('because' in bitcoind || 'because' in lnd) process.exitCode = 1;
  });

program
  .command('up')
  .description('run two connected bitcoinds until Ctrl-C')
  .option('--dir <folder>', 'keep the chain here')
  .option(
    '--lightning',
    'five LNDs and a ring of channels too; prints everything as one JSON value',
  )
  .action(async (options: { dir?: string; lightning?: true }) => {
    const lnd = options.lightning === true ? lndInBackground() : null;
    const binary = await findBitcoind();
    if ('because' in binary) return lacks('bitcoind', binary.because);
    const lndBinary = await lnd?.ready;
    if (lndBinary !== undefined && 'because' in lndBinary) return lacks('LND', lndBinary.because);
    const { dir } = options;
    const network = await startNetwork({ binary, ...(dir === undefined ? {} : { dir }) });
    try {
      if (lndBinary === undefined) await plain(network, binary);
      else await withLightning(network, lndBinary);
    } finally {
      await network.stop();
    }
  });

await program.parseAsync();

function lacks(what: string, because: string): void {
  process.stderr.write(`no ${what}: ${because}\n`);
  process.exitCode = 1;
}

async function plain(network: RegtestNetwork, binary: BitcoindBinary): Promise<void> {
  process.stdout.write(`${about('first', network.first, binary)}\n`);
  process.stdout.write(`${about('second', network.second, binary)}\nCtrl-C ends both.\n`);
  await interrupted();
}

async function withLightning(
  network: RegtestNetwork,
  binary: { command: readonly string[] },
): Promise<void> {
  const lightning = await startLightning({ binary, network });
  try {
    await openRing(lightning);
    const nodes = Object.fromEntries(
      [...lightning.nodes].map(([name, node]) => [name, connectionOf(node)]),
    );
    const bitcoinds = { first: rpcOf(network.first), second: rpcOf(network.second) };
    const shown = { bitcoind: bitcoinds, feeUrl: lightning.fees.url, nodes };
    process.stdout.write(`${JSON.stringify(shown, null, 2)}\n`);
    process.stderr.write('Ctrl-C ends all.\n');
    await interrupted();
  } finally {
    await lightning.stop();
  }
}

/** The kernel keeps the process as long as the nodes live; the signal ends them. */
async function interrupted(): Promise<void> {
  await Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')]);
}

function connectionOf(node: LndNode): Record<string, string> {
  return {
    socket: node.socket,
    cert: node.certPath,
    macaroon: node.macaroonPath('admin'),
    publicKey: node.publicKey,
    peers: `127.0.0.1:${node.p2pPort}`,
    dir: node.dir,
  };
}

function rpcOf({ rpcUrl, rpcUser, rpcPassword, dataDir }: Bitcoind): Record<string, string> {
  return { rpcUrl, rpcUser, rpcPassword, dataDir };
}

function about(name: string, node: Bitcoind, { cli = ['bitcoin-cli'] }: BitcoindBinary): string {
  return [
    `${name}: ${node.rpcUrl}, user ${node.rpcUser}, password ${node.rpcPassword}, peers at 127.0.0.1:${node.p2pPort}`,
    `  ${[...cli, `-datadir=${node.dataDir}`].join(' ')} getblockchaininfo`,
  ].join('\n');
}
