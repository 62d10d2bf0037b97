/** `weir lp …`: an LP's own key, its registration, and its orders, made offline and printed as JSON. */
import { randomBytes } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { schnorr } from '@noble/curves/secp256k1.js';
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js';
import { Command } from 'commander';
import { ending, type OutputOptions } from '../console/command-end.ts';
import { EXIT } from '../console/exit-code.ts';
import { printJson } from '../console/print.ts';
import { readPassphrase } from '../custody/passphrase.ts';
import { openSealedFile, sealFile } from '../custody/sealed-file.ts';
import { Failure } from '../policies/failure.ts';
import { networkName } from '../policies/intent.ts';
import { makeOrder, makeRegistration, scriptOfAddress, secretOfText } from './order.ts';

interface KeyOptions extends OutputOptions {
  key: string;
  passphraseFile?: string;
}
interface SignOptions extends KeyOptions {
  treasuryId: string;
  network: string;
  lpId: string;
}
interface RegisterOptions extends SignOptions {
  cap: string;
  activeFrom: string;
}
interface OrderOptions extends SignOptions {
  amount: string;
  maxFee: string;
  to: string;
  expiry: string;
  orderId?: string;
}

/** Everything an LP does by itself. */
export function lpCommands(): Command {
  const lp = new Command('lp').description('an LP: a key, a registration, orders to be paid');
  lp.command('key')
    .description('make a key, sealed under a passphrase')
    .requiredOption('--out <file>', 'where it is kept')
    .option('--passphrase-file <file>', 'else it is asked for')
    .option('--json', 'print JSON')
    .action((options: OutputOptions & { out: string; passphraseFile?: string }) =>
      ending(options, () => makeKey(options)),
    );
  signing(lp.command('register'), 'sign a registration, for guardians to approve')
    .requiredOption('--cap <sat>', 'most that is ever paid to this LP')
    .option('--active-from <height>', 'orders count from here on', '0')
    .action((options: RegisterOptions) => ending(options, () => register(options)));
  signing(lp.command('order'), 'sign an order: pay this address this amount, once')
    .requiredOption('--amount <sat>', 'what the address gets')
    .requiredOption('--max-fee <sat>', 'share of the fee above which it is not sent')
    .requiredOption('--to <address>', 'who is paid')
    .requiredOption('--expiry <height>', 'not paid after this height')
    .option('--order-id <hex>', '32 bytes; keep it and repeat it, and it is paid once')
    .action((options: OrderOptions) => ending(options, () => order(options)));
  return lp;
}

function signing(command: Command, description: string): Command {
  return command
    .description(description)
    .requiredOption('--key <file>', 'the sealed key')
    .option('--passphrase-file <file>', 'else it is asked for')
    .requiredOption('--treasury-id <hex>', 'which treasury')
    .requiredOption('--network <name>', networkName.options.join(', '))
    .requiredOption('--lp-id <name>', 'name in the registry')
    .option('--json', 'print JSON (it does so always)');
}

async function makeKey(options: { out: string; passphraseFile?: string }): Promise<0> {
  const { out } = options;
  if (await stat(out).catch(() => null)) {
    throw new Failure('WRONG_STATE', `${out} is there already: nothing is overwritten`);
  }
  const passphrase = await passphraseOf(options, 'new');
  const secret = schnorr.utils.randomSecretKey();
  const plain = utf8ToBytes(bytesToHex(secret));
  try {
    await sealFile(out, plain, passphrase);
    printJson({ key: bytesToHex(schnorr.getPublicKey(secret)), file: out });
  } finally {
    plain.fill(0);
    secret.fill(0);
  }
  return EXIT.done;
}

async function register(options: RegisterOptions): Promise<0> {
  const { treasuryId, lpId } = options;
  const network = networkOf(options);
  const activeFromHeight = heightOf(options.activeFrom, '--active-from');
  const lifetimeCapSat = options.cap.replaceAll('_', '');
  await withSecret(options, (secret) => {
    const key = bytesToHex(schnorr.getPublicKey(secret));
    const fields = { treasuryId, network, lpId, key, activeFromHeight, lifetimeCapSat };
    printJson(makeRegistration(fields, secret, randomBytes(32)));
  });
  return EXIT.done;
}

async function order(options: OrderOptions): Promise<0> {
  const { treasuryId, lpId, to } = options;
  const network = networkOf(options);
  const fields = {
    treasuryId,
    network,
    lpId,
    orderId: options.orderId ?? bytesToHex(randomBytes(32)),
    amountSat: options.amount.replaceAll('_', ''),
    maxFeeSat: options.maxFee.replaceAll('_', ''),
    script: scriptOfAddress(to, network),
    expiryHeight: heightOf(options.expiry, '--expiry'),
  };
  await withSecret(options, (secret) => printJson(makeOrder(fields, secret, randomBytes(32))));
  return EXIT.done;
}

/** Opens the key for one statement and clears it. */
async function withSecret(options: KeyOptions, use: (secret: Uint8Array) => void): Promise<void> {
  const plain = await openSealedFile(options.key, await passphraseOf(options, 'known'));
  try {
    const secret = secretOfText(Buffer.from(plain).toString('utf8'));
    try {
      use(secret);
    } finally {
      secret.fill(0);
    }
  } finally {
    plain.fill(0);
  }
}

function passphraseOf(
  { passphraseFile }: { passphraseFile?: string },
  entry: 'new' | 'known',
): Promise<string> {
  return readPassphrase({
    file: passphraseFile,
    prompt: "Passphrase of the LP's key",
    entry,
    flag: '--passphrase-file',
  });
}

function networkOf({ network }: SignOptions) {
  const read = networkName.safeParse(network);
  if (read.success) return read.data;
  throw new Failure('INPUT_INVALID', `--network: one of ${networkName.options.join(', ')}`);
}

function heightOf(text: string, flag: string): number {
  if (/^(0|[1-9][0-9]{0,8})$/.test(text)) return Number.parseInt(text, 10);
  throw new Failure('INPUT_INVALID', `${flag}: a block height`);
}
