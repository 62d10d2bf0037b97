/** What travels beside a proposal: its PSBT and each previous transaction once. */

import { hexToBytes } from '@noble/hashes/utils.js';
import { base64 } from '@scure/base';
import type { BuiltTx } from '../descriptors/build.ts';
import { type PreviousTx, parsePreviousTx } from '../descriptors/previous-tx.ts';
import { proposalPsbt } from '../descriptors/proposal-psbt.ts';
import { PREVIOUS_TXS_BYTES_MAX } from '../descriptors/psbt.ts';
import { Failure } from '../policies/failure.ts';
import type { SpendPlan } from '../policies/intent.ts';
import type { ProposalState } from '../policies/treasury.ts';
import type { Chain } from './chain.ts';
import { rebuilt } from './facts.ts';
import type { Parcel } from './protocol.ts';
import type { Vault } from './vault.ts';
import type { Workplace } from './workplace.ts';

/** Parcels kept, the newest: all agents ask for the same one, each may be 20 MB. */
const PARCELS_KEPT_MAX = 4;

/** The PSBT of a spend as it travels. */
export function psbtOf(built: BuiltTx, plan: SpendPlan, { deriver }: Vault): Uint8Array {
  return proposalPsbt(built, deriver, plan.change?.index ?? null);
}

/**
 * Previous transactions of coins, each once, parsed: their txids are computed, not believed.
 *
 * @throws Failure NOT_FOUND, BITCOIND_UNREACHABLE, INPUT_TOO_LARGE for more than an agent reads.
 */
export async function previousTxsOf(
  chain: Chain,
  outpoints: readonly string[],
): Promise<ReadonlyMap<string, PreviousTx>> {
  const txids = [...new Set(outpoints.map((outpoint) => outpoint.slice(0, 64)))];
  const found = await chain.previousTxs(txids);
  const parsed = [...found.values()].map((raw) => parsePreviousTx(hexToBytes(raw)));
  const bytes = parsed.reduce((sum, { raw }) => sum + raw.length, 0);
  if (bytes > PREVIOUS_TXS_BYTES_MAX) {
    throw new Failure('INPUT_TOO_LARGE', `previous transactions of ${bytes} bytes`);
  }
  return new Map(parsed.map((each) => [each.txid, each]));
}

export interface ParcelShelf {
  /** @throws Failure NOT_READY, NOT_FOUND, BITCOIND_UNREACHABLE */
  parcelOf(state: ProposalState): Promise<Parcel>;
}

/** Keeps the newest parcels. */
export function openParcelShelf(work: Workplace): ParcelShelf {
  const kept = new Map<string, Promise<Parcel>>();
  async function make(state: ProposalState): Promise<Parcel> {
    const built = rebuilt(state, work.situation());
    const outpoints = built.coins.map(({ outpoint }) => outpoint);
    const previous = await previousTxsOf(work.chain, outpoints);
    return {
      psbt: base64.encode(psbtOf(built, state.proposal.intent.plan, work.vault())),
      previousTxs: [...previous.values()].map(({ raw }) => Buffer.from(raw).toString('hex')),
    };
  }
  return {
    parcelOf(state) {
      const known = kept.get(state.id);
      if (known !== undefined) return known;
      const made = make(state);
      const [oldest] = kept.keys();
      if (kept.size >= PARCELS_KEPT_MAX && oldest !== undefined) kept.delete(oldest);
      kept.set(state.id, made);
      // One that could not be made is made again when it is asked for again.
      made.catch(() => kept.delete(state.id));
      return made;
    },
  };
}
