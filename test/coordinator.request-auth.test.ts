/** Who calls the coordinator: one signed request, of one seat, over one body, once. */
import { mkdtemp, readdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js';
import { describe, expect, test } from 'vitest';
import { horizonFile } from '../coordinator/horizon-file.ts';
import { REQUEST_AGE_MS_MAX, type SignedRequest } from '../coordinator/protocol.ts';
import { type HorizonStore, openRequestGate } from '../coordinator/request-auth.ts';
import { canonicalJson } from '../policies/canonical-json.ts';
import { signStatement } from '../policies/statement.ts';
import { EMPTY_TREASURY } from '../policies/treasury.ts';
import { secretOf, treasuryScenario } from './treasury-scenario.ts';

const t = treasuryScenario({ threshold: 2, of: 3 });
const NOW = 1_800_000_000_000;
const BODY = '{"proposalId":"x"}';
let ids = 0;

function bodyOf(change: Partial<SignedRequest['body']> = {}): SignedRequest['body'] {
  ids += 1;
  return {
    treasuryId: t.id,
    seatId: 'ana',
    procedure: 'postVerdict',
    bodyHash: bytesToHex(sha256(utf8ToBytes(BODY))),
    id: ids.toString(16).padStart(64, '0'),
    unixTimeMs: NOW,
    ...change,
  };
}

function headerOf(
  change: Partial<SignedRequest['body']> = {},
  signer = 'ana identity',
  domain: 'request' | 'verdict' = 'request',
): string {
  const signed = signStatement(domain, bodyOf(change), secretOf(signer), new Uint8Array(32));
  return Buffer.from(canonicalJson(signed)).toString('base64');
}

/** A disk that survives a restart of the gate. */
function memoryStore(): HorizonStore & { written: number } {
  let kept: ReadonlyMap<string, number> = new Map();
  const store = {
    written: 0,
    read: async () => kept,
    write: async (values: ReadonlyMap<string, number>) => {
      kept = new Map(values);
      store.written += 1;
    },
  };
  return store;
}

function gate(store: HorizonStore = memoryStore(), now = () => NOW) {
  return openRequestGate({ treasury: () => t.treasury, now, store });
}

const call = (header: string) => ({ header, procedure: 'postVerdict', input: BODY });

test('admits a seat by its own signature, and says when it was last heard', async () => {
  const open = await gate();
  expect(await open.admit(call(headerOf()))).toBe('ana');
  expect(open.lastSeen().get('ana')).toBe(NOW);
});

describe('refuses', () => {
  test.each<[string, string, string]>([
    ['a header that is no base64 of JSON', 'nonsense', 'REQUEST_REFUSED'],
    ['an oversized header', 'A'.repeat(10_000), 'REQUEST_REFUSED'],
    ['the key of another seat', headerOf({}, 'ben identity'), 'REQUEST_REFUSED'],
    ['the approval key of the seat', headerOf({}, 'ana approval'), 'REQUEST_REFUSED'],
    ['a seat that there is not', headerOf({ seatId: 'zoe' }), 'REQUEST_REFUSED'],
    ['another treasury', headerOf({ treasuryId: '00'.repeat(32) }), 'REQUEST_REFUSED'],
    ['another procedure', headerOf({ procedure: 'postApproval' }), 'REQUEST_REFUSED'],
    ['another body', headerOf({ bodyHash: '00'.repeat(32) }), 'REQUEST_REFUSED'],
    ['a statement of another domain', headerOf({}, 'ana identity', 'verdict'), 'REQUEST_REFUSED'],
    [
      'a request that is too old',
      headerOf({ unixTimeMs: NOW - REQUEST_AGE_MS_MAX - 1 }),
      'REQUEST_REPLAYED',
    ],
    [
      'a request from too far ahead',
      headerOf({ unixTimeMs: NOW + REQUEST_AGE_MS_MAX + 1 }),
      'REQUEST_REPLAYED',
    ],
  ])('%s', async (_, header, code) => {
    await expect((await gate()).admit(call(header))).rejects.toMatchObject({ code });
  });

  test('a body that was changed on the way', async () => {
    const sent = { ...call(headerOf()), input: `${BODY} ` };
    await expect((await gate()).admit(sent)).rejects.toMatchObject({ code: 'REQUEST_REFUSED' });
  });

  test('the same request twice', async () => {
    const open = await gate();
    const header = headerOf();
    await open.admit(call(header));
    await expect(open.admit(call(header))).rejects.toMatchObject({ code: 'REQUEST_REPLAYED' });
  });

  test('everybody while no seat is taken', async () => {
    const open = await openRequestGate({
      treasury: () => ({ ...EMPTY_TREASURY, id: t.id }),
      now: () => NOW,
      store: memoryStore(),
    });
    await expect(open.admit(call(headerOf()))).rejects.toMatchObject({ code: 'REQUEST_REFUSED' });
  });
});

describe('a restart', () => {
  test.each([0, -1_000, REQUEST_AGE_MS_MAX])(
    'forgets no request it admitted, signed %i ms from its own time',
    async (offset) => {
      const store = memoryStore();
      const header = headerOf({ unixTimeMs: NOW + offset });
      await (await gate(store)).admit(call(header));
      const again = gate(store, () => NOW + 1);
      await expect((await again).admit(call(header))).rejects.toMatchObject({
        code: 'REQUEST_REPLAYED',
      });
    },
  );

  test('serves a seat at once whose clock moved on, and another seat whatever its clock says', async () => {
    const store = memoryStore();
    await (await gate(store)).admit(call(headerOf()));
    const again = await gate(store, () => NOW + 1_000);
    expect(await again.admit(call(headerOf({ unixTimeMs: NOW + 1_000 })))).toBe('ana');
    const ben = headerOf({ seatId: 'ben', unixTimeMs: NOW - 1_000 }, 'ben identity');
    expect(await again.admit(call(ben))).toBe('ben');
  });

  test('waits for the disk before it serves, and not for each request', async () => {
    const store = memoryStore();
    const open = await gate(store);
    for (let n = 0; n < 5; n += 1) await open.admit(call(headerOf({ unixTimeMs: NOW + n })));
    expect(store.written).toBe(1);
    const broken: HorizonStore = {
      ...store,
      write: () => Promise.reject(new Error('no disk')),
    };
    await expect(
      (await gate(broken)).admit(call(headerOf({ unixTimeMs: NOW + 50_000 }))),
    ).rejects.toThrow('no disk');
  });

  test('the file of horizons is replaced whole and read back', async () => {
    const dir = await mkdtemp(path.join(tmpdir(), 'weir-horizons-'));
    const file = path.join(dir, 'horizons.json');
    expect(await horizonFile(file).read()).toEqual(new Map());
    await horizonFile(file).write(new Map([['ana', NOW]]));
    expect(await horizonFile(file).read()).toEqual(new Map([['ana', NOW]]));
    expect(await readdir(dir)).toEqual(['horizons.json']);
    await writeFile(file, '{"ana":');
    await expect(horizonFile(file).read()).rejects.toMatchObject({ code: 'WRONG_STATE' });
  });
});
