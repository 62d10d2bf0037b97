/** Every code a checklist row can name has a hostile test, or a reason here why it has none. */
import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { REASONS } from '../policies/reason.ts';

/** code -> why no hostile row of the judges expects it. */
const ELSEWHERE: Record<string, string> = {
  'W-ENV-SIGNATURE':
    'an entry without the coordinator’s signature never enters the replica: the log’s follower refuses it',
  'W-ENV-PREV':
    'an entry that continues another log never enters the replica: the log’s follower refuses it',
  'W-POL-DIVERGED':
    'the log carries no verdict of the coordinator to differ from; kept for replays that compare both',
  'W-DLY-NOT-YET': 'no intent can ask for a delay before there are delays',
};

const named = new Set(
  readdirSync('test')
    .filter((name) => /^agent\.hostile\.(?!coverage).*\.test\.ts$/.test(name))
    .flatMap((name) => [
      ...readFileSync(`test/${name}`, 'utf8').matchAll(
        /'(W-[A-Z]+-[A-Z0-9-]+(?: (?:W-[A-Z]+-[A-Z0-9-]+|\*))*)'/g,
      ),
    ])
    .flatMap(([, codes]) => (codes ?? '').split(' ')),
);

test.each(Object.keys(REASONS))(
  '%s is expected by a hostile row, or is named with a reason',
  (code) => {
    expect(named.has(code) || code in ELSEWHERE).toBe(true);
  },
);

test('nothing is excused that is tested, or does not exist', () => {
  const wrong = Object.keys(ELSEWHERE).filter((code) => named.has(code) || !(code in REASONS));
  expect(wrong).toEqual([]);
});
