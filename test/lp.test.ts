/** An LP's tools: what they sign is what the guardians' agents accept, and nothing for another network. */
import { expect, test } from 'vitest';
import { makeOrder, makeRegistration, scriptOfAddress, secretOfText } from '../lp/order.ts';
import { lpOrder, lpRegistration } from '../policies/intent.ts';
import { statementHolds } from '../policies/statement.ts';
import { keyOf, secretOf } from './treasury-scenario.ts';

const AUX = new Uint8Array(32);
const ID = 'ab'.repeat(32);
const order = {
  treasuryId: ID,
  network: 'regtest' as const,
  lpId: 'lp-one',
  orderId: 'cd'.repeat(32),
  amountSat: '600000',
  maxFeeSat: '1000',
  script: `0014${'11'.repeat(20)}`,
  expiryHeight: 900,
};

test('an order is signed by the key, for one treasury and network, and reads back the same', () => {
  const signed = makeOrder(order, secretOf('lp'), AUX);
  expect(signed.key).toBe(keyOf('lp'));
  expect(statementHolds('lp-order', signed)).toBe(true);
  const wired: unknown = JSON.parse(JSON.stringify({ ...signed, body: order }));
  expect(lpOrder.parse(wired).body).toEqual(signed.body);
  expect(statementHolds('lp-registration', signed)).toBe(false);
});

test('a registration is signed by the very key that it names', () => {
  const { orderId, amountSat, maxFeeSat, script, expiryHeight, ...here } = order;
  expect([orderId, amountSat, maxFeeSat, script, expiryHeight]).toHaveLength(5);
  const body = { ...here, key: keyOf('lp'), activeFromHeight: 0, lifetimeCapSat: '10000000' };
  const signed = makeRegistration(body, secretOf('lp'), AUX);
  expect(signed.key).toBe(signed.body.key);
  expect(statementHolds('lp-registration', signed)).toBe(true);
  expect(lpRegistration.parse(body)).toEqual(signed.body);
});

test.each([
  ['a negative amount', { amountSat: '-1' }, 'amountSat'],
  ['a fraction', { amountSat: '1.5' }, 'amountSat'],
  ['more than all bitcoin', { amountSat: '2100000000000001' }, 'amountSat'],
  ['an id of another length', { orderId: 'cd' }, 'orderId'],
  ['a name with capitals', { lpId: 'LP' }, 'lpId'],
  ['a height that is a time', { expiryHeight: 500_000_000 }, 'expiryHeight'],
])('refuses an order with %s, naming the field', (_, change, field) => {
  expect(() => makeOrder({ ...order, ...change }, secretOf('lp'), AUX)).toThrow(
    expect.objectContaining({ code: 'INPUT_INVALID', message: expect.stringContaining(field) }),
  );
});

test.each([
  [
    'bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080',
    'regtest',
    '0014751e76e8199196d454941c45d1b3a323f1433bd6',
  ],
  [
    'bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4',
    'bitcoin',
    '0014751e76e8199196d454941c45d1b3a323f1433bd6',
  ],
  ['bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4', 'regtest', null],
  ['bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080', 'bitcoin', null],
  ['not an address', 'regtest', null],
] as const)('%s on %s pays the script %s', (address, network, script) => {
  if (script === null) expect(() => scriptOfAddress(address, network)).toThrow('--to');
  else expect(scriptOfAddress(address, network)).toBe(script);
});

test('refuses a sealed file that holds no key', () => {
  expect(() => secretOfText('seed')).toThrow(expect.objectContaining({ code: 'INPUT_INVALID' }));
});
