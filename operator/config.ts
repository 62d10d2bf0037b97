/** The operator's folder: its config file, its sealed keys, and where everything else lies. */
import { readFile, rename, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { Document } from 'yaml';
import { z } from 'zod';
import { Failure } from '../policies/failure.ts';
import { hex32, label, networkName } from '../policies/intent.ts';
import { parseYamlTree } from '../policies/yaml.ts';

/** Files of the folder. */
export const FILES = {
  config: 'config.yaml',
  keys: 'operator.sealed',
  policy: 'policy.yaml',
  journal: 'journal',
  checkpoint: 'checkpoint.jsonl',
  backups: 'backups',
  macaroons: 'macaroons',
  socket: 'operator.sock',
} as const;

const pathText = z.string().min(1).max(4_096);
const hostPort = z.string().regex(/^[^/\s]+:[0-9]{1,5}$/, 'must be host:port');
const urlText = z.url({ protocol: /^https?$/ });

const configShape = z.strictObject({
  schema: z.literal('weir.operator/v1'),
  network: networkName,
  pool_id: label,
  /** `host:port` of the API. */
  listen: hostPort,
  /** The same as callers reach it: OpenAPI names it and NIP-98 signs it. */
  url: urlText,
  /** Proxies of ours in front of the API, each of which appends to X-Forwarded-For; 0 where it is called directly. */
  proxy_hops: z
    .string()
    .regex(/^[0-5]$/, 'must be 0 to 5')
    .exactOptional(),
  lnd: z.strictObject({ socket: hostPort, cert_file: pathText, macaroons: pathText }),
  bitcoind: z
    .union([
      z.strictObject({ url: urlText, user: z.string().min(1), password_file: pathText }),
      z.strictObject({ url: urlText, cookie_file: pathText }),
    ])
    .exactOptional(),
  /** The treasury, and whom to believe about it; without it, or without bitcoind, channels are left alone. */
  treasury: z.strictObject({ socket: pathText, id: hex32, coordinator_key: hex32 }).exactOptional(),
  webhooks: z
    .array(z.strictObject({ url: urlText, secret_file: pathText }))
    .max(16)
    .exactOptional(),
  watchtowers: z
    .array(z.string().regex(/^0[23][0-9a-f]{64}@[^\s@]+$/))
    .max(8)
    .exactOptional(),
});
export type OperatorConfig = z.infer<typeof configShape>;

/** Who tells LND of its towers runs with both only: towers that nobody tells it of would be trusted in vain. */
const configSchema = configShape.superRefine(({ watchtowers, treasury, bitcoind }, context) => {
  if (watchtowers === undefined) return;
  for (const [name, given] of Object.entries({ treasury, bitcoind })) {
    if (given !== undefined) continue;
    const message = `need a ${name} in the config: without one channels are left alone, and towers too`;
    context.addIssue({ code: 'custom', path: ['watchtowers'], message });
  }
});

/** @throws Failure NOT_FOUND without one, INPUT_INVALID naming the key that is wrong. */
export async function readConfig(dir: string): Promise<OperatorConfig> {
  return checkedConfig(await configTree(dir));
}

async function configTree(dir: string): Promise<object> {
  const file = path.join(dir, FILES.config);
  const text = await readFile(file, 'utf8').catch((cause: unknown) => {
    throw new Failure('NOT_FOUND', `${file} is not there: weir operator init makes it`, { cause });
  });
  try {
    const tree = parseYamlTree(text, 'config');
    return typeof tree === 'object' && tree !== null ? tree : {};
  } catch (cause) {
    if (!(cause instanceof Failure)) throw cause;
    throw new Failure('INPUT_INVALID', cause.message, { cause });
  }
}

/** Proxies in front of the API whose word on X-Forwarded-For is taken. */
export function proxyHopsOf({ proxy_hops }: Pick<OperatorConfig, 'proxy_hops'>): number {
  return Number.parseInt(proxy_hops ?? '0', 10);
}

/** Says which treasury funds the channels, and which towers guard them. @throws Failure INPUT_INVALID, NOT_FOUND */
export async function writeTreasury(
  dir: string,
  asked: Pick<OperatorConfig, 'treasury' | 'watchtowers'>,
): Promise<void> {
  // What stands there may lack what is being written now.
  const config = checkedConfig({ ...(await configTree(dir)), ...asked });
  const file = path.join(dir, FILES.config);
  const draft = `${file}.new`;
  await writeFile(draft, configText(config), { mode: 0o600 });
  await rename(draft, file);
}

/** @throws Failure INPUT_INVALID */
export function checkedConfig(tree: unknown): OperatorConfig {
  const parsed = configSchema.safeParse(tree);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw new Failure(
    'INPUT_INVALID',
    `config: ${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'invalid'}`,
  );
}

/** A config as YAML text. */
export function configText(config: OperatorConfig): string {
  return new Document(config, { schema: 'failsafe' }).toString({ lineWidth: 0 });
}
