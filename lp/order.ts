/** What an LP signs with a key of its own: the registration that names the key, and orders to be paid. Pure. */
import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js';
import { Address, OutScript } from '@scure/btc-signer/payment.js';
import type { z } from 'zod';
import { NETWORKS } from '../descriptors/network.ts';
import { dustSat } from '../descriptors/weight.ts';
import { Failure } from '../policies/failure.ts';
import {
  type LpOrder,
  type LpRegistration,
  lpOrderBody,
  lpRegistration,
  type NetworkName,
  networkName,
} from '../policies/intent.ts';
import { type Signed, signStatement } from '../policies/statement.ts';

/** Anyone can spend it: a payee that nobody owns (BIP-433). */
const ANYONES = 'p2a';

/**
 * scriptPubKey in hex of an address of this network.
 *
 * @throws Failure NETWORK_MISMATCH for an address of another network; INPUT_INVALID for what is no address,
 *   or one that nobody owns.
 */
export function scriptOfAddress(address: string, network: NetworkName): string {
  const script = scriptOn(address, network);
  if (script !== null) return script;
  const others = networkName.options.filter((each) => scriptOn(address, each) !== null);
  if (others.length > 0) {
    throw new Failure('NETWORK_MISMATCH', `--to: an address of ${others.join(', ')}`);
  }
  throw new Failure('INPUT_INVALID', `--to: not an address of ${network}`);
}

function scriptOn(address: string, network: NetworkName): string | null {
  try {
    const output = Address({ ...NETWORKS[network].library }).decode(address);
    return output.type === ANYONES ? null : bytesToHex(OutScript.encode(output));
  } catch {
    // No address of this network.
    return null;
  }
}

/** Signs an order. `auxRand` is 32 fresh random bytes (BIP-340). @throws Failure INPUT_INVALID naming the field. */
export function makeOrder(
  fields: z.input<typeof lpOrderBody>,
  secretKey: Uint8Array,
  auxRand: Uint8Array,
): LpOrder {
  const body = parsed(lpOrderBody, fields);
  const dust = dustSat(body.script);
  // Every agent would refuse it, for ever: it is better said to the LP.
  if (body.amountSat < dust) {
    throw new Failure('INPUT_INVALID', `amountSat: below ${dust} sat it does not relay`);
  }
  return signStatement('lp-order', body, secretKey, auxRand);
}

/** Signs a registration by the key that it names. @throws Failure INPUT_INVALID naming the field. */
export function makeRegistration(
  fields: z.input<typeof lpRegistration>,
  secretKey: Uint8Array,
  auxRand: Uint8Array,
): Signed<LpRegistration> {
  return signStatement('lp-registration', parsed(lpRegistration, fields), secretKey, auxRand);
}

/** 32 bytes in hex of the sealed file, as they are kept. */
export function secretOfText(text: string): Uint8Array {
  if (!/^[0-9a-f]{64}$/.test(text)) throw new Failure('INPUT_INVALID', 'the file holds no LP key');
  return hexToBytes(text);
}

function parsed<S extends z.ZodType>(schema: S, value: unknown): z.infer<S> {
  const read = schema.safeParse(value);
  if (read.success) return read.data;
  const [issue] = read.error.issues;
  throw new Failure(
    'INPUT_INVALID',
    `${issue?.path.join('.') ?? 'input'}: ${issue?.message ?? ''}`,
  );
}
