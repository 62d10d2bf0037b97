/** What LND says of itself: standing, channels, balances. Amounts come as numbers of sat or text of msat. */
import {
  getChainBalance,
  getChannelBalance,
  getChannels,
  getClosedChannels,
  getPendingChainBalance,
  getPendingChannels,
  getWalletInfo,
} from 'ln-service';
import { z } from 'zod';
import { Failure } from '../../../policies/failure.ts';
import { hex32, type NetworkName, nodeKey } from '../../../policies/intent.ts';
import { msat, msatOfSat, sat } from '../../../policies/units.ts';
import type { Channel, ClosedChannel, NodeReader, PendingChannel } from '../../lightning.ts';
import { type LndConnection, rawCall, shaped } from './connect.ts';
import { asked } from './deadline.ts';
import { forwardsOf } from './forwards.ts';
import { readInvoice } from './invoice.ts';

const tokens = z
  .int()
  .min(0)
  .transform((value) => sat(BigInt(value)));
const mtokens = z
  .string()
  .regex(/^[0-9]{1,19}$/)
  .transform((value) => msat(BigInt(value)));
const place = {
  transaction_id: hex32,
  transaction_vout: z.int().min(0).max(0xffff),
  partner_public_key: nodeKey,
};

const info = z.object({
  public_key: nodeKey,
  alias: z.string(),
  version: z.string(),
  chains: z.array(hex32).min(1),
  current_block_height: z.int().min(0),
  is_synced_to_chain: z.boolean(),
  latest_block_at: z.iso.datetime(),
});
const channel = z.object({
  ...place,
  id: z.string().max(40),
  capacity: tokens,
  local_balance: tokens,
  remote_balance: tokens,
  local_reserve: tokens,
  commit_transaction_fee: tokens,
  is_partner_initiated: z.boolean(),
  is_active: z.boolean(),
  is_private: z.boolean(),
  cooperative_close_address: z.string().max(200).optional(),
  past_states: z.int().min(0),
  pending_payments: z.array(
    z.object({ id: hex32, is_outgoing: z.boolean(), tokens, is_forward: z.boolean().optional() }),
  ),
});
const pending = z.object({
  ...place,
  capacity: tokens,
  local_balance: tokens,
  is_opening: z.boolean(),
  is_closing: z.boolean(),
  is_timelocked: z.boolean(),
  timelock_blocks: z.int().optional(),
  close_transaction_id: hex32.optional(),
});
const closed = z.object({
  transaction_id: hex32,
  transaction_vout: z.int().min(0),
  partner_public_key: nodeKey,
  close_transaction_id: hex32.optional(),
  close_confirm_height: z.int().optional(),
  final_local_balance: tokens,
  is_breach_close: z.boolean(),
  is_cooperative_close: z.boolean(),
  is_funding_cancel: z.boolean(),
  is_local_force_close: z.boolean(),
  is_remote_force_close: z.boolean(),
});

/** As LND writes flags, with `|` between them (channeldb/channel.go). */
const DATA_LOSS = 'ChanStatusLocalDataLoss';
const lost = z.object({
  waiting_close_channels: z.array(
    z.object({ channel: z.object({ channel_point: z.string(), chan_status_flags: z.string() }) }),
  ),
});

/** Genesis hashes as BOLT 2 hashes them: the chain names of `getinfo` may be anything. */
const NETWORKS: Readonly<Record<string, NetworkName>> = {
  '6fe28c0ab6f1b372c1a6a246ae63f74f931e8365e15a089c68d6190000000000': 'bitcoin',
  '06226e46111a0b59caaf126043eb5bbf28c34f3a5e332a1fc7b2b73cf188910f': 'regtest',
  f61eee3b63a380a477a063af32b2bbc97c9ff9f01f2c4225e973988108000000: 'signet',
};

function networkOf(chain: string): NetworkName {
  const network = NETWORKS[chain];
  if (network !== undefined) return network;
  throw new Failure('NETWORK_MISMATCH', 'the Lightning node is on a chain that is not known here');
}

/** Reads with any macaroon that has these methods. */
export function openReader({ lnd }: LndConnection): NodeReader {
  return {
    readInvoice,
    async standing() {
      const read = shaped('GetInfo', info, await asked('GetInfo', () => getWalletInfo({ lnd })));
      const [chain = ''] = read.chains;
      return {
        publicKey: read.public_key,
        alias: read.alias,
        version: read.version,
        network: networkOf(chain),
        height: read.current_block_height,
        syncedToChain: read.is_synced_to_chain,
        latestBlockAtMs: Date.parse(read.latest_block_at),
      };
    },
    async channels() {
      const said = await asked('ListChannels', () => getChannels({ lnd }));
      return shaped('ListChannels', z.array(channel), said.channels).map(channelOf);
    },
    lostChannels: () => lostChannels(lnd),
    async pendingChannels() {
      const said = await asked('PendingChannels', () => getPendingChannels({ lnd }));
      return shaped('PendingChannels', z.array(pending), said.pending_channels).map(pendingOf);
    },
    async closedChannels() {
      const said = await asked('ClosedChannels', () => getClosedChannels({ lnd }));
      return shaped('ClosedChannels', z.array(closed), said.channels).map(closedOf);
    },
    balance: () => balanceOf(lnd),
    forwards: (ask) => forwardsOf(lnd, ask),
  };
}

/** ln-service leaves the flags out, so the node's own message is read. */
async function lostChannels(lnd: LndConnection['lnd']): Promise<string[]> {
  const call = (): Promise<unknown> => rawCall(lnd.default, 'pendingChannels', {});
  const said = shaped('PendingChannels', lost, await asked('PendingChannels', call));
  return said.waiting_close_channels
    .map((each) => each.channel)
    .filter((each) => each.chan_status_flags.includes(DATA_LOSS))
    .map((each) => each.channel_point);
}

function outpointOf({
  transaction_id,
  transaction_vout,
}: {
  transaction_id: string;
  transaction_vout: number;
}): string {
  return `${transaction_id}:${transaction_vout}`;
}

function channelOf(read: z.infer<typeof channel>): Channel {
  const out = read.pending_payments.filter((each) => each.is_outgoing);
  return {
    outpoint: outpointOf(read),
    id: read.id,
    peer: read.partner_public_key,
    capacitySat: read.capacity,
    localMsat: msatOfSat(read.local_balance),
    remoteMsat: msatOfSat(read.remote_balance),
    unsettledOutMsat: msat(out.reduce((sum, each) => sum + each.tokens * 1_000n, 0n)),
    reserveSat: read.local_reserve,
    commitFeeSat: read.commit_transaction_fee,
    openedBy: read.is_partner_initiated ? 'peer' : 'us',
    usable: read.is_active ? 'active' : 'inactive',
    announced: read.is_private ? 'private' : 'public',
    closeAddress: read.cooperative_close_address ?? null,
    updates: BigInt(read.past_states),
    pendingHashes: out.map(({ id }) => id),
    incomingHtlcs: read.pending_payments.length - out.length,
  };
}

function pendingOf(read: z.infer<typeof pending>): PendingChannel {
  // Only what is forced and confirmed has a timelock to wait for; the rest waits for its transaction.
  const closing = read.is_timelocked ? ('force_closing' as const) : ('waiting_close' as const);
  return {
    outpoint: outpointOf(read),
    peer: read.partner_public_key,
    capacitySat: read.capacity,
    localSat: read.local_balance,
    phase: read.is_opening ? 'opening' : closing,
    closeTxid: read.close_transaction_id ?? null,
    blocksLeft: read.timelock_blocks ?? null,
  };
}

function closedOf(read: z.infer<typeof closed>): ClosedChannel {
  return {
    outpoint: outpointOf(read),
    peer: read.partner_public_key,
    closeTxid: read.close_transaction_id ?? null,
    closeHeight: read.close_confirm_height ?? null,
    settledSat: read.final_local_balance,
    how: howClosed(read),
  };
}

function howClosed(read: z.infer<typeof closed>): ClosedChannel['how'] {
  if (read.is_cooperative_close) return 'cooperative';
  if (read.is_local_force_close) return 'local_force';
  if (read.is_remote_force_close) return 'remote_force';
  if (read.is_breach_close) return 'breach';
  return read.is_funding_cancel ? 'funding_cancelled' : 'abandoned';
}

const channelBalance = z.object({
  channel_balance_mtokens: mtokens,
  unsettled_balance_mtokens: mtokens,
  pending_balance: tokens,
});

async function balanceOf(lnd: LndConnection['lnd']) {
  const [channels, chain, unconfirmed] = await Promise.all([
    asked('ChannelBalance', () => getChannelBalance({ lnd })),
    asked('WalletBalance', () => getChainBalance({ lnd })),
    asked('WalletBalance', () => getPendingChainBalance({ lnd })),
  ]);
  const read = shaped('ChannelBalance', channelBalance, channels);
  return {
    channelsMsat: read.channel_balance_mtokens,
    unsettledMsat: read.unsettled_balance_mtokens,
    pendingOpenMsat: msatOfSat(read.pending_balance),
    chainConfirmedSat: sat(BigInt(chain.chain_balance)),
    chainUnconfirmedSat: sat(BigInt(unconfirmed.pending_chain_balance)),
  };
}
