/** bitcoind's JSON-RPC for tests: its own small client, so that a fault of the product's cannot hide here. */
import { parse } from 'lossless-json';

export interface RpcAddress {
  readonly rpcUrl: string;
  readonly rpcUser: string;
  readonly rpcPassword: string;
}

/** Longest call: mining some hundred blocks. */
const CALL_TIMEOUT_MS = 60_000;
/** `RPC_IN_WARMUP` (rpc/protocol.h). */
const IN_WARMUP = -28;

/** The node understood and refused, with its own number (rpc/protocol.h). */
export class RpcError extends Error {
  readonly code: number;
  constructor(method: string, code: number, message: string) {
    super(`${method}: ${message} (${code})`);
    this.name = 'RpcError';
    this.code = code;
  }
  get isStarting(): boolean {
    return this.code === IN_WARMUP;
  }
}

/**
 * Integers of the answer are numbers; everything with a point is text as the node wrote it, so an amount is
 * `"0.10000000"` and never a float. The answer's shape is the caller's word: nothing is checked.
 */
export async function call<T>(
  address: RpcAddress,
  method: string,
  params: readonly unknown[],
  wallet?: string,
): Promise<T> {
  const place = wallet === undefined ? '/' : `/wallet/${encodeURIComponent(wallet)}`;
  const credentials = Buffer.from(`${address.rpcUser}:${address.rpcPassword}`).toString('base64');
  const response = await fetch(new URL(place, address.rpcUrl), {
    method: 'POST',
    headers: { authorization: `Basic ${credentials}`, 'content-type': 'application/json' },
    body: JSON.stringify({ jsonrpc: '1.0', id: 'regtest', method, params }),
    signal: AbortSignal.timeout(CALL_TIMEOUT_MS),
  });
  const text = await response.text();
  if (text === '') throw new Error(`${method}: bitcoind answered HTTP ${response.status}`);
  const answer = parse(text, null, exactNumber) as {
    result: T;
    error: { code: number; message: string } | null;
  };
  if (answer.error !== null) throw new RpcError(method, answer.error.code, answer.error.message);
  return answer.result;
}

function exactNumber(text: string): number | string {
  const number = Number(text);
  return /^-?[0-9]+$/.test(text) && Number.isSafeInteger(number) ? number : text;
}
