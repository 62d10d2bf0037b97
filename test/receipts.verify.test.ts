/** A receipt verifies offline from its own bytes and the pool's key; whatever is bent in it is found by name. */
import { describe, expect, test } from 'vitest';
import { signCheckpoint } from '../operator/receipts/checkpoint.ts';
import { proofFor, type ReceiptDocument } from '../operator/receipts/proof.ts';
import { type CheckName, verifyPublic, verifyReceipt } from '../operator/receipts/verify.ts';
import {
  documentAt,
  failedOf,
  KINDS,
  neverMade,
  payment,
  SEQ,
  verdictOf,
} from './receipt-documents.ts';
import { loggedAt, OTHER_RECEIPT_KEY, RECEIPT_KEY, RECEIPTS } from './receipt-samples.ts';

const KEY = RECEIPT_KEY.publicKey;

/** A plain copy, with what stands at a path changed. */
function bent(document: unknown, at: readonly (string | number)[], change: unknown): unknown {
  if (at.length === 0) return change;
  const [head = '', ...rest] = at;
  if (Array.isArray(document)) {
    return document.map((item: unknown, index) =>
      index === head ? bent(item, rest, change) : item,
    );
  }
  const members = document as Record<string, unknown>;
  const changed = bent(members[head], rest, change);
  const copy = { ...members, [head]: changed };
  if (changed === undefined) Reflect.deleteProperty(copy, head);
  return copy;
}

/** Paths of all values within each other, scalars and what holds them. */
function pathsIn(value: unknown, at: readonly (string | number)[] = []): (string | number)[][] {
  if (typeof value !== 'object' || value === null) return [[...at]];
  const inner = Array.isArray(value)
    ? value.flatMap((item, index) => pathsIn(item, [...at, index]))
    : Object.entries(value).flatMap(([name, member]) => pathsIn(member, [...at, name]));
  return [[...at], ...inner];
}

function valueAt(value: unknown, at: readonly (string | number)[]): unknown {
  return at.reduce<unknown>((inner, name) => (inner as Record<string, unknown>)[name], value);
}

/** Something else of the same type. */
function otherThan(value: unknown): unknown {
  if (typeof value === 'number') return value + 1;
  if (typeof value !== 'string') return null;
  const last = value.at(-1) === '0' ? '1' : '0';
  return `${value.slice(0, -1)}${last}`;
}

describe.each(KINDS)('%s', (_, make) => {
  test('holds as a whole with its proof: every check is made and passes', () => {
    const found = verdictOf(documentAt('whole', make));
    expect(found.verdict).toBe('holds');
    expect(found.checks.map(({ result }) => result)).toEqual(Array(12).fill('passed'));
    expect(found.proves).toMatch(/^The pool states/);
    expect(found.doesNotProve.join()).toMatch(/compare checkpoints/);
  });

  test('holds alone, and says that the log and the extensions are not checked', () => {
    const { receipt } = documentAt('whole', make);
    const found = verifyReceipt(receipt, null, KEY);
    expect(found.verdict).toBe('holds');
    const unchecked = found.checks.filter(({ result }) => result === 'not-checked');
    expect(unchecked.map(({ name }) => name)).toEqual([
      'proof-form',
      'record',
      'extensions',
      'public-fields',
      'batch-path',
      'batch-signature',
      'inclusion',
      'checkpoint',
    ]);
    expect(found.proves).toBeNull();
    expect(found.doesNotProve.join()).toMatch(/nothing here binds them/);
  });

  test('holds as everybody may see it, and only with its proof', () => {
    const { receipt, proof } = documentAt('public', make);
    const found = verifyPublic(receipt, proof, KEY);
    expect(found.verdict).toBe('holds');
    const unchecked = found.checks.filter(({ result }) => result === 'not-checked');
    expect(unchecked.map(({ name }) => name)).toEqual(['hash']);
    expect(failedOf(verifyPublic(receipt, null, KEY))).toEqual(['public-fields']);
  });

  test('another key is behind none of it', () => {
    const found = verdictOf(documentAt('whole', make, OTHER_RECEIPT_KEY));
    expect(failedOf(found)).toEqual(['signature', 'batch-signature', 'checkpoint']);
  });
});

describe.each(KINDS.filter(([name]) => ['a payment', 'an action'].includes(name)))(
  'in %s',
  (_, make) => {
    test.each(['whole', 'public'] as const)('%s: no value in it can be another', (view) => {
      const document = documentAt(view, make);
      for (const at of pathsIn(document)) {
        const value = valueAt(document, at);
        // What holds other values changes with them; the document's own schema is read before.
        if (typeof value === 'object' || at.length < 2) continue;
        const other = bent(document, at, otherThan(value));
        expect(`${at.join('.')} ${verdictOf(other).verdict}`).toBe(`${at.join('.')} broken`);
      }
    });

    test.each(['whole', 'public'] as const)('%s: nothing can be left out or added', (view) => {
      const document = documentAt(view, make);
      for (const at of pathsIn(document)) {
        // The document itself, its schema, and a proof that is absent on purpose have tests of their own.
        if (at.length < 2) continue;
        const name = at.join('.');
        expect(`${name} ${verdictOf(bent(document, at, undefined)).verdict}`).toBe(
          `${name} broken`,
        );
        const value = valueAt(document, at);
        if (typeof value !== 'object') continue;
        const more = bent(
          document,
          at,
          Array.isArray(value) ? [...value, 'x'] : { ...value, x: 1 },
        );
        expect(`${name} ${verdictOf(more).verdict}`).toBe(`${name} broken`);
      }
    });
  },
);

describe('each lie is found by the check that is there for it', () => {
  const document = documentAt('whole', payment);
  const shown = documentAt('public', payment);
  const elsewhere = loggedAt(SEQ, [2, 6, 4], payment);
  const later = loggedAt(SEQ, [3, 5, 9], payment);
  const refusal = documentAt('whole', RECEIPTS['a refusal'] ?? neverMade);
  const otherHead = signCheckpoint({ ...later.log.head(), size: 3 }, RECEIPT_KEY);

  test.each<[string, unknown, CheckName[]]>([
    [
      'a fee in the fields',
      bent(document, ['receipt', 'max_fee_msats'], 1),
      ['hash', 'public-fields'],
    ],
    ['a host', bent(document, ['receipt', 'host'], 'evil.example'), ['hash']],
    [
      'a fee in the extensions',
      bent(document, ['receipt', 'extensions', 'route_fee_msats'], 0),
      ['extensions'],
    ],
    [
      'what it does not prove',
      bent(document, ['receipt', 'extensions', 'does_not_prove'], []),
      ['extensions'],
    ],
    [
      'an amount in a public receipt',
      bent(shown, ['receipt', 'quoted_amount_msats'], 1),
      ['public-fields'],
    ],
    [
      'an id',
      bent(document, ['receipt', 'receipt_id'], 'lipr_725d4cf327019c81b581e530'),
      ['id', 'record'],
    ],
    ['a field of our own', bent(document, ['receipt', 'note'], 'paid twice'), ['fields']],
    [
      'a schema of another kind',
      bent(document, ['receipt', 'schema'], 'weir.action_receipt.v1'),
      ['fields'],
    ],
    ['a field left out', bent(document, ['receipt', 'host'], undefined), ['fields']],
    ['a schema that is none', bent(document, ['receipt', 'schema'], 'toString'), ['fields']],
    ['a number with a fraction', bent(document, ['receipt', 'max_fee_msats'], 0.5), ['fields']],
    ['a field of megabytes', bent(document, ['receipt', 'host'], 'x'.repeat(3_000)), ['fields']],
    ['an infinity of levels', bent(document, ['receipt', 'host'], nested()), ['fields']],
    ['the private fields in public', bent(shown, ['receipt', 'host'], 'sats4ai.com'), ['fields']],
    [
      'fewer redacted fields than there are',
      bent(shown, ['receipt', 'redacted'], ['host']),
      ['fields'],
    ],
    ['a proof of another form', bent(document, ['proof', 'note'], 1), ['proof-form']],
    [
      'a path without end',
      bent(document, ['proof', 'batch', 'path'], Array(54).fill('0'.repeat(64))),
      ['proof-form'],
    ],
    [
      'the record of a refusal',
      bent(document, ['proof'], refusal.proof),
      ['record', 'extensions', 'public-fields'],
    ],
    [
      'another time in the record',
      bent(document, ['proof', 'record', 'at_ms'], 1),
      ['batch-path', 'inclusion'],
    ],
    ['another place in the batch', bent(document, ['proof', 'batch', 'index'], 1), ['batch-path']],
    [
      'a batch that another came before',
      bent(document, ['proof', 'batch', 'prev_root'], '0'.repeat(64)),
      ['batch-signature'],
    ],
    ['a path into another log', bent(document, ['proof', 'inclusion'], []), ['inclusion']],
    [
      'a checkpoint of another size',
      bent(document, ['proof', 'checkpoint', 'size'], 5),
      ['inclusion', 'checkpoint'],
    ],
    [
      'a checkpoint from before it',
      bent(document, ['proof', 'checkpoint'], otherHead),
      ['inclusion'],
    ],
    [
      'a checkpoint without its path',
      bent(document, ['proof', 'inclusion'], undefined),
      ['inclusion'],
    ],
  ])('%s', (_, lie, failed) => {
    expect(failedOf(verdictOf(lie))).toEqual(failed);
  });

  test.each<[string, unknown]>([
    ['batches that fell elsewhere', proofFor(elsewhere.log, elsewhere.record, RECEIPT_KEY)],
    ['a later checkpoint', proofFor(later.log, later.record, RECEIPT_KEY)],
    ['no checkpoint', withoutCheckpoint(document)],
  ])('the same receipt holds with a proof from %s', (_, proof) => {
    expect(verifyReceipt(document.receipt, proof, KEY).verdict).toBe('holds');
  });

  test('without a checkpoint it says that others may see another log', () => {
    const found = verifyReceipt(document.receipt, withoutCheckpoint(document), KEY);
    expect(found.doesNotProve.join()).toMatch(/shows to others/);
  });

  test.each<[string, unknown]>([
    ['nothing', undefined],
    ['null', null],
    ['a number', 7],
    ['a list', [document.receipt]],
    ['an empty object', {}],
    [
      'a receipt of nulls',
      Object.fromEntries(Object.keys(document.receipt).map((name) => [name, null])),
    ],
  ])('%s is broken, and no error', (_, receipt) => {
    for (const proof of [null, 7, {}, document.proof]) {
      expect(verifyReceipt(receipt, proof, KEY).verdict).toBe('broken');
      expect(verifyPublic(receipt, proof, KEY).verdict).toBe('broken');
    }
  });

  test.each([['no hex'], ['f'.repeat(64)], ['']])(
    'a key that is none (%s) is behind nothing',
    (key) => {
      expect(verifyReceipt(document.receipt, document.proof, key).verdict).toBe('broken');
    },
  );
});

function withoutCheckpoint({ proof }: ReceiptDocument): unknown {
  const { checkpoint: _, inclusion: __, ...rest } = proof;
  return rest;
}

function nested(): unknown {
  let value: unknown = 'x';
  for (let level = 0; level < 10_000; level += 1) value = [value];
  return value;
}
