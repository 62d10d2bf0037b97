/** What an LP signs with a key of its own: the registration that names the key, and orders to be paid. Pure. */
import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js';
import { Address, OutScript } from '@scure/btc-signer/payment.js';
import type { z } from 'zod';
import { NETWORKS } from '../descriptors/network.ts';
import { Failure } from '../policies/failure.ts';
import {
  type LpOrder,
  type LpRegistration,
  lpOrderBody,
  lpRegistration,
  type NetworkName,
} from '../policies/intent.ts';
import { type Signed, signStatement } from '../policies/statement.ts';

/**
 * scriptPubKey in hex of an address of this network.
 *
 * @throws Failure INPUT_INVALID for anything else, other networks' addresses included.
 */
export function scriptOfAddress(address: string, network: NetworkName): string {
  try {
    return bytesToHex(OutScript.encode(Address({ ...NETWORKS[network].library }).decode(address)));
  } catch (cause) {
    throw new Failure('INPUT_INVALID', `--to: not an address of ${network}`, { cause });
  }
}

/** Signs an order. `auxRand` is 32 fresh random bytes (BIP-340). @throws Failure INPUT_INVALID naming the field. */
export function makeOrder(
  fields: z.input<typeof lpOrderBody>,
  secretKey: Uint8Array,
  auxRand: Uint8Array,
): LpOrder {
  return signStatement('lp-order', parsed(lpOrderBody, fields), secretKey, auxRand);
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
