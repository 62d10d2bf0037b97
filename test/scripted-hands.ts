/** The adapter in front of a scripted LND: one connection for every role, and what was sent is clean. */
import { afterAll, beforeAll, beforeEach, expect } from 'vitest';
import { connectLnd, type LndConnection } from '../operator/adapters/lnd/connect.ts';
import type { PayOrder } from '../operator/lightning.ts';
import { msat } from '../policies/units.ts';
import { until } from '../regtest/wait.ts';
import { type MadeInvoice, madeInvoice } from './bolt11.ts';
import { block, HEIGHT, info } from './lnd-messages.ts';
import { METHOD, type ScriptedLnd, startScriptedLnd } from './scripted-lnd.ts';

export interface Hands {
  lnd(): ScriptedLnd;
  connection(): LndConnection;
}

/** Something on loopback arrives within milliseconds. */
const ARRIVES_MS = 10_000;

/** One server for the tests of a `describe` or file; each starts with a node that stands still at one height. */
export function scriptedHands(): Hands {
  let lnd: ScriptedLnd | undefined;
  let connection: LndConnection | undefined;
  beforeAll(async () => {
    lnd = await startScriptedLnd();
    connection = await connectLnd(lnd);
  });
  beforeEach(() => {
    lnd?.on(METHOD.info, (call) => call.send(info()));
    lnd?.on(METHOD.blocks, (call) => call.send(block()));
    return () => {
      expect(lnd?.lint).toEqual([]);
    };
  });
  afterAll(async () => {
    connection?.close();
    await lnd?.stop();
  });
  return {
    lnd: () => held(lnd),
    connection: () => held(connection),
  };
}

function held<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('the scripted LND is there only inside a test');
  return value;
}

/** An order to pay with every bound set, for an invoice made here unless one is given. */
export function orderOf(
  wish: Partial<PayOrder> = {},
  invoice: MadeInvoice = madeInvoice({ msat: 1_000n }),
): PayOrder & { preimage: string } {
  return {
    request: invoice.request,
    paymentHash: invoice.paymentHash,
    preimage: invoice.preimage,
    maxFeeMsat: msat(10n),
    partsMax: 8,
    pathfindingMs: 5_000,
    maxTimeoutHeight: HEIGHT + 432,
    outgoingChannels: [],
    deadlineMs: 20_000,
    ...wish,
  };
}

/** Waits for a call to arrive. */
export async function arrived(lnd: ScriptedLnd, method: string, count = 1): Promise<void> {
  await until(`${method} to arrive`, () => lnd.requests(method).length >= count, ARRIVES_MS);
}
