/**
 * Feerates that a test sets, in the form in which LND asks for them (`--fee.url`). Nodes that share one agree
 * on the fee of a cooperative close; without it each falls back to a number of its own and the close fails.
 */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

/** Satoshis per 1,000 virtual bytes, by the number of blocks in which to confirm. */
export type Feerates = Readonly<Record<number, number>>;

export interface FeeSource {
  readonly url: string;
  /** What is answered from now on. On regtest LND asks anew for each estimate. */
  set(feerates: Feerates): void;
  stop(): Promise<void>;
}

export const QUIET_FEERATES: Feerates = { 1: 5000, 2: 4000, 6: 3000, 144: 1000 };
/** One satoshi per virtual byte: the least a node relays. */
const MIN_RELAY_FEERATE = 1000;

export async function startFeeSource(feerates: Feerates = QUIET_FEERATES): Promise<FeeSource> {
  let current = feerates;
  const server = createServer((_, response) => {
    response.setHeader('content-type', 'application/json');
    response.end(
      JSON.stringify({ fee_by_block_target: current, min_relay_feerate: MIN_RELAY_FEERATE }),
    );
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    set(next) {
      current = next;
    },
    async stop() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}
