/**
 * Opening by a transaction of somebody else's: the node names addresses, checks the unsigned transaction, waits for
 * the peers' signatures, and publishes nothing. Until a channel is pending its request lives in memory only.
 */
import type { EventEmitter } from 'node:events';
import { cancelPendingChannel, deletePendingChannel, openChannels } from 'ln-service';
import { z } from 'zod';
import { BrokenInvariant, Failure, invariant } from '../../../policies/failure.ts';
import { hex32 } from '../../../policies/intent.ts';
import { type Sat, sat } from '../../../policies/units.ts';
import type { ChannelManager, ChannelOrder, FundingAsked } from '../../lightning.ts';
import { failureOf, type NodeAnswer, readAnswer } from './answers.ts';
import { type LndConnection, rawCall, shaped } from './connect.ts';
import { asked, LONG_CALL_MS, within } from './deadline.ts';
import { tapped } from './guard.ts';
import { lintOpen, type Message } from './request-lint.ts';

/** All peers of a batch answer within this, or none of its channels is opened. */
const OPEN_MS = 60_000;
/** Base fee, rate and the like come later, from policy: `setChannelFees`. */
type Lnd = LndConnection['lnd'];

/** What peers and the node say, and what it means for who reads it. */
const SAID: readonly (readonly [RegExp, string])[] = [
  [/pending channels exceed maximum/i, 'holds a pending channel of ours and takes no other yet'],
  [/reserved wallet balance invalidated/i, 'needs more in the node wallet for the anchor reserve'],
  [/is not online|peer is offline|not connected/i, 'is not connected'],
  [/upfront shutdown/i, 'does not fix a close address (option_upfront_shutdown_script)'],
];

const pendingAnswer = z.object({
  pending: z.array(
    z.object({ address: z.string().min(1).max(200), id: hex32, tokens: z.int().positive() }),
  ),
});

/** Requests as they went out, their ids known before anybody answers, and refusals as they came in. */
interface Asking {
  pendingIds: string[];
  refusals: { peer: string; answer: NodeAnswer }[];
}

/**
 * Asks every peer. Where one refuses or is silent, all requests are taken back.
 *
 * @throws Failure LND_REFUSED naming the peer and why, LND_UNREACHABLE
 */
export async function opened(
  lnd: Lnd,
  orders: readonly ChannelOrder[],
): Promise<readonly FundingAsked[]> {
  const asking: Asking = { pendingIds: [], refusals: [] };
  try {
    const call = openChannels({
      lnd: tapped(lnd, { service: 'default', method: 'openChannel' }, listening(asking, orders)),
      // Otherwise LND publishes with the last of them, whether or not the others are safe.
      is_avoiding_broadcast: true,
      channels: orders.map((order) => ({
        capacity: tokensOf(order.capacitySat),
        partner_public_key: order.peer,
        cooperative_close_address: order.closeAddress,
        is_private: order.announced === 'private',
      })),
    });
    const { pending } = shaped('requests', pendingAnswer, await within(OPEN_MS, call));
    invariant(
      pending.length === orders.length,
      'the node asks for fewer channels than it was told',
    );
    return pending.map(({ address, id, tokens }, at) => ({
      pendingId: id,
      address,
      amountSat: sat(BigInt(tokens)),
      peer: orders[at]?.peer ?? '',
    }));
  } catch (cause) {
    await Promise.all(asking.pendingIds.map((id) => cancelled(lnd, id).catch(() => undefined)));
    throw refusalIn(asking) ?? failureOf('OpenChannel', cause);
  }
}

function listening(asking: Asking, orders: readonly ChannelOrder[]) {
  let peer = '';
  return {
    before(message: Message) {
      peer = Buffer.from(message['node_pubkey'] as Uint8Array).toString('hex');
      asking.pendingIds.push(Buffer.from(shim(message).pending_chan_id).toString('hex'));
      return unlike(message, orders);
    },
    opened(stream: EventEmitter) {
      const to = peer;
      stream.on('error', (cause: unknown) => {
        asking.refusals.push({ peer: to, answer: readAnswer(cause) });
      });
    },
  };
}

/** Each message is one of the orders, word for word; what ln-service makes of them is not taken on trust. */
function unlike(message: Message, orders: readonly ChannelOrder[]): BrokenInvariant | null {
  const problems = orders.map((order) => lintOpen(message, order));
  if (problems.some((each) => each.length === 0)) return null;
  return new BrokenInvariant(`OpenChannel is no order of ours: ${problems[0]?.join(', ') ?? ''}`);
}

function shim(message: Message): { pending_chan_id: Uint8Array } {
  const { psbt_shim } = message['funding_shim'] as {
    psbt_shim: { pending_chan_id: Uint8Array };
  };
  return psbt_shim;
}

/** The first word counts: the requests to the others end because ln-service takes them back. */
function refusalIn({ refusals: [first] }: Asking): Failure | null {
  if (first === undefined || first.answer.retryable) return null;
  return new Failure('LND_REFUSED', `${first.peer} ${meaningOf(first.answer.details)}`);
}

/** In words of ours where we have them, beside the node's own. */
function meaningOf(details: string): string {
  const known = SAID.find(([pattern]) => pattern.test(details));
  return known === undefined ? `is not opened to: ${details}` : `${known[1]} (${details})`;
}

/** The API of LND takes sat as numbers; all there are fit. */
function tokensOf(amount: Sat): number {
  return Number.parseInt(amount.toString(), 10);
}

/**
 * Has the node check the unsigned transaction and ask the peers for their signatures. No step follows that signs or
 * publishes: what is signed later must keep its txid.
 *
 * @throws Failure LND_REFUSED with what the node finds wrong, LND_UNREACHABLE
 */
export async function verified(
  lnd: Lnd,
  pendingIds: readonly string[],
  psbt: Uint8Array,
): Promise<void> {
  await Promise.all(
    pendingIds.map(async (id) => {
      const psbt_verify = {
        funded_psbt: Buffer.from(psbt),
        pending_chan_id: Buffer.from(id, 'hex'),
        skip_finalize: true,
      };
      try {
        await within(LONG_CALL_MS, rawCall(lnd.default, 'fundingStateStep', { psbt_verify }));
      } catch (cause) {
        const answer = readAnswer(cause);
        if (answer.retryable || answer.kind === 'unrecognised') {
          throw failureOf('FundingStateStep', cause);
        }
        throw new Failure('LND_REFUSED', `the node ${verdictOf(answer.details)}`);
      }
    }),
  );
}

function verdictOf(details: string): string {
  const known = SAID.find(([pattern]) => pattern.test(details));
  return known === undefined ? `refuses this funding: ${details}` : `${known[1]} (${details})`;
}

/** A request that is not there any more is taken back already. @throws Failure LND_UNREACHABLE, LND_REFUSED */
export async function cancelled(lnd: Lnd, pendingId: string): Promise<void> {
  try {
    await asked('FundingStateStep', () => cancelPendingChannel({ lnd, id: pendingId }));
  } catch (cause) {
    const gone = cause instanceof Failure && /no funding intent found/i.test(cause.message);
    if (!gone) throw cause;
  }
}

/**
 * Has the node forget a pending channel. It does not check that the conflict is mined: the caller did. It does check,
 * in ln-service, that the two transactions share a coin.
 */
export async function forgotten(
  lnd: Lnd,
  { outpoint, pendingTx, confirmedTx }: Parameters<ChannelManager['forgetConflicted']>[0],
): Promise<void> {
  const call = () =>
    deletePendingChannel({
      lnd,
      confirmed_transaction: confirmedTx,
      pending_transaction: pendingTx,
      pending_transaction_vout: placeOf(outpoint).transaction_vout,
    });
  await asked('AbandonChannel', call, LONG_CALL_MS);
}

/** `txid:vout` as ln-service takes it. */
export function placeOf(outpoint: string): { transaction_id: string; transaction_vout: number } {
  const [transaction_id = '', vout = ''] = outpoint.split(':');
  return { transaction_id, transaction_vout: Number.parseInt(vout, 10) };
}
