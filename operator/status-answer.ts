/** `weir operator status`: the pool, its node, and what the API refused since the start. */
import { EXIT } from '../console/exit-code.ts';
import type { Answer } from './admin-protocol.ts';
import type { RefusalCount } from './api/refusal-count.ts';
import type { Engine } from './engine.ts';
import { type NodeWatch, outboundMsat } from './node-watch.ts';
import type { OperatorPolicy } from './operator-policy.ts';
import type { ReceiptDesk } from './receipt-desk.ts';

export interface StatusParts {
  engine: Engine;
  watch: Pick<NodeWatch, 'look'>;
  desk: Pick<ReceiptDesk, 'publicKey'>;
  policy: OperatorPolicy;
  places: { journal: string; listen: string; url: string };
  /** What the API refused, with a receipt or without. */
  refusals: RefusalCount;
}

export async function statusAnswer({
  engine,
  watch,
  places,
  desk,
  policy,
  refusals,
}: StatusParts): Promise<Answer> {
  await engine.durable();
  const state = engine.state();
  const look = watch.look();
  const { channels } = look ?? { channels: [] };
  const json = {
    poolId: state.opened?.poolId ?? null,
    network: policy.network,
    mode: state.mode,
    modeWhy: state.modeWhy,
    entries: state.seq,
    unresolvedPayments: state.unresolved.size,
    openTopups: state.openTopups.size,
    receiptKey: desk.publicKey,
    node:
      look === null
        ? null
        : {
            publicKey: look.standing.publicKey,
            height: look.standing.height,
            syncedToChain: look.standing.syncedToChain,
            channels: channels.length,
            active: channels.filter(({ usable }) => usable === 'active').length,
            outboundMsat: outboundMsat(channels),
          },
    policySha256: policy.hash,
    places,
    refusals: Object.fromEntries(refusals),
  };
  const node = json.node;
  const text = [
    `pool ${json.poolId} on ${json.network}: ${json.mode}${json.modeWhy === '' ? '' : ` (${json.modeWhy})`}`,
    node === null
      ? 'the Lightning node does not answer'
      : `node ${node.publicKey} at ${node.height}, ${node.active} of ${node.channels} channels active, can send ${node.outboundMsat} msat`,
    `${json.entries} entries, ${json.unresolvedPayments} payments in flight, ${json.openTopups} top-ups open`,
    `API ${places.url}`,
    refusalsText(refusals),
    `receipts are signed by ${json.receiptKey}`,
  ].join('\n');
  return { json, text, exit: node === null ? EXIT.notReady : EXIT.done };
}

/** Most frequent first. */
function refusalsText(refusals: RefusalCount): string {
  if (refusals.size === 0) return 'refused since the start: nothing';
  const sorted = [...refusals].toSorted(([, one], [, other]) => other - one);
  return `refused since the start: ${sorted.map(([reason, n]) => `${n} ${reason}`).join(', ')}`;
}
