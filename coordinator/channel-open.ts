/**
 * Channel opens as the coordinator makes them: change that a child can spend, and the reserve of the
 * Lightning node found in the policy's list. Pure.
 */
import { addressOf } from '../descriptors/derive.ts';
import { payeeScript } from '../descriptors/payee-script.ts';
import type { ChannelFunding, ListedPayee } from '../policies/intent.ts';
import type { AllowlistEntry } from '../policies/policy-people.ts';
import { type Reason, reason } from '../policies/reason.ts';
import type { ProposalState } from '../policies/treasury.ts';
import type { Sat } from '../policies/units.ts';
import { type Draft, type DraftTerms, draftWithChange, minChangeSat } from './draft.ts';
import type { Situation } from './facts.ts';
import { usedIndexOf } from './payees.ts';

/** Addresses of one list entry that are compared with a given one: LND hands out the next few. */
const RESERVE_SCAN_MAX = 1_000;

export interface ChannelOpenAsk {
  kind: 'channel_open';
  channels: ChannelFunding[];
  reserve: ListedPayee | null;
}

/** A draft that funds them and brings back what the policy wants a child to find. @throws as `draftsPaying` */
export function channelOpenDraft(
  { channels, reserve }: ChannelOpenAsk,
  situation: Situation,
  terms: DraftTerms,
): Draft {
  const rules = situation.policy.intents.channel_open;
  const [least, wanted] = [minChangeSat(situation), rules === 'not_yet' ? 0n : rules.min_change];
  const unplanned = { kind: 'channel_open', channels, reserve } as const;
  const leastSat = wanted > least ? (wanted as Sat) : least;
  return draftWithChange(unplanned, situation, terms, leastSat);
}

/** G1: the pool's word comes first. */
export function attestationReasons({ proposal, pending }: ProposalState): Reason[] {
  if (proposal.intent.kind !== 'channel_open' || pending !== null) return [];
  return [reason('W-LN-ATTESTATION', 'the pool has not said that the channels are pending')];
}

/**
 * The list entry and index of an address of the Lightning node's wallet; null where the policy's list
 * derives no such address near the ones paid before.
 */
export function reservePayee(
  { address, amountSat }: { address: string; amountSat: Sat },
  situation: Situation,
): ListedPayee | null {
  const rules = situation.policy.intents.channel_open;
  if (rules === 'not_yet') return null;
  for (const entry of situation.policy.allowlists[rules.reserve.to] ?? []) {
    const index = indexOf(address, entry, situation);
    if (index !== 'not-there') return { entry: entry.name, index, amountSat };
  }
  return null;
}

function indexOf(
  address: string,
  entry: AllowlistEntry,
  { vault, all }: Situation,
): number | null | 'not-there' {
  const { network } = vault.descriptor;
  if ('script' in entry) return addressOf(entry.script, network) === address ? null : 'not-there';
  const used = usedIndexOf(entry.name, all) ?? -1;
  const last = used + entry.max_index_gap;
  for (let index = Math.max(0, last - RESERVE_SCAN_MAX + 1); index <= last; index += 1) {
    if (addressOf(payeeScript(entry.descriptor, index, network), network) === address) return index;
  }
  return 'not-there';
}
