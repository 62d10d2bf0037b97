/**
 * Channels that peers want to open to us. While somebody listens LND lets none through without an answer, and its
 * own wait is short: what cannot be decided in time is refused.
 */
import { z } from 'zod';
import { Failure } from '../../../policies/failure.ts';
import type { InboundRules } from '../../lightning.ts';
import { failureOf, PastDeadline } from './answers.ts';
import { digits, type LndConnection, rawStream } from './connect.ts';
import { within } from './deadline.ts';

/** LND refuses by itself after 15 s (`--acceptortimeout`). */
const DECIDE_MS = 10_000;
/** Requests that are decided at once; more are refused. */
const DECIDING_MAX = 16;
/** BOLT 2, open_channel: the lowest bit announces the channel. */
const ANNOUNCED = 1;

/** As LND passes it on (lightning.proto, ChannelAcceptRequest). `push_amt` is in msat. */
const openRequest = z.object({
  node_pubkey: z.instanceof(Uint8Array),
  pending_chan_id: z.instanceof(Uint8Array),
  funding_amt: digits,
  push_amt: digits,
  channel_flags: z.int().min(0),
  wants_zero_conf: z.boolean(),
});
export type OpenRequest = z.infer<typeof openRequest>;

/** Why a peer may not open this channel; null where it may. The peer reads it. Pure. */
export function openRefusal(
  request: OpenRequest,
  rules: Pick<InboundRules, 'peers'>,
): string | null {
  const node = Buffer.from(request.node_pubkey).toString('hex');
  const rule = rules.peers.find((each) => each.node === node);
  if (rule === undefined) return 'this node takes channels of listed peers only';
  const amount = BigInt(request.funding_amt);
  if (amount < rule.minSat) return `this node takes no channel below ${rule.minSat} sat`;
  if (amount > rule.maxSat) return `this node takes no channel above ${rule.maxSat} sat`;
  if (request.push_amt !== '0') return 'this node takes no gifts';
  if (request.wants_zero_conf) return 'this node waits for confirmations';
  if ((request.channel_flags & ANNOUNCED) === 0) return 'this node takes announced channels only';
  return null;
}

/**
 * Answers until the signal is aborted.
 *
 * @throws Failure LND_UNREACHABLE when the stream breaks; what `closeAddressFor` throws
 */
export function accepting(
  lnd: LndConnection['lnd'],
  rules: InboundRules,
  signal: AbortSignal,
): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return resolve();
    const stream = rawStream(lnd.default, 'channelAcceptor', {});
    let deciding = 0;
    const over = (finish: () => void): void => {
      signal.removeEventListener('abort', stop);
      finish();
      stream.cancel();
    };
    const stop = (): void => over(resolve);
    signal.addEventListener('abort', stop, { once: true });
    stream.on('error', (cause: unknown) => over(() => reject(failureOf('ChannelAcceptor', cause))));
    stream.on('end', () =>
      over(() => reject(new Failure('LND_UNREACHABLE', 'the node passes no requests on any more'))),
    );
    stream.on('data', (said: unknown) => {
      const request = openRequest.safeParse(said);
      // LND refuses what nobody answers.
      if (!request.success || deciding >= DECIDING_MAX) return;
      deciding += 1;
      answered(request.data, rules)
        .then((answer) => stream.write(answer))
        .catch((cause: unknown) => over(() => reject(cause)))
        .finally(() => {
          deciding -= 1;
        });
    });
  });
}

interface Answer {
  accept: boolean;
  pending_chan_id: Uint8Array;
  error?: string;
  upfront_shutdown?: string;
}

async function answered(request: OpenRequest, rules: InboundRules): Promise<Answer> {
  const { pending_chan_id } = request;
  const no = (error: string): Answer => ({ accept: false, pending_chan_id, error });
  const refusal = openRefusal(request, rules);
  if (refusal !== null) return no(refusal);
  const peer = Buffer.from(request.node_pubkey).toString('hex');
  try {
    const address = await within(DECIDE_MS, rules.closeAddressFor(peer));
    if (address === null) return no('this node takes no channel now');
    return { accept: true, pending_chan_id, upfront_shutdown: address };
  } catch (cause) {
    if (cause instanceof PastDeadline) return no('this node could not decide in time');
    throw cause;
  }
}
