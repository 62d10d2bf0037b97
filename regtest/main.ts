/** The private network by hand: `fetch` says which bitcoind there is, `up` runs two nodes until Ctrl-C. */
import { once } from 'node:events';
import { Command } from 'commander';
import type { Bitcoind } from './bitcoind.ts';
import type { BitcoindBinary } from './bitcoind-binary.ts';
import { findBitcoind } from './bitcoind-binary.ts';
import { startNetwork } from './network.ts';

const program = new Command('regtest').description('a private Bitcoin network');

program
  .command('fetch')
  .description('find bitcoind, fetch it when there is none, print what was found as JSON')
  .action(async () => {
    const found = await findBitcoind();
    process.stdout.write(`${JSON.stringify(found, null, 2)}\n`);
    if ('because' in found) process.exitCode = 1;
  });

program
  .command('up')
  .description('run two connected nodes until Ctrl-C')
  .option('--dir <folder>', 'keep the chain here')
  .action(async ({ dir }: { dir?: string }) => {
    const found = await findBitcoind();
    if ('because' in found) {
      process.stderr.write(`no bitcoind: ${found.because}\n`);
      process.exitCode = 1;
      return;
    }
    const network = await startNetwork({ binary: found, ...(dir === undefined ? {} : { dir }) });
    process.stdout.write(`${about('first', network.first, found)}\n`);
    process.stdout.write(`${about('second', network.second, found)}\nCtrl-C ends both.\n`);
    // The kernel keeps the process as long as the nodes live; the signal ends both.
    await Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')]);
    await network.stop();
  });

await program.parseAsync();

function about(name: string, node: Bitcoind, { cli = ['bitcoin-cli'] }: BitcoindBinary): string {
  return [
    `${name}: ${node.rpcUrl}, user ${node.rpcUser}, password ${node.rpcPassword}, peers at 127.0.0.1:${node.p2pPort}`,
    `  ${[...cli, `-datadir=${node.dataDir}`].join(' ')} getblockchaininfo`,
  ].join('\n');
}
