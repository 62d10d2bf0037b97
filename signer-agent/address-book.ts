/**
 * The guardian's own names for places money goes to: `addresses.yaml` in the agent's folder. A name on a
 * review comes from here and never from the wire.
 */
import { bytesToHex } from '@noble/hashes/utils.js';
import { Address, OutScript } from '@scure/btc-signer/payment.js';
import { z } from 'zod';
import { addressOf } from '../descriptors/derive.ts';
import { NETWORKS, type Network } from '../descriptors/network.ts';
import { Failure } from '../policies/failure.ts';
import type { NetworkName } from '../policies/intent.ts';
import { requireShape } from '../policies/policy-shape.ts';
import { scriptText } from '../policies/scalar.ts';
import { parseYamlTree } from '../policies/yaml.ts';

export const ADDRESS_BOOK_FILE = 'addresses.yaml';
const ENTRIES_MAX = 10_000;
const NAME_CHARS_MAX = 40;

/** Script in hex, and the same as an address -> name. */
export type AddressBook = ReadonlyMap<string, string>;

export const EMPTY_BOOK: AddressBook = new Map();

const name = z
  .string()
  .min(1)
  .max(NAME_CHARS_MAX)
  .refine(
    (text) => text.trim() === text && !/[\n\r\t]/.test(text),
    'must be one line without space around it',
  )
  .refine(oneAlphabet, 'mixes Latin letters with look-alikes of another alphabet');
const entries = z
  .array(
    z.union([
      z.strictObject({ name, address: z.string().max(100) }),
      z.strictObject({ name, script: scriptText }),
    ]),
  )
  .max(ENTRIES_MAX);

/**
 * Reads the book, YAML text: a list of `{ name, address }` or `{ name, script }`. An empty text is an
 * empty book.
 *
 * @throws Failure INPUT_INVALID naming entry and rule, also for one name or one script twice;
 *   NETWORK_MISMATCH for an address of another network.
 */
export function parseAddressBook(text: string, network: NetworkName): AddressBook {
  if (text.trim() === '') return EMPTY_BOOK;
  const book = new Map<string, string>();
  const names = new Set<string>();
  for (const entry of entriesOf(text)) {
    const script =
      'script' in entry ? entry.script : scriptOfAddress(entry.address, NETWORKS[network]);
    const folded = entry.name.normalize('NFKC').toLowerCase();
    if (names.has(folded) || book.has(script)) {
      throw new Failure('INPUT_INVALID', `${ADDRESS_BOOK_FILE}: ${entry.name} stands twice`);
    }
    names.add(folded);
    book.set(script, entry.name);
    const address = addressOf(script, NETWORKS[network]);
    if (address !== null) book.set(address, entry.name);
  }
  return book;
}

/** scriptPubKey of an address in hex. @throws Failure NETWORK_MISMATCH, INPUT_INVALID */
function scriptOfAddress(address: string, network: Network): string {
  const decode = (of: Network): string | null => {
    try {
      return bytesToHex(OutScript.encode(Address({ ...of.library }).decode(address)));
    } catch {
      // Not an address of this network.
      return null;
    }
  };
  const script = decode(network);
  if (script !== null) return script;
  const other = Object.values(NETWORKS).find((each) => decode(each) !== null);
  throw other === undefined
    ? new Failure('INPUT_INVALID', `${ADDRESS_BOOK_FILE}: ${address} is no address`)
    : new Failure('NETWORK_MISMATCH', `${ADDRESS_BOOK_FILE}: ${address} is of ${other.name}`);
}

function entriesOf(text: string): z.infer<typeof entries> {
  try {
    return requireShape(entries, parseYamlTree(text, ADDRESS_BOOK_FILE), ADDRESS_BOOK_FILE);
  } catch (cause) {
    if (!(cause instanceof Failure)) throw cause;
    throw new Failure('INPUT_INVALID', cause.message, { cause });
  }
}

/** `аcme` with a Cyrillic first letter is nobody's name. */
function oneAlphabet(text: string): boolean {
  return !(/\p{Script=Latin}/u.test(text) && /(?!\p{Script=Latin})\p{L}/u.test(text));
}
