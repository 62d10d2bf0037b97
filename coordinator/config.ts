/** The coordinator's folder: its config file, its identity key, and where everything else lies. */
import { open, readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { hexToBytes } from '@noble/hashes/utils.js';
import { Document } from 'yaml';
import { z } from 'zod';
import { Failure } from '../policies/failure.ts';
import { hex32, label, networkName } from '../policies/intent.ts';
import { countText, feerateText } from '../policies/scalar.ts';
import { parseYamlTree, type YamlTree } from '../policies/yaml.ts';
import type { BitcoindAddress } from '../transport/bitcoind-rpc.ts';

/** Files of the folder. */
export const FILES = {
  config: 'config.yaml',
  key: 'coordinator.key',
  operators: 'operators',
  journal: 'journal',
  invites: 'invites',
  socket: 'coordinator.sock',
  pool: 'pool.sock',
  horizons: 'request-horizons.json',
} as const;

const urlText = z.url({ protocol: /^https?$/ });
const pathText = z.string().min(1).max(4_096);
const nodeText = z.union([
  z.strictObject({ url: urlText, user: z.string().min(1), password_file: pathText }),
  z.strictObject({ url: urlText, cookie_file: pathText }),
]);

const configSchema = z.strictObject({
  schema: z.literal('weir.coordinator/v1'),
  network: networkName,
  /** `host:port` that agents dial. */
  listen: z.string().regex(/^[^:/\s]+:[0-9]{1,5}$/, 'must be host:port'),
  /** The same as agents reach it. */
  url: urlText,
  bitcoind: nodeText,
  /** How often the node is asked. */
  poll_ms: countText(50, 600_000),
  /** Unix seconds of the treasury's beginning: the node's wallet searches from there. */
  birth_time: countText(0, 4_000_000_000),
  /** sat/kvB where the node has no estimate. */
  fallback_feerate: feerateText.exactOptional(),
  /** sat/kvB that spending a coin is expected to cost later. */
  long_term_feerate: feerateText,
  seats: z
    .array(z.strictObject({ id: label, token_sha256: hex32 }))
    .min(2)
    .max(5),
});
export type CoordinatorConfig = z.infer<typeof configSchema>;
/** The same as it is written: text everywhere. */
export type ConfigText = z.input<typeof configSchema>;

/** @throws Failure NOT_FOUND without one, INPUT_INVALID naming the key that is wrong. */
export async function readConfig(dir: string): Promise<CoordinatorConfig> {
  const file = path.join(dir, FILES.config);
  const text = await readFile(file, 'utf8').catch((cause: unknown) => {
    throw new Failure('NOT_FOUND', `${file} is not there: weir coordinator init makes it`, {
      cause,
    });
  });
  return parseConfig(text);
}

/** @throws Failure INPUT_INVALID */
export function parseConfig(text: string): CoordinatorConfig {
  const parsed = configSchema.safeParse(treeOf(text));
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw new Failure(
    'INPUT_INVALID',
    `config: ${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'invalid'}`,
  );
}

/** A config as YAML text. */
export function configText(config: ConfigText): string {
  return new Document(config, { schema: 'failsafe' }).toString({ lineWidth: 0 });
}

/** Where the node is and how it knows us. @throws Failure INPUT_INVALID */
export async function bitcoindAddress({ bitcoind }: CoordinatorConfig): Promise<BitcoindAddress> {
  if ('cookie_file' in bitcoind) {
    return { url: bitcoind.url, auth: { cookieFile: bitcoind.cookie_file } };
  }
  const password = await readSecretLine(bitcoind.password_file, 'the password of bitcoind');
  return { url: bitcoind.url, auth: { user: bitcoind.user, password } };
}

/** The identity key: 32 bytes in hex in a file of mode 0600. @throws Failure KEY_MISSING, WRONG_STATE */
export async function readCoordinatorKey(dir: string): Promise<Uint8Array> {
  const line = await readSecretLine(path.join(dir, FILES.key), "the coordinator's key");
  if (!/^[0-9a-f]{64}$/.test(line)) {
    throw new Failure('KEY_MISSING', "the coordinator's key is not 32 bytes in hex");
  }
  return hexToBytes(line);
}

/** Writes a new file that only its owner reads. @throws Failure WRONG_STATE where one is. */
export async function writeOwnFile(file: string, text: string): Promise<void> {
  const handle = await open(file, 'wx', 0o600).catch((cause: unknown) => {
    throw new Failure('WRONG_STATE', `${file} cannot be made, or is there already`, { cause });
  });
  try {
    await handle.writeFile(text);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** The one line of a file that others may not read. @throws Failure KEY_MISSING, WRONG_STATE */
async function readSecretLine(file: string, what: string): Promise<string> {
  const mode = await stat(file).catch((cause: unknown) => {
    throw new Failure('KEY_MISSING', `${what} is not in ${file}`, { cause });
  });
  if ((mode.mode & 0o007) !== 0) {
    throw new Failure('WRONG_STATE', `everybody may use ${file}: chmod 600 it`);
  }
  return (await readFile(file, 'utf8')).trim();
}

function treeOf(text: string): YamlTree {
  try {
    return parseYamlTree(text, 'config');
  } catch (cause) {
    if (!(cause instanceof Failure)) throw cause;
    throw new Failure('INPUT_INVALID', cause.message, { cause });
  }
}
