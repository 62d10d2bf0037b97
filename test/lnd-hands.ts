/** The adapter in front of a real LND: every role with the macaroon that was baked for it and no other. */
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { payViaPaymentRequest } from 'ln-service';
import { connectLnd } from '../operator/adapters/lnd/connect.ts';
import { bakeMacaroons, type Role } from '../operator/adapters/lnd/macaroons.ts';
import { type LndRoles, lndRoles } from '../operator/adapters/lnd/roles.ts';
import { holdInvoice, invoice, payable } from '../regtest/lightning-payments.ts';
import { called } from '../regtest/ln-call.ts';
import type { LndNode } from '../regtest/lnd.ts';
import { madeInvoice } from './bolt11.ts';
import type { Payee, PromisedNode } from './lnd-promises.ts';

export interface RealHands extends LndRoles {
  /** Base64, by role. */
  macaroons: Record<Role, string>;
}

/** Bakes with the admin macaroon of the node, and holds the roles only. */
export async function realHands(node: LndNode, socket = node.socket): Promise<RealHands> {
  const admin = await connectLnd({
    socket: node.socket,
    certPath: node.certPath,
    macaroonPath: node.macaroonPath('admin'),
  });
  const macaroons = await bakeMacaroons(admin);
  admin.close();
  const folder = path.join(node.dir, 'baked');
  await mkdir(folder, { recursive: true });
  for (const [role, macaroon] of Object.entries(macaroons)) {
    await writeFile(path.join(folder, `${role}.macaroon`), Buffer.from(macaroon, 'base64'));
  }
  const { certPath } = node;
  const roles = await lndRoles({ socket, certPath, macaroons: folder, network: 'regtest' });
  return { ...roles, macaroons };
}

const nothing = (): Promise<void> => Promise.resolve();

/** Of a payee that takes what comes: there is nothing to wait for or to tell it. */
function takes(request: string): Payee {
  return { request, untilHeld: nothing, settle: nothing, cancel: nothing };
}

/** A node of the ring whose payee sits behind another and private hints. */
export function promised(
  hands: LndRoles,
  { us, payee, payer }: { us: LndNode; payee: LndNode; payer: LndNode },
): PromisedNode {
  return {
    ...hands,
    async taken(msat) {
      const { request } = await invoice(payee, { msat, isPrivate: true });
      await payable(us, request);
      return takes(request);
    },
    async held(msat) {
      const made = await holdInvoice(payee, { msat, isPrivate: true });
      await payable(us, made.request);
      return made;
    },
    unroutable: (msat) => Promise.resolve(takes(madeInvoice({ msat }).request)),
    async payUs(request) {
      await called('pay', payViaPaymentRequest({ lnd: payer.lnd, request, max_fee: 10 }));
    },
  };
}
