/** The pool's channels for a person and for a script. Pure. */
import { satText, tableText } from '../../console/print.ts';
import type { Channel, PendingChannel } from '../lightning.ts';
import type { OperatorPolicy } from '../operator-policy.ts';
import type { RailDifferences } from './books-check.ts';
import { type Batch, type Channels, type Close, outpointsOf } from './channel-state.ts';

export interface ChannelRow {
  outpoint: string;
  peer: string;
  capacitySat: bigint;
  localMsat: bigint | null;
  remoteMsat: bigint | null;
  openedBy: 'us' | 'peer';
  announced: 'public' | 'private';
  state: string;
  closes: 'to_treasury' | 'elsewhere' | 'not_known_yet';
  backedUp: boolean;
}

/** What the books hold open and what is on its way, with balances where the node shows them. */
export function channelRows(
  { open, closes, batches }: Channels,
  channels: readonly Channel[],
  pending: readonly PendingChannel[],
): ChannelRow[] {
  const listed = new Map(channels.map((each) => [each.outpoint, each]));
  const opened = [...open.values()].map((known): ChannelRow => {
    const seen = listed.get(known.outpoint);
    const close = closes.get(known.outpoint);
    return {
      outpoint: known.outpoint,
      peer: known.peer,
      capacitySat: known.capacitySat,
      localMsat: seen?.localMsat ?? null,
      remoteMsat: seen?.remoteMsat ?? null,
      openedBy: known.openedBy,
      announced: known.announced,
      state: stateOf(close, seen),
      closes: known.closes,
      backedUp: known.backedUp,
    };
  });
  const ours = new Set([...batches.values()].flatMap(outpointsOf));
  const opening = pending
    .filter(({ outpoint, phase }) => phase === 'opening' && !open.has(outpoint))
    .map(
      (each): ChannelRow => ({
        outpoint: each.outpoint,
        peer: each.peer,
        capacitySat: each.capacitySat,
        localMsat: null,
        remoteMsat: null,
        openedBy: ours.has(each.outpoint) ? 'us' : 'peer',
        announced: 'public',
        state: 'opening',
        closes: 'not_known_yet',
        backedUp: false,
      }),
    );
  return [...opened, ...opening];
}

function stateOf(close: Close | undefined, seen: Channel | undefined): string {
  if (close !== undefined && close.phase !== 'ended') return `close ${close.phase}`;
  return seen?.usable ?? 'not listed';
}

export function listText(
  rows: readonly ChannelRow[],
  batches: readonly Batch[],
  differences: RailDifferences | null,
): string {
  const table = tableText(
    ['channel', 'peer', 'capacity', 'ours, msat', 'by', 'state', 'closes', 'backup'],
    rows.map((row) => [
      row.outpoint.replace(/^(.{8}).*:/, '$1…:'),
      row.peer.slice(0, 10),
      satText(row.capacitySat),
      row.localMsat?.toString() ?? '-',
      row.openedBy,
      row.state,
      row.closes.replaceAll('_', ' '),
      row.backedUp ? 'yes' : 'no',
    ]),
  );
  const going = batches.filter(({ phase }) => phase !== 'done' && phase !== 'aborted');
  return [table, ...going.map(batchLine), differencesText(differences)].join('\n');
}

function batchLine({ batchId, phase, channels, abort }: Batch): string {
  const why = abort === null ? '' : `: ${abort.why} ${abort.detail}`;
  return `batch ${batchId}: ${channels.length} channels, ${phase}${why}`;
}

function differencesText(differences: RailDifferences | null): string {
  if (differences === null) return 'the node does not answer: nothing to compare the books with';
  const rails = Object.entries(differences)
    .filter(([, value]) => value !== null && value !== 0n)
    .map(([rail, value]) => `${rail.replace('Msat', '')} ${value} msat`);
  return rails.length === 0
    ? 'books, node and treasury agree to the msat'
    : `books less what is there: ${rails.join(', ')}`;
}

/** How far a batch is, in one sentence, with what a person has to do next. */
export function batchText(batch: Batch): string {
  const { batchId, phase, proposal, abort } = batch;
  const name = `batch ${batchId}`;
  if (abort !== null) return `${name} is ${phase}: ${abort.why}; ${abort.detail}`;
  const id = proposal?.proposalId ?? '';
  switch (phase) {
    case 'attested':
      return `${name}: all channels are pending; guardians decide on proposal ${id}`;
    case 'broadcast':
      return `${name}: broadcast in ${proposal?.txid ?? ''}`;
    case 'done':
      return `${name}: all channels are open`;
    case 'planned':
    case 'asking':
    case 'funded':
    case 'proposed':
    case 'verified':
    case 'pending':
    case 'releasing':
    case 'conflicting':
    case 'aborted':
      return `${name} is ${phase}: weir operator channels list shows how it goes on`;
  }
}

/** A batch for a script. */
export function batchJson(batch: Batch): unknown {
  const { batchId, phase, proposal, abort, channels, reserve, backup } = batch;
  return {
    batchId,
    phase,
    proposalId: proposal?.proposalId ?? null,
    txid: proposal?.txid ?? null,
    outpoints: outpointsOf(batch),
    feeSat: proposal?.feeSat ?? null,
    channels,
    reserve,
    backup,
    abort:
      abort === null ? null : { why: abort.why, detail: abort.detail, cancelId: abort.cancelId },
  };
}

export function inboundText(
  policy: Pick<OperatorPolicy, 'inbound'>,
  { inbound }: Channels,
): string {
  const rules = tableText(
    ['peer', 'node', 'least', 'most'],
    policy.inbound.map(({ name, node, minSat, maxSat }) => [
      name,
      node.slice(0, 10),
      satText(minSat),
      satText(maxSat),
    ]),
  );
  return `${rules}\n${inbound.size} close addresses were promised to peers`;
}
