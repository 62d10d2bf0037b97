/** `weir receipts`: what it says, how it ends, and that it never keeps what does not verify. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { DOCUMENT_BYTES_MAX } from '../operator/receipts/document.ts';
import { invoicePayReceipt } from '../operator/receipts/invoice-pay-receipt.ts';
import { proofFor, receiptDocument } from '../operator/receipts/proof.ts';
import { publicReceipt } from '../operator/receipts/public-receipt.ts';
import { signReceipt } from '../operator/receipts/unsigned-receipt.ts';
import { receiptsCommands } from '../operator/receipts-command.ts';
import { loggedAt, OTHER_RECEIPT_KEY, PAID, payMore, RECEIPT_KEY } from './receipt-samples.ts';

const KEY = RECEIPT_KEY.publicKey;
const OTHER_KEY = OTHER_RECEIPT_KEY.publicKey;
const folder = mkdtempSync(path.join(tmpdir(), 'weir-receipts-'));
let written = 0;

const { log, record, unsigned } = loggedAt(6, [3, 5], (seq) =>
  invoicePayReceipt(PAID, payMore(seq)),
);
const signed = signReceipt(unsigned, RECEIPT_KEY);
const proof = proofFor(log, record, RECEIPT_KEY);
const whole = receiptDocument(signed.receipt, proof);
const shown = receiptDocument(publicReceipt(signed), proof);
const forged = { ...whole, receipt: { ...whole.receipt, host: 'evil.example' } };
const ID = signed.receiptId;

/** What the pool answers, by path; the token decides who sees the whole. */
const answers = new Map<string, { status: number; body: string }>();
const asked: { url: string | undefined; authorization: string | undefined }[] = [];
let server: Server;
let base = '';

beforeAll(async () => {
  server = createServer((request, response) => {
    asked.push({ url: request.url, authorization: request.headers.authorization });
    const { status, body } = answers.get(request.url ?? '') ?? { status: 404, body: '{}' };
    response.writeHead(status, { 'content-type': 'application/json', location: '/elsewhere' });
    response.end(body);
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(async () => {
  await new Promise((resolve) => {
    server.close(resolve);
  });
  rmSync(folder, { recursive: true });
});
afterEach(() => {
  vi.restoreAllMocks();
  process.exitCode = undefined;
  answers.clear();
  asked.length = 0;
});

function fileOf(content: unknown): string {
  written += 1;
  const file = path.join(folder, `file-${written}`);
  writeFileSync(file, Buffer.isBuffer(content) ? content : JSON.stringify(content));
  return file;
}

async function run(...args: string[]): Promise<{ exit: unknown; out: string; errors: string }> {
  let [out, errors] = ['', ''];
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    out += String(text);
    return true;
  });
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    errors += String(text);
    return true;
  });
  await receiptsCommands()
    .exitOverride()
    .parseAsync(['node', 'receipts', ...args]);
  return { exit: process.exitCode, out, errors };
}

function verify(file: string, key = KEY, ...more: string[]) {
  return run('verify', file, '--pool-key', key, ...more);
}

describe('verify', () => {
  test.each<[string, unknown, string, number]>([
    ['a receipt with its proof', whole, KEY, 0],
    ['a bare receipt', whole.receipt, KEY, 0],
    ['a public receipt with its proof', shown, KEY, 0],
    ['a public receipt without', shown.receipt, KEY, 7],
    ['another host', forged, KEY, 7],
    ['another pool', whole, OTHER_KEY, 7],
    ['something else', { hello: 'world' }, KEY, 7],
    ['a key that is none', whole, 'abc', 2],
    ['a key in capitals', whole, KEY.toUpperCase(), 2],
    ['a file that is no JSON', Buffer.from('receipt'), KEY, 1],
    ['a file that is no text', Buffer.from([0xff, 0xfe]), KEY, 1],
    ['a file that is too large', Buffer.alloc(DOCUMENT_BYTES_MAX + 1, ' '), KEY, 1],
  ])('%s', async (_, content, key, exit) => {
    expect((await verify(fileOf(content), key)).exit).toBe(exit);
  });

  test('a file that is not there', async () => {
    const { exit, errors } = await verify(path.join(folder, 'nowhere'));
    expect(exit).toBe(1);
    expect(errors).toMatch(/NOT_FOUND/);
  });

  test('prints each check, and what the receipt does not prove', async () => {
    const { out } = await verify(fileOf(whole));
    expect(out).toMatch(/^HOLDS {2}lipr_/);
    expect(out).toMatch(/batch-signature/);
    expect(out).toMatch(/does not prove: that goods or services were delivered/);
    expect(out).toMatch(/take it from somebody you trust/);
  });

  test('of a bare receipt it says what nobody checked', async () => {
    const { out } = await verify(fileOf(whole.receipt));
    expect(out).toMatch(/extensions.*not-checked/);
    expect(out).not.toMatch(/^proves/m);
  });

  test('prints one JSON object for scripts', async () => {
    const { out, exit } = await verify(fileOf(forged), KEY, '--json');
    expect(exit).toBe(7);
    expect(JSON.parse(out)).toMatchObject({ verdict: 'broken', receiptId: ID, proves: null });
  });

  test('asks nobody', async () => {
    await verify(fileOf(whole));
    expect(asked).toEqual([]);
  });
});

describe('show', () => {
  test('a file, without its proof for people, with it for scripts', async () => {
    const file = fileOf(whole);
    const people = await run('show', file);
    expect(JSON.parse(people.out)).toEqual(whole.receipt);
    const script = await run('show', file, '--json');
    expect(JSON.parse(script.out)).toEqual(whole);
  });

  test('a receipt of a pool, by its id', async () => {
    answers.set(`/v1/receipts/${ID}`, { status: 200, body: JSON.stringify(shown) });
    const { out, exit } = await run('show', ID, '--url', base);
    expect(exit).toBe(0);
    expect(JSON.parse(out)).toEqual(shown.receipt);
  });

  test('what would rewrite a terminal is not printed', async () => {
    const evil = fileOf({ ...whole.receipt, host: '\u001b[2Jevil\u202e' });
    const { out } = await run('show', evil);
    expect(out).toContain('evil');
    expect(out).not.toContain('\u001b');
    expect(out).not.toContain('\u202e');
  });

  test('an id without a pool says what is missing', async () => {
    expect((await run('show', ID)).errors).toMatch(/--url/);
  });
});

function prove(id: string, out: string, ...more: string[]) {
  return run('prove', id, '--url', base, '--out', out, '--pool-key', KEY, ...more);
}

function target(): string {
  written += 1;
  return path.join(folder, `out-${written}`);
}

describe('prove', () => {
  test('keeps a document that verifies offline', async () => {
    answers.set(`/v1/receipts/${ID}`, { status: 200, body: JSON.stringify(shown) });
    const out = target();
    expect((await prove(ID, out)).exit).toBe(0);
    expect((await verify(out)).exit).toBe(0);
  });

  test('asks for the proof where the receipt comes without', async () => {
    answers.set(`/v1/receipts/${ID}`, { status: 200, body: JSON.stringify(shown.receipt) });
    answers.set(`/v1/proofs/${ID}`, { status: 200, body: JSON.stringify(proof) });
    const out = target();
    expect((await prove(ID, out)).exit).toBe(0);
    expect(JSON.parse(readFileSync(out, 'utf8'))).toEqual(shown);
  });

  test('shows its token to the pool, and to nobody else', async () => {
    answers.set(`/v1/receipts/${ID}`, { status: 200, body: JSON.stringify(whole) });
    const token = fileOf(Buffer.from('secret-token\n'));
    const { out, errors, exit } = await prove(ID, target(), '--token-file', token);
    expect(exit).toBe(0);
    expect(asked.map(({ authorization }) => authorization)).toEqual(['Bearer secret-token']);
    expect(out + errors).not.toMatch(/secret-token/);
  });

  test.each<[string, [number, unknown], number, RegExp]>([
    ['a forged receipt', [200, forged], 7, /BROKEN/],
    ['a receipt of another id', [200, { ...whole, receipt: otherReceipt() }], 7, /BROKEN/],
    ['a pool that has no such receipt', [404, {}], 1, /NOT_FOUND/],
    ['a pool that is overloaded', [429, {}], 4, /REQUEST_REFUSED/],
    ['a pool that sends elsewhere', [302, {}], 4, /REQUEST_REFUSED/],
    [
      'a pool that answers without end',
      [200, ' '.repeat(DOCUMENT_BYTES_MAX + 1)],
      1,
      /INPUT_TOO_LARGE/,
    ],
  ])('%s: nothing is kept', async (_, [status, body], exit, says) => {
    answers.set(`/v1/receipts/${ID}`, { status, body: JSON.stringify(body) });
    const out = target();
    const found = await prove(ID, out);
    expect(found.exit).toBe(exit);
    // A redirect is no answer: it is not followed.
    expect(asked).toHaveLength(1);
    expect(found.out + found.errors).toMatch(says);
    expect(existsSync(out)).toBe(false);
  });

  test('a good receipt that nobody asked for is not kept', async () => {
    const wanted = 'lipr_000000000000000000000000';
    answers.set(`/v1/receipts/${wanted}`, { status: 200, body: JSON.stringify(whole) });
    const out = target();
    const { exit, errors } = await prove(wanted, out);
    expect(exit).toBe(4);
    expect(errors).toMatch(/another receipt/);
    expect(existsSync(out)).toBe(false);
  });

  test('nothing is overwritten, and nobody is asked then', async () => {
    const out = fileOf('kept');
    expect((await prove(ID, out)).errors).toMatch(/WRONG_STATE/);
    expect(readFileSync(out, 'utf8')).toBe('"kept"');
    expect(asked).toEqual([]);
  });

  test.each([
    ['an id that leads elsewhere', '../../etc', 'http://127.0.0.1:1'],
    ['an address that is none', ID, 'pool.example'],
    ['an address with a password in it', ID, 'http://user:pass@127.0.0.1:1'],
    ['a file', ID, 'file:///etc/passwd'],
  ])('%s is refused', async (_, id, url) => {
    const { exit, errors } = await run(
      'prove',
      id,
      '--url',
      url,
      '--out',
      target(),
      '--pool-key',
      KEY,
    );
    expect(exit).toBe(1);
    expect(errors).toMatch(/INPUT_INVALID/);
    expect(errors).not.toMatch(/user:pass/);
  });

  test('a pool that does not answer can be asked later', async () => {
    const out = target();
    const args = ['prove', ID, '--url', 'http://127.0.0.1:1', '--out', out, '--pool-key', KEY];
    const { exit, errors } = await run(...args);
    expect(exit).toBe(6);
    expect(errors).toMatch(/OPERATOR_UNREACHABLE/);
  });
});

function otherReceipt() {
  return signReceipt(
    invoicePayReceipt({ ...PAID, quoteId: 'liq_quote_other' }, payMore(6)),
    RECEIPT_KEY,
  ).receipt;
}
