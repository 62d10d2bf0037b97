/**
 * Channels: opening, closing, accepting, backups, fees. Three credentials: who manages cannot close or forget, who
 * closes can do nothing else, and backups are read with a third. None of them can pay or send on chain.
 */
import {
  addPeer,
  connectWatchtower,
  createChainAddress,
  getBackups,
  getChannel,
  getWalletInfo,
  updateRoutingFees,
} from 'ln-service';
import { z } from 'zod';
import { Failure } from '../../../policies/failure.ts';
import { hex32, hexBytes, nodeKey } from '../../../policies/intent.ts';
import type { Backup, ChannelManager } from '../../lightning.ts';
import { failureOf, readAnswer } from './answers.ts';
import { accepting } from './channel-accept.ts';
import { closed } from './channel-close.ts';
import { cancelled, forgotten, opened, placeOf, verified } from './channel-open.ts';
import { digits, type LndConnection, rawCall, shaped } from './connect.ts';
import { asked, CALL_MS, LONG_CALL_MS, within } from './deadline.ts';

/** A backup of two thousand channels has some 400 kB. */
const BACKUP_BYTES_MAX = 4 * 1024 * 1024;
const BACKED_UP_MAX = 10_000;
/** A connection that is not there at the second try is not there now. */
const CONNECT_TRIES = 2;

export interface ChannelConnections {
  channels: LndConnection;
  closer: LndConnection;
  backup: LndConnection;
}

type Lnd = LndConnection['lnd'];

export function openChannelManager(of: ChannelConnections): ChannelManager {
  const { lnd } = of.channels;
  return {
    async connect(peer, socket) {
      const ask = { lnd, public_key: peer, socket, retry_count: CONNECT_TRIES };
      await asked('ConnectPeer', () => addPeer(ask), LONG_CALL_MS);
    },
    openChannels: (orders) => opened(lnd, orders),
    verifyFunding: (pendingIds, psbt) => verified(lnd, pendingIds, psbt),
    cancelPending: (pendingId) => cancelled(lnd, pendingId),
    forgetConflicted: (ask) => forgotten(of.closer.lnd, ask),
    close: (order) => closed(of.closer.lnd, order),
    accept: (rules, signal) => accepting(lnd, rules, signal),
    backup: () => exported(of.backup.lnd),
    verifyBackup: (backup) => readBack(of.backup.lnd, backup),
    walletAddress: () => walletAddress(lnd),
    setChannelFees: (ask) => setFees(lnd, ask),
    async addWatchtower(publicKey, socket) {
      const call = () => connectWatchtower({ lnd, public_key: publicKey, socket });
      await asked('AddTower', call);
    },
  };
}

const backupAnswer = z.object({
  backup: hexBytes.min(2).max(BACKUP_BYTES_MAX * 2),
  channels: z
    .array(z.object({ transaction_id: hex32, transaction_vout: z.int().min(0) }))
    .max(BACKED_UP_MAX),
});

async function exported(lnd: Lnd): Promise<Backup> {
  const call = () => getBackups({ lnd });
  const said = shaped('backup', backupAnswer, await asked('ExportAllChannelBackups', call));
  const outpoints = said.channels.map((each) => `${each.transaction_id}:${each.transaction_vout}`);
  return { multiHex: said.backup, outpoints };
}

const verifyAnswer = z.object({ chan_points: z.array(z.string()).max(BACKED_UP_MAX) });

/**
 * Whether the node decrypts it and finds these channels inside. Raw, because ln-service calls every error, a
 * broken connection too, an invalid backup.
 *
 * @throws Failure LND_UNREACHABLE
 */
async function readBack(lnd: Lnd, { multiHex, outpoints }: Backup): Promise<boolean> {
  const request = {
    multi_chan_backup: { multi_chan_backup: Buffer.from(multiHex, 'hex'), chan_points: [] },
  };
  let said: unknown;
  try {
    said = await within(LONG_CALL_MS, rawCall(lnd.default, 'verifyChanBackup', request));
  } catch (cause) {
    if (readAnswer(cause).kind === 'refused') return false;
    throw failureOf('VerifyChanBackup', cause);
  }
  const inside = new Set(shaped('backup', verifyAnswer, said).chan_points);
  return inside.size === outpoints.length && outpoints.every((outpoint) => inside.has(outpoint));
}

const addressAnswer = z.object({ address: z.string().min(1).max(100) });

async function walletAddress(lnd: Lnd): Promise<string> {
  const call = () => createChainAddress({ lnd, format: 'p2wpkh' });
  return shaped('address', addressAnswer, await asked('NewAddress', call)).address;
}

const infoAnswer = z.object({ public_key: nodeKey });
/** What LND would set to its least where it is left out (rpcserver.go, UpdateChannelPolicy). */
const policyAnswer = z.object({
  public_key: nodeKey,
  cltv_delta: z.int().positive(),
  max_htlc_mtokens: digits,
  min_htlc_mtokens: digits,
  inbound_base_discount_mtokens: z.string().regex(/^-?[0-9]{1,20}$/),
  inbound_rate_discount: z.int(),
});
const channelAnswer = z.object({ policies: z.array(z.unknown()).max(2) });

/** @throws Failure NOT_READY for a channel that the node has not announced to itself yet */
async function known(lnd: Lnd, outpoint: string): Promise<unknown> {
  try {
    return await within(CALL_MS, getChannel({ lnd, ...placeOf(outpoint) }));
  } catch (cause) {
    if (readAnswer(cause).kind !== 'not_found') throw failureOf('GetChanInfo', cause);
    throw new Failure('NOT_READY', `${outpoint} is not in the graph of the node yet`);
  }
}

/** The node's whole policy for the channel is read and sent back with two numbers changed. */
async function setFees(
  lnd: Lnd,
  { outpoint, baseMsat, ratePpm }: Parameters<ChannelManager['setChannelFees']>[0],
): Promise<void> {
  const place = placeOf(outpoint);
  const info = shaped('GetInfo', infoAnswer, await asked('GetInfo', () => getWalletInfo({ lnd })));
  const found = await known(lnd, outpoint);
  const own = shaped('channel', channelAnswer, found)
    .policies.map((each) => policyAnswer.safeParse(each).data)
    .find((each) => each?.public_key === info.public_key);
  if (own === undefined) throw new Failure('NOT_READY', `${outpoint} has no policy of ours yet`);
  const { public_key: _, ...kept } = own;
  const fees = { base_fee_mtokens: baseMsat.toString(), fee_rate: ratePpm };
  const call = () => updateRoutingFees({ lnd, ...place, ...kept, ...fees });
  const { failures = [] } = await asked('UpdateChannelPolicy', call);
  const [failure] = failures;
  if (failure !== undefined) {
    throw new Failure('LND_REFUSED', `${outpoint} keeps its fees: ${failure.failure}`);
  }
}
