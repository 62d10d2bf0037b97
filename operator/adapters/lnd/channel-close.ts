/** Closing a channel that the quorum let go. The coins go where the upfront shutdown script says, and nowhere else. */
import { closeChannel } from 'ln-service';
import { z } from 'zod';
import { hex32 } from '../../../policies/intent.ts';
import type { FeeRate } from '../../../policies/units.ts';
import type { CloseOrder, CloseOutcome } from '../../lightning.ts';
import { readAnswer } from './answers.ts';
import { placeOf } from './channel-open.ts';
import type { LndConnection } from './connect.ts';
import { within } from './deadline.ts';

/** The peers agree on a fee within seconds, or the node has nothing to say yet. */
const CLOSE_MS = 30_000;

type Why = Extract<CloseOutcome, { is: 'refused' }>['why'];

/** LND's sentences (rpcserver.go, htlcswitch, chancloser). */
const REFUSALS: readonly (readonly [RegExp, Why])[] = [
  [/active htlcs/i, 'htlcs_active'],
  [/fee proposal exceeds max fee|fee.*(exceeds|not agreed)/i, 'fee_disagreed'],
  [/peer is offline|is not online|link not found/i, 'peer_offline'],
  [/channel not found|unable to find|edge not found/i, 'not_found'],
];

const closeAnswer = z.object({ transaction_id: hex32 });

/** Asks once. What the lists show afterwards is the truth; a refusal leaves the channel as it was. */
export async function closed(
  lnd: LndConnection['lnd'],
  { outpoint, how, feerate }: CloseOrder,
): Promise<CloseOutcome> {
  const place = placeOf(outpoint);
  const asking = (): Promise<unknown> =>
    how === 'force'
      ? // It uses the fee that its commitment has.
        closeChannel({ lnd, ...place, is_force_close: true })
      : closeChannel({ lnd, ...place, ...feeTerms(feerate) });
  try {
    const said = await within(CLOSE_MS, asking());
    const read = closeAnswer.safeParse(said);
    if (read.success) return { is: 'closing', txid: read.data.transaction_id };
    return { is: 'unknown', detail: 'the node names no transaction' };
  } catch (cause) {
    const { kind, details, moneyUnknown } = readAnswer(cause);
    if (moneyUnknown) return { is: 'unknown', detail: details };
    const known = REFUSALS.find(([pattern]) => pattern.test(details));
    const why = known?.[1] ?? (kind === 'not_found' ? 'not_found' : 'error');
    return { is: 'refused', why, detail: details };
  }
}

/** Whole sat per vbyte, rounded down so that the cap holds; LND takes no less than one. */
function feeTerms(feerate: FeeRate | null): {
  tokens_per_vbyte?: number;
  max_tokens_per_vbyte?: number;
} {
  if (feerate === null) return {};
  const rate = Math.max(1, Number.parseInt((feerate / 1_000n).toString(), 10));
  return { tokens_per_vbyte: rate, max_tokens_per_vbyte: rate };
}
