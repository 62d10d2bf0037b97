/**
 * Credentials of least privilege: one macaroon per role, by method and nothing coarser, each under a root key of its
 * own, so that one role can be revoked alone. A payer's cannot open, close or send on chain; a channel manager's
 * cannot pay; closing is apart, since a close that nobody agreed to needs nothing else.
 */
import { grantAccess } from 'ln-service';
import { z } from 'zod';
import { type LndConnection, shaped } from './connect.ts';
import { asked } from './deadline.ts';

const LIGHTNING = '/lnrpc.Lightning/';

/** Methods of each role, by gRPC path. */
export const ROLE_METHODS = {
  /** Looks at the node. LND's ready-made `readonly.macaroon` can also send probes, which lock liquidity. */
  reader: lightning(
    'GetInfo',
    'ListChannels',
    'PendingChannels',
    'ClosedChannels',
    'ChannelBalance',
    'WalletBalance',
    'ForwardingHistory',
  ),
  quoter: lightning('QueryRoutes'),
  payer: [
    '/routerrpc.Router/SendPaymentV2',
    '/routerrpc.Router/TrackPaymentV2',
    '/chainrpc.ChainNotifier/RegisterBlockEpochNtfn',
    ...lightning('ListPayments', 'GetInfo'),
  ],
  receiver: [
    ...lightning('AddInvoice', 'LookupInvoice', 'SubscribeInvoices'),
    '/invoicesrpc.Invoices/CancelInvoice',
  ],
  channels: [
    ...lightning(
      'OpenChannel',
      'FundingStateStep',
      'ChannelAcceptor',
      'ConnectPeer',
      'ListPeers',
      'GetInfo',
      'GetChanInfo',
      'UpdateChannelPolicy',
      'NewAddress',
    ),
    '/wtclientrpc.WatchtowerClient/AddTower',
  ],
  closer: lightning('CloseChannel', 'AbandonChannel'),
  backup: lightning('ExportAllChannelBackups', 'VerifyChanBackup'),
  /** What a guardian's agent looks at before it signs. */
  agent: lightning('GetInfo', 'PendingChannels', 'ListChannels'),
} as const satisfies Record<string, readonly string[]>;

export type Role = keyof typeof ROLE_METHODS;
export const ROLES = Object.keys(ROLE_METHODS) as readonly Role[];

/** Root keys of ours are these and up, one per role in the order above; 0 is the admin macaroon's. */
const FIRST_ROOT_KEY = 7_304;

function lightning(...methods: string[]): string[] {
  return methods.map((method) => `${LIGHTNING}${method}`);
}

const answer = z.object({ macaroon: z.string().min(1).max(10_000) });

/**
 * Bakes a macaroon for each role with the admin's. Twice gives the same rights under the same keys.
 *
 * @returns base64, by role
 * @throws Failure LND_UNREACHABLE, also for a macaroon that may not bake
 */
export async function bakeMacaroons({ lnd }: LndConnection): Promise<Record<Role, string>> {
  const baked: [Role, string][] = [];
  for (const [at, role] of ROLES.entries()) {
    const permissions = ROLE_METHODS[role].map((path) => `uri:${path}`);
    const id = (FIRST_ROOT_KEY + at).toString();
    const said = await asked('BakeMacaroon', () => grantAccess({ lnd, id, permissions }));
    baked.push([role, shaped('macaroon', answer, said).macaroon]);
  }
  return Object.fromEntries(baked) as Record<Role, string>;
}
