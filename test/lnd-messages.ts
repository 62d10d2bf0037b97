/** Messages of LND as its protos have them, whole, with what a test says otherwise. */
import { createHash, randomBytes } from 'node:crypto';

export const HEIGHT = 800_000;
/** `700000x1x0` as LND numbers it. */
export const CHANNEL = '700000x1x0';
const CHANNEL_NUMBER = ((700_000n << 40n) | (1n << 16n)).toString();
export const OTHER_CHANNEL = '700000x2x1';
export const OTHER_CHANNEL_NUMBER = ((700_000n << 40n) | (2n << 16n) | 1n).toString();
export const NODE_KEY = `02${'11'.repeat(32)}`;
export const CREATED_MS = 1_700_000_000_000;
const NS_PER_MS = 1_000_000n;

export function pair(): { preimage: string; hash: string } {
  const preimage = randomBytes(32);
  const hash = createHash('sha256').update(preimage).digest('hex');
  return { preimage: preimage.toString('hex'), hash };
}

export function info() {
  return {
    identity_pubkey: NODE_KEY,
    alias: 'scripted',
    version: '0.20.1-beta commit=',
    block_height: HEIGHT,
    block_hash: '00'.repeat(32),
    best_header_timestamp: '1700000000',
    synced_to_chain: true,
    synced_to_graph: true,
    chains: [{ chain: 'bitcoin', network: 'regtest' }],
    features: {},
    uris: [],
    color: '#000000',
  };
}

export function block(height = HEIGHT) {
  return { hash: Buffer.alloc(32, 1), height };
}

export interface PartWish {
  status?: string | number;
  channel?: string;
  timeout?: number;
  settledAtMs?: number;
}

/** One HTLC. */
export function part(wish: PartWish = {}) {
  const { status = 'IN_FLIGHT', settledAtMs = 0, timeout = HEIGHT + 40 } = wish;
  const hop = {
    chan_id: wish.channel ?? CHANNEL_NUMBER,
    chan_capacity: '1000000',
    amt_to_forward: '1',
    amt_to_forward_msat: '1000',
    fee: '0',
    fee_msat: '0',
    expiry: timeout,
    pub_key: NODE_KEY,
    tlv_payload: true,
  };
  return {
    attempt_id: '1',
    status,
    attempt_time_ns: (BigInt(CREATED_MS) * NS_PER_MS).toString(),
    resolve_time_ns: (BigInt(settledAtMs) * NS_PER_MS).toString(),
    route: {
      total_time_lock: timeout,
      total_amt: '1',
      total_amt_msat: '1000',
      total_fees: '0',
      total_fees_msat: '0',
      hops: [hop],
    },
  };
}

export interface PaymentWish {
  hash: string;
  status: string | number;
  preimage?: string;
  msat?: bigint;
  feeMsat?: bigint;
  reason?: string | number;
  parts?: readonly object[];
  index?: number;
}

/** A payment as SendPaymentV2, TrackPaymentV2 and ListPayments say it. */
export function payment(wish: PaymentWish) {
  const { msat = 1_000n, feeMsat = 0n } = wish;
  return {
    payment_hash: wish.hash,
    payment_preimage: wish.preimage ?? '00'.repeat(32),
    value: (msat / 1_000n).toString(),
    value_sat: (msat / 1_000n).toString(),
    value_msat: msat.toString(),
    fee_sat: (feeMsat / 1_000n).toString(),
    fee_msat: feeMsat.toString(),
    creation_date: '1700000000',
    creation_time_ns: (BigInt(CREATED_MS) * NS_PER_MS).toString(),
    status: wish.status,
    failure_reason: wish.reason ?? 'FAILURE_REASON_NONE',
    payment_index: (wish.index ?? 1).toString(),
    htlcs: wish.parts ?? [],
  };
}

export interface InvoiceMessage {
  hash: string;
  request: string;
  state: string | number;
  msat?: bigint;
  paidMsat?: bigint;
  settleIndex?: number;
  addIndex?: number;
}

export function invoiceMessage(wish: InvoiceMessage) {
  const { msat = 1_000n, paidMsat = 0n, settleIndex = 0, addIndex = 1 } = wish;
  return {
    memo: 'test',
    r_hash: Buffer.from(wish.hash, 'hex'),
    r_preimage: Buffer.alloc(32),
    description_hash: Buffer.alloc(0),
    payment_addr: Buffer.alloc(32, 3),
    payment_request: wish.request,
    value: (msat / 1_000n).toString(),
    value_msat: msat.toString(),
    amt_paid_sat: (paidMsat / 1_000n).toString(),
    amt_paid_msat: paidMsat.toString(),
    creation_date: '1700000000',
    settle_date: settleIndex === 0 ? '0' : '1700000060',
    expiry: '3600',
    cltv_expiry: '18',
    state: wish.state,
    settle_index: settleIndex.toString(),
    add_index: addIndex.toString(),
    features: {},
    htlcs: [],
    private: false,
    is_keysend: false,
    is_amp: false,
  };
}
