/** A coordinator at work for a pool: what the pool asks of it, and what the pool says of its channels. */
import { channelOpenDetail } from '../coordinator/channel-detail.ts';
import type { CrashPoint } from '../coordinator/crash-point.ts';
import { spendOf } from '../coordinator/facts.ts';
import type { ChannelOpenRequest, PoolService } from '../coordinator/pool-protocol.ts';
import { poolService } from '../coordinator/pool-service.ts';
import { addressOf } from '../descriptors/derive.ts';
import { descriptorChecksum } from '../descriptors/descriptor.ts';
import { NETWORKS } from '../descriptors/network.ts';
import { payeeScript } from '../descriptors/payee-script.ts';
import { Failure } from '../policies/failure.ts';
import { feerate, sat } from '../policies/units.ts';
import { CHANNEL_POLICY, funding, pendingOf } from './channel-cases.ts';
import { coordinatorDesk, type Desk } from './coordinator-desk.ts';
import { accountOf } from './treasury-scenario.ts';

const BODY = `wpkh(${accountOf('lnd').publicExtendedKey}/0/*)`;
export const LND = `${BODY}#${descriptorChecksum(BODY)}`;
export const POLICY = CHANNEL_POLICY.replace(
  'hot: []',
  `hot: [{ name: lnd, descriptor: "${LND}", max_index_gap: 5, active_from: 0 }]`,
);
/** The node's own key. */
export const OWN_KEY = `02${'e'.repeat(64)}`;
export const lndAddress = (index: number): string =>
  addressOf(payeeScript(LND, index, NETWORKS.regtest), NETWORKS.regtest) ?? '';
export const small = (n: number, change = {}) =>
  funding(n, { capacitySat: sat(300_000n + BigInt(n)), ...change });

export type Pool = Desk & { pool: PoolService };

export async function poolDesk(policy = POLICY): Promise<Pool> {
  const desk = await coordinatorDesk({ policy });
  const made = () => poolService({ work: desk.work, longTermFeerate: feerate(1_000n) });
  const restart = desk.restart.bind(desk);
  return Object.assign(desk, {
    pool: made(),
    /** With a service of its own: what the old one remembered is gone. */
    async restart(crashPoint?: CrashPoint) {
      await restart(crashPoint);
      Object.assign(desk, { pool: made() });
    },
  });
}

export function request(change: Partial<ChannelOpenRequest> = {}): ChannelOpenRequest {
  return {
    channels: [small(0), small(1)],
    reserve: { address: lndAddress(2), amountSat: sat(20_000n) },
    initiator: 'pool',
    ...change,
  };
}

export async function proposedBy(desk: Pool): Promise<string> {
  const { id } = await desk.pool.proposeChannelOpen(request());
  if (id === null) throw new Error('refused');
  return id;
}

export function stateOf(desk: Pool, id: string) {
  const state = desk.work.log.treasury().proposals.get(id);
  if (state === undefined) throw new Error(`no proposal ${id}`);
  return state;
}

/** The pool looked at LND and says so. */
export async function attest(desk: Pool, id: string): Promise<void> {
  await desk.pool.channelsPending(wordOn(desk, id));
}

export function wordOn(desk: Pool, id: string, name = 'pool') {
  const state = stateOf(desk, id);
  const { built } = spendOf(state, desk.work.situation());
  const detail = channelOpenDetail(state, built, desk.work.situation());
  const vouts = detail?.channels.map(({ vout }) => vout) ?? [];
  return pendingOf(state.proposal, vouts, {}, name);
}

export async function codeOf(call: Promise<unknown>): Promise<string> {
  try {
    await call;
    return 'nothing';
  } catch (cause) {
    if (cause instanceof Failure) return cause.code;
    throw cause;
  }
}
