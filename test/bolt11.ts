/** Invoices as BOLT 11 writes them, and as it forbids; it shares no code with what reads them. */
import { createHash, randomBytes } from 'node:crypto';
import { secp256k1 } from '@noble/curves/secp256k1.js';
import { bech32 } from '@scure/base';

export interface InvoiceWish {
  preimage?: string;
  /** Null: the payer chooses. */
  msat?: bigint | null;
  /** Of the payee, hex. */
  key?: string;
  prefix?: string;
  createdAtMs?: number;
  expirySeconds?: number;
  finalCltv?: number;
  /** BOLT 9; default: variable onion, secret, multiple parts. */
  features?: readonly number[];
  routes?: readonly (readonly HintHop[])[];
  /** After all others, as they are: tag and bytes. */
  more?: readonly (readonly [keyof typeof TAG, Uint8Array])[];
  /** Left out. */
  without?: readonly (keyof typeof TAG)[];
}

export interface HintHop {
  publicKey: string;
  baseMsat: number;
  ratePpm: number;
}

export interface MadeInvoice {
  request: string;
  paymentHash: string;
  preimage: string;
  payee: string;
}

const TAG = { p: 1, r: 3, features: 5, x: 6, f: 9, d: 13, s: 16, n: 19, b: 20, h: 23, c: 24 };
const FEATURES = [9, 14, 17];
/** A channel that a hint names: block 1, transaction 1, output 0. */
const HINT_CHANNEL = Buffer.from('0000010000010000', 'hex');
const HINT_CLTV = 40;

export function madeInvoice(wish: InvoiceWish = {}): MadeInvoice {
  const preimage = wish.preimage ?? randomBytes(32).toString('hex');
  const key = Buffer.from(wish.key ?? randomBytes(32).toString('hex'), 'hex');
  const hash = createHash('sha256').update(Buffer.from(preimage, 'hex')).digest();
  const prefix = `${wish.prefix ?? 'lnbcrt'}${amountText(wish.msat ?? null)}`;
  const seconds = Math.floor((wish.createdAtMs ?? Date.now()) / 1_000);
  const fields: [keyof typeof TAG, number[]][] = [
    ['p', words(hash)],
    ['s', words(randomBytes(32))],
    ['d', words(Buffer.from('test'))],
    ['x', number(wish.expirySeconds ?? 3_600)],
    ['c', number(wish.finalCltv ?? 18)],
    ['features', featureWords(wish.features ?? FEATURES)],
    ...(wish.routes ?? []).map((hops): [keyof typeof TAG, number[]] => ['r', hintWords(hops)]),
    ...(wish.more ?? []).map(([tag, bytes]): [keyof typeof TAG, number[]] => [tag, words(bytes)]),
  ];
  const kept = fields.filter(([tag]) => wish.without?.includes(tag) !== true);
  const data = [
    ...number(seconds, 7),
    ...kept.flatMap(([tag, field]) => [TAG[tag], field.length >> 5, field.length & 31, ...field]),
  ];
  return {
    request: signed(prefix, data, key),
    paymentHash: hash.toString('hex'),
    preimage,
    payee: Buffer.from(secp256k1.getPublicKey(key)).toString('hex'),
  };
}

/** In the smallest unit, of which ten make a millisatoshi. */
function amountText(msat: bigint | null): string {
  return msat === null ? '' : `${msat * 10n}p`;
}

function words(bytes: Uint8Array): number[] {
  return bech32.toWords(bytes);
}

function number(value: number, length = 0): number[] {
  const digits: number[] = [];
  for (let left = value; left > 0; left = Math.floor(left / 32)) digits.unshift(left % 32);
  while (digits.length < length) digits.unshift(0);
  return digits;
}

function featureWords(bits: readonly number[]): number[] {
  const flags = bits.reduce((sum, bit) => sum | (1n << BigInt(bit)), 0n);
  const digits: number[] = [];
  for (let left = flags; left > 0n; left >>= 5n) digits.unshift(Number(left & 31n));
  return digits;
}

function hintWords(hops: readonly HintHop[]): number[] {
  const bytes = hops.map(({ publicKey, baseMsat, ratePpm }) => {
    const fees = Buffer.alloc(10);
    fees.writeUInt32BE(baseMsat, 0);
    fees.writeUInt32BE(ratePpm, 4);
    fees.writeUInt16BE(HINT_CLTV, 8);
    return Buffer.concat([Buffer.from(publicKey, 'hex'), HINT_CHANNEL, fees]);
  });
  return words(Buffer.concat(bytes));
}

/** BOLT 11: the hash of the prefix as text and the data as bytes, zero bits at the end. */
function signed(prefix: string, data: number[], key: Uint8Array): string {
  const bits = data.map((word) => word.toString(2).padStart(5, '0')).join('');
  const padded = bits.padEnd(Math.ceil(bits.length / 8) * 8, '0');
  const bytes = Buffer.from(padded.match(/.{8}/g)?.map((byte) => Number.parseInt(byte, 2)) ?? []);
  const hash = createHash('sha256')
    .update(Buffer.concat([Buffer.from(prefix), bytes]))
    .digest();
  const signature = secp256k1.sign(hash, key, { prehash: false, format: 'recovered' });
  // noble puts the recovery id first, BOLT 11 last.
  const ordered = Buffer.concat([signature.subarray(1), signature.subarray(0, 1)]);
  return bech32.encode(prefix, [...data, ...words(ordered)], false);
}
