/** `weir coordinator init` and `run`: the commands that touch the folder themselves. */
import path from 'node:path';
import { Command } from 'commander';
import { ending } from '../console/command-end.ts';
import { EXIT } from '../console/exit-code.ts';
import { printJson, printLine } from '../console/print.ts';
import { readPassphrase } from '../custody/passphrase.ts';
import { Failure } from '../policies/failure.ts';
import { amountOf, labelOf, networkOf, quorumOf, templateOf } from './command-arguments.ts';
import type { ConfigText } from './config.ts';
import { type CommandOptions, folderOf } from './operator-client.ts';

interface InitFlags extends CommandOptions {
  name: string;
  network: string;
  quorum: string;
  seats: string;
  policy: string;
  operator: string;
  operatorPassphraseFile?: string;
  listen: string;
  url: string;
  bitcoindUrl: string;
  bitcoindUser?: string;
  bitcoindPasswordFile?: string;
  bitcoindCookieFile?: string;
  fallbackFeerate?: string;
  longTermFeerate?: string;
  recovery?: string;
  pollMs: string;
}

/** Default of Bitcoin Core's -consolidatefeerate (wallet/wallet.h), in sat/kvB. */
const LONG_TERM_FEERATE = '10000';
/** Where coins cost nothing to make, sweeping them along would only lock them up. */
const LONG_TERM_FEERATE_TEST = '1000';

export function initCommand(): Command {
  return new Command('init')
    .description('make a coordinator: keys, config, invites for the guardians, and the log')
    .option('--dir <folder>', 'folder of the coordinator')
    .requiredOption('--name <name>', 'name of the treasury')
    .requiredOption('--network <network>', 'bitcoin, signet or regtest')
    .requiredOption('--quorum <k-of-n>', 'signatures needed, and seats')
    .requiredOption('--seats <names>', 'names of the guardians, with commas between')
    .requiredOption('--policy <file>', 'the first policy')
    .requiredOption('--operator <id>', 'operator whose key is made')
    .option('--operator-passphrase-file <file>', 'passphrase of the operator key')
    .requiredOption('--listen <host:port>', 'where agents are listened to')
    .requiredOption('--url <url>', 'the same as agents reach it')
    .requiredOption('--bitcoind-url <url>', 'RPC of the node')
    .option('--bitcoind-user <name>', 'RPC user')
    .option('--bitcoind-password-file <file>', 'file with the RPC password')
    .option('--bitcoind-cookie-file <file>', "the node's cookie file, instead of user and password")
    .option('--bitcoind-cookie <file>', 'the same')
    .option('--fallback-feerate <sat/kvB>', 'where the node has no estimate')
    .option('--long-term-feerate <sat/kvB>', 'below it small coins are swept along')
    .option('--recovery <K:OLDER>', 'a recovery path: K keys after OLDER blocks')
    .option('--poll-ms <ms>', 'how often the node is asked', '1000')
    .option('--json', 'print JSON')
    .action((flags: InitFlags & { bitcoindCookie?: string }) =>
      ending(flags, async () => {
        const { initCoordinator } = await import('./init.ts');
        const operatorPassphrase = await readPassphrase({
          file: flags.operatorPassphraseFile,
          prompt: `New passphrase for the key of ${flags.operator}`,
          entry: 'new',
          flag: '--operator-passphrase-file',
        });
        const made = await initCoordinator({ ...optionsOf(flags), operatorPassphrase });
        if (flags.json === true) printJson({ dir: folderOf(flags), ...made });
        else {
          printLine(`treasury ${made.treasuryId}`);
          printLine('give each guardian its invite, and nobody else:');
          for (const [seat, file] of Object.entries(made.invites)) printLine(`  ${seat}: ${file}`);
        }
        return EXIT.done;
      }),
    );
}

export function runCommand(): Command {
  return new Command('run')
    .description('serve agents and the operator, and watch the chain')
    .option('--dir <folder>', 'folder of the coordinator')
    .option('--json', 'print one line of JSON when ready')
    .action((flags: CommandOptions) =>
      ending(flags, async () => {
        const { runCoordinator } = await import('./run.ts');
        const output = flags.json === true ? 'json' : 'text';
        await runCoordinator({ dir: folderOf(flags), output });
        return EXIT.done;
      }),
    );
}

function optionsOf(flags: InitFlags & { bitcoindCookie?: string }) {
  const { threshold, of } = quorumOf(flags.quorum);
  const seats = flags.seats.split(',').map((name) => labelOf(name.trim(), '--seats'));
  if (seats.length !== of) {
    throw new Failure('INPUT_INVALID', `--quorum wants ${of} seats, --seats names ${seats.length}`);
  }
  const network = networkOf(flags.network);
  const { fallbackFeerate } = flags;
  const longTerm =
    flags.longTermFeerate ?? (network === 'bitcoin' ? LONG_TERM_FEERATE : LONG_TERM_FEERATE_TEST);
  const config = {
    listen: flags.listen,
    url: flags.url,
    bitcoind: nodeOf(flags),
    poll_ms: flags.pollMs,
    ...(fallbackFeerate !== undefined && {
      fallback_feerate: amountOf(fallbackFeerate, '--fallback-feerate').toString(),
    }),
    long_term_feerate: amountOf(longTerm, '--long-term-feerate').toString(),
  };
  return {
    dir: folderOf(flags),
    name: labelOf(flags.name, '--name'),
    network,
    threshold,
    seats,
    template: templateOf(flags.recovery),
    policyFile: flags.policy,
    operator: labelOf(flags.operator, '--operator'),
    config,
  };
}

function nodeOf(flags: InitFlags & { bitcoindCookie?: string }): ConfigText['bitcoind'] {
  const { bitcoindUrl: url, bitcoindUser: user, bitcoindPasswordFile: password } = flags;
  const cookie = flags.bitcoindCookieFile ?? flags.bitcoindCookie;
  if (cookie !== undefined) return { url, cookie_file: path.resolve(cookie) };
  if (user === undefined || password === undefined) {
    throw new Failure(
      'INPUT_INVALID',
      'give --bitcoind-user and --bitcoind-password-file, or --bitcoind-cookie-file',
    );
  }
  return { url, user, password_file: path.resolve(password) };
}
