/** The treasury log over a journal on disk: one writer, nothing written that does not fold, nothing lost. */
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { openTreasuryLog, type TreasuryLog } from '../coordinator/log.ts';
import type { Journal } from '../journal/journal.ts';
import { createJournal, openJournal } from '../journal/level-journal.ts';
import { Failure } from '../policies/failure.ts';
import type { LogEvent } from '../policies/log-entry.ts';
import { strangerScript } from './spend-scenario.ts';
import { secretOf, treasuryScenario } from './treasury-scenario.ts';

const t = treasuryScenario({ threshold: 2, of: 3 });
const bodies = t.entries.map(({ body }) => body);

async function folder(): Promise<string> {
  return mkdtemp(path.join(tmpdir(), 'weir-log-'));
}

async function opened(journal: Journal): Promise<{ log: TreasuryLog; broken: unknown[] }> {
  const broken: unknown[] = [];
  const log = await openTreasuryLog({
    journal,
    secretKey: secretOf('coordinator'),
    broken: (cause) => void broken.push(cause),
  });
  return { log, broken };
}

async function withJournal(): Promise<{ log: TreasuryLog; dir: string; broken: unknown[] }> {
  const dir = await folder();
  const journal = await createJournal(dir);
  await journal.append(bodies);
  return { dir, ...(await opened(journal)) };
}

const orderEvent = (n: number): LogEvent => ({
  kind: 'order-queued',
  order: t.order('lp-one', { script: strangerScript(n) }),
});

test('a restart folds the same treasury, and every head has the same signature', async () => {
  const { log, dir } = await withJournal();
  await log.act(() => [orderEvent(1), orderEvent(2)]);
  const before = log.treasury();
  const heads = await log.entries(0, 100);
  await log.close();
  const again = await opened(await openJournal(dir));
  expect(again.log.treasury()).toEqual(before);
  expect(await again.log.entries(0, 100)).toEqual(heads);
  expect(heads.slice(0, t.entries.length)).toEqual(t.entries);
  await again.log.close();
});

test('commands see what the one before left, however many come at once', async () => {
  const { log } = await withJournal();
  const { seq } = log.treasury();
  const seen: number[] = [];
  await Promise.all(
    [1, 2, 3, 4].map((n) =>
      log.act((treasury) => {
        seen.push(treasury.seq);
        return [orderEvent(n)];
      }),
    ),
  );
  expect(seen).toEqual([seq, seq + 1, seq + 2, seq + 3]);
  await log.close();
});

describe('nothing is written', () => {
  test.each<[string, (treasury: unknown) => readonly LogEvent[], string]>([
    [
      'of a command that fails',
      () => {
        throw new Failure('WRONG_STATE', 'no');
      },
      'WRONG_STATE',
    ],
    [
      'that the fold refuses',
      () => [
        orderEvent(1),
        { kind: 'contribution-faulty', proposalId: '00'.repeat(32), seatId: 'ana', input: 0 },
      ],
      'INPUT_INVALID',
    ],
  ])('%s', async (_, command, code) => {
    const { log, broken } = await withJournal();
    const { seq } = log.treasury();
    await expect(log.act(command)).rejects.toMatchObject({ code });
    expect(log.treasury().seq).toBe(seq);
    expect(await log.entries(seq, 10)).toEqual([]);
    // The next command is served: a refusal is not the end.
    await log.act(() => [orderEvent(2)]);
    expect(broken).toEqual([]);
    await log.close();
  });
});

test('a journal that breaks a rule of the log is refused, and names the entry', async () => {
  const journal = await createJournal(await folder());
  await journal.append([...bodies, bodies[0]]);
  await expect(opened(journal)).rejects.toMatchObject({
    code: 'JOURNAL_CORRUPT',
    message: expect.stringContaining(`entry ${bodies.length + 1} breaks a rule`),
  });
  await journal.close();
});

test('a disk that fails ends everything: what is on it is unknown', async () => {
  const { log, dir } = await withJournal();
  await log.close();
  const journal = await openJournal(dir, (moment) => {
    if (moment === 'after-batch') throw new Error('the disk is gone');
  });
  const { log: failing, broken } = await opened(journal);
  await expect(failing.act(() => [orderEvent(1)])).rejects.toMatchObject({
    code: 'JOURNAL_LOCKED',
  });
  expect(broken).toMatchObject([{ code: 'JOURNAL_LOCKED' }]);
  await expect(failing.act(() => [orderEvent(2)])).rejects.toMatchObject({
    code: 'JOURNAL_LOCKED',
  });
  await failing.close();
});

describe('who waits for news', () => {
  test('is woken by the next entry', async () => {
    const { log } = await withJournal();
    const waiting = log.newer(log.treasury().seq, 600_000);
    await log.act(() => [orderEvent(1)]);
    await waiting;
    expect(log.treasury().seq).toBe(bodies.length + 1);
    await log.close();
  });

  test('is not kept waiting for what is there, or by a log that closes', async () => {
    const { log } = await withJournal();
    await log.newer(0, 600_000);
    const waiting = log.newer(log.treasury().seq, 600_000);
    await log.close();
    await waiting;
    await expect(log.act(() => [])).rejects.toMatchObject({ code: 'NOT_READY' });
  });
});

test('commands that wait are bounded', async () => {
  const { log } = await withJournal();
  const calls = Array.from({ length: 400 }, () => log.act(() => []));
  const ends = await Promise.allSettled(calls);
  const refused = ends.filter(({ status }) => status === 'rejected');
  expect(refused).toHaveLength(400 - 256);
  expect(refused[0]).toMatchObject({ reason: { code: 'NOT_READY' } });
  await log.close();
});
