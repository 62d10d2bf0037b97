/** Invoices read without a node: what cannot be read in one way only is no invoice. */
import { randomBytes } from 'node:crypto';
import { secp256k1 } from '@noble/curves/secp256k1.js';
import { expect, test } from 'vitest';
import { readInvoice } from '../operator/adapters/lnd/invoice.ts';
import { type InvoiceWish, madeInvoice } from './bolt11.ts';

/** BOLT 11, examples: key e126f68f…, "1 cup coffee", 2,500 micro-bitcoin, one minute. */
const COFFEE =
  'lnbc2500u1pvjluezsp5zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zygspp5qqqsyqcyq5rqwzqfqqqsyqcyq5rqwzqfqqqsyqcyq5rqwzqfqypqdq5xysxxatsyp3k7enxv4jsxqzpu9qrsgquk0rl77nj30yxdy8j9vdx85fkpmdla2087ne0xh8nhedh8w27kyke0lp53ut353s06fv3qfegext0eh0ymjpf39tuven09sam30g4vgpfna3rh';
const PEER = Buffer.from(secp256k1.getPublicKey(Buffer.alloc(32, 7))).toString('hex');

function nodeKey(): string {
  return Buffer.from(secp256k1.getPublicKey(randomBytes(32))).toString('hex');
}

test('the example of BOLT 11 reads as BOLT 11 says', () => {
  expect(readInvoice(COFFEE)).toEqual({
    request: COFFEE,
    paymentHash: '0001020304050607080900010203040506070809000102030405060708090102',
    payee: '03e7156ae33b0a208d0744199163177e909e80176e55d97a2f221ede0f934dd9ad',
    amountMsat: 250_000_000n,
    createdAtMs: 1_496_314_658_000,
    expiresAtMs: 1_496_314_718_000,
    network: 'bitcoin',
    minFinalCltv: 18,
    hintFeeMsat: 0n,
    hintNodes: [],
  });
});

test('upper case, as in a QR code, and space around it change nothing', () => {
  expect(readInvoice(` ${COFFEE.toUpperCase()}\n`)).toEqual(readInvoice(COFFEE));
});

test('what is made is read', () => {
  const made = madeInvoice({ msat: 1_234_567n, finalCltv: 40, expirySeconds: 600, createdAtMs: 0 });
  expect(readInvoice(made.request)).toMatchObject({
    paymentHash: made.paymentHash,
    payee: made.payee,
    amountMsat: 1_234_567n,
    network: 'regtest',
    minFinalCltv: 40,
    expiresAtMs: 600_000,
  });
});

test('LN-16 an invoice without an amount says so, and one of zero is the same', () => {
  expect(readInvoice(madeInvoice({ msat: null }).request)).toMatchObject({ amountMsat: null });
});

test('a payee that is named and signed is the payee', () => {
  const key = Buffer.alloc(32, 7);
  const named = madeInvoice({ key: key.toString('hex'), more: [['n', Buffer.from(PEER, 'hex')]] });
  expect(readInvoice(named.request)).toMatchObject({ payee: PEER });
});

const hash = () => randomBytes(32);

test.each<[string, InvoiceWish, string]>([
  ['of a network nobody here is on', { prefix: 'lntb', msat: 1n }, 'bounds'],
  ['of Litecoin', { prefix: 'lnltc', msat: 1n }, 'bounds'],
  ['with two payment hashes', { more: [['p', hash()]] }, 'twice'],
  ['with two payment secrets', { more: [['s', hash()]] }, 'twice'],
  ['with two descriptions', { more: [['d', Buffer.from('other')]] }, 'twice'],
  ['with two expiries', { more: [['x', Buffer.alloc(2, 1)]] }, 'twice'],
  ['with two final deltas', { more: [['c', Buffer.alloc(1, 1)]] }, 'twice'],
  ['without a payment secret', { without: ['s'] }, 'bounds'],
  ['without a payment hash', { without: ['p'] }, 'bounds'],
  ['of another payee than signed', { more: [['n', Buffer.from(PEER, 'hex')]] }, 'another payee'],
  ['that wants AMP', { features: [8, 14, 30] }, 'feature 30'],
  ['that wants what nobody knows', { features: [14, 1_000] }, 'feature 1000'],
  ['over blinded paths', { more: [['b', Buffer.alloc(40, 1)]] }, 'blinded'],
  ['that locks for more than two weeks', { finalCltv: 2_017 }, 'bounds'],
  ['of more than all bitcoin', { msat: 2_100_000_000_000_000_001n }, 'more than there is'],
  [
    'with more private routes than a wallet has',
    { routes: Array.from({ length: 21 }, () => [hint(1, 1)]) },
    'bounds',
  ],
])('an invoice %s is refused', (_, wish, why) => {
  expect(readInvoice(madeInvoice({ msat: 1_000n, ...wish }).request)).toEqual({
    field: 'invoice',
    rule: expect.stringContaining(why),
  });
});

test.each([
  ['nothing', '', 'must be'],
  ['a node key', PEER, 'must be'],
  ['an address', 'bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080', 'must be'],
  ['one letter changed', `${COFFEE.slice(0, -1)}q`, 'must be'],
  ['one that breaks off', COFFEE.slice(0, 120), 'must be'],
  ['mixed case', COFFEE.replace('lnbc', 'LNBC'), 'mixes'],
  ['far too long', `lnbc1${'q'.repeat(5_000)}`, 'characters'],
])('%s is refused', (_, text, why) => {
  expect(readInvoice(text)).toEqual({ field: 'invoice', rule: expect.stringContaining(why) });
});

test('a tenth of a millisatoshi cannot be asked for', () => {
  const { request } = madeInvoice({ prefix: 'lnbcrt15p', msat: null });
  expect(readInvoice(request)).toMatchObject({ rule: expect.stringContaining('less than 1 msat') });
});

function hint(baseMsat: number, ratePpm: number) {
  return { publicKey: nodeKey(), baseMsat, ratePpm };
}

test.each([
  ['no private route', [], 0n],
  ['one hop', [[hint(1_000, 100)]], 1_100n],
  ['half of the amount', [[hint(0, 500_000)]], 500_000n],
  ['two hops, the second on top of the first', [[hint(0, 100_000), hint(0, 100_000)]], 210_000n],
  ['the cheaper of two', [[hint(9_000, 0)], [hint(2_000, 0)]], 2_000n],
  ['a fee of billions', [[hint(0xffffffff, 0xffffffff)]], 8_589_934_590n],
])('LN-6 what private routes charge is known before: %s', (_, routes, feeMsat) => {
  const { request } = madeInvoice({ msat: 1_000_000n, routes });
  const read = readInvoice(request);
  expect(read).toMatchObject({ hintNodes: routes.map(([first]) => first?.publicKey) });
  expect('hintFeeMsat' in read && read.hintFeeMsat).toBe(feeMsat);
});
