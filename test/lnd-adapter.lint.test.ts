/** What may be sent to LND, message by message: each rule of the lint, and that nothing else is ever called. */
import { expect, test } from 'vitest';
import {
  lintAccept,
  lintOpen,
  lintPayment,
  lintRequest,
  type Message,
  NO_ADDS_INDEX,
} from '../operator/adapters/lnd/request-lint.ts';
import { sat } from '../policies/units.ts';
import { METHOD } from './scripted-lnd.ts';

const ID = Buffer.alloc(32, 1);
const POINT = { funding_txid_str: '11'.repeat(32), output_index: 0 };

/** One message of each linted method that may go. */
const GOOD: Readonly<Record<string, Message>> = {
  [METHOD.send]: {
    payment_request: 'lnbcrt1',
    fee_limit_msat: '1000',
    max_parts: 8,
    timeout_seconds: 45,
    cltv_limit: 432,
    outgoing_chan_ids: ['1'],
  },
  [METHOD.routes]: { fee_limit: { fixed_msat: '0' } },
  [METHOD.openChannel]: {
    funding_shim: { psbt_shim: { no_publish: true, pending_chan_id: ID } },
    close_address: 'bcrt1q',
    local_funding_amount: '20000',
  },
  [METHOD.funding]: {
    psbt_verify: { funded_psbt: Buffer.alloc(9), pending_chan_id: ID, skip_finalize: true },
  },
  [METHOD.close]: { channel_point: POINT, sat_per_vbyte: 2 },
  '/lnrpc.Lightning/AbandonChannel': { channel_point: { funding_txid_bytes: ID } },
  [METHOD.addInvoice]: { r_preimage: ID, value_msat: '1', expiry: '3600' },
  [METHOD.invoices]: { add_index: NO_ADDS_INDEX, settle_index: '1' },
  '/lnrpc.Lightning/UpdateChannelPolicy': {
    chan_point: POINT,
    time_lock_delta: 40,
    max_htlc_msat: '1000',
    min_htlc_msat: '1',
    min_htlc_msat_specified: true,
  },
  '/lnrpc.Lightning/BakeMacaroon': {
    permissions: [{ entity: 'uri', action: '/lnrpc.Lightning/GetInfo' }],
    root_key_id: '7304',
  },
};

test.each(Object.entries(GOOD))('%s may say this', (method, message) => {
  expect(lintRequest(method, message)).toEqual([]);
});

const shim = (psbt_shim: Message): Message => ({ funding_shim: { psbt_shim } });

test.each<[string, string, Message, string]>([
  ['LN-6', METHOD.send, { fee_limit_msat: undefined }, 'fee cap'],
  ['LN-6', METHOD.send, { fee_limit_msat: '9007199254740991000' }, 'fee cap'],
  ['LN-6', METHOD.send, { fee_limit_sat: '9007199254740991' }, 'fee cap in sat'],
  ['LN-18', METHOD.send, { max_parts: 0 }, 'parts'],
  ['LN-18', METHOD.send, { max_parts: 65 }, 'parts'],
  ['LN-4', METHOD.send, { cltv_limit: 0 }, 'locked'],
  ['LN-4', METHOD.send, { cltv_limit: 2_017 }, 'locked'],
  ['LN-4', METHOD.send, { timeout_seconds: 0 }, 'search'],
  ['LN-29', METHOD.send, { outgoing_chan_id: '5' }, 'singular'],
  ['LN-16', METHOD.send, { amt_msat: '1000' }, 'amount beside'],
  ['LN-16', METHOD.send, { amt: '1' }, 'amount beside'],
  ['LN-1', METHOD.send, { payment_hash: ID }, 'details beside'],
  ['LN-1', METHOD.send, { dest: Buffer.alloc(33) }, 'details beside'],
  ['LN-1', METHOD.send, { payment_request: '' }, 'no invoice'],
  ['LN-6', METHOD.routes, { fee_limit: {} }, 'fee cap'],
  ['LN-29', METHOD.routes, { outgoing_chan_id: '5' }, 'singular'],
  ['LN-10', METHOD.openChannel, shim({ pending_chan_id: ID }), 'publish'],
  ['LN-10', METHOD.openChannel, { funding_shim: undefined }, 'publish'],
  ['LN-27', METHOD.openChannel, { close_address: '' }, 'address of the node'],
  ['LN-25', METHOD.openChannel, { push_sat: '1' }, 'gives'],
  ['LN-10', METHOD.openChannel, { zero_conf: true }, 'unconfirmed'],
  ['LN-10', METHOD.openChannel, { fund_max: true }, 'all coins'],
  ['LN-10', METHOD.openChannel, { local_funding_amount: '0' }, 'amount'],
  ['LN-10', METHOD.funding, { psbt_verify: { pending_chan_id: ID } }, 'last step'],
  ['LN-10', METHOD.funding, { psbt_finalize: { pending_chan_id: ID } }, 'finalize'],
  ['LN-10', METHOD.funding, { psbt_verify: undefined, shim_register: {} }, 'register'],
  ['LN-27', METHOD.close, { delivery_address: 'bcrt1q' }, 'where the coins go'],
  ['LN-8', METHOD.close, { force: true }, 'forced close'],
  ['LN-8', METHOD.close, { no_wait: true }, 'without a bound'],
  ['LN-12', '/lnrpc.Lightning/AbandonChannel', { channel_point: POINT }, 'no channel'],
  ['LN-3', METHOD.addInvoice, { r_preimage: Buffer.alloc(0) }, 'preimage'],
  ['LN-16', METHOD.addInvoice, { value_msat: '0' }, 'amount'],
  ['LN-17', METHOD.addInvoice, { expiry: '31536000' }, 'too long'],
  ['LN-17', METHOD.addInvoice, { expiry: '0' }, 'too long'],
  ['LN-21', METHOD.invoices, { settle_index: undefined }, 'cursor'],
  ['LN-21', METHOD.invoices, { add_index: '0' }, 'every invoice'],
  ['fees:', '/lnrpc.Lightning/UpdateChannelPolicy', { time_lock_delta: 0 }, 'timelock'],
  ['fees:', '/lnrpc.Lightning/UpdateChannelPolicy', { max_htlc_msat: '0' }, 'largest'],
  ['fees:', '/lnrpc.Lightning/UpdateChannelPolicy', { min_htlc_msat_specified: false }, 'smallest'],
  ['fees:', '/lnrpc.Lightning/UpdateChannelPolicy', { chan_point: undefined }, 'all channels'],
  ['LN-24', '/lnrpc.Lightning/BakeMacaroon', { root_key_id: '0' }, 'admin'],
  ['LN-24', '/lnrpc.Lightning/BakeMacaroon', { permissions: [] }, 'single methods'],
  [
    'LN-24',
    '/lnrpc.Lightning/BakeMacaroon',
    { permissions: [{ entity: 'offchain', action: 'write' }] },
    'single methods',
  ],
])('%s %s with %o is not sent', (_, method, change, why) => {
  expect(lintRequest(method, { ...GOOD[method], ...change }).join()).toContain(why);
});

test.each([
  '/lnrpc.Lightning/DeletePayment',
  '/lnrpc.Lightning/DeleteAllPayments',
  '/lnrpc.Lightning/SendCoins',
  '/lnrpc.Lightning/SendMany',
  '/lnrpc.Lightning/OpenChannelSync',
  '/lnrpc.Lightning/RestoreChannelBackups',
  '/lnrpc.Lightning/StopDaemon',
  '/routerrpc.Router/SendToRouteV2',
  '/routerrpc.Router/EstimateRouteFee',
  '/routerrpc.Router/ResetMissionControl',
  '/walletrpc.WalletKit/FinalizePsbt',
  '/walletrpc.WalletKit/PublishTransaction',
])('%s is never called', (method) => {
  expect(lintRequest(method, {})).toEqual([`${method} is never called`]);
});

const OPEN_TERMS = {
  peer: `02${'07'.repeat(32)}`,
  capacitySat: sat(20_000n),
  closeAddress: 'bcrt1q',
  announced: 'private' as const,
};
const OPEN: Message = {
  ...GOOD[METHOD.openChannel],
  node_pubkey: Buffer.from(OPEN_TERMS.peer, 'hex'),
  private: true,
};

test('an opening that says what was ordered is sent', () => {
  expect(lintOpen(OPEN, OPEN_TERMS)).toEqual([]);
});

test.each<[string, Message, string]>([
  ['LN-27', { close_address: 'bcrt1p' }, 'another close address'],
  ['LN-27', { close_address: '' }, 'closes to an address of the node'],
  ['LN-10', shim({ no_publish: false, pending_chan_id: ID }), 'lets the node publish'],
  ['LN-8', { local_funding_amount: '20001' }, 'another amount'],
  ['LN-25', { node_pubkey: Buffer.alloc(33, 3) }, 'another peer'],
  ['LN-25', { node_pubkey: undefined }, 'another peer'],
  ['LN-25', { private: false }, 'announced otherwise'],
])('%s an opening that says otherwise than ordered, %o, is not sent', (_, change, why) => {
  expect(lintOpen({ ...OPEN, ...change }, OPEN_TERMS).join()).toContain(why);
});

const TERMS = {
  request: 'lnbcrt1',
  maxFeeMsat: 1_000n,
  partsMax: 8,
  outgoingChannels: ['1'],
};

test('a payment that says what was ordered is sent', () => {
  expect(lintPayment(GOOD[METHOD.send] ?? {}, TERMS)).toEqual([]);
});

test.each<[string, Message, string]>([
  ['LN-6', { fee_limit_msat: '1001' }, 'another fee cap'],
  ['LN-6', { fee_limit_msat: '0' }, 'another fee cap'],
  ['LN-29', { outgoing_chan_ids: [] }, 'first channels'],
  ['LN-29', { outgoing_chan_ids: undefined }, 'first channels'],
  ['LN-29', { outgoing_chan_ids: ['1', '2'] }, 'first channels'],
  ['LN-18', { max_parts: 1 }, 'parts'],
  ['LN-1', { payment_request: 'lnbcrt2' }, 'another invoice'],
])('%s a payment that says otherwise than ordered, %o, is not sent', (_, change, why) => {
  expect(lintPayment({ ...GOOD[METHOD.send], ...change }, TERMS).join()).toContain(why);
});

test.each<[string, Message, number]>([
  ['a refusal', { accept: false }, 0],
  ['with the address of the treasury', { accept: true, upfront_shutdown: 'bcrt1q' }, 0],
  ['without an address', { accept: true }, 1],
  ['on trust', { accept: true, upfront_shutdown: 'bcrt1q', zero_conf: true }, 1],
])('LN-25 what a peer that opens to us is told, %s: problems', (_, answer, problems) => {
  expect(lintAccept(answer)).toHaveLength(problems);
});
