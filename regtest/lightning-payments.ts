/** Invoices of the payees, ordinary and held, and waiting until somebody can pay them. */
import { createHash, randomBytes } from 'node:crypto';
import type { AuthenticatedLnd } from 'ln-service';
import {
  cancelHodlInvoice,
  createHodlInvoice,
  createInvoice,
  decodePaymentRequest,
  getInvoice,
  getRouteToDestination,
  settleHodlInvoice,
} from 'ln-service';
import { called, LnError } from './ln-call.ts';
import type { LndNode } from './lnd.ts';
import { until } from './wait.ts';

export interface InvoiceWish {
  /** Omitted: the payer chooses. */
  msat?: bigint;
  description?: string;
  /** With hints to the node's private channels. */
  isPrivate?: true;
  /** Default: LND's hour. */
  expirySeconds?: number;
}

export interface Invoice {
  request: string;
  /** Payment hash, hex. */
  hash: string;
}

export interface HeldInvoice extends Invoice {
  /** Hex; the payer learns it when `settle` is called. */
  preimage: string;
  settle(): Promise<void>;
  cancel(): Promise<void>;
  /** Waits until a payment has arrived whole and is held. */
  untilHeld(): Promise<void>;
}

/** Gossip is a second or two behind a channel that is active; slower only beside much else. */
const ROUTE_TIMEOUT_MS = 90_000;
const HELD_TIMEOUT_MS = 60_000;
/** What QueryRoutes answers before gossip has come, among others: all mean "not yet" here. */
const NO_ROUTE = /unable to find a path|insufficient|target not found|no_route|only have local/i;

/** A private one is given when it has hints: a node leaves them out until it knows its peer's own channels. */
export async function invoice({ lnd }: LndNode, wish: InvoiceWish): Promise<Invoice> {
  return hinted(lnd, wish, async () => {
    const made = await called('createInvoice', createInvoice({ lnd, ...terms(wish) }));
    return { request: made.request, hash: made.id };
  });
}

async function hinted<T extends Invoice>(
  lnd: AuthenticatedLnd,
  wish: InvoiceWish,
  make: () => Promise<T>,
): Promise<T> {
  if (wish.isPrivate === undefined) return make();
  return until(
    'an invoice with hints',
    async () => {
      const made = await make();
      const { request, hash: id } = made;
      const asked = decodePaymentRequest({ lnd, request });
      const { routes } = await called('decodePaymentRequest', asked);
      if (routes.length > 0) return made;
      await called('cancelHodlInvoice', cancelHodlInvoice({ lnd, id }));
      return null;
    },
    ROUTE_TIMEOUT_MS,
  );
}

/** An invoice whose payment is kept waiting until a test settles or cancels it. */
export async function holdInvoice(node: LndNode, wish: InvoiceWish): Promise<HeldInvoice> {
  const { lnd } = node;
  const { request, hash, preimage } = await hinted(lnd, wish, async () => {
    const secret = randomBytes(32);
    const id = createHash('sha256').update(secret).digest('hex');
    const wished = createHodlInvoice({ lnd, id, ...terms(wish) });
    const made = await called('createHodlInvoice', wished);
    return { request: made.request, hash: id, preimage: secret.toString('hex') };
  });
  return {
    request,
    hash,
    preimage,
    async settle() {
      await called('settleHodlInvoice', settleHodlInvoice({ lnd: node.lnd, secret: preimage }));
    },
    async cancel() {
      await called('cancelHodlInvoice', cancelHodlInvoice({ lnd: node.lnd, id: hash }));
    },
    async untilHeld() {
      await until(
        `${node.alias} to hold the payment of ${hash}`,
        async () =>
          (await called('getInvoice', getInvoice({ lnd: node.lnd, id: hash }))).is_held === true,
        HELD_TIMEOUT_MS,
      );
    },
  };
}

function terms(wish: InvoiceWish): {
  mtokens?: string;
  description?: string;
  is_including_private_channels?: boolean;
  expires_at?: string;
} {
  const { msat, description, isPrivate, expirySeconds } = wish;
  return {
    ...(msat === undefined ? {} : { mtokens: msat.toString() }),
    ...(description === undefined ? {} : { description }),
    ...(isPrivate === undefined ? {} : { is_including_private_channels: true }),
    ...(expirySeconds === undefined
      ? {}
      : { expires_at: new Date(Date.now() + expirySeconds * 1000).toISOString() }),
  };
}

/** Waits until a node knows a way to pay that amount to that public key, by what it believes now. */
export function routeKnown(
  from: LndNode,
  toPublicKey: string,
  msat: bigint,
): Promise<{ feeMsat: bigint }> {
  return routed(from, { destination: toPublicKey, mtokens: msat.toString() });
}

/** The same for an invoice with an amount, its hints included. */
export async function payable(from: LndNode, request: string): Promise<{ feeMsat: bigint }> {
  const asked = decodePaymentRequest({ lnd: from.lnd, request });
  const { destination, mtokens, routes } = await called('decodePaymentRequest', asked);
  return routed(from, { destination, mtokens, routes });
}

type RouteWish = Omit<Parameters<typeof getRouteToDestination>[0], 'lnd'>;

function routed(from: LndNode, wish: RouteWish): Promise<{ feeMsat: bigint }> {
  return until(
    `${from.alias} to know a route to ${wish.destination}`,
    async () => {
      const found = await called(
        'getRouteToDestination',
        getRouteToDestination({ lnd: from.lnd, ...wish }),
      ).catch((cause: unknown) => {
        if (cause instanceof LnError && NO_ROUTE.test(cause.message)) return null;
        throw cause;
      });
      return found?.route === undefined ? null : { feeMsat: BigInt(found.route.fee_mtokens) };
    },
    ROUTE_TIMEOUT_MS,
  );
}
