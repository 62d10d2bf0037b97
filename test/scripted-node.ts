/** A node that keeps payments and invoices as LND does, small enough to read, behind the scripted LND. */
import { createHash } from 'node:crypto';
import { readInvoice } from '../operator/adapters/lnd/invoice.ts';
import { until } from '../regtest/wait.ts';
import { madeInvoice } from './bolt11.ts';
import { CHANNEL, invoiceMessage, NODE_KEY, part, payment } from './lnd-messages.ts';
import type { Payee } from './lnd-promises.ts';
import { METHOD, type ScriptedCall, type ScriptedLnd } from './scripted-lnd.ts';

const FEE_MSAT = 6_000n;
const ALREADY_EXISTS = 6;
const NOT_FOUND = 5;
const UNKNOWN = 2;
const WAIT_MS = 10_000;

type Kind = 'taken' | 'held' | 'unroutable';

interface Known {
  kind: Kind;
  preimage: string;
  msat: bigint;
}

interface Row {
  message: ReturnType<typeof payment>;
  listeners: Set<ScriptedCall>;
}

interface OwnInvoice {
  hash: string;
  request: string;
  msat: bigint;
  state: string;
  settleIndex: number;
}

export interface ScriptedNode {
  payee(kind: Kind, msat: bigint): Payee;
  payUs(request: string): void;
}

/** Scripts every method that paying and receiving needs. */
export function scriptNode(lnd: ScriptedLnd): ScriptedNode {
  const payees = new Map<string, Known>();
  const rows = new Map<string, Row>();
  scriptPayments(lnd, payees, rows);
  const own = scriptInvoices(lnd);
  return {
    payee(kind, msat) {
      const { request, paymentHash: hash, preimage } = madeInvoice({ msat });
      payees.set(hash, { kind, preimage, msat });
      const finish = (settled: boolean): Promise<void> => {
        const row = rows.get(hash);
        if (row === undefined) throw new Error('nothing is held');
        say(row, settled ? done(hash, { kind, preimage, msat }) : refusedBy(hash, msat));
        return Promise.resolve();
      };
      return {
        request,
        untilHeld: async () => {
          await until('a payment to be held', () => rows.has(hash), WAIT_MS);
        },
        settle: () => finish(true),
        cancel: () => finish(false),
      };
    },
    payUs: (request) => own.pay(request),
  };
}

function done(hash: string, { preimage, msat }: Known) {
  const parts = [part({ status: 'SUCCEEDED', settledAtMs: 1_700_000_009_000 })];
  return payment({ hash, preimage, msat, status: 'SUCCEEDED', feeMsat: FEE_MSAT, parts });
}

function ended(hash: string, msat: bigint, reason: string) {
  return payment({ hash, msat, status: 'FAILED', reason, parts: [] });
}

function refusedBy(hash: string, msat: bigint) {
  return ended(hash, msat, 'FAILURE_REASON_INCORRECT_PAYMENT_DETAILS');
}

function say(row: Row, message: Row['message']): void {
  row.message = message;
  for (const call of row.listeners) told(call, row);
}

function told(call: ScriptedCall, row: Row): void {
  call.send(row.message);
  if (row.message.status !== 'IN_FLIGHT') {
    row.listeners.delete(call);
    call.end();
  } else row.listeners.add(call);
}

function scriptPayments(
  lnd: ScriptedLnd,
  payees: ReadonlyMap<string, Known>,
  rows: Map<string, Row>,
): void {
  lnd.on(METHOD.send, (call) => {
    const invoice = readInvoice(String(call.message['payment_request']));
    if ('rule' in invoice) return call.fail(UNKNOWN, invoice.rule);
    const { paymentHash: hash } = invoice;
    const known = payees.get(hash);
    const before = rows.get(hash)?.message.status;
    if (before === 'SUCCEEDED') return call.fail(ALREADY_EXISTS, 'invoice is already paid');
    if (before === 'IN_FLIGHT') return call.fail(ALREADY_EXISTS, 'payment is in transition');
    if (known === undefined) return call.fail(UNKNOWN, 'nobody made this invoice');
    const cap = BigInt(String(call.message['fee_limit_msat']));
    const flying = payment({ hash, msat: known.msat, status: 'IN_FLIGHT', parts: [part()] });
    const row: Row = { message: flying, listeners: new Set() };
    rows.set(hash, row);
    if (known.kind === 'unroutable' || cap < FEE_MSAT) {
      row.message = ended(hash, known.msat, 'FAILURE_REASON_NO_ROUTE');
    } else {
      told(call, row);
      if (known.kind === 'held') return undefined;
      return say(row, done(hash, known));
    }
    return told(call, row);
  });
  lnd.on(METHOD.track, (call) => {
    const row = rows.get(Buffer.from(call.message['payment_hash'] as Uint8Array).toString('hex'));
    if (row === undefined) call.fail(NOT_FOUND, "payment isn't initiated");
    else told(call, row);
  });
  lnd.on(METHOD.list, (call) =>
    call.send({
      payments: [...rows.values()].map(({ message }) => message),
      first_index_offset: '1',
    }),
  );
  lnd.on(METHOD.channels, (call) => call.send({ channels: [channel()] }));
  scriptRoutes(lnd, payees);
}

function scriptRoutes(lnd: ScriptedLnd, payees: ReadonlyMap<string, Known>): void {
  lnd.on(METHOD.routes, (call) => {
    const cap = BigInt((call.message['fee_limit'] as { fixed_msat: string }).fixed_msat);
    // A node is asked for a destination: here the newest payee is meant.
    const kind = [...payees.values()].at(-1)?.kind;
    if (kind === 'unroutable' || cap < FEE_MSAT) {
      return call.fail(UNKNOWN, 'unable to find a path to destination');
    }
    const { route } = part();
    return call.send({
      routes: [{ ...route, total_fees_msat: FEE_MSAT.toString() }],
      success_prob: 1,
    });
  });
}

/** The one channel there is, as ListChannels has it. */
export function channel(): object {
  const constraints = {
    csv_delay: 144,
    chan_reserve_sat: '10000',
    dust_limit_sat: '354',
    max_pending_amt_msat: '1',
    min_htlc_msat: '1',
    max_accepted_htlcs: 483,
  };
  const [height = '0', index = '0', output = '0'] = CHANNEL.split('x');
  const number = (BigInt(height) << 40n) | (BigInt(index) << 16n) | BigInt(output);
  return {
    active: true,
    remote_pubkey: NODE_KEY,
    channel_point: `${'cd'.repeat(32)}:0`,
    chan_id: number.toString(),
    capacity: '1000000',
    local_balance: '900000',
    remote_balance: '99000',
    commit_fee: '1000',
    commit_weight: '724',
    fee_per_kw: '253',
    unsettled_balance: '0',
    num_updates: '7',
    initiator: true,
    local_constraints: constraints,
    remote_constraints: constraints,
    commitment_type: 'ANCHORS',
  };
}

function scriptInvoices(lnd: ScriptedLnd): { pay(request: string): void } {
  const invoices = new Map<string, OwnInvoice>();
  const listeners: { call: ScriptedCall; from: number }[] = [];
  let settled = 0;
  lnd.on(METHOD.addInvoice, (call) => {
    const preimage = Buffer.from(call.message['r_preimage'] as Uint8Array);
    const hash = createHash('sha256').update(preimage).digest('hex');
    if (invoices.has(hash)) {
      return call.fail(UNKNOWN, 'invoice with payment hash already exists');
    }
    const msat = BigInt(String(call.message['value_msat']));
    const { request } = madeInvoice({ msat, preimage: preimage.toString('hex') });
    invoices.set(hash, { hash, request, msat, state: 'OPEN', settleIndex: 0 });
    return call.send({
      r_hash: Buffer.from(hash, 'hex'),
      payment_request: request,
      payment_addr: Buffer.alloc(32, 3),
      add_index: invoices.size.toString(),
    });
  });
  const named = (call: ScriptedCall): OwnInvoice | undefined => {
    const { r_hash, payment_hash, r_hash_str } = call.message;
    const bytes = [payment_hash, r_hash].find(
      (each) => each instanceof Uint8Array && each.length > 0,
    );
    return invoices.get(
      bytes === undefined ? String(r_hash_str) : Buffer.from(bytes as Uint8Array).toString('hex'),
    );
  };
  lnd.on(METHOD.lookupInvoice, (call) => {
    const found = named(call);
    if (found === undefined) call.fail(NOT_FOUND, 'unable to locate invoice');
    else call.send(wordOf(found));
  });
  lnd.on(METHOD.cancelInvoice, (call) => {
    const found = named(call);
    if (found === undefined) return call.fail(NOT_FOUND, 'unable to locate invoice');
    if (found.state === 'SETTLED') return call.fail(UNKNOWN, 'invoice already settled');
    found.state = 'CANCELED';
    return call.send({});
  });
  lnd.on(METHOD.invoices, (call) => {
    const from = Number(call.message['settle_index']);
    const before = [...invoices.values()].filter(({ settleIndex }) => settleIndex > from);
    if (from > 0) for (const each of before) call.send(wordOf(each));
    listeners.push({ call, from });
  });
  return {
    pay(request) {
      const found = [...invoices.values()].find((each) => each.request === request);
      if (found === undefined) throw new Error('it is no invoice of ours');
      settled += 1;
      found.state = 'SETTLED';
      found.settleIndex = settled;
      for (const { call, from } of listeners) if (settled > from) call.send(wordOf(found));
    },
  };
}

function wordOf({ hash, request, msat, state, settleIndex }: OwnInvoice): object {
  const paidMsat = settleIndex === 0 ? 0n : msat;
  return invoiceMessage({ hash, request, state, msat, paidMsat, settleIndex });
}
