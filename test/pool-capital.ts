/** What a lone pool has of its own, spent on a real node until its channel is as good as empty. */
import { getChannels } from 'ln-service';
import { expect } from 'vitest';
import { type ApiAnswer, rawPost } from '../demo/pool-calls.ts';
import { STEP_MS_MAX } from '../demo/world.ts';
import { invoice } from '../regtest/lightning-payments.ts';
import { called } from '../regtest/ln-call.ts';
import { until } from '../regtest/wait.ts';
import {
  type Agent,
  askPool,
  type LonePool,
  nodeMsat,
  quoteBody,
  quoted,
  settles,
  told,
} from './pool-world.ts';

/** What the books have on one account. */
export async function booked(pool: LonePool, account: string): Promise<bigint> {
  const { json } = await askPool(pool, (client) => client.books.query());
  const { accounts } = json as { accounts: { account: string; balance: string }[] };
  return BigInt(accounts.find((each) => each.account === account)?.balance ?? 0);
}

/** Flags of a credential that may spend what is the pool's, and the terms of a quote that does. */
export const OPERATOR = ['--role', 'operator'];
const OF_THE_POOL = { funding: 'treasury', max_fee_msats: 1_000_000 };
/** What the pool pays for itself at most and at least at once. */
const PIECE = 350_000_000n;
const DUST = 4_000_000n;
/** More than a piece costs on its way. */
const FEES = 2_000_000n;

/** What the channel can send beyond all that is agents'. */
async function spareMsat(pool: LonePool): Promise<bigint> {
  await nodeMsat(pool);
  const { lnd } = pool.lightning.node('pool');
  const { channels } = await called('getChannels', getChannels({ lnd }));
  const [channel] = channels;
  const kept = (channel?.local_reserve ?? 0) + (channel?.commit_transaction_fee ?? 0);
  const sendable = (BigInt(channel?.local_balance ?? 0) - BigInt(kept)) * 1_000n;
  return sendable - (await booked(pool, 'SYS:asset:ln.local'));
}

/** The pool pays for itself until it has no more than that to spare, or as good as. */
export async function spendCapital(pool: LonePool, own: Agent, keepMsat: bigint): Promise<void> {
  for (;;) {
    const most = (await spareMsat(pool)) - keepMsat;
    if (most < DUST) return;
    const msat = most < PIECE ? most - FEES : PIECE;
    const { request } = await invoice(pool.lightning.node('left'), { msat });
    const id = await until(
      'the node to show what it has',
      () => quoted(pool, own, request, OF_THE_POOL).catch(() => null),
      STEP_MS_MAX,
    );
    const answer = await settles(pool, own, id);
    expect(told(answer).status).toBe('succeeded');
  }
}

/** One question for a quote that the pool itself would pay. */
export function asksOfThePool(
  { operator }: LonePool,
  { token }: Agent,
  request: string,
): Promise<ApiAnswer> {
  const body = quoteBody(request, 'of the pool', OF_THE_POOL);
  return rawPost({ operator }, token, '/v1/liquidity/quote_pay', body);
}
