/** `weir coordinator init`: keys, config, invites and the log's first entry, in a folder of its own. */
import { randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { schnorr } from '@noble/curves/secp256k1.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js';
import { sealFile } from '../custody/sealed-file.ts';
import { NETWORKS } from '../descriptors/network.ts';
import { createJournal } from '../journal/level-journal.ts';
import { Failure } from '../policies/failure.ts';
import type { NetworkName } from '../policies/intent.ts';
import { parsePolicy, policyHash } from '../policies/policy.ts';
import {
  type CeremonyParams,
  ceremonyParams,
  PROTOCOL_MAX,
  PROTOCOL_MIN,
  treasuryIdOf,
} from '../policies/wallet-record.ts';
import { nodeIdentity } from '../transport/bitcoind-node.ts';
import { type BitcoindAddress, bitcoindRpc } from '../transport/bitcoind-rpc.ts';
import {
  bitcoindAddress,
  type ConfigText,
  configText,
  FILES,
  parseConfig,
  writeOwnFile,
} from './config.ts';
import { openTreasuryLog } from './log.ts';
import { operatorKeyFile } from './operator-key.ts';
import type { Invite } from './protocol.ts';

export interface InitOptions {
  dir: string;
  name: string;
  network: NetworkName;
  threshold: number;
  seats: readonly string[];
  template: CeremonyParams['template'];
  policyFile: string;
  operator: string;
  operatorPassphrase: string;
  config: Omit<ConfigText, 'schema' | 'network' | 'seats' | 'birth_time'>;
}

export interface InitResult {
  treasuryId: string;
  coordinatorKey: string;
  invites: Readonly<Record<string, string>>;
}

/** The node's wallet searches from a day before: clocks and block times differ. */
const BIRTH_MARGIN_SECONDS = 86_400;

/**
 * Makes a coordinator's folder.
 *
 * @throws Failure WRONG_STATE for a folder that holds something, POLICY_INVALID, INPUT_INVALID,
 *   NETWORK_MISMATCH for a node of another network, BITCOIND_UNREACHABLE
 */
export async function initCoordinator(options: InitOptions): Promise<InitResult> {
  const { dir, network, seats } = options;
  const policyText = await readFile(options.policyFile, 'utf8').catch((cause: unknown) => {
    throw new Failure('NOT_FOUND', `the policy ${options.policyFile} cannot be read`, { cause });
  });
  checkPolicy(policyText, options);
  const birthTime = Math.max(0, Math.floor(Date.now() / 1_000) - BIRTH_MARGIN_SECONDS);
  const tokens = new Map(seats.map((id) => [id, randomBytes(16).toString('hex')]));
  const text = configText({
    schema: 'weir.coordinator/v1',
    network,
    ...options.config,
    birth_time: `${birthTime}`,
    seats: [...tokens].map(([id, token]) => ({
      id,
      token_sha256: bytesToHex(sha256(utf8ToBytes(token))),
    })),
  });
  await checkNode(await bitcoindAddress(parseConfig(text)), network);
  await emptyFolder(dir);
  const key = schnorr.utils.randomSecretKey();
  const coordinatorKey = bytesToHex(schnorr.getPublicKey(key));
  const operatorKey = schnorr.utils.randomSecretKey();
  const params = paramsOf(options, policyText, {
    coordinatorKey,
    operatorKey: bytesToHex(schnorr.getPublicKey(operatorKey)),
  });
  await writeOwnFile(path.join(dir, FILES.key), `${bytesToHex(key)}\n`);
  await mkdir(path.join(dir, FILES.operators), { mode: 0o700 });
  const sealed = operatorKeyFile(dir, options.operator);
  await sealFile(sealed, operatorKey, options.operatorPassphrase);
  operatorKey.fill(0);
  const treasuryId = treasuryIdOf(params);
  const invites = await writeInvites(options, tokens, { treasuryId, coordinatorKey });
  const journal = await createJournal(path.join(dir, FILES.journal));
  const log = await openTreasuryLog({ journal, secretKey: key, broken: () => undefined });
  await log.act(() => [{ kind: 'ceremony-opened', params, policyText }]);
  await log.close();
  key.fill(0);
  // Last: without it nothing runs, so a folder that init did not finish is never taken for a whole one.
  await writeOwnFile(path.join(dir, FILES.config), text);
  return { treasuryId, coordinatorKey, invites };
}

function checkPolicy(text: string, { network, seats, operator }: InitOptions): void {
  const policy = parsePolicy(text);
  if (policy.network !== network) {
    throw new Failure('NETWORK_MISMATCH', `the policy is for ${policy.network}`);
  }
  const known = new Set(policy.guardians.map(({ id }) => id));
  const missing = seats.filter((seat) => !known.has(seat));
  if (missing.length > 0 || known.size !== seats.length) {
    throw new Failure(
      'INPUT_INVALID',
      `the policy's guardians are ${[...known].join(', ')}, the seats ${seats.join(', ')}`,
    );
  }
  if (!policy.operators.some(({ id }) => id === operator)) {
    throw new Failure('INPUT_INVALID', `the policy knows no operator ${operator}`);
  }
}

async function checkNode(address: BitcoindAddress, network: NetworkName): Promise<void> {
  const { genesisHash } = await nodeIdentity(bitcoindRpc(address));
  if (genesisHash !== NETWORKS[network].genesisHash) {
    throw new Failure('NETWORK_MISMATCH', `this bitcoind is not on ${network}`);
  }
}

async function emptyFolder(dir: string): Promise<void> {
  await mkdir(dir, { recursive: true, mode: 0o700 });
  if ((await readdir(dir)).length > 0) {
    throw new Failure('WRONG_STATE', `${dir} is not empty: a coordinator has a folder of its own`);
  }
}

function paramsOf(
  options: InitOptions,
  policyText: string,
  keys: { coordinatorKey: string; operatorKey: string },
): CeremonyParams {
  const { name, network, threshold, seats, template, operator } = options;
  const parsed = ceremonyParams.safeParse({
    schema: 'weir.ceremony/v1',
    name,
    network,
    genesisHash: NETWORKS[network].genesisHash,
    threshold,
    seats: [...seats],
    template,
    coordinatorKey: keys.coordinatorKey,
    operators: [{ id: operator, key: keys.operatorKey }],
    policyHash: policyHash(parsePolicy(policyText)),
    protocol: { min: PROTOCOL_MIN, max: PROTOCOL_MAX },
    salt: randomBytes(32).toString('hex'),
  });
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw new Failure('INPUT_INVALID', `${issue?.path.join('.') ?? ''}: ${issue?.message ?? ''}`);
}

async function writeInvites(
  { dir, config }: InitOptions,
  tokens: ReadonlyMap<string, string>,
  said: { treasuryId: string; coordinatorKey: string },
): Promise<Record<string, string>> {
  await mkdir(path.join(dir, FILES.invites), { mode: 0o700 });
  const files: Record<string, string> = {};
  for (const [seatId, token] of tokens) {
    const value: Invite = { schema: 'weir.invite/v1', url: config.url, ...said, seatId, token };
    const file = path.join(dir, FILES.invites, `${seatId}.json`);
    await writeOwnFile(file, `${JSON.stringify(value, null, 2)}\n`);
    files[seatId] = file;
  }
  return files;
}
