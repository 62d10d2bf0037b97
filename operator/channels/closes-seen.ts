/** Closing transactions of our channels, as our own bitcoind shows them. */
import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js';
import { RawTx } from '@scure/btc-signer/script.js';
import { type Sat, sat } from '../../policies/units.ts';
import { scriptOf } from './address-script.ts';
import type { ChannelParts } from './channel-parts.ts';
import type { OpenChannel } from './channel-state.ts';
import type { NodeLists } from './close-run.ts';
import type { SeenClose } from './leaving-news.ts';

/** By outpoint of the channel; one whose closing transaction our node does not show is left out. */
export async function closesSeen(
  { engine, chain, network }: Pick<ChannelParts, 'engine' | 'chain' | 'network'>,
  lists: NodeLists,
): Promise<ReadonlyMap<string, SeenClose>> {
  const found = new Map<string, SeenClose>();
  for (const channel of engine.state().channels.open.values()) {
    const named = namedBy(channel.outpoint, lists);
    if (named === null) continue;
    const seen = await look(chain, named);
    if (seen === null) continue;
    const { rawTx, ...place } = seen;
    const paid = paidBy(rawTx, scriptOfClose(channel, network));
    const feeSat = sat(paid.allSat < channel.capacitySat ? channel.capacitySat - paid.allSat : 0n);
    const { toCloseAddressSat } = paid;
    found.set(channel.outpoint, { txid: named.txid, ...place, toCloseAddressSat, feeSat });
  }
  return found;
}

interface NamedClose {
  txid: string;
  height: number | null;
}

/** What the node calls the closing transaction of a channel. */
function namedBy(outpoint: string, { closed, pending }: NodeLists): NamedClose | null {
  const over = closed.find((each) => each.outpoint === outpoint);
  const under = pending.find((each) => each.outpoint === outpoint);
  const txid = over?.closeTxid ?? under?.closeTxid ?? null;
  return txid === null ? null : { txid, height: over?.closeHeight ?? null };
}

async function look(
  chain: ChannelParts['chain'],
  { txid, height }: NamedClose,
): Promise<{ rawTx: string; confirmations: number; height: number | null } | null> {
  const mined = height === null ? null : await chain.minedAt(txid, height);
  if (mined !== null) return { ...mined, height };
  const rawTx = await chain.inMempool(txid);
  return rawTx === null ? null : { rawTx, confirmations: 0, height: null };
}

function scriptOfClose(
  { closeAddress }: OpenChannel,
  network: ChannelParts['network'],
): string | null {
  return closeAddress === null ? null : scriptOf(closeAddress, network);
}

/** Everything that a transaction pays, and of it what it pays to a script. */
function paidBy(rawTx: string, script: string | null): { allSat: Sat; toCloseAddressSat: Sat } {
  const { outputs } = RawTx.decode(hexToBytes(rawTx));
  let [all, toScript] = [0n, 0n];
  for (const output of outputs) {
    all += output.amount;
    if (bytesToHex(output.script) === script) toScript += output.amount;
  }
  return { allSat: sat(all), toCloseAddressSat: sat(toScript) };
}
