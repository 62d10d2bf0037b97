/** The operator's own rules, as the pool's decisions read them; `policy-file.ts` reads them from YAML. */
import type { NetworkName } from '../policies/intent.ts';
import type { Msat, Ppm, Sat } from '../policies/units.ts';

/** What one agent may do. An agent that the file does not name has the defaults; none is without limits. */
export interface AgentRules {
  /** Largest single payment, fee included. */
  perPaymentMsat: Msat;
  /** Sum of amounts in a sliding day, settled and in flight. */
  perDayMsat: Msat;
  inFlightMax: number;
  inFlightMsat: Msat;
  /** Live quotes at once. */
  quotesMax: number;
  /** Requests a minute, with a burst of a quarter of it. */
  ratePerMinute: number;
  /** Hosts that may be paid; null: any. */
  hosts: readonly string[] | null;
  /** Node keys that may be paid; null: any. */
  payees: readonly string[] | null;
  balanceMsat: Msat;
}

/** How hard a payment is tried. Every value has one, `normal` when nothing is said. */
export const URGENCIES = ['low', 'normal', 'high'] as const;
export type Urgency = (typeof URGENCIES)[number];

export interface UrgencyRules {
  pathfindingMs: number;
  partsMax: number;
  maxTimeoutBlocks: number;
}

export interface OperatorPolicy {
  poolId: string;
  network: NetworkName;
  /** SHA-256 of the canonical policy, in every receipt. */
  hash: string;
  quotes: { ttlMs: number };
  pay: {
    maxAmountMsat: Msat;
    /** Upper bound of a caller's fee cap: base and rate. */
    maxFeeBaseMsat: Msat;
    maxFeePpm: Ppm;
    /** An invoice must live this much longer at dispatch. */
    minInvoiceLifeMs: number;
    /** Below this an HTLC is dust to a commitment. */
    minAmountMsat: Msat;
    /** How long `pay` is held open before it answers 409. */
    holdOpenMs: number;
    urgency: Readonly<Record<Urgency, UrgencyRules>>;
    /** Per payee, whoever pays: hold invoices tie up what they please. */
    perPayeeInFlightMax: number;
    perPayeeInFlightMsat: Msat;
  };
  serviceFee: { baseMsat: Msat; ratePpm: Ppm };
  prepaid: { topupMinMsat: Msat; topupMaxMsat: Msat; topupExpiryMs: number };
  agentDefaults: AgentRules;
  agents: ReadonlyMap<string, AgentRules>;
  inbound: readonly { node: string; name: string; minSat: Sat; maxSat: Sat }[];
  channelFees: { baseMsat: Msat; ratePpm: number };
  /** Above this nothing more is opened. */
  hotLimitMsat: Msat;
}

export function rulesOf(policy: OperatorPolicy, agentId: string): AgentRules {
  return policy.agents.get(agentId) ?? policy.agentDefaults;
}
