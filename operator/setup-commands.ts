/** `weir operator init`, `run`, `keys` and `policy`: the commands that touch folder, node or file themselves. */
import path from 'node:path';
import { Command } from 'commander';
import { ending } from '../console/command-end.ts';
import { EXIT } from '../console/exit-code.ts';
import { printJson, printLine } from '../console/print.ts';
import { readPassphrase } from '../custody/passphrase.ts';
import { Failure } from '../policies/failure.ts';
import { type NetworkName, networkName } from '../policies/intent.ts';
import { type CommandOptions, folderOf } from './admin-client.ts';
import { checkedConfig } from './config.ts';

interface InitFlags extends CommandOptions {
  poolId: string;
  network: string;
  policy: string;
  listen: string;
  url: string;
  proxyHops: string;
  lndSocket: string;
  lndCertFile: string;
  macaroons: string;
  passphraseFile?: string;
  bitcoindUrl?: string;
  bitcoindUser?: string;
  bitcoindPasswordFile?: string;
  bitcoindCookieFile?: string;
  treasurySocket?: string;
  treasuryId?: string;
  coordinatorKey?: string;
  watchtower?: string[];
}

const TOWERS = 'towers that LND sends its breach remedies to; needs treasury and bitcoind';

export function initCommand(): Command {
  return new Command('init')
    .description('make an operator: keys, config, books')
    .option('--dir <folder>', 'folder of the operator')
    .requiredOption('--pool-id <id>', 'name of the pool, as its policy says it')
    .requiredOption('--network <network>', 'bitcoin, signet or regtest')
    .requiredOption('--policy <file>', "the operator's own rules (policy.example.yaml shows all)")
    .requiredOption('--listen <host:port>', 'where callers are listened to')
    .requiredOption('--url <url>', 'the same as callers reach it')
    .option('--proxy-hops <n>', 'own proxies in front that append to X-Forwarded-For, 0 to 5', '0')
    .requiredOption('--lnd-socket <host:port>', 'gRPC of LND; by a name that its certificate has')
    .requiredOption('--lnd-cert-file <file>', 'tls.cert of LND')
    .requiredOption('--macaroons <folder>', 'what weir operator keys bake made')
    .option('--passphrase-file <file>', 'passphrase of the sealed keys')
    .option('--bitcoind-url <url>', 'RPC of the own node: needed for channels')
    .option('--bitcoind-user <name>', 'RPC user')
    .option('--bitcoind-password-file <file>', 'file with the RPC password')
    .option('--bitcoind-cookie-file <file>', "the node's cookie file, instead of user and password")
    .option('--treasury-socket <file>', 'pool.sock of weir coordinator run: needed for channels')
    .option('--treasury-id <hex>', 'id of the treasury')
    .option('--coordinator-key <hex>', "the coordinator's key, whom to believe")
    .option('--watchtower <key@host:port...>', TOWERS)
    .option('--json', 'print JSON')
    .action((flags: InitFlags) =>
      ending(flags, async () => {
        const { initOperator } = await import('./init.ts');
        const config = checkedConfig(configOf(flags));
        const passphrase = await passphraseOf(flags, 'new');
        const made = await initOperator({
          dir: folderOf(flags),
          config,
          policyFile: flags.policy,
          passphrase,
        });
        if (flags.json === true) printJson({ dir: folderOf(flags), ...made });
        else {
          printLine(`pool ${made.poolId} on the node ${made.nodeKey}`);
          printLine(`receipts are signed by ${made.receiptKey}`);
          printLine(`the treasury's policy names as channel_open.attested_by: ${made.wordKey}`);
        }
        return EXIT.done;
      }),
    );
}

function configOf(flags: InitFlags): unknown {
  const { treasurySocket: socket, treasuryId: id, coordinatorKey: coordinator_key } = flags;
  return {
    schema: 'weir.operator/v1',
    network: flags.network,
    pool_id: flags.poolId,
    listen: flags.listen,
    url: flags.url,
    proxy_hops: flags.proxyHops,
    lnd: {
      socket: flags.lndSocket,
      cert_file: path.resolve(flags.lndCertFile),
      macaroons: path.resolve(flags.macaroons),
    },
    ...bitcoindOf(flags),
    ...(socket === undefined
      ? {}
      : { treasury: { socket: path.resolve(socket), id, coordinator_key } }),
    ...(flags.watchtower === undefined ? {} : { watchtowers: flags.watchtower }),
  };
}

function bitcoindOf(flags: InitFlags): object {
  const { bitcoindUrl: url, bitcoindUser: user, bitcoindPasswordFile: password } = flags;
  if (url === undefined) return {};
  if (flags.bitcoindCookieFile !== undefined) {
    return { bitcoind: { url, cookie_file: path.resolve(flags.bitcoindCookieFile) } };
  }
  const password_file = password === undefined ? undefined : path.resolve(password);
  return { bitcoind: { url, user, password_file } };
}

function passphraseOf(
  { passphraseFile: file }: { passphraseFile?: string },
  entry: 'new' | 'known',
): Promise<string> {
  return readPassphrase({
    file,
    prompt: "Passphrase of the pool's keys",
    entry,
    flag: '--passphrase-file',
  });
}

export function runCommand(): Command {
  return new Command('run')
    .description('serve callers, drive payments, watch node and channels')
    .option('--dir <folder>', 'folder of the operator')
    .option('--passphrase-file <file>', 'passphrase of the sealed keys')
    .option('--json', 'print one line of JSON when ready')
    .action((flags: CommandOptions & { passphraseFile?: string }) =>
      ending(flags, async () => {
        const { runOperator } = await import('./run.ts');
        const passphrase = await passphraseOf(flags, 'known');
        const output = flags.json === true ? 'json' : 'text';
        await runOperator({ dir: folderOf(flags), passphrase, output });
        return EXIT.done;
      }),
    );
}

interface BakeFlags extends CommandOptions {
  lndSocket: string;
  lndCertFile: string;
  lndMacaroonFile: string;
  network: string;
  out: string;
}

export function keysCommand(): Command {
  const keys = new Command('keys').description('credentials of LND, one per role, by URI');
  keys
    .command('bake')
    .description('bake a macaroon per role from an admin one, which is not needed again')
    .requiredOption('--lnd-socket <host:port>', 'gRPC of LND')
    .requiredOption('--lnd-cert-file <file>', 'tls.cert of LND')
    .requiredOption('--lnd-macaroon-file <file>', 'admin.macaroon of LND')
    .requiredOption('--network <network>', 'bitcoin, signet or regtest')
    .requiredOption('--out <folder>', 'where ROLE.macaroon files go, mode 0600')
    .option('--json', 'print JSON')
    .action((flags: BakeFlags) =>
      ending(flags, async () => {
        const { bakeIntoFolder } = await import('./bake.ts');
        const baked = await bakeIntoFolder({
          socket: flags.lndSocket,
          certPath: flags.lndCertFile,
          macaroonPath: flags.lndMacaroonFile,
          network: networkOf(flags.network),
          out: path.resolve(flags.out),
        });
        if (flags.json === true) printJson(baked);
        else {
          for (const [role, file] of Object.entries(baked.macaroons)) printLine(`${role}: ${file}`);
          printLine(
            `wallet of the node, for the hot list of the treasury: ${baked.walletDescriptor}`,
          );
        }
        return EXIT.done;
      }),
    );
  return keys;
}

function networkOf(text: string): NetworkName {
  const read = networkName.safeParse(text);
  if (read.success) return read.data;
  throw new Failure('INPUT_INVALID', '--network is bitcoin, signet or regtest');
}

interface TreasuryFlags extends CommandOptions {
  socket: string;
  id: string;
  coordinatorKey: string;
  watchtower?: string[];
}

/** Written into the config: whom to believe is decided once, by a person. */
export function treasuryCommand(): Command {
  return new Command('treasury')
    .description('say which treasury funds the channels; before run is started')
    .option('--dir <folder>', 'folder of the operator')
    .requiredOption('--socket <file>', 'pool.sock of weir coordinator run')
    .requiredOption('--id <hex>', 'id of the treasury')
    .requiredOption('--coordinator-key <hex>', "the coordinator's key")
    .option('--watchtower <key@host:port...>', TOWERS)
    .option('--json', 'print JSON')
    .action((flags: TreasuryFlags) =>
      ending(flags, async () => {
        const { writeTreasury } = await import('./config.ts');
        const socket = path.resolve(flags.socket);
        const { id, coordinatorKey: coordinator_key, watchtower: watchtowers } = flags;
        const treasury = { socket, id, coordinator_key };
        const asked = { treasury, ...(watchtowers === undefined ? {} : { watchtowers }) };
        await writeTreasury(folderOf(flags), asked);
        if (flags.json === true) printJson({ treasury: id });
        else printLine(`channels are funded by the treasury ${id}`);
        return EXIT.done;
      }),
    );
}

export function policyCommand(): Command {
  const policy = new Command('policy').description("the operator's own rules");
  policy
    .command('check <file>')
    .description('read a policy file aloud, or say what is wrong with it')
    .option('--json', 'print JSON')
    .action((file: string, flags: CommandOptions) =>
      ending(flags, async () => {
        const { policyWords, readPolicyFile } = await import('./policy-file.ts');
        const read = await readPolicyFile(file);
        if (flags.json === true) printJson({ hash: read.hash, poolId: read.poolId });
        else printLine(policyWords(read));
        return EXIT.done;
      }),
    );
  return policy;
}
