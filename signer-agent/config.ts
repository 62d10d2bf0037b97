/** The agent's settings: one YAML file in its data folder, written by `init`, read by `run`. No secrets. */
import { chmod, readFile, rename, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod';
import { Failure } from '../policies/failure.ts';
import { networkName } from '../policies/intent.ts';
import { requireShape } from '../policies/policy-shape.ts';
import { countText } from '../policies/scalar.ts';
import { parseYamlTree } from '../policies/yaml.ts';
import type { BitcoindAddress } from '../transport/bitcoind-rpc.ts';

const FILE = 'config.yaml';
/** A password file holds one line; more is another file. */
const PASSWORD_CHARS_MAX = 1_000;
const YEAR_2106 = 4_294_967_295;

const bitcoindAccess = z.union([
  z.strictObject({ url: z.url(), user: z.string().max(200), password_file: z.string().max(4_000) }),
  z.strictObject({ url: z.url(), cookie_file: z.string().max(4_000) }),
]);
export type BitcoindAccess = z.infer<typeof bitcoindAccess>;

/** Paths, not contents: the files stay where the node's owner keeps them. */
const lndAccess = z.strictObject({
  socket: z.string().regex(/^[^\s/]{1,253}:[0-9]{1,5}$/, 'must be host:port'),
  cert_file: z.string().max(4_000),
  macaroon_file: z.string().max(4_000),
});

const agentConfig = z.strictObject({
  schema: z.literal('weir.agent-config/v1'),
  network: networkName,
  /** Absent: this agent has no chain view of its own and never signs by itself. */
  bitcoind: bitcoindAccess.optional(),
  /** A read-only look at the pool's Lightning node. Absent: channels are never signed for without its guardian. */
  lnd: lndAccess.optional(),
  /** Unix seconds before which the treasury holds nothing: where a new watch-only wallet begins. */
  birth_time: countText(0, YEAR_2106),
  /** A shell command that is told what happened; it learns no amount and no address. */
  hook: z.string().max(4_000).optional(),
  /** How often this agent looks at its node while nothing comes from the coordinator. */
  poll_ms: countText(50, 60_000),
});
export type AgentConfig = z.infer<typeof agentConfig>;

/** Looks at the node this often unless the file says otherwise. */
export const POLL_MS_DEFAULT = 2_000;

/** @throws Failure INPUT_INVALID naming the key and the rule; KEY_MISSING where no agent was made. */
export async function readConfig(dir: string): Promise<AgentConfig> {
  const text = await readFile(path.join(dir, FILE), 'utf8').catch(
    (cause: NodeJS.ErrnoException) => {
      throw cause.code === 'ENOENT'
        ? new Failure('KEY_MISSING', `${dir} holds no agent: run weir signer-agent init`)
        : cause;
    },
  );
  try {
    return requireShape(agentConfig, parseYamlTree(text, FILE), FILE);
  } catch (cause) {
    if (!(cause instanceof Failure)) throw cause;
    throw new Failure('INPUT_INVALID', cause.message, { cause });
  }
}

/** Writes the file of a new agent. @throws when there is one. */
export async function writeConfig(dir: string, config: AgentConfig): Promise<void> {
  await writePrivate(path.join(dir, FILE), config, 'wx');
}

/** Replaces the file, whole or not at all; an agent that runs reads it at its next start. */
export async function replaceConfig(dir: string, config: AgentConfig): Promise<void> {
  const next = path.join(dir, `${FILE}.next`);
  await writePrivate(next, config, 'w');
  await rename(next, path.join(dir, FILE));
}

async function writePrivate(file: string, config: AgentConfig, flag: 'wx' | 'w'): Promise<void> {
  const rows = Object.entries(config).flatMap(([key, value]) => {
    if (value === undefined) return [];
    if (typeof value !== 'object') return [`${key}: ${JSON.stringify(value)}`];
    const inner = Object.entries(value).map(([name, text]) => `  ${name}: ${JSON.stringify(text)}`);
    return [`${key}:`, ...inner];
  });
  await writeFile(file, `${rows.join('\n')}\n`, { flag, mode: 0o600 });
  await chmod(file, 0o600);
}

/** Where the node is and how it knows us. @throws Failure INPUT_INVALID for an unreadable password file. */
export async function bitcoindAddress(access: BitcoindAccess): Promise<BitcoindAddress> {
  if ('cookie_file' in access) {
    return { url: access.url, auth: { cookieFile: access.cookie_file } };
  }
  const { url, user, password_file } = access;
  const text = await readFile(password_file, 'utf8').catch((cause: unknown) => {
    throw new Failure('INPUT_INVALID', `password_file ${password_file} cannot be read`, { cause });
  });
  const password = (text.split('\n')[0] ?? '').trim();
  if (password === '' || password.length > PASSWORD_CHARS_MAX) {
    throw new Failure('INPUT_INVALID', `password_file ${password_file} holds no password`);
  }
  return { url, auth: { user, password } };
}
