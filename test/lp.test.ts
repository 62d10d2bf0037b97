/** An LP's tools: what they sign is what the guardians' agents accept, and nothing for another network. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Address } from '@scure/btc-signer/payment.js';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { openSealedFile, sealFile } from '../custody/sealed-file.ts';
import { NETWORKS } from '../descriptors/network.ts';
import { lpCommands } from '../lp/commands.ts';
import { makeOrder, makeRegistration, scriptOfAddress, secretOfText } from '../lp/order.ts';
import { lpOrder, lpRegistration } from '../policies/intent.ts';
import { signedSchema, statementHolds } from '../policies/statement.ts';
import { keyOf, secretOf } from './treasury-scenario.ts';

const lpRegistrationSigned = signedSchema(lpRegistration);
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
  [
    'mipcBbFg9gMiCh81Kj8tqqdgoZub1ZJRfn',
    'regtest',
    '76a914243f1394f44554f4ce3fd68649c19adc483ce92488ac',
  ],
] as const)('%s on %s pays the script %s', (address, network, script) => {
  expect(scriptOfAddress(address, network)).toBe(script);
});

test.each([
  ['an address of bitcoin', 'bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4', 'NETWORK_MISMATCH'],
  ['an address of signet', 'tb1qw508d6qejxtdg4y5r3zarvary0c5xw7kxpjzsx', 'NETWORK_MISMATCH'],
  ['an old address of bitcoin', '1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2', 'NETWORK_MISMATCH'],
  ['a wrong checksum', 'bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt081', 'INPUT_INVALID'],
  ['an address that anyone can spend', anchorAddress(), 'INPUT_INVALID'],
  ['text', 'not an address', 'INPUT_INVALID'],
  ['nothing', '', 'INPUT_INVALID'],
])('an order on regtest refuses to pay %s', (_, address, code) => {
  expect(() => scriptOfAddress(address, 'regtest')).toThrow(expect.objectContaining({ code }));
});

test('an order below dust is refused, since no agent would ever pay it', () => {
  expect(() => orderOf('293')).toThrow(
    expect.objectContaining({ code: 'INPUT_INVALID', message: expect.stringContaining('294') }),
  );
  expect(orderOf('294').body.amountSat).toBe(294n);
});

function orderOf(amountSat: string) {
  return makeOrder({ ...order, amountSat }, secretOf('lp'), AUX);
}

function anchorAddress(): string {
  return Address({ ...NETWORKS.regtest.library }).encode({
    type: 'p2a',
    script: Uint8Array.of(0x51, 2, 0x4e, 0x73),
  });
}

test('refuses a sealed file that holds no key', () => {
  expect(() => secretOfText('seed')).toThrow(expect.objectContaining({ code: 'INPUT_INVALID' }));
});

describe('an LP at its terminal', () => {
  const PASSPHRASE = 'my own money';
  let dir = '';
  let out: string[] = [];
  let notes: string[] = [];

  beforeEach(() => {
    dir = mkdtempSync(path.join(tmpdir(), 'weir-lp-'));
    writeFileSync(path.join(dir, 'passphrase'), `${PASSPHRASE}\n`, { mode: 0o600 });
    out = [];
    notes = [];
    vi.spyOn(process.stdout, 'write').mockImplementation((text) => out.push(String(text)) > 0);
    vi.spyOn(process.stderr, 'write').mockImplementation((text) => notes.push(String(text)) > 0);
  });
  afterEach(() => {
    vi.restoreAllMocks();
    process.exitCode = 0;
    rmSync(dir, { recursive: true });
  });

  async function lp(...args: string[]): Promise<unknown> {
    out = [];
    const secret = ['--passphrase-file', path.join(dir, 'passphrase')];
    await lpCommands().parseAsync([...args, ...secret, '--json'], { from: 'user' });
    return JSON.parse(out.join(''));
  }
  const key = () => path.join(dir, 'lp.sealed');
  const common = () => [
    '--key',
    key(),
    '--treasury-id',
    ID,
    '--network',
    'regtest',
    '--lp-id',
    'one',
  ];
  const paid = ['--amount', '600_000', '--max-fee', '1000', '--expiry', '900'];
  const to = ['--to', 'bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080'];

  test('makes a key, registers it and orders, and each statement is signed by that key', async () => {
    const made = await lp('key', '--out', key());
    const registered = lpRegistrationSigned.parse(
      await lp('register', ...common(), '--cap', '10_000_000', '--active-from', '7'),
    );
    const ordered = lpOrder.parse(await lp('order', ...common(), ...paid, ...to));
    expect(made).toEqual({ key: registered.key, file: key() });
    expect(registered.body).toMatchObject({ activeFromHeight: 7, lifetimeCapSat: 10_000_000n });
    expect(ordered.body).toMatchObject({ amountSat: 600_000n, expiryHeight: 900, lpId: 'one' });
    expect(ordered.key).toBe(registered.body.key);
    expect(statementHolds('lp-registration', registered)).toBe(true);
    expect(statementHolds('lp-order', ordered)).toBe(true);
  });

  test('repeats an order under the id it gave, and gets a new id without', async () => {
    await lp('key', '--out', key());
    const id = ['--order-id', 'ef'.repeat(32)];
    const ids: string[] = [];
    for (const given of [id, id, [], []]) {
      ids.push(
        lpOrder.parse(await lp('order', ...common(), ...paid, ...to, ...given)).body.orderId,
      );
    }
    expect(ids.slice(0, 2)).toEqual([id[1], id[1]]);
    expect(new Set(ids).size).toBe(3);
  });

  test('never loses a key to a second one', async () => {
    await lp('key', '--out', key());
    const before = readFileSync(key());
    expect(await lp('key', '--out', key())).toMatchObject({ error: { code: 'WRONG_STATE' } });
    expect(process.exitCode).toBe(1);
    expect(readFileSync(key())).toEqual(before);
  });

  test('sees its secret on no screen, whatever fails', async () => {
    await lp('key', '--out', key());
    const plain = new TextDecoder().decode(await openSealedFile(key(), PASSPHRASE));
    const shown: string[] = [];
    await lp('order', ...common(), ...paid, '--to', 'nobody').then(() => shown.push(...out));
    await sealFile(key(), new TextEncoder().encode(`${plain}0`), PASSPHRASE);
    const spoiled = await lp('order', ...common(), ...paid, ...to);
    shown.push(...out, ...notes);
    expect(spoiled).toMatchObject({ error: { code: 'INPUT_INVALID' } });
    expect(plain).toMatch(/^[0-9a-f]{64}$/);
    expect(shown.join('\n')).not.toContain(plain);
    expect(shown.join('\n')).not.toContain(PASSPHRASE);
  });

  test.each([
    ['another network', ['--network', 'mainnet']],
    ['a height that is a time', ['--expiry', '1700000000']],
    ['an amount with a sign', ['--amount=-5']],
  ])('is refused %s', async (_, change) => {
    await lp('key', '--out', key());
    expect(await lp('order', ...common(), ...paid, ...to, ...change)).toMatchObject({
      error: { code: 'INPUT_INVALID' },
    });
  });
});
