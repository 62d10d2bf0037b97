/** Commands around the process: making its folder, running it, and getting a folder back from a backup. */
import { type Command, Option } from 'commander';
import { ending } from '../console/command-end.ts';
import { Failure } from '../policies/failure.ts';
import { type NetworkName, networkName } from '../policies/intent.ts';
import { deviceLimits } from '../policies/wallet-record.ts';
import { readBounded } from './command-files.ts';
import {
  type AgentOptions,
  agentCommand,
  answered,
  type BitcoindOptions,
  type CommandTools,
  type InitRequest,
  type LndOptions,
} from './command-tools.ts';

/** A backup holds a few files of text. */
export const BACKUP_BYTES_MAX = 16 * 1024 * 1024;
/** What a hardware signer is trusted to take where nobody says more: a documented limit of old ones. */
const DEVICE_INPUTS_DEFAULT = '20';
const DEVICE_OUTPUTS_DEFAULT = '100';
/** Key with its origin, as wallets print it. */
const ORIGIN_KEY =
  /^\[([0-9a-f]{8})\/(48[h'](?:\/[0-9]{1,9}[h']){3})\]([tx]pub[1-9A-HJ-NP-Za-km-z]{100,115})$/;

/** Registers `init`, `run`, `lnd` and `restore`. */
export function setupCommands(parent: Command, tools: CommandTools): void {
  const init = agentCommand(parent, 'init')
    .description('make the folder and keys of a new seat; `restore` brings an old one back')
    .addOption(
      new Option('--network <name>', 'which network')
        .choices(networkName.options)
        .makeOptionMandatory(),
    )
    .addOption(ownPassphraseFile())
    .option('--xpub <key>', 'this seat signs on a device: "[fingerprint/48h/1h/0h/2h]tpub…"')
    .option('--device <name>', 'what the device is called')
    .option('--device-max-inputs <n>', 'what it can take', DEVICE_INPUTS_DEFAULT)
    .option('--device-max-outputs <n>', 'what it can take', DEVICE_OUTPUTS_DEFAULT);
  nodeOptions(init).action((options: InitOptions) =>
    ending(options, async () => {
      const device = deviceOf(options);
      const bitcoind = bitcoindOf(options);
      const lnd = lndOf(options);
      const passphrase = await ownPassphrase(options, tools, 'new');
      const { dir, network } = options;
      const hook = options.hook ?? null;
      return answered(
        options,
        await tools.init({ dir, network, passphrase, device, bitcoind, lnd, hook }),
      );
    }),
  );
  agentCommand(parent, 'run')
    .description('watch the treasury and sign within the policy, until stopped')
    .addOption(ownPassphraseFile())
    .action((options: SetupOptions) =>
      ending(options, async () => {
        const { dir, passphraseFile, json } = options;
        const output = json === true ? 'json' : 'text';
        await tools.run({ dir, output, ...(passphraseFile !== undefined && { passphraseFile }) });
        return undefined;
      }),
    );
  lndCommand(parent, tools);
  const restore = agentCommand(parent, 'restore')
    .argument('<file>', 'a backup of this seat')
    .description('make the folder anew; the agent stays locked until its peers prove it fresh')
    .addOption(ownPassphraseFile());
  nodeOptions(restore).action((file: string, options: SetupOptions) =>
    ending(options, async () => {
      const backup = await readBounded(file, BACKUP_BYTES_MAX);
      const bitcoind = bitcoindOf(options);
      const lnd = lndOf(options);
      const passphrase = await ownPassphrase(options, tools, 'known');
      const hook = options.hook ?? null;
      return answered(
        options,
        await tools.restore({ dir: options.dir, backup, passphrase, bitcoind, lnd, hook }),
      );
    }),
  );
}

/** A pool gets its Lightning node later than its treasury, so its guardians learn of it later, too. */
function lndCommand(parent: Command, tools: CommandTools): void {
  const command = agentCommand(parent, 'lnd')
    .description(
      "look at the pool's Lightning node before channels are signed for; in force at the next start",
    )
    .option('--none', 'look at none any more');
  lndOptions(command).action((options: SetupOptions & { none?: true }) =>
    ending(options, async () => {
      const lnd = lndOf(options);
      if ((lnd === null) !== (options.none === true)) {
        throw new Failure('INPUT_INVALID', 'say which node with --lnd-socket …, or --none');
      }
      return answered(options, await tools.useLnd({ dir: options.dir, lnd }));
    }),
  );
}

interface SetupOptions extends AgentOptions {
  passphraseFile?: string;
  bitcoindUrl?: string;
  bitcoindUser?: string;
  bitcoindPasswordFile?: string;
  bitcoindCookieFile?: string;
  lndSocket?: string;
  lndCertFile?: string;
  lndMacaroonFile?: string;
  hook?: string;
}

interface InitOptions extends SetupOptions {
  network: NetworkName;
  xpub?: string;
  device?: string;
  deviceMaxInputs: string;
  deviceMaxOutputs: string;
}

/** The option that says where it is read from. */
export function ownPassphraseFile(): Option {
  return new Option('--passphrase-file <file>', "of the agent's keys; else it is asked for").env(
    'WEIR_AGENT_PASSPHRASE_FILE',
  );
}

/** The passphrase of the agent's own keys. */
export function ownPassphrase(
  options: { passphraseFile?: string },
  tools: CommandTools,
  entry: 'new' | 'known',
): Promise<string> {
  const { passphraseFile: file } = options;
  return tools.passphrase({
    ...(file !== undefined && { file }),
    prompt: "Passphrase of the agent's keys",
    entry,
    flag: '--passphrase-file',
  });
}

function nodeOptions(command: Command): Command {
  const option = (flags: string, description: string, name: string) =>
    command.addOption(new Option(flags, description).env(name));
  option(
    '--bitcoind-url <url>',
    'the own node; without one it never signs alone',
    'WEIR_BITCOIND_URL',
  );
  option('--bitcoind-user <user>', 'with --bitcoind-password-file', 'WEIR_BITCOIND_USER');
  option('--bitcoind-password-file <file>', 'its password', 'WEIR_BITCOIND_PASSWORD_FILE');
  option('--bitcoind-cookie-file <file>', 'or its cookie', 'WEIR_BITCOIND_COOKIE_FILE');
  lndOptions(command);
  return option('--hook <command>', 'told what happens, never amounts', 'WEIR_AGENT_HOOK');
}

function lndOptions(command: Command): Command {
  const option = (flags: string, description: string, name: string) =>
    command.addOption(new Option(flags, description).env(name));
  option('--lnd-socket <host:port>', "the pool's Lightning node, to look at", 'WEIR_LND_SOCKET');
  option('--lnd-cert-file <file>', 'its TLS certificate', 'WEIR_LND_CERT_FILE');
  return option(
    '--lnd-macaroon-file <file>',
    'baked for uri:/lnrpc.Lightning/GetInfo, …/PendingChannels and …/ListChannels, no more',
    'WEIR_LND_MACAROON_FILE',
  );
}

/** All three or none. */
function lndOf(options: SetupOptions): LndOptions | null {
  const { lndSocket: socket, lndCertFile: certFile, lndMacaroonFile: macaroonFile } = options;
  const given = [socket, certFile, macaroonFile].filter((each) => each !== undefined);
  if (given.length === 0) return null;
  if (socket === undefined || certFile === undefined || macaroonFile === undefined) {
    throw new Failure(
      'INPUT_INVALID',
      '--lnd-socket, --lnd-cert-file and --lnd-macaroon-file come together',
    );
  }
  return { socket, certFile, macaroonFile };
}

function bitcoindOf(options: SetupOptions): BitcoindOptions | null {
  const { bitcoindUrl: url, bitcoindUser: user } = options;
  const { bitcoindPasswordFile: passwordFile, bitcoindCookieFile: cookieFile } = options;
  if (url === undefined) return null;
  const byPassword = user !== undefined && passwordFile !== undefined;
  if (byPassword === (cookieFile !== undefined)) {
    throw new Failure(
      'INPUT_INVALID',
      '--bitcoind-url needs --bitcoind-user and --bitcoind-password-file, or --bitcoind-cookie-file',
    );
  }
  return byPassword ? { url, user, passwordFile } : { url, cookieFile: cookieFile ?? '' };
}

function deviceOf(options: InitOptions): InitRequest['device'] {
  const { xpub, device: name } = options;
  if (xpub === undefined && name === undefined) return null;
  const [, fingerprint, path, key] = ORIGIN_KEY.exec(xpub ?? '') ?? [];
  if (fingerprint === undefined || path === undefined || key === undefined || name === undefined) {
    throw new Failure(
      'INPUT_INVALID',
      'a device seat needs --xpub "[fingerprint/48h/…]xpub…" and --device NAME',
    );
  }
  const limits = deviceLimits.safeParse({
    name,
    maxInputs: count(options.deviceMaxInputs),
    maxOutputs: count(options.deviceMaxOutputs),
  });
  if (!limits.success) throw new Failure('INPUT_INVALID', 'a device takes 1 to 500 inputs');
  return {
    account: { fingerprint, path: path.replaceAll("'", 'h'), xpub: key },
    limits: limits.data,
  };
}

function count(text: string): number {
  return /^[0-9]{1,4}$/.test(text) ? Number.parseInt(text, 10) : 0;
}
