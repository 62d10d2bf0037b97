/**
 * What may be sent to LND, method by method, checked on the very message that goes out: a library that drops or
 * adds a field is caught here, and a method that is not listed is never called. Pure.
 */

import { type ChannelOrder, FORWARDS_PAGE, ROUTE_FEE_MSAT_MAX } from '../../lightning.ts';

/** Blocks a payment may be locked for at most: LND's own limit (routing, max-cltv-expiry), two weeks. */
export const CLTV_LIMIT_MAX = 2_016;
const PARTS_MAX = 64;
const PATHFINDING_S_MAX = 600;
const INVOICE_EXPIRY_S_MAX = 7 * 24 * 3_600;
/** Adds are not listened to: an index that no invoice has keeps LND from sending them. */
export const NO_ADDS_INDEX = Number.MAX_SAFE_INTEGER.toString();

export type Message = Readonly<Record<string, unknown>>;
/** What is wrong with a message; empty for one that may go. */
type Rule = (message: Message) => readonly string[];

const anything: Rule = () => [];

/** Every method that this process may call, by gRPC path. The macaroons name the same ones. */
const RULES: Readonly<Record<string, Rule>> = {
  '/lnrpc.Lightning/GetInfo': anything,
  '/lnrpc.Lightning/ListChannels': anything,
  '/lnrpc.Lightning/PendingChannels': anything,
  '/lnrpc.Lightning/ClosedChannels': anything,
  '/lnrpc.Lightning/ChannelBalance': anything,
  '/lnrpc.Lightning/WalletBalance': anything,
  '/lnrpc.Lightning/ListPayments': anything,
  '/lnrpc.Lightning/ListPeers': anything,
  '/lnrpc.Lightning/GetChanInfo': anything,
  '/lnrpc.Lightning/LookupInvoice': anything,
  '/lnrpc.Lightning/ConnectPeer': anything,
  '/lnrpc.Lightning/NewAddress': anything,
  '/lnrpc.Lightning/ExportAllChannelBackups': anything,
  '/lnrpc.Lightning/VerifyChanBackup': anything,
  '/lnrpc.Lightning/ChannelAcceptor': anything,
  '/routerrpc.Router/TrackPaymentV2': anything,
  '/chainrpc.ChainNotifier/RegisterBlockEpochNtfn': anything,
  '/invoicesrpc.Invoices/CancelInvoice': anything,
  '/wtclientrpc.WatchtowerClient/AddTower': anything,
  '/walletrpc.WalletKit/ListAccounts': anything,
  '/routerrpc.Router/SendPaymentV2': sendPayment,
  '/lnrpc.Lightning/QueryRoutes': queryRoutes,
  '/lnrpc.Lightning/ForwardingHistory': forwardingHistory,
  '/lnrpc.Lightning/OpenChannel': openChannel,
  '/lnrpc.Lightning/FundingStateStep': fundingStep,
  '/lnrpc.Lightning/CloseChannel': closeChannel,
  '/lnrpc.Lightning/AbandonChannel': abandonChannel,
  '/lnrpc.Lightning/AddInvoice': addInvoice,
  '/lnrpc.Lightning/SubscribeInvoices': subscribeInvoices,
  '/lnrpc.Lightning/UpdateChannelPolicy': updatePolicy,
  '/lnrpc.Lightning/BakeMacaroon': bakeMacaroon,
};

/** What is wrong with a message to this method, by its gRPC path. */
export function lintRequest(path: string, message: Message): readonly string[] {
  const rule = RULES[path];
  return rule === undefined ? [`${path} is never called`] : rule(message);
}

/** What an order to pay fixes of the message that is sent for it. */
export interface PaymentTerms {
  request: string;
  maxFeeMsat: bigint;
  partsMax: number;
  /** As LND numbers channels. */
  outgoingChannels: readonly string[];
}

/** Whether the message says what was ordered, beside what every message must. */
export function lintPayment(message: Message, terms: PaymentTerms): readonly string[] {
  const sent = listOf(message['outgoing_chan_ids']);
  return [
    ...sendPayment(message),
    ...unless(message['payment_request'] === terms.request, 'it pays another invoice'),
    ...unless(big(message['fee_limit_msat']) === terms.maxFeeMsat, 'another fee cap than ordered'),
    ...unless(int(message['max_parts']) === terms.partsMax, 'other parts than ordered'),
    ...unless(
      sent.length === terms.outgoingChannels.length &&
        terms.outgoingChannels.every((id) => sent.includes(id)),
      'other first channels than ordered',
    ),
  ];
}

function sendPayment(message: Message): string[] {
  const cltv = int(message['cltv_limit']);
  const parts = int(message['max_parts']);
  const seconds = int(message['timeout_seconds']);
  return [
    ...unless(isText(message['payment_request']), 'pays no invoice'),
    ...unless(
      isEmpty(message['dest']) && isEmpty(message['payment_hash']),
      'names details beside the invoice',
    ),
    ...unless(
      big(message['amt']) === 0n && big(message['amt_msat']) === 0n,
      'names an amount beside the invoice',
    ),
    ...unless(feeLimited(message['fee_limit_msat']), 'has no fee cap'),
    // Where no cap is given ln-service writes the largest number into this one.
    ...unless(big(message['fee_limit_sat']) === 0n, 'has a fee cap in sat, which is none'),
    ...unless(parts >= 1 && parts <= PARTS_MAX, 'does not bound its parts'),
    ...unless(seconds >= 1 && seconds <= PATHFINDING_S_MAX, 'does not bound its search'),
    // Zero would be LND's two weeks.
    ...unless(cltv >= 1 && cltv <= CLTV_LIMIT_MAX, 'does not bound how long it is locked'),
    // The singular field is ignored from LND 0.21 on, and then nothing is constrained.
    ...unless(big(message['outgoing_chan_id']) === 0n, 'constrains by the singular field'),
  ];
}

function queryRoutes(message: Message): string[] {
  const limit = messageOf(message['fee_limit']);
  return [
    ...unless(feeLimited(limit['fixed_msat']), 'asks for routes without a fee cap'),
    ...unless(big(message['outgoing_chan_id']) === 0n, 'constrains by the singular field'),
  ];
}

function forwardingHistory(message: Message): string[] {
  const events = int(message['num_max_events']);
  return [
    ...unless(events >= 1 && events <= FORWARDS_PAGE, 'does not bound its answer'),
    // Left out it is the node's now, and a clock that goes back would hide what was shown before.
    ...unless(big(message['end_time']) > 0n, 'ends at the clock of the node'),
  ];
}

function openChannel(message: Message): string[] {
  const shim = messageOf(messageOf(message['funding_shim'])['psbt_shim']);
  return [
    ...unless(shim['no_publish'] === true, 'lets the node publish'),
    ...unless(bytes(shim['pending_chan_id']) === 32, 'has no pending id'),
    ...unless(isText(message['close_address']), 'closes to an address of the node'),
    ...unless(big(message['push_sat']) === 0n, 'gives coins to the peer'),
    ...unless(message['zero_conf'] !== true, 'trusts an unconfirmed funding'),
    ...unless(message['fund_max'] !== true, 'takes all coins of the node'),
    ...unless(big(message['local_funding_amount']) > 0n, 'names no amount'),
  ];
}

/** Whether the message says what was ordered, beside what every message must. */
export function lintOpen(message: Message, terms: ChannelOrder): readonly string[] {
  return [
    ...openChannel(message),
    ...unless(hexOf(message['node_pubkey']) === terms.peer, 'it opens to another peer'),
    ...unless(
      big(message['local_funding_amount']) === terms.capacitySat,
      'another amount than ordered',
    ),
    ...unless(
      message['close_address'] === terms.closeAddress,
      'another close address than ordered',
    ),
    ...unless(
      (message['private'] === true) === (terms.announced === 'private'),
      'announced otherwise than ordered',
    ),
  ];
}

function fundingStep(message: Message): string[] {
  if (given(message['shim_cancel'])) return [];
  const verify = messageOf(message['psbt_verify']);
  return [
    ...unless(given(message['psbt_verify']), 'has the node finalize or register'),
    ...unless(!given(message['psbt_finalize']), 'has the node finalize'),
    ...unless(verify['skip_finalize'] === true, 'leaves the last step to the node'),
    ...unless(bytes(verify['pending_chan_id']) === 32, 'has no pending id'),
  ];
}

function closeChannel(message: Message): string[] {
  const fixed = int(message['sat_per_vbyte']) > 0 || int(message['target_conf']) > 0;
  return [
    ...unless(!isText(message['delivery_address']), 'names where the coins go'),
    ...unless(message['no_wait'] !== true, 'waits for HTLCs without a bound'),
    ...unless(message['force'] !== true || !fixed, 'sets a fee for a forced close'),
  ];
}

/** The conflict itself is checked by the caller, on our own chain. */
function abandonChannel(message: Message): string[] {
  const point = messageOf(message['channel_point']);
  return unless(bytes(point['funding_txid_bytes']) === 32, 'names no channel');
}

function addInvoice(message: Message): string[] {
  const expiry = big(message['expiry']);
  return [
    ...unless(bytes(message['r_preimage']) === 32, 'has no preimage of ours'),
    ...unless(big(message['value_msat']) > 0n, 'names no amount'),
    ...unless(expiry >= 1n && expiry <= BigInt(INVOICE_EXPIRY_S_MAX), 'lives too long'),
  ];
}

/** Index 0 gives no settlement of before; beside it another stream runs that starts at 1. */
function subscribeInvoices(message: Message): string[] {
  return [
    ...unless(String(message['add_index']) === NO_ADDS_INDEX, 'asks for every invoice ever made'),
    ...unless(/^\d+$/.test(String(message['settle_index'])), 'has no cursor of ours'),
  ];
}

/** What is left out here is set to LND's least. */
function updatePolicy(message: Message): string[] {
  return [
    ...unless(isText(messageOf(message['chan_point'])['funding_txid_str']), 'sets all channels'),
    ...unless(int(message['time_lock_delta']) > 0, 'forgets the timelock'),
    ...unless(big(message['max_htlc_msat']) > 0n, 'forgets the largest HTLC'),
    ...unless(message['min_htlc_msat_specified'] === true, 'forgets the smallest HTLC'),
  ];
}

function bakeMacaroon(message: Message): string[] {
  const wished = listOf(message['permissions']).map(messageOf);
  return [
    ...unless(
      wished.length > 0 && wished.every(({ entity }) => entity === 'uri'),
      'bakes more than single methods',
    ),
    ...unless(big(message['root_key_id']) > 0n, 'bakes under the key of the admin macaroon'),
  ];
}

/** The response to a peer that wants to open: the treasury's address, and nothing on trust. */
export function lintAccept(message: Message): readonly string[] {
  if (message['accept'] !== true) return [];
  return [
    ...unless(isText(message['upfront_shutdown']), 'accepts without a close address'),
    ...unless(message['zero_conf'] !== true, 'trusts an unconfirmed funding'),
  ];
}

function unless(holds: boolean, problem: string): string[] {
  return holds ? [] : [problem];
}

function feeLimited(value: unknown): boolean {
  return given(value) && big(value) >= 0n && big(value) <= ROUTE_FEE_MSAT_MAX;
}

function given(value: unknown): boolean {
  return value !== undefined && value !== null;
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== '';
}

function isEmpty(value: unknown): boolean {
  return !given(value) || bytes(value) === 0;
}

function hexOf(value: unknown): string {
  return value instanceof Uint8Array ? Buffer.from(value).toString('hex') : '';
}

function bytes(value: unknown): number {
  return value instanceof Uint8Array ? value.length : 0;
}

/** Numbers of 64 bits travel as text. What is no number is below every bound. */
function big(value: unknown): bigint {
  if (typeof value === 'bigint') return value;
  const text = given(value) ? String(value) : '0';
  return /^-?\d+$/.test(text) ? BigInt(text) : -1n;
}

function int(value: unknown): number {
  return typeof value === 'number' ? value : 0;
}

function listOf(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}

function messageOf(value: unknown): Message {
  return typeof value === 'object' && value !== null ? (value as Message) : {};
}
