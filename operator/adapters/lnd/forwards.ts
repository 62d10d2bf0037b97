/**
 * Forwards by LND's log of them (channeldb/forwarding_log.go). Asked at the wire: ln-service pages by the clock and
 * sorts again, and we go by places in the list. LND writes down what it still holds in memory before it answers.
 */
import { z } from 'zod';
import { Failure } from '../../../policies/failure.ts';
import { msat } from '../../../policies/units.ts';
import { FORWARDS_PAGE, type Forward } from '../../lightning.ts';
import { digits, type LndConnection, rawCall, shaped } from './connect.ts';
import { asked, LONG_CALL_MS } from './deadline.ts';

/** Unix seconds. LND counts in nanoseconds of 63 bits, which end in 2262. */
const NEVER = '9000000000';
const NS_PER_MS = 1_000_000n;

/** No more than there is of bitcoin, with room. */
const amount = z
  .string()
  .regex(/^[0-9]{1,18}$/)
  .transform((text) => msat(BigInt(text)));
const forwarded = z.object({
  timestamp_ns: digits,
  chan_id_in: digits,
  chan_id_out: digits,
  amt_in_msat: amount,
  amt_out_msat: amount,
  fee_msat: amount,
});
const history = z.object({
  forwarding_events: z.array(forwarded).max(FORWARDS_PAGE),
  last_offset_index: z.int().min(0),
});

/** @throws Failure LND_UNREACHABLE, LND_REFUSED */
export async function forwardsOf(
  lnd: LndConnection['lnd'],
  { sinceMs, skip }: { sinceMs: number; skip: number },
): Promise<Forward[]> {
  const request = {
    start_time: Math.floor(sinceMs / 1_000).toString(),
    end_time: NEVER,
    index_offset: skip,
    num_max_events: FORWARDS_PAGE,
  };
  const call = (): Promise<unknown> => rawCall(lnd.default, 'forwardingHistory', request);
  const said = await asked('ForwardingHistory', call, LONG_CALL_MS);
  const read = shaped('forwards', history, said);
  if (read.last_offset_index !== skip + read.forwarding_events.length) {
    throw new Failure('LND_UNREACHABLE', 'the Lightning node skipped other forwards than asked');
  }
  return read.forwarding_events.map(forwardOf);
}

/** Today the time alone differs from one to the next in LND; nobody promises that. */
function forwardOf(of: z.infer<typeof forwarded>): Forward {
  const { timestamp_ns: ns, chan_id_in: from, chan_id_out: to, fee_msat: feeMsat } = of;
  if (of.amt_in_msat - of.amt_out_msat !== feeMsat) {
    throw new Failure('LND_UNREACHABLE', 'the Lightning node says another fee than it earned');
  }
  return {
    id: `${ns} ${from} ${to} ${of.amt_in_msat} ${of.amt_out_msat}`,
    atMs: Number.parseInt((BigInt(ns) / NS_PER_MS).toString(), 10),
    feeMsat,
  };
}
