/**
 * The channel desk of a running operator: the treasury and bitcoind as its config names them, the watch, the
 * commands. Without a treasury or a bitcoind nothing is opened, closed or accepted.
 */
import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { NETWORKS } from '../../descriptors/network.ts';
import { Failure } from '../../policies/failure.ts';
import { signStatement } from '../../policies/statement.ts';
import type { BitcoindAddress } from '../../transport/bitcoind-rpc.ts';
import { bitcoindChain } from '../adapters/bitcoind.ts';
import { treasuryDoor } from '../adapters/treasury.ts';
import { FILES, type OperatorConfig } from '../config.ts';
import type { CrashPoint } from '../crash-at.ts';
import type { Engine } from '../engine.ts';
import type { ChannelManager, NodeReader } from '../lightning.ts';
import type { OperatorPolicy } from '../operator-policy.ts';
import type { PoolKeys } from '../pool-keys.ts';
import { backupFiles } from './backup-files.ts';
import { PENDING_DEADLINE_MS } from './batch-steps.ts';
import { type ChannelParts, turns } from './channel-parts.ts';
import type { ChannelService } from './channel-protocol.ts';
import { channelService } from './channel-service.ts';
import { channelWatch } from './channel-watch.ts';
import { treasuryFollower } from './treasury-log.ts';

/** LND's smallest delay for a peer's own output (`--bitcoin.defaultremotedelay` scales up from it). */
const CSV_BLOCKS = 144;

export interface DeskOptions {
  dir: string;
  config: OperatorConfig;
  policy: OperatorPolicy;
  keys: Pick<PoolKeys, 'word' | 'wordPublic'>;
  engine: Engine;
  lnd: { reader: NodeReader; manager: ChannelManager };
  forwards: ChannelParts['forwards'];
  now: () => number;
  sleep: (ms: number, signal: AbortSignal) => Promise<void>;
  crashPoint: CrashPoint;
  onFatal: (cause: unknown) => void;
}

export interface ChannelDesk {
  service: ChannelService;
  stop(): Promise<void>;
}

/** @throws Failure NETWORK_MISMATCH, BITCOIND_UNREACHABLE */
export async function openChannelDesk(options: DeskOptions): Promise<ChannelDesk> {
  const { config } = options;
  if (config.treasury === undefined || config.bitcoind === undefined) {
    const missing = config.treasury === undefined ? 'treasury' : 'bitcoind';
    return { service: closedDesk(missing), stop: () => Promise.resolve() };
  }
  const parts = await partsOf(options, config.treasury, config.bitcoind);
  const inTurn = turns();
  const { sleep, onFatal } = options;
  const watch = channelWatch({
    parts,
    inTurn,
    csvBlocks: CSV_BLOCKS,
    watchtowers: (config.watchtowers ?? []).map((text) => {
      const at = text.indexOf('@');
      return { publicKey: text.slice(0, at), socket: text.slice(at + 1) };
    }),
    sleep,
    onFatal,
  });
  return {
    service: channelService({ parts, watch, inTurn, sleep }),
    stop: () => watch.stop(),
  };
}

async function partsOf(
  { dir, config, policy, keys, engine, lnd, forwards, now, crashPoint }: DeskOptions,
  treasury: NonNullable<OperatorConfig['treasury']>,
  bitcoind: NonNullable<OperatorConfig['bitcoind']>,
): Promise<ChannelParts> {
  const { network } = config;
  const coordinator = treasuryDoor(path.resolve(dir, treasury.socket));
  const trust = { treasuryId: treasury.id, network, coordinatorKey: treasury.coordinator_key };
  return {
    engine,
    manager: lnd.manager,
    reader: lnd.reader,
    forwards,
    coordinator,
    treasury: treasuryFollower(coordinator, trust),
    chain: await bitcoindChain(await addressOf(dir, bitcoind), NETWORKS[network].genesisHash),
    backups: backupFiles(path.join(dir, FILES.backups)),
    network,
    policy: () => policy,
    attest: (body) => signStatement('channels-pending', body, keys.word, randomBytes(32)),
    random32: () => randomBytes(32).toString('hex'),
    now,
    pendingDeadlineMs: PENDING_DEADLINE_MS,
    crashPoint,
  };
}

async function addressOf(
  dir: string,
  bitcoind: NonNullable<OperatorConfig['bitcoind']>,
): Promise<BitcoindAddress> {
  const { url } = bitcoind;
  if ('cookie_file' in bitcoind) {
    return { url, auth: { cookieFile: path.resolve(dir, bitcoind.cookie_file) } };
  }
  const file = path.resolve(dir, bitcoind.password_file);
  const password = await readFile(file, 'utf8').catch((cause: unknown) => {
    throw new Failure('KEY_MISSING', `${file} cannot be read`, { cause });
  });
  return { url, auth: { user: bitcoind.user, password: password.trim() } };
}

/** Every command says what is missing in the config. */
function closedDesk(missing: string): ChannelService {
  const refused = (): Promise<never> =>
    Promise.reject(
      new Failure('NOT_READY', `the config names no ${missing}: channels are left alone`),
    );
  return {
    list: refused,
    open: refused,
    abort: refused,
    close: refused,
    backup: refused,
    inbound: refused,
  };
}
