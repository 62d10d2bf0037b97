/** Hashes and ids of receipts: published vectors, and what has no hash. */
import { schnorr } from '@noble/curves/secp256k1.js';
import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  canonicalSha256,
  strictCanonicalText,
  textSha256,
} from '../operator/receipts/canonical.ts';
import { invoicePayReceipt } from '../operator/receipts/invoice-pay-receipt.ts';
import { RECEIPT_SCHEMAS, receiptIdOf } from '../operator/receipts/receipt-schemas.ts';
import { receiptKey, signDigest } from '../operator/receipts/schnorr.ts';
import { signReceipt, unsignedReceiptOf } from '../operator/receipts/unsigned-receipt.ts';
import { walletReceipt, walletReceiptSha256 } from '../operator/receipts/wallet-receipt.ts';
import { canonicalJson } from '../policies/canonical-json.ts';
import { Failure } from '../policies/failure.ts';
import { msat } from '../policies/units.ts';
import { FAILED, hexOf, PAID, payMore, RECEIPT_KEY, RECEIPTS } from './receipt-samples.ts';

const EMPTY_CONTEXT = '44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a';
const INVOICE_HASH = 'b883a5ba6e871370ba5d4f34cad4c980859fa847a6958d8162f0ce1b2cccdb50';
const PAY_SHA256 = '725d4cf327019c81b581e530a5b2dc2db66388526dc2ccfefa243cb332ba7d8a';
const PAY_FIELDS = {
  schema: 'openagents.liquidity.invoice_pay_receipt.v1',
  quote_id: 'liq_quote_0195-vector',
  invoice_hash: INVOICE_HASH,
  host: 'sats4ai.com',
  quoted_amount_msats: 31_200_000,
  max_amount_msats: 35_000_000,
  max_fee_msats: 312_000,
  max_amount_forwarded_msats: 31_512_000,
  status: 'succeeded',
  wallet_receipt_sha256: 'a'.repeat(64),
  preimage_sha256: 'b'.repeat(64),
  paid_at_ms: 1_772_000_290_000,
  policy_context_sha256: EMPTY_CONTEXT,
  created_at: '2026-02-25T06:18:10.123456Z',
};
const DEPOSIT = {
  schema: 'openagents.liquidity.deposit_receipt.v1',
  pool_id: 'llp-main',
  lp_id: 'lp-1',
  share_price_sats: 1,
  created_at: '2026-02-25T06:13:20Z',
};

describe('published hashes come out the same', () => {
  test.each([
    ['an empty policy context', {}, EMPTY_CONTEXT],
    [
      'an absent policy context',
      null,
      '74234e98afe7498fb5daf1f36ac2d78acc339464f950703b8c019892f982b90b',
    ],
    [
      'the fingerprint of a quote',
      {
        schema: 'openagents.liquidity.quote_pay_request.v1',
        invoice_hash: INVOICE_HASH,
        host: 'sats4ai.com',
        quoted_amount_msats: 31_200_000,
        max_amount_msats: 35_000_000,
        max_fee_msats: 312_000,
        urgency: null,
        policy_context_sha256: EMPTY_CONTEXT,
      },
      'ecf7d60fe0a4403b30549cf5e7f0367bf597502be9df20a62220400c9deaf60f',
    ],
    [
      'a deposit over Lightning',
      {
        ...DEPOSIT,
        amount_sats: 100_000,
        deposit_address: null,
        deposit_id: 'liqdep_vector',
        invoice_hash: INVOICE_HASH,
        rail: 'lightning_invoice',
        shares_minted: 100_000,
      },
      '7a9843448a480f46614a8019b910ef84133615b6cd47a778ff853fde69c8fd9e',
    ],
    [
      'a deposit on chain, with a partition',
      {
        ...DEPOSIT,
        amount_sats: 250_000,
        deposit_address: 'bcrt1qexample',
        deposit_id: 'liqdep_vector2',
        invoice_hash: null,
        partition_kind: 'cep',
        rail: 'onchain_address',
        shares_minted: 250_000,
      },
      '765119598413821983b3e8c410af14a9f9933f3a14a4ee9c66bba2d67d648071',
    ],
  ])('%s', (_, value, sha256) => {
    expect(canonicalSha256(value)).toBe(sha256);
  });

  test('the hash of an invoice is over its text', () => {
    expect(textSha256('lnbcrt312u1pexamplevector')).toBe(INVOICE_HASH);
  });

  test('the payment receipt: hash over all fields with nulls, id of its first 24 digits', () => {
    const unsigned = unsignedReceiptOf(PAY_FIELDS, {});
    expect(unsigned.canonicalSha256).toBe(PAY_SHA256);
    expect(unsigned.receiptId).toBe('lipr_725d4cf327019c81b581e530');
  });
});

describe('what two readers could hash differently is refused', () => {
  const cyclic: Record<string, unknown> = {};
  cyclic['self'] = cyclic;
  const deep = JSON.parse(`${'['.repeat(33)}${']'.repeat(33)}`) as unknown;
  test.each([
    ['a fraction', { n: 1.5 }],
    ['an integer above 2^53-1', { n: 9_007_199_254_740_992 }],
    ['not a number', { n: Number.NaN }],
    ['an amount that is a bigint', { n: 1n }],
    ['something undefined', { n: undefined }],
    ['half of a character', { n: '\ud800' }],
    ['a key beyond the basic plane', { '\u{1f511}': 1 }],
    ['33 levels', deep],
    ['a value inside itself', cyclic],
    ['a date', { at: new Date(0) }],
    ['a function', { f: () => 1 }],
  ])('%s', (_, value) => {
    expect(() => canonicalSha256(value)).toThrow(Failure);
  });

  test('what is taken has the canonical text that statements and journals have', () => {
    const { tree } = fc.letrec((tie) => ({
      tree: fc.oneof(
        { depthSize: 'small' },
        fc.maxSafeInteger(),
        fc.string({ unit: 'binary' }),
        fc.boolean(),
        fc.constant(null),
        fc.array(tie('tree'), { maxLength: 4 }),
        fc.dictionary(fc.string({ unit: 'grapheme-ascii', maxLength: 8 }), tie('tree'), {
          maxKeys: 6,
          noNullPrototype: true,
        }),
      ),
    }));
    fc.assert(
      fc.property(tree, (value) => {
        expect(strictCanonicalText(value)).toBe(canonicalJson(value));
      }),
      { numRuns: 500 },
    );
  });
});

describe('a receipt hashes exactly the fields of its schema', () => {
  test('an optional that is null and one that is absent are the same receipt', () => {
    const spelled = { ...PAY_FIELDS, error_code: null, run_id: null };
    expect(unsignedReceiptOf(spelled, {})).toEqual(unsignedReceiptOf(PAY_FIELDS, {}));
  });

  test('the wire leaves out what is null, and hashes to the same with the nulls put back', () => {
    const { receipt } = signReceipt(invoicePayReceipt(FAILED, payMore(9)), RECEIPT_KEY);
    expect(Object.values(receipt)).not.toContain(null);
    const schema = RECEIPT_SCHEMAS[PAY_FIELDS.schema];
    const names = [...(schema?.required ?? []), ...(schema?.optional ?? [])];
    const input = Object.fromEntries(names.map((name) => [name, receipt[name] ?? null]));
    expect(Object.keys(input)).toHaveLength(18);
    expect(canonicalSha256(input)).toBe(receipt.canonical_json_sha256);
  });

  test.each([
    ['a field that the schema does not have', { ...PAY_FIELDS, fee_msats: 1 }],
    ['a field that is missing', { ...PAY_FIELDS, host: null }],
    ['a schema that is none', { schema: 'openagents.nothing.v1' }],
    ['a schema that every object has', { schema: 'constructor' }],
  ])('%s breaks an assumption', (_, fields) => {
    expect(() => unsignedReceiptOf(fields, {})).toThrow(/BrokenInvariant|needs|has no|no receipt/);
  });

  test('ids of different kinds never meet', () => {
    const prefixes = Object.values(RECEIPT_SCHEMAS).map(({ prefix }) => prefix);
    expect(new Set(prefixes).size).toBe(prefixes.length);
    expect(receiptIdOf('lipr_', PAY_SHA256)).toHaveLength(5 + 24);
  });

  test('one amount, fee or time more is another receipt', () => {
    const first = invoicePayReceipt(PAID, payMore(9));
    for (const other of [
      { ...PAID, quotedAmountMsat: msat(31_200_001n) },
      { ...PAID, maxFeeMsat: msat(312_001n) },
      { ...PAID, createdAtMs: PAID.createdAtMs + 1 },
    ]) {
      expect(invoicePayReceipt(other, payMore(9)).receiptId).not.toBe(first.receiptId);
    }
  });
});

describe('what the node answered is bound by its hash', () => {
  const answer = {
    paymentHash: hexOf('preimage'),
    amountMsat: msat(31_200_000n),
    feeMsat: msat(1_234n),
    settledAtMs: 1_772_000_290_000,
    attempts: 2,
  };

  test('amounts are decimal text, whatever their size', () => {
    const large = walletReceipt({ ...answer, amountMsat: msat(2_100_000_000_000_000_000n) });
    expect(large.amount_msat).toBe('2100000000000000000');
  });

  test('another fee, time or count of attempts is another hash', () => {
    const hashes = [
      answer,
      { ...answer, feeMsat: msat(1_235n) },
      { ...answer, settledAtMs: answer.settledAtMs + 1 },
      { ...answer, attempts: 3 },
    ].map(walletReceiptSha256);
    expect(new Set(hashes).size).toBe(4);
  });
});

describe('a receipt says what it does not prove, and nothing that names a channel or a payment', () => {
  test.each(Object.entries(RECEIPTS))('%s', (_, make) => {
    const { extensions } = make(9);
    expect(extensions['proves']).toMatch(/^The pool states/);
    expect(extensions['does_not_prove']).not.toHaveLength(0);
    expect(Object.keys(extensions).join(' ')).not.toMatch(/chan|scid|payment_hash|invoice|host/);
    expect(Object.values(extensions)).not.toContain(null);
  });

  test('a payment inside claims no Lightning payment', () => {
    const inside = invoicePayReceipt(PAID, { ...payMore(9), rail: 'inside' });
    expect(inside.extensions['proves']).not.toMatch(/paid this invoice/);
    expect(JSON.stringify(inside.extensions['does_not_prove'])).toMatch(/Lightning/);
  });
});

describe('signatures are deterministic, and two libraries agree', () => {
  test('the same receipt signed twice has the same bytes', () => {
    const unsigned = invoicePayReceipt(PAID, payMore(9));
    const [one, two] = [signReceipt(unsigned, RECEIPT_KEY), signReceipt(unsigned, RECEIPT_KEY)];
    expect(JSON.stringify(one)).toBe(JSON.stringify(two));
  });

  test('libsecp256k1 in WASM makes the bytes that noble makes with 32 zero bytes of randomness', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 32, maxLength: 32 }),
        fc.uint8Array({ minLength: 31, maxLength: 31 }),
        (digest, part) => {
          const secret = Uint8Array.of(1, ...part);
          const theirs = schnorr.sign(digest, secret, new Uint8Array(32));
          const key = receiptKey(secret);
          expect(signDigest(bytesToHex(digest), key)).toBe(bytesToHex(theirs));
          expect(key.publicKey).toBe(bytesToHex(schnorr.getPublicKey(secret)));
        },
      ),
      { numRuns: 20 },
    );
  });

  test('the signature verifies over the bare hash, as published clients check it', () => {
    const { receipt } = signReceipt(invoicePayReceipt(PAID, payMore(9)), RECEIPT_KEY);
    const { signer_pubkey: key, signed_sha256, signature_hex } = receipt.signature;
    expect(signed_sha256).toBe(receipt.canonical_json_sha256);
    expect(
      schnorr.verify(hexToBytes(signature_hex), hexToBytes(signed_sha256), hexToBytes(key)),
    ).toBe(true);
  });

  test.each([
    ['another hash beside the fields', { canonicalSha256: 'f'.repeat(64) }],
    ['another id beside the fields', { receiptId: 'lipr_000000000000000000000000' }],
    ['fields that were changed', { fields: { ...PAY_FIELDS, host: 'evil.example' } }],
  ])('%s is never signed', (_, change) => {
    const unsigned = { ...invoicePayReceipt(PAID, payMore(9)), ...change };
    expect(() => signReceipt(unsigned, RECEIPT_KEY)).toThrow(/does not hash/);
  });
});
