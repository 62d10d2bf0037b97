/** The guardian's own names for places: what the file may say, and what is refused in it. */
import { expect, test } from 'vitest';
import { addressOf } from '../descriptors/derive.ts';
import { NETWORKS } from '../descriptors/network.ts';
import { EMPTY_BOOK, parseAddressBook } from '../signer-agent/address-book.ts';
import { strangerScript } from './spend-scenario.ts';

test.each<[title: string, text: string, code: string]>([
  ['a control character', '- { name: "a\u0007", script: 0014aa }', 'INPUT_INVALID'],
  ['a name turned around', '- { name: "a\u202Eb", script: 0014aa }', 'INPUT_INVALID'],
  ['look-alike letters', '- { name: \u0430cme, script: 0014aa }', 'INPUT_INVALID'],
  ['two lines', '- { name: "a\\nb", script: 0014aa }', 'INPUT_INVALID'],
  [
    'one name twice',
    '- { name: a, script: 0014aa }\n- { name: A, script: 0014ab }',
    'INPUT_INVALID',
  ],
  [
    'one script twice',
    '- { name: a, script: 0014aa }\n- { name: b, script: 0014aa }',
    'INPUT_INVALID',
  ],
  ['an unknown key', '- { name: a, script: 0014aa, note: x }', 'INPUT_INVALID'],
  ['an anchor', '- &a { name: a, script: 0014aa }', 'INPUT_INVALID'],
  ['no address', '- { name: a, address: bcrt1qqqq }', 'INPUT_INVALID'],
  [
    'an address of another network',
    '- { name: a, address: bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4 }',
    'NETWORK_MISMATCH',
  ],
])('the address book refuses %s', (_, text, code) => {
  expect(() => parseAddressBook(text, 'regtest')).toThrow(expect.objectContaining({ code }));
});

test('an address in the book is found by its script, and the reverse', () => {
  const address = addressOf(strangerScript(3), NETWORKS.regtest) ?? '';
  const mine = parseAddressBook(`- { name: Zoë, address: ${address} }`, 'regtest');
  expect([mine.get(strangerScript(3)), mine.get(address)]).toEqual(['Zoë', 'Zoë']);
  expect(parseAddressBook('', 'regtest')).toEqual(EMPTY_BOOK);
});
