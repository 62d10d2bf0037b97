/** The treasury log as the pool reads it: only what the pinned coordinator signed, in order, of this treasury. */
import { describe, expect, test } from 'vitest';
import { afterPage, treasuryFollower } from '../operator/channels/treasury-log.ts';
import { Failure } from '../policies/failure.ts';
import { type LogEntry, logEntryHash } from '../policies/log-entry.ts';
import { EMPTY_TREASURY } from '../policies/treasury.ts';
import { spendScenario } from './spend-scenario.ts';
import { keyOf } from './treasury-scenario.ts';

const { t, deriver } = spendScenario({ threshold: 2, of: 3 });
const TRUST = {
  treasuryId: t.id,
  network: 'regtest' as const,
  coordinatorKey: keyOf('coordinator'),
};

function codeOf(page: readonly LogEntry[], trust = TRUST): string {
  try {
    afterPage(EMPTY_TREASURY, page, trust);
    return 'believed';
  } catch (cause) {
    if (cause instanceof Failure) return cause.code;
    throw cause;
  }
}

function changed(at: number, change: (entry: LogEntry) => LogEntry): LogEntry[] {
  return t.entries.map((entry, place) => (place === at ? change(entry) : entry));
}

const LAST = t.entries.length - 1;
const otherBody = (entry: LogEntry): LogEntry => ({
  ...entry,
  body: { kind: 'tx-seen', proposalId: '0'.repeat(64), place: { in: 'nowhere' } },
});
const rehashed = (entry: LogEntry): LogEntry => ({ ...entry, hash: logEntryHash(entry) });

describe('a page of the treasury log', () => {
  test.each<[what: string, page: LogEntry[], verdict: string]>([
    ['as it is', t.entries, 'believed'],
    [
      'with a head that nobody signed',
      changed(LAST, (entry) => ({ ...entry, signature: '0'.repeat(128) })),
      'SIGNATURE_INVALID',
    ],
    [
      'with an entry in its middle that says something else',
      changed(3, otherBody),
      'INPUT_INVALID',
    ],
    [
      'with such an entry hashed anew',
      changed(3, (entry) => rehashed(otherBody(entry))),
      'INPUT_INVALID',
    ],
    ['with one entry left out', t.entries.filter((_, place) => place !== 3), 'INPUT_INVALID'],
    ['that begins in the middle', t.entries.slice(2), 'INPUT_INVALID'],
  ])('%s: %#', (_, page, verdict) => {
    expect(codeOf(page)).toBe(verdict);
  });

  test('of another treasury, another network or another coordinator is not believed', () => {
    expect(codeOf(t.entries, { ...TRUST, treasuryId: 'a'.repeat(64) })).toBe('SIGNATURE_INVALID');
    expect(codeOf(t.entries, { ...TRUST, coordinatorKey: keyOf('thief') })).toBe(
      'SIGNATURE_INVALID',
    );
    const signet = { ...TRUST, network: 'signet' as const } as never;
    expect(codeOf(t.entries, signet)).toBe('SIGNATURE_INVALID');
  });
});

test('what was believed stays when the next page is refused, and addresses are derived here', async () => {
  let page: LogEntry[] = t.entries.slice(0, -1);
  const follower = treasuryFollower(
    { log: async (after) => page.filter(({ seq }) => seq > after) },
    TRUST,
  );
  await follower.refresh();
  page = changed(LAST, (entry) => ({ ...entry, signature: '0'.repeat(128) }));
  await expect(follower.refresh()).rejects.toMatchObject({ code: 'SIGNATURE_INVALID' });
  expect(follower.treasury().seq).toBe(LAST);
  page = t.entries;
  expect((await follower.refresh()).seq).toBe(LAST + 1);
  expect(follower.closeAddress(7)).toBe(deriver.address(0, 7));
  expect(follower.changeScript(3)).toBe(deriver.at(1, 3).script);
});
