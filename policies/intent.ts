/**
 * Intents: what somebody wants done with treasury money, typed, with the evidence for it. A spend
 * intent names its coins, feerate, locktime, change index and order seed, so that a pure builder
 * makes one transaction of it, byte for byte (`descriptors/build.ts`).
 */
import { z } from 'zod';
import { signedSchema, xOnlyKey } from './statement.ts';
import { feerate, MAX_MONEY_SAT, type Sat } from './units.ts';

/** Bounds of one spend: more does not relay or does not fit a PSBT an agent reads. */
export const INPUTS_MAX = 500;
export const OUTPUTS_MAX = 2_000;

/** An output's number has four bytes. */
const VOUT_MAX = 0xffffffff;

export const networkName = z.enum(['bitcoin', 'signet', 'regtest']);
export type NetworkName = z.infer<typeof networkName>;

export const hex32 = z.string().regex(/^[0-9a-f]{64}$/, 'must be 32 bytes in lower-case hex');
export const hexBytes = z
  .string()
  .regex(/^([0-9a-f]{2})*$/, 'must be whole bytes in lower-case hex');
/** `txid:vout`, txid as people write it (reversed). */
export const outpoint = z
  .string()
  .regex(/^[0-9a-f]{64}:(0|[1-9][0-9]{0,9})$/, 'must be txid:vout')
  .refine(
    (text) => Number.parseInt(text.slice(65), 10) <= VOUT_MAX,
    'no transaction has that many',
  );
/** Short names of people and things: they appear in files, logs and on screens. */
export const label = z.string().regex(/^[a-z][a-z0-9-]{0,31}$/, 'must be a-z, 0-9, -, at most 32');
export const height = z.int().min(0).max(499_999_999);
export const childIndex = z.int().min(0).max(0x7fffffff);

/** Decimal digits on the wire, bigint inside. */
const digits = z.string().regex(/^(0|[1-9][0-9]{0,15})$/, 'must be decimal digits in a string');
export const satAmount = z
  .union([z.bigint(), digits.transform(BigInt)])
  .refine((value) => value >= 0n && value <= MAX_MONEY_SAT, 'must be between 0 and 21 million BTC')
  .transform((value) => value as Sat);
export const feerateAmount = satAmount.transform((value) => feerate(value));

/** A coin of the treasury as the intent names it; amount and place are claims until derived. */
export const coinRef = z.strictObject({
  outpoint,
  amountSat: satAmount,
  branch: z.literal([0, 1]),
  index: childIndex,
});
export type CoinRef = z.infer<typeof coinRef>;

/** What fixes the transaction beside its payees. `anchor` is spent by every variant of the intent. */
export const spendPlan = z.strictObject({
  coins: z.array(coinRef).min(1).max(INPUTS_MAX),
  feerateSatPerKvb: feerateAmount,
  lockTime: height,
  change: z.strictObject({ index: childIndex }).nullable(),
  orderSeed: hex32,
  anchor: outpoint,
});
export type SpendPlan = z.infer<typeof spendPlan>;

/** An LP's own order: pay this script this amount, once. Signed with the LP's registered key. */
export const lpOrderBody = z.strictObject({
  treasuryId: hex32,
  network: networkName,
  lpId: label,
  orderId: hex32,
  amountSat: satAmount,
  maxFeeSat: satAmount,
  script: hexBytes.min(2).max(10_000),
  expiryHeight: height,
});
export type LpOrderBody = z.infer<typeof lpOrderBody>;
export const lpOrder = signedSchema(lpOrderBody);
export type LpOrder = z.infer<typeof lpOrder>;

/** A payee of a policy's allowlist: an entry by name, at an index where the entry is a descriptor. */
export const listedPayee = z.strictObject({
  entry: label,
  index: childIndex.nullable(),
  amountSat: satAmount,
});
export type ListedPayee = z.infer<typeof listedPayee>;

/** Channels that one transaction opens: each waits for a peer, and all of them for the slowest. */
export const CHANNELS_MAX = 10;

/** A Lightning node's public key: 33 bytes, compressed (BOLT 1). */
export const nodeKey = z.string().regex(/^0[23][0-9a-f]{64}$/, 'must be a compressed public key');

/**
 * One channel that a `channel_open` funds. Peer, amount and script are what the transaction is checked
 * against; that LND gave this close address to the peer as upfront shutdown script (BOLT 2) is a claim until
 * the channel is active.
 */
export const channelFunding = z.strictObject({
  peer: nodeKey,
  capacitySat: satAmount,
  /** P2WSH of the channel's 2-of-2 (BOLT 3). */
  fundingScript: z.string().regex(/^0020[0-9a-f]{64}$/, 'must be a P2WSH script'),
  /** Where a cooperative close pays: the treasury's receive branch at an index of this channel's own. */
  closeIndex: childIndex,
  announced: z.enum(['public', 'private']),
});
export type ChannelFunding = z.infer<typeof channelFunding>;

const plan = spendPlan;
export const spendIntent = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('withdrawal_batch'),
    orders: z
      .array(lpOrder)
      .min(1)
      .max(OUTPUTS_MAX - 1),
    plan,
  }),
  z.strictObject({
    kind: z.literal('treasury_move'),
    payees: z
      .array(listedPayee)
      .min(1)
      .max(OUTPUTS_MAX - 1),
    plan,
  }),
  z.strictObject({ kind: z.literal('hot_topup'), payees: z.array(listedPayee).length(1), plan }),
  z.strictObject({ kind: z.literal('consolidate'), plan }),
  /** `of` is the first proposal of the intent, never another bump. */
  z.strictObject({ kind: z.literal('fee_bump'), of: hex32, plan }),
  z.strictObject({ kind: z.literal('cancel'), of: hex32, plan }),
  /**
   * Funds channels, all or none, and tops up the coins LND must hold for their anchors. Its txid may never
   * change: it is not bumped, only cancelled as a whole.
   */
  z.strictObject({
    kind: z.literal('channel_open'),
    channels: z.array(channelFunding).min(1).max(CHANNELS_MAX),
    /** An entry of the policy's list for LND's own wallet. */
    reserve: listedPayee.nullable(),
    plan,
  }),
]);
export type SpendIntent = z.infer<typeof spendIntent>;
export type SpendKind = SpendIntent['kind'];

/** An LP in the registry. `key` signs its orders; `lifetimeCapSat` bounds all it is ever paid. */
export const lpRegistration = z.strictObject({
  treasuryId: hex32,
  network: networkName,
  lpId: label,
  key: xOnlyKey,
  activeFromHeight: height,
  lifetimeCapSat: satAmount,
});
export type LpRegistration = z.infer<typeof lpRegistration>;

/** Intents without a transaction: each guardian signs the canonical intent with the approval key. */
export const authorizationIntent = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('policy_change'),
    /** The whole new policy, YAML text as a person reads it. */
    policyText: z.string().max(200_000),
    activatesAtHeight: height,
  }),
  z.strictObject({
    kind: z.literal('registry_change'),
    /** Each signed by the LP's own (new) key. */
    entries: z.array(signedSchema(lpRegistration)).min(1).max(1_000),
  }),
  z.strictObject({ kind: z.literal('breaker'), action: z.enum(['trip', 'reset']) }),
  z.strictObject({
    kind: z.literal('large_ln_payout'),
    paymentHash: hex32,
    amountMsat: digits,
    maxFeeMsat: digits,
    payee: nodeKey,
    expiryHeight: height,
    account: label,
  }),
  z.strictObject({
    kind: z.literal('channel_close'),
    channelPoint: outpoint,
    force: z.enum(['cooperative', 'peer_offline', 'htlc_deadline', 'breach_risk']),
    closeIndex: childIndex,
    maxFeeRateSatPerKvb: feerateAmount,
  }),
  z.strictObject({
    kind: z.literal('snapshot'),
    snapshotHash: hex32,
    number: z.int().min(1),
    previousHash: hex32,
  }),
]);
export type AuthorizationIntent = z.infer<typeof authorizationIntent>;
export type AuthorizationKind = AuthorizationIntent['kind'];
