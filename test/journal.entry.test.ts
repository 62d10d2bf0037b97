/** The hash chain: what an entry's hash covers, and that no change of an entry passes. */
import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  entryText,
  GENESIS,
  type JournalEntry,
  nextEntry,
  nextStored,
  parseEntry,
  parseHead,
  storedAfter,
  verifyChain,
} from '../journal/entry.ts';
import { canonicalJson } from '../policies/canonical-json.ts';
import { Failure } from '../policies/failure.ts';
import { logEntryHash } from '../policies/log-entry.ts';

function chainOf(bodies: readonly unknown[]): JournalEntry[] {
  const entries: JournalEntry[] = [];
  for (const body of bodies) entries.push(nextEntry(entries.at(-1) ?? GENESIS, body));
  return entries;
}

const sha256 = (bytes: string | Buffer) => createHash('sha256').update(bytes).digest();
const CORRUPT = expect.objectContaining({ code: 'JOURNAL_CORRUPT' });

test('a hash is the BIP-340 tagged hash of the canonical text of seq, previous and body', () => {
  const tag = sha256('weir/journal-entry/v1');
  const text = `{"body":{"a":"7","b":[1,null]},"previous":"${'0'.repeat(64)}","seq":1}`;
  const hash = sha256(Buffer.concat([tag, tag, Buffer.from(text)])).toString('hex');
  const entry = nextEntry(GENESIS, { b: [1, null], a: 7n });
  expect(entry.hash).toBe(hash);
  expect(logEntryHash(entry)).toBe(hash);
});

test('a chain verifies in pieces, each from where the one before ended', () => {
  const chain = chainOf(['a', 'b', 'c', 'd']);
  const middle = verifyChain(chain.slice(0, 2), GENESIS);
  expect(verifyChain(chain.slice(2), middle)).toEqual({ seq: 4, hash: chain[3]?.hash });
  expect(verifyChain([], middle)).toEqual(middle);
});

const [one, two, three] = chainOf(['a', 'b', 'c']) as [JournalEntry, JournalEntry, JournalEntry];
const other = chainOf(['x', 'b']) as [JournalEntry, JournalEntry];
test.each([
  ['a missing entry', [one, three]],
  ['a missing first entry', [two, three]],
  ['entries out of order', [two, one, three]],
  ['an entry twice', [one, one, two]],
  ['an entry of another chain', [one, other[1], three]],
  ['a changed body', [one, { ...two, body: 'B' }, three]],
  ['a changed body with a hash of its own', [one, nextEntry(one, 'B'), three]],
  ['a body left out', [{ ...one, body: undefined }]],
])('refuses %s', (_, entries) => {
  expect(() => verifyChain(entries, GENESIS)).toThrow(CORRUPT);
});

/** What reading a text after entry one gives: its canonical form, or the code of the refusal. */
function readAfterOne(text: string): string {
  try {
    const entry = parseEntry(text);
    verifyChain([entry], one);
    return canonicalJson(entry);
  } catch (failure) {
    return failure instanceof Failure ? failure.code : 'thrown without a code';
  }
}

test('refuses every text of an entry in which one character changed its meaning', () => {
  const entry = nextEntry(one, { kind: 'released', txid: 'ab'.repeat(32), inputs: [1, 20] });
  const text = entryText(entry);
  expect(readAfterOne(text)).toBe(text);
  const place = fc.integer({ min: 0, max: text.length - 1 });
  const character = fc.integer({ min: 0, max: 127 }).map((code) => String.fromCharCode(code));
  fc.assert(
    fc.property(place, character, (at, to) => {
      const changed = text.slice(0, at) + to + text.slice(at + 1);
      expect([changed === text ? text : 'JOURNAL_CORRUPT']).toContain(readAfterOne(changed));
    }),
    { numRuns: 500 },
  );
});

test.each([
  ['{"hash":"ab","seq":1}'],
  [`{"hash":"${'a'.repeat(64)}","seq":-1}`],
  [`{"hash":"${'a'.repeat(64)}","seq":1.5}`],
  [`{"hash":"${'a'.repeat(64)}","seq":"1"}`],
  [`{"hash":"${'a'.repeat(64)}","seq":1,"more":1}`],
  [''],
  ['null'],
])('refuses the head %j', (text) => {
  expect(() => parseHead(text)).toThrow(CORRUPT);
});

test('an entry of a body whose text is known is the same entry, and its text reads back', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const body: unknown = JSON.parse(canonicalJson(value));
      const { entry, text } = nextStored(one, { body, text: canonicalJson(body) });
      expect(entry).toEqual(nextEntry(one, body));
      expect(text).toBe(entryText(entry));
      expect(storedAfter(one, text)).toEqual(entry);
    }),
  );
});

test.each([
  ['space', (text: string) => text.replace(':', ': ')],
  ['keys in another order', (text: string) => text.replace('"a":1,"b":2', '"b":2,"a":1')],
  ['a key twice', (text: string) => text.replace('"a":1', '"a":9,"a":1')],
  ['the body twice', (text: string) => text.replace('{"body"', '{"body":0,"body"')],
  ['the seq twice', (text: string) => text.replace('"seq"', '"seq":2,"seq"')],
  ['something before', (text: string) => ` ${text}`],
])('refuses the text of an entry with %s, though it means the same', (_, change) => {
  const { text } = nextStored(one, { body: {}, text: '{"a":1,"b":2}' });
  expect(change(text)).not.toBe(text);
  expect(() => storedAfter(one, change(text))).toThrow(CORRUPT);
});
