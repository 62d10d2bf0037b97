/** A start from a checkpoint is the start from all entries, or there is no checkpoint: never a third. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import fc from 'fast-check';
import { Level } from 'level';
import { describe, expect, test } from 'vitest';
import { applyChannelEvent } from '../operator/channels/channel-apply.ts';
import {
  type Checkpoint,
  checkpointLines,
  checkpointReader,
} from '../operator/checkpoint/lines.ts';
import { plainOf, valueOf } from '../operator/checkpoint/plain-value.ts';
import { programHash } from '../operator/checkpoint/program-hash.ts';
import { openBooks } from '../operator/checkpoint/restart.ts';
import type { CheckpointMoment } from '../operator/checkpoint/store.ts';
import { type Engine, openEngine } from '../operator/engine.ts';
import { emptyPool, type PoolState } from '../operator/pool-state.ts';
import { emptyReceiptLog } from '../operator/receipts/log.ts';
import { logRecord } from '../operator/receipts/log-record.ts';
import { BrokenInvariant } from '../policies/failure.ts';
import type { FeeRate } from '../policies/units.ts';
import { channelWorld, TWO } from './channel-world.ts';
import {
  CREDIT,
  expectSame,
  FIRST,
  type History,
  history,
  LATER,
  PAID,
  PROGRAM,
  type Step,
} from './checkpoint-pool.ts';
import { journalFolder } from './journal-folder.ts';

describe('a start from a checkpoint', () => {
  const names = fc.constantFrom('one', 'two', 'three', 'four');
  const who = fc.constantFrom('ana', 'ben');
  const msat = fc.integer({ min: 1_000, max: 60_000_000 });
  const step: fc.Arbitrary<Step> = fc.oneof(
    fc.record({
      do: fc.constant('pay' as const),
      who,
      name: names,
      msat,
      fate: fc.constantFrom('settles' as const, 'fails' as const, 'stays' as const),
    }),
    fc.record({ do: fc.constant('quote' as const), who, name: names, msat }),
    fc.record({
      do: fc.constant('topup' as const),
      who,
      name: names,
      msat,
      paid: fc.constantFrom('paid' as const, 'open' as const),
    }),
  );
  const steps = fc.array(step, { maxLength: 6 });

  test('is the start from all entries, after any history before and after it', async () => {
    await fc.assert(
      fc.asyncProperty(steps, steps, async (before, after) => {
        const h = await history([CREDIT, ...before]);
        await h.kept();
        await h.live(after);
        const started = await h.started(h.store());
        expect(started.fromSeq).toBeGreaterThan(2);
        expectSame(started, await h.started(null));
        expect(h.notes).toEqual([]);
      }),
      { numRuns: 12 },
    );
  });

  test('proves every receipt as the log of all entries does', async () => {
    const h = await history(FIRST);
    await h.kept();
    await h.live(LATER);
    const [one, all] = [await h.started(h.store()), await h.started(null)];
    for (let seq = 1; seq <= all.head.seq; seq += 1) {
      expect(one.receipts.placeOf(seq)).toEqual(all.receipts.placeOf(seq));
    }
  });

  test('holds nothing twice: what is changed in one place is not changed in another', async () => {
    const h = await history([...FIRST, ...LATER]);
    const { state } = await h.started(null);
    expect(shared(state)).toEqual([]);
    const channels = await someChannels();
    expect(channels.channels.batches.size).toBeGreaterThan(0);
    expect(channels.channels.closes.size).toBeGreaterThan(0);
    expect(shared(channels)).toEqual([]);
  });

  test('has the channels as they were, too', async () => {
    const checkpoint = checkpointOf(await someChannels());
    const back = readBack(checkpointLines(checkpoint, PROGRAM));
    expect(back.state.channels).toStrictEqual(checkpoint.state.channels);
    expectSame(back, checkpoint);
  });
});

/** Objects that can be reached by two ways. */
function shared(state: PoolState): string[] {
  const seen = new Map<object, string>();
  const twice: string[] = [];
  const walk = (value: unknown, at: string): void => {
    if (typeof value !== 'object' || value === null) return;
    if (seen.has(value)) {
      twice.push(`${at} is ${seen.get(value)}`);
      return;
    }
    seen.set(value, at);
    const members =
      value instanceof Map || value instanceof Set ? [...value] : Object.entries(value);
    for (const member of members) {
      if (!Array.isArray(member)) continue;
      walk(member[0], `${at} key`);
      walk(member[1], `${at}.${String(member[0])}`);
    }
  };
  walk(state, 'state');
  return twice;
}

async function someChannels(): Promise<PoolState> {
  const world = await channelWorld();
  await world.service().open({ initiator: 'ana', channels: TWO });
  await world.rounds(12);
  const proposal = [...world.state().channels.batches.values()][0]?.proposal;
  if (proposal != null) await world.quorumSigns(proposal.proposalId);
  await world.mine(6);
  await world.rounds(12);
  await world.close();
  const state = world.state();
  const [outpoint = ''] = state.channels.open.keys();
  applyChannelEvent(
    state.channels,
    {
      kind: 'channel-close-asked',
      outpoint,
      authorizationId: 'c'.repeat(64),
      how: 'cooperative',
      closeIndex: 7,
      maxFeeRateSatPerKvb: 1_000n as FeeRate,
      initiator: 'ana',
    },
    state.atMs,
  );
  return state;
}

function checkpointOf(state: PoolState): Checkpoint {
  const receipts = emptyReceiptLog();
  const hash = 'b'.repeat(64);
  for (let seq = 1; seq <= state.seq; seq += 1) {
    const of = { poolId: 'llp-test', seq, atMs: seq, kind: 'alarm', eventSha256: hash };
    receipts.appendBatch([logRecord({ ...of, receipt: null })]);
  }
  return { head: { seq: state.seq, hash }, state, receipts };
}

function readBack(lines: Iterable<string>): Checkpoint {
  const reader = checkpointReader(PROGRAM);
  let last = reader.next();
  for (const line of lines) last = reader.next(line);
  if (last.done !== true) throw new Error('no end');
  return last.value;
}

describe('writing a checkpoint', () => {
  class PowerCut extends Error {}

  test.each<[CheckpointMoment, 'before' | 'after']>([
    ['draft-begun', 'before'],
    ['draft-written', 'before'],
    ['draft-synced', 'before'],
    ['draft-named', 'after'],
  ])('cut at %s leaves a whole one: that of %s', async (moment, which) => {
    const h = await history([CREDIT]);
    await h.kept();
    const before = await h.store().head();
    await h.live([PAID]);
    const cut = (at: CheckpointMoment): void => {
      if (at === moment) throw new PowerCut();
    };
    await expect(h.kept({ crashPoint: cut })).rejects.toBeInstanceOf(PowerCut);
    const all = await h.started(null);
    const started = await h.started(h.store());
    expect(started.fromSeq).toBe(which === 'before' ? before?.seq : all.head.seq);
    expectSame(started, all);
    await h.kept();
    expect(await h.store().head()).toEqual(all.head);
    expect(h.notes).toEqual([]);
  });

  test('is given up where the state moves on meanwhile, and the one before stays', async () => {
    const h = await history([CREDIT]);
    await h.kept();
    const before = readFileSync(h.file);
    await h.live([PAID]);
    const started = await h.started(null);
    const moving = h.store({ crashPoint: () => (started.state.seq += 1) });
    await expect(moving.save(started)).rejects.toBeInstanceOf(BrokenInvariant);
    expect(readFileSync(h.file)).toEqual(before);
  });

  test('is refused for a state with a field more, or one less, than an empty pool', () => {
    const state = emptyPool();
    const { mode: _, ...less } = state;
    for (const wrong of [{ ...state, more: 1 }, less as PoolState]) {
      expect(() => [...checkpointLines(checkpointOf(wrong), PROGRAM)]).toThrow(/fields/);
    }
  });
});

const rhythm = { replayed: 6, added: 3 };
const now = (): number => 1_760_000_100_000;

async function opened(h: History): Promise<Engine> {
  const journal = await h.journal();
  const checkpoint = h.store({ rhythm });
  return openEngine({ journal, now, checkpoint, onFatal: () => undefined });
}

function alarms(engine: Engine, count: number): Promise<unknown> {
  const event = { kind: 'alarm' as const, code: 'books_and_node_differ' as const, detail: 'x' };
  const news = Array.from({ length: count }, () => ({ event, entry: null, receipt: null }));
  return engine.act(() => ({ news, answer: null }));
}

describe('the engine', () => {
  test('writes one when it closes after enough that is new, and not after less', async () => {
    const h = await history();
    await (await opened(h)).close();
    expect(await h.store().head()).toBeNull();
    const engine = await opened(h);
    await alarms(engine, rhythm.added);
    const { seq } = engine.state();
    await engine.close();
    expect(await h.store().head()).toMatchObject({ seq });
    const again = await opened(h);
    await alarms(again, rhythm.added - 1);
    await again.close();
    expect(await h.store().head()).toMatchObject({ seq });
    const started = await h.started(h.store());
    expect(started.fromSeq).toBe(seq);
    expectSame(started, await h.started(null));
  });

  test('writes one before it opens where the replay was long', async () => {
    const h = await history();
    const journal = await h.journal();
    const engine = await openEngine({ journal, now, onFatal: () => undefined });
    await alarms(engine, rhythm.replayed);
    await engine.close();
    const longReplay = await opened(h);
    expect(await h.store().head()).toEqual(longReplay.journal.head());
    await longReplay.close();
  });

  test('closes, and says so, where the disk takes no checkpoint', async () => {
    const h = await history();
    const engine = await opened(h);
    await alarms(engine, rhythm.added);
    mkdirSync(`${h.file}.new`);
    await engine.close();
    expect(h.notes).toEqual([expect.stringMatching(/no checkpoint is written: EISDIR/)]);
    expect((await h.journal().then((each) => (each.close(), each))).head().seq).toBe(5);
  });
});

test('with a checkpoint the entries before it are not read again, without one they are', async () => {
  const h = await history(FIRST);
  await h.kept();
  const db = new Level(path.join(h.dir, 'db'));
  await db.put('entry/000000000002', '{}');
  await db.close();
  const started = await h.started(h.store());
  expect(started.fromSeq).toBe(started.head.seq);
  await expect(h.started(null)).rejects.toMatchObject({ code: 'JOURNAL_CORRUPT' });
  await expect(openBooks(h.dir, { seq: 2, hash: PROGRAM })).rejects.toMatchObject({
    code: 'JOURNAL_CORRUPT',
  });
});

test('every value of a state comes back as it was', () => {
  const key = fc.string().filter((text) => text !== '__proto__');
  const { value } = fc.letrec<{ value: unknown }>((tie) => ({
    value: fc.oneof(
      { depthSize: 'small' },
      fc.string(),
      fc.string().map((text) => `#${text}`),
      fc.bigInt(),
      fc.maxSafeInteger().map((each) => each + 0),
      fc.boolean(),
      fc.constant(null),
      fc.array(tie('value'), { maxLength: 3 }),
      fc.dictionary(key, tie('value'), { maxKeys: 3, noNullPrototype: true }),
      fc.array(fc.tuple(fc.string(), tie('value')), { maxLength: 3 }).map((all) => new Map(all)),
      fc.array(fc.string(), { maxLength: 3 }).map((all) => new Set(all)),
    ),
  }));
  fc.assert(
    fc.property(value, (each) => {
      expect(valueOf(JSON.parse(JSON.stringify(plainOf(each))))).toStrictEqual(each);
    }),
  );
});

test.each<[string, unknown]>([
  ['a fraction', 0.5],
  ['no number', Number.NaN],
  ['a date', new Date(0)],
  ['bytes', new Uint8Array(1)],
  ['a function', () => 1],
])('refuses to write what would read back otherwise: %s', (_, value) => {
  expect(() => plainOf({ in: [value] })).toThrow(BrokenInvariant);
});

test('the name of the code changes with the code, and with nothing else', async () => {
  const root = journalFolder();
  for (const room of ['operator', 'policies', 'journal'])
    mkdirSync(path.join(root, room, 'in'), { recursive: true });
  const file = path.join(root, 'operator', 'in', 'fold.js');
  writeFileSync(file, 'one');
  const name = await programHash(root);
  writeFileSync(path.join(root, 'operator', 'in', 'fold.d.ts'), 'types');
  writeFileSync(path.join(root, 'operator', 'in', 'fold.js.map'), 'map');
  expect(await programHash(root)).toBe(name);
  writeFileSync(file, 'two');
  expect(await programHash(root)).not.toBe(name);
  expect(await programHash()).toMatch(/^[0-9a-f]{64}$/);
});
