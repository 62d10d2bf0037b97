/** The traps of YAML: what a parser would quietly make of a policy file. */
import { expect, test } from 'vitest';
import { amountText, countText, scriptText } from '../policies/scalar.ts';
import { parseYamlTree, YAML_TEXT_MAX } from '../policies/yaml.ts';

test('every scalar stays the text that was written', () => {
  const text = [
    'amount: 50_000_000',
    'script: 0014',
    'block: 0250929574',
    'exponent: 1e9',
    'hex: 0x10',
    'octal: 0o17',
    'plus: +1',
    'large: 9007199254740993',
    'yes_word: yes',
    'off_word: off',
    'nothing: null',
    'tilde: ~',
    'infinity: .inf',
    'sexagesimal: 1:30',
    'date: 2024-01-01',
    'quoted: "5"',
    'empty:',
  ].join('\n');
  expect(parseYamlTree(text, 'policy')).toStrictEqual({
    amount: '50_000_000',
    script: '0014',
    block: '0250929574',
    exponent: '1e9',
    hex: '0x10',
    octal: '0o17',
    plus: '+1',
    large: '9007199254740993',
    yes_word: 'yes',
    off_word: 'off',
    nothing: 'null',
    tilde: '~',
    infinity: '.inf',
    sexagesimal: '1:30',
    date: '2024-01-01',
    quoted: '5',
    empty: '',
  });
});

test.each([
  ['an anchor', 'a: &x 1', /anchors/],
  ['an anchor on a map', '&x {a: 1}', /anchors/],
  ['an alias', 'a: 1\nb: *x', /alias/i],
  ['an anchor and its alias', 'a: &x 1\nb: *x', /anchors/],
  ['a merge key', '<<: {a: 1}', /not a key: "<<"/],
  ['a tag', 'a: !!str 1', /tags/],
  ['a tag of its own', 'a: !money 1', /tag/i],
  ['a tag on a map', '!!map\na: 1', /tags/],
  ['two documents', 'a: 1\n---\nb: 2', /document/],
  ['a directive', '%YAML 1.1\n---\na: 1', /directives/],
  ['a tag directive', '%TAG !e! tag:example.com,2000:\n---\na: 1', /directives/],
  ['one key twice', 'a: 1\na: 2', /the key a stands twice/],
  ['one key twice, once in quotes', 'a: 1\n"a": 2', /the key a stands twice/],
  ['one key twice deep inside', 'x:\n  - { a: 1, a: 2 }', /policy\.x\[0\]: the key a stands twice/],
  ['a list as a key', '? [a]\n: 1', /not a key: a list/],
  ['a key that is a prototype', '__proto__: {a: 1}', /not a key/],
  ['a key with a capital', 'Limits: 1', /not a key/],
  ['an empty document', '', /empty/],
  ['a flow that never ends', 'a: [1,', /policy: /],
  ['a bidirectional override', 'a: 1 # \u202e000_1', /does not print/],
  ['a zero-width space', 'a: 1\u200b', /does not print/],
  ['a NUL', 'a: 1\u0000', /does not print/],
  ['a byte order mark', '\ufeffa: 1', /does not print/],
  ['more text than a policy needs', `a: ${'x'.repeat(YAML_TEXT_MAX)}`, /longer than/],
  ['90,000 open brackets', '['.repeat(90_000), /nested deeper/],
  ['90,000 dashes on one line', '- '.repeat(90_000), /nested deeper/],
  ['40,000 nested maps', '{a: '.repeat(40_000), /nested deeper/],
  ['40,000 explicit keys', '? '.repeat(40_000), /nested deeper/],
])('refuses %s', (_, text, why) => {
  expect(() => parseYamlTree(text, 'policy')).toThrow(
    expect.objectContaining({ code: 'POLICY_INVALID', message: expect.stringMatching(why) }),
  );
});

test.each([
  ['50_000_000', 50_000_000n],
  ['50000000', 50_000_000n],
  ['0', 0n],
  ['2_100_000_000_000_000', 2_100_000_000_000_000n],
  ['9007199254740', 9_007_199_254_740n],
  ['2_100_000_000_000_001', null],
  ['9007199254740993', null],
  ['99999999999999999999999999', null],
  ['0014', null],
  ['00', null],
  ['1e9', null],
  ['0x10', null],
  ['+1', null],
  ['-1', null],
  ['1.0', null],
  ['1_0', null],
  ['50_00_000', null],
  ['_1', null],
  ['1_', null],
  ['1__000', null],
  ['1,000', null],
  [' 1', null],
  ['1\n', null],
  ['', null],
  ['١', null],
  ['null', null],
])('the amount %j is %s', (text, amount) => {
  const parsed = amountText.safeParse(text);
  expect(parsed.success ? parsed.data : null).toBe(amount);
});

test('a count is bounded at both ends', () => {
  const verdicts = ['1', '2', '5', '6'].map((text) => countText(2, 5).safeParse(text).success);
  expect(verdicts).toStrictEqual([false, true, true, false]);
});

test.each([
  ['0014', true],
  ['001', false],
  ['00AB', false],
  ['0x0014', false],
  ['', false],
])('the script %j is read: %s', (text, read) => {
  expect(scriptText.safeParse(text).success).toBe(read);
});
