/**
 * A Lightning node in memory for the pool's core: it deduplicates by payment hash, forgets nothing while it lives,
 * and answers as a test tells it to, late, never, or not at all. LND itself is behind the same ports elsewhere.
 */
import { createHash } from 'node:crypto';
import type {
  Channel,
  Forward,
  Invoice,
  InvoiceRefused,
  InvoiceStanding,
  ListedPayment,
  NodeStanding,
  PayOrder,
  PayOutcome,
  ReceivedPayment,
  RouteEstimate,
} from '../operator/lightning.ts';
import { FORWARDS_PAGE } from '../operator/lightning.ts';
import { Failure } from '../policies/failure.ts';
import { msat, sat } from '../policies/units.ts';

/** What becomes of a dispatch. `lost`: it never reaches the node. `late`: it does, after the node has said that it knows nothing. */
export type Fate = 'settles' | 'fails' | 'stays' | 'lost' | 'late';

interface NodePayment {
  order: PayOrder;
  state: 'in_flight' | 'settled' | 'failed';
  atMs: number;
  amountMsat: bigint;
}

interface NodeInvoice {
  preimage: string;
  amountMsat: bigint;
  state: 'open' | 'settled' | 'cancelled';
  settleIndex: number;
}

export const NODE_KEY = `02${'a'.repeat(64)}`;
export const PAYEE = `03${'b'.repeat(64)}`;
export const ROUTE_FEE = msat(100n);

export function preimageOf(name: string): string {
  return createHash('sha256').update(`preimage ${name}`).digest('hex');
}

export function hashOf(preimage: string): string {
  return createHash('sha256').update(Buffer.from(preimage, 'hex')).digest('hex');
}

/** An invoice of the outside, as text that this node's reader understands. */
export function outsideInvoice(
  name: string,
  amountMsat: bigint,
  more: { expiresAtMs?: number; payee?: string; hintFeeMsat?: bigint; network?: string } = {},
): string {
  return JSON.stringify({
    name,
    amountMsat: amountMsat.toString(),
    ...more,
    hintFeeMsat: more.hintFeeMsat?.toString(),
  });
}

export interface FakeNode {
  fates: Map<string, Fate>;
  payments: Map<string, NodePayment>;
  /** HTLCs that settled, by hash: more than one is money paid twice. */
  settledHtlcs: Map<string, number>;
  invoices: Map<string, NodeInvoice>;
  /** Payments of others that went through, oldest first. */
  forwards: Forward[];
  outboundMsat: bigint;
  /** While true nothing is answered. */
  away: boolean;
  resolve(paymentHash: string, fate: 'settled' | 'failed'): void;
  /** Somebody pays an invoice of ours over Lightning. */
  payIn(paymentHash: string): void;
  /** Orders that are on their way for long reach the node now. */
  arrive(): void;
  forget(paymentHash: string): void;
  dispatched(paymentHash: string): number;
  reader: {
    readInvoice(text: string): Invoice | InvoiceRefused;
    standing(): Promise<NodeStanding>;
    channels(): Promise<readonly Channel[]>;
    lostChannels(): Promise<readonly string[]>;
    forwards(ask: { sinceMs: number; skip: number }): Promise<readonly Forward[]>;
  };
  payer: {
    pay(order: PayOrder): Promise<PayOutcome>;
    lookUp(paymentHash: string): Promise<PayOutcome>;
    payments(sinceMs: number): AsyncIterable<readonly ListedPayment[]>;
    estimate(): Promise<RouteEstimate | null>;
  };
  receiver: {
    createInvoice(ask: { preimage: string; amountMsat: bigint; expiresInMs: number }): Promise<{
      request: string;
      paymentHash: string;
      expiresAtMs: number;
    }>;
    invoice(paymentHash: string): Promise<InvoiceStanding>;
    cancelInvoice(paymentHash: string): Promise<'cancelled' | 'settled' | 'unknown'>;
    receive(after: number, signal: AbortSignal): AsyncIterable<ReceivedPayment>;
  };
}

const UNKNOWN = { is: 'unknown' as const, timeoutHeight: null, detail: '' };

export function fakeNode(now: () => number): FakeNode {
  const dispatches = new Map<string, number>();
  const onTheirWay = new Map<string, PayOrder>();
  let settleIndex = 0;
  let begun = 0;
  /** LND counts in nanoseconds: no two payments begin at once. */
  const begins = (): number => {
    begun = Math.max(now(), begun + 1);
    return begun;
  };
  const node: FakeNode = {
    fates: new Map(),
    payments: new Map(),
    settledHtlcs: new Map(),
    invoices: new Map(),
    forwards: [],
    outboundMsat: 1_000_000_000n,
    away: false,
    resolve(paymentHash, fate) {
      const payment = node.payments.get(paymentHash);
      if (payment === undefined || payment.state !== 'in_flight') return;
      payment.state = fate;
      if (fate === 'settled') {
        node.settledHtlcs.set(paymentHash, (node.settledHtlcs.get(paymentHash) ?? 0) + 1);
      }
    },
    payIn(paymentHash) {
      const invoice = node.invoices.get(paymentHash);
      if (invoice?.state !== 'open') return;
      settleIndex += 1;
      invoice.state = 'settled';
      invoice.settleIndex = settleIndex;
    },
    arrive() {
      for (const [paymentHash, order] of onTheirWay) {
        const known = node.payments.get(paymentHash);
        if (known !== undefined && known.state !== 'failed') continue;
        const amountMsat = BigInt(readInvoiceJson(order.request)?.amountMsat ?? '0');
        node.payments.set(paymentHash, { order, state: 'in_flight', atMs: begins(), amountMsat });
        node.resolve(paymentHash, 'settled');
      }
      onTheirWay.clear();
    },
    forget: (paymentHash) => {
      node.payments.delete(paymentHash);
    },
    dispatched: (paymentHash) => dispatches.get(paymentHash) ?? 0,
    reader: {
      readInvoice: (text) => readInvoice(text, now()),
      standing: async () => standingOf(node, now()),
      channels: async () => channelsOf(node),
      lostChannels: async () => [],
      async forwards({ sinceMs, skip }) {
        if (node.away) throw new Failure('LND_UNREACHABLE', 'away');
        const second = Math.floor(sinceMs / 1_000) * 1_000;
        const since = node.forwards.filter(({ atMs }) => atMs >= second);
        return since.slice(skip, skip + FORWARDS_PAGE);
      },
    },
    payer: {
      async pay(order) {
        if (node.away) return { ...UNKNOWN, why: 'deadline' };
        const { paymentHash } = order;
        const known = node.payments.get(paymentHash);
        if (known !== undefined && known.state !== 'failed') return answer(node, known);
        const fate = node.fates.get(paymentHash) ?? 'settles';
        if (fate === 'late') onTheirWay.set(paymentHash, order);
        if (fate === 'lost' || fate === 'late') return { ...UNKNOWN, why: 'stream_ended' };
        dispatches.set(paymentHash, (dispatches.get(paymentHash) ?? 0) + 1);
        const amountMsat = BigInt(readInvoiceJson(order.request)?.amountMsat ?? '0');
        const payment: NodePayment = { order, state: 'in_flight', atMs: begins(), amountMsat };
        node.payments.set(paymentHash, payment);
        if (fate === 'settles') node.resolve(paymentHash, 'settled');
        if (fate === 'fails') node.resolve(paymentHash, 'failed');
        return answer(node, payment);
      },
      async lookUp(paymentHash) {
        if (node.away) return { ...UNKNOWN, why: 'unreachable' };
        const known = node.payments.get(paymentHash);
        return known === undefined ? { ...UNKNOWN, why: 'not_found' } : answer(node, known);
      },
      async *payments() {
        if (node.away) throw new Failure('LND_UNREACHABLE', 'away');
        yield [...node.payments].map(([paymentHash, payment]) => ({
          paymentHash,
          outcome: answer(node, payment),
          createdAtMs: payment.atMs,
          amountMsat: msat(payment.amountMsat),
        }));
      },
      async estimate() {
        if (node.away) throw new Failure('LND_UNREACHABLE', 'away');
        return { feeMsat: ROUTE_FEE, successPpm: 900_000 };
      },
    },
    receiver: {
      async createInvoice({ preimage, amountMsat, expiresInMs }) {
        if (node.away) throw new Failure('LND_UNREACHABLE', 'away');
        const paymentHash = hashOf(preimage);
        if (!node.invoices.has(paymentHash)) {
          node.invoices.set(paymentHash, { preimage, amountMsat, state: 'open', settleIndex: 0 });
        }
        const expiresAtMs = now() + expiresInMs;
        const request = JSON.stringify({
          preimage,
          amountMsat: amountMsat.toString(),
          payee: NODE_KEY,
          expiresAtMs,
        });
        return { request, paymentHash, expiresAtMs };
      },
      async invoice(paymentHash) {
        if (node.away) return { is: 'unknown', why: 'unreachable' };
        const invoice = node.invoices.get(paymentHash);
        if (invoice === undefined) return { is: 'unknown', why: 'not_found' };
        if (invoice.state !== 'settled') return { is: invoice.state };
        return {
          is: 'settled',
          receivedMsat: msat(invoice.amountMsat),
          settledAtMs: now(),
          settleIndex: invoice.settleIndex,
        };
      },
      async cancelInvoice(paymentHash) {
        const invoice = node.invoices.get(paymentHash);
        if (node.away || invoice === undefined) return 'unknown';
        if (invoice.state === 'settled') return 'settled';
        invoice.state = 'cancelled';
        return 'cancelled';
      },
      async *receive(after, signal) {
        if (node.away || signal.aborted) return;
        const settled = [...node.invoices]
          .filter(([, { state, settleIndex: at }]) => state === 'settled' && at > after)
          .toSorted(([, a], [, b]) => a.settleIndex - b.settleIndex);
        for (const [paymentHash, invoice] of settled) {
          yield {
            paymentHash,
            receivedMsat: msat(invoice.amountMsat),
            settledAtMs: now(),
            settleIndex: invoice.settleIndex,
          };
        }
      },
    },
  };
  return node;
}

function answer(_node: FakeNode, { order, state, amountMsat, atMs }: NodePayment): PayOutcome {
  if (state === 'in_flight') return { ...UNKNOWN, why: 'in_flight' };
  if (state === 'failed') {
    return { is: 'failed', why: 'no_route', detail: 'no route', begunAtMs: atMs };
  }
  const preimage = preimageOf(readInvoiceJson(order.request)?.name ?? '');
  const feeMsat = order.maxFeeMsat < ROUTE_FEE ? order.maxFeeMsat : ROUTE_FEE;
  return {
    is: 'settled',
    preimage,
    amountMsat: msat(amountMsat),
    feeMsat,
    settledAtMs: atMs,
    attempts: 1,
    firstChannels: [],
  };
}

interface InvoiceJson {
  name?: string;
  preimage?: string;
  amountMsat: string | null;
  payee?: string;
  expiresAtMs?: number;
  hintFeeMsat?: string;
  network?: 'regtest' | 'bitcoin';
}

function readInvoiceJson(text: string): InvoiceJson | null {
  try {
    return JSON.parse(text) as InvoiceJson;
  } catch {
    return null;
  }
}

function readInvoice(text: string, nowMs: number): Invoice | InvoiceRefused {
  const read = readInvoiceJson(text.trim());
  if (read === null) return { field: 'invoice', rule: 'is no invoice' };
  const preimage = read.preimage ?? preimageOf(read.name ?? '');
  return {
    request: text.trim(),
    paymentHash: hashOf(preimage),
    payee: read.payee ?? PAYEE,
    amountMsat: read.amountMsat === null ? null : msat(BigInt(read.amountMsat)),
    createdAtMs: nowMs,
    expiresAtMs: read.expiresAtMs ?? nowMs + 3_600_000,
    network: read.network ?? 'regtest',
    minFinalCltv: 18,
    hintFeeMsat: msat(BigInt(read.hintFeeMsat ?? '0')),
    hintNodes: [],
  };
}

function standingOf(node: FakeNode, nowMs: number): NodeStanding {
  if (node.away) throw new Failure('LND_UNREACHABLE', 'away');
  return {
    publicKey: NODE_KEY,
    alias: 'fake',
    version: '0.20.1-beta',
    network: 'regtest',
    height: 200,
    syncedToChain: true,
    latestBlockAtMs: nowMs,
  };
}

function channelsOf(node: FakeNode): Channel[] {
  if (node.away) throw new Failure('LND_UNREACHABLE', 'away');
  return [
    {
      outpoint: `${'c'.repeat(64)}:0`,
      id: '150x1x0',
      peer: PAYEE,
      capacitySat: sat(10_000_000n),
      localMsat: msat(node.outboundMsat),
      remoteMsat: msat(0n),
      unsettledOutMsat: msat(0n),
      reserveSat: sat(0n),
      commitFeeSat: sat(0n),
      openedBy: 'us',
      usable: 'active',
      announced: 'public',
      closeAddress: null,
      updates: 1n,
      pendingHashes: [...node.payments]
        .filter(([, { state }]) => state === 'in_flight')
        .map(([hash]) => hash),
      incomingHtlcs: 0,
    },
  ];
}
