/**
 * The operator's rules as a person writes them: YAML of the same plain language as the treasury's policy, every
 * section required, every unknown key refused, every number with its unit in its name.
 */
import { open } from 'node:fs/promises';
import { z } from 'zod';
import { taggedHashHex } from '../policies/canonical-json.ts';
import { Failure } from '../policies/failure.ts';
import { label, networkName, nodeKey } from '../policies/intent.ts';
import { requireShape } from '../policies/policy-shape.ts';
import { amountShown, amountText, countText, keyedList, shareText } from '../policies/scalar.ts';
import { type Msat, msat } from '../policies/units.ts';
import { parseYamlTree, YAML_TEXT_MAX } from '../policies/yaml.ts';
import type { AgentRules, OperatorPolicy, UrgencyRules } from './operator-policy.ts';
import { agentId } from './pool-event.ts';

/** A quote promises a fee: the specification allows it a minute. */
const QUOTE_TTL_MS_MAX = 60_000;
/** Clients give up a call after half a minute or so. */
const HOLD_OPEN_MS_MAX = 25_000;
/** LND gives up by itself before this; two weeks of blocks is the longest lock that BOLT 4 relays. */
const PATHFINDING_MS_MAX = 600_000;
const TIMEOUT_BLOCKS_MAX = 2_016;
const PARTS_MAX = 64;
const DAY_MS = 86_400_000;
const COUNT_MAX = 1_000_000;
const AGENTS_MAX = 5_000;
const LIST_MAX = 1_000;

/** Millisatoshi, up to 21,000 BTC: more than any node has. */
const msatText = amountText.transform((value): Msat => msat(value));

/** A list, or the word `any`: that nobody is left out is said, never meant by leaving it out. */
function anyOr(item: z.ZodType<string, string>) {
  const list = keyedList(item, { key: String, min: 0, max: LIST_MAX });
  return z.unknown().transform((value, context): readonly string[] | null => {
    if (value === 'any') return null;
    const parsed = list.safeParse(value);
    if (parsed.success) return parsed.data;
    for (const issue of parsed.error.issues) {
      const message = `${issue.message}; or the word any`;
      context.addIssue({ code: 'custom', path: [...issue.path], message });
    }
    return z.NEVER;
  });
}

const count = countText(1, COUNT_MAX);
const hosts = anyOr(
  z
    .string()
    .toLowerCase()
    .regex(/^[!-~]{1,253}$/, 'must be hosts, printable and without spaces'),
);
const payees = anyOr(nodeKey);
const defaultRules = z.strictObject({
  per_payment_msat: msatText,
  per_day_msat: msatText,
  in_flight_max: count,
  in_flight_msat: msatText,
  quotes_max: count,
  rate_per_minute: count,
  hosts,
  payees,
  balance_msat: msatText,
});
const namedRules = z.strictObject({
  id: agentId,
  per_payment_msat: msatText.exactOptional(),
  per_day_msat: msatText.exactOptional(),
  in_flight_max: count.exactOptional(),
  in_flight_msat: msatText.exactOptional(),
  quotes_max: count.exactOptional(),
  rate_per_minute: count.exactOptional(),
  hosts: hosts.exactOptional(),
  payees: payees.exactOptional(),
  balance_msat: msatText.exactOptional(),
});
const urgencyRules = z.strictObject({
  pathfinding_ms: countText(1_000, PATHFINDING_MS_MAX),
  parts_max: countText(1, PARTS_MAX),
  max_timeout_blocks: countText(1, TIMEOUT_BLOCKS_MAX),
});

const policyFile = z.strictObject({
  schema: z.literal('weir.operator-policy/v1'),
  pool_id: label,
  network: networkName,
  quotes: z.strictObject({ ttl_ms: countText(5_000, QUOTE_TTL_MS_MAX) }),
  pay: z.strictObject({
    min_amount_msat: msatText,
    max_amount_msat: msatText,
    max_fee_base_msat: msatText,
    max_fee_ppm: shareText,
    min_invoice_life_ms: countText(0, DAY_MS),
    hold_open_ms: countText(1_000, HOLD_OPEN_MS_MAX),
    per_payee: z.strictObject({
      in_flight_max: countText(1, COUNT_MAX),
      in_flight_msat: msatText,
    }),
    urgency: z.strictObject({ low: urgencyRules, normal: urgencyRules, high: urgencyRules }),
  }),
  service_fee: z.strictObject({ base_msat: msatText, rate_ppm: shareText }),
  prepaid: z.strictObject({
    topup_min_msat: msatText,
    topup_max_msat: msatText,
    topup_expiry_ms: countText(60_000, DAY_MS),
  }),
  agents: z.strictObject({
    defaults: defaultRules,
    named: keyedList(namedRules, { key: ({ id }) => id, min: 0, max: AGENTS_MAX }),
  }),
  channels: z.strictObject({
    inbound: keyedList(
      z.strictObject({ node: nodeKey, name: label, min_sat: amountText, max_sat: amountText }),
      { key: ({ node }) => node, min: 0, max: LIST_MAX },
    ),
    fees: z.strictObject({ base_msat: msatText, rate_ppm: countText(0, COUNT_MAX) }),
  }),
  hot_limit_msat: msatText,
});
type PolicyFile = z.infer<typeof policyFile>;
type Defaults = PolicyFile['agents']['defaults'];

/**
 * Reads the operator's policy. Its hash is over what was decoded, never over the bytes of the file.
 *
 * @throws Failure POLICY_INVALID naming path and rule.
 */
export function parseOperatorPolicy(text: string): OperatorPolicy {
  const file = requireShape(policyFile, parseYamlTree(text, 'policy'), 'policy');
  const policy = policyOf(file);
  const contradiction = contradictionOf(policy);
  if (contradiction !== null) throw new Failure('POLICY_INVALID', `policy: ${contradiction}`);
  return policy;
}

/** @throws Failure NOT_FOUND, INPUT_TOO_LARGE, POLICY_INVALID */
export async function readPolicyFile(file: string): Promise<OperatorPolicy> {
  const handle = await open(file, 'r').catch((cause: unknown) => {
    throw new Failure('NOT_FOUND', `${file} cannot be read`, { cause });
  });
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(YAML_TEXT_MAX + 1));
    if (bytesRead > YAML_TEXT_MAX) {
      throw new Failure('INPUT_TOO_LARGE', `${file}: longer than ${YAML_TEXT_MAX} bytes`);
    }
    return parseOperatorPolicy(buffer.toString('utf8', 0, bytesRead));
  } finally {
    await handle.close();
  }
}

function policyOf(file: PolicyFile): OperatorPolicy {
  const { pay, agents, prepaid, channels } = file;
  return {
    poolId: file.pool_id,
    network: file.network,
    hash: taggedHashHex('weir/operator-policy/v1', file),
    quotes: { ttlMs: file.quotes.ttl_ms },
    pay: {
      minAmountMsat: pay.min_amount_msat,
      maxAmountMsat: pay.max_amount_msat,
      maxFeeBaseMsat: pay.max_fee_base_msat,
      maxFeePpm: pay.max_fee_ppm,
      minInvoiceLifeMs: pay.min_invoice_life_ms,
      holdOpenMs: pay.hold_open_ms,
      perPayeeInFlightMax: pay.per_payee.in_flight_max,
      perPayeeInFlightMsat: pay.per_payee.in_flight_msat,
      urgency: {
        low: urgencyOf(pay.urgency.low),
        normal: urgencyOf(pay.urgency.normal),
        high: urgencyOf(pay.urgency.high),
      },
    },
    serviceFee: { baseMsat: file.service_fee.base_msat, ratePpm: file.service_fee.rate_ppm },
    prepaid: {
      topupMinMsat: prepaid.topup_min_msat,
      topupMaxMsat: prepaid.topup_max_msat,
      topupExpiryMs: prepaid.topup_expiry_ms,
    },
    agentDefaults: rulesFrom(agents.defaults),
    agents: new Map(
      agents.named.map((named) => [named.id, rulesFrom({ ...agents.defaults, ...named })]),
    ),
    inbound: channels.inbound.map(({ node, name, min_sat, max_sat }) => ({
      node,
      name,
      minSat: min_sat,
      maxSat: max_sat,
    })),
    channelFees: { baseMsat: channels.fees.base_msat, ratePpm: channels.fees.rate_ppm },
    hotLimitMsat: file.hot_limit_msat,
  };
}

function urgencyOf(file: z.infer<typeof urgencyRules>): UrgencyRules {
  return {
    pathfindingMs: file.pathfinding_ms,
    partsMax: file.parts_max,
    maxTimeoutBlocks: file.max_timeout_blocks,
  };
}

function rulesFrom(file: Defaults): AgentRules {
  return {
    perPaymentMsat: file.per_payment_msat,
    perDayMsat: file.per_day_msat,
    inFlightMax: file.in_flight_max,
    inFlightMsat: file.in_flight_msat,
    quotesMax: file.quotes_max,
    ratePerMinute: file.rate_per_minute,
    hosts: file.hosts,
    payees: file.payees,
    balanceMsat: file.balance_msat,
  };
}

/** Two rules that cannot both be meant, in words, or null. */
function contradictionOf(policy: OperatorPolicy): string | null {
  const { pay, prepaid, inbound } = policy;
  if (pay.minAmountMsat > pay.maxAmountMsat) return 'pay.min_amount_msat is above max_amount_msat';
  if (prepaid.topupMinMsat > prepaid.topupMaxMsat) {
    return 'prepaid.topup_min_msat is above topup_max_msat';
  }
  const turned = inbound.find(({ minSat, maxSat }) => minSat > maxSat);
  if (turned !== undefined) return `channels.inbound ${turned.name}: min_sat is above max_sat`;
  for (const [id, rules] of [['defaults', policy.agentDefaults] as const, ...policy.agents]) {
    if (rules.perPaymentMsat > rules.perDayMsat) {
      return `agents ${id}: per_payment_msat is above per_day_msat`;
    }
    if (rules.perPaymentMsat > rules.inFlightMsat) {
      return `agents ${id}: per_payment_msat is above in_flight_msat`;
    }
  }
  return null;
}

/** What `weir operator policy check` says of a policy that holds. */
export function policyWords(policy: OperatorPolicy): string {
  const { pay, serviceFee, agentDefaults, agents } = policy;
  return [
    `pool ${policy.poolId} on ${policy.network}`,
    `hash ${policy.hash}`,
    `pays ${sats(pay.minAmountMsat)} to ${sats(pay.maxAmountMsat)}, quotes live ${policy.quotes.ttlMs / 1_000} s`,
    `takes ${sats(serviceFee.baseMsat)} and ${serviceFee.ratePpm} ppm`,
    `an agent: ${sats(agentDefaults.perPaymentMsat)} a payment, ${sats(agentDefaults.perDayMsat)} a day, ${agentDefaults.inFlightMax} in flight, ${agentDefaults.ratePerMinute} requests a minute`,
    `agents with rules of their own: ${agents.size}`,
    `opens no more above ${sats(policy.hotLimitMsat)} in channels`,
  ].join('\n');
}

function sats(value: Msat): string {
  const rest = value % 1_000n;
  const whole = amountShown(value / 1_000n);
  return rest === 0n ? `${whole} sat` : `${whole}.${rest.toString().padStart(3, '0')} sat`;
}
