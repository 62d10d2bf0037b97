/** What `weir operator status` says of those who were refused and are in no receipt. */
import { expect, test } from 'vitest';
import { poolApp } from '../operator/api/app.ts';
import { statusAnswer } from '../operator/status-answer.ts';
import { apiDesk } from './api-desk.ts';
import { poolDesk } from './pool-desk.ts';
import { RECEIPT_KEY, TEST_POLICY } from './pool-scenario.ts';

const desk = poolDesk();

test('status counts what the API refused since the start, most frequent first', async () => {
  const { options } = apiDesk();
  const parts = {
    engine: desk.pool.engine,
    watch: { look: () => null },
    desk: { publicKey: RECEIPT_KEY },
    policy: TEST_POLICY,
    places: { journal: 'j', listen: '127.0.0.1:1', url: 'http://127.0.0.1:1' },
    refusals: options.refusals,
  };
  const before = await statusAnswer(parts);
  expect(before.json).toMatchObject({ refusals: {} });
  expect(before.text).toContain('refused since the start: nothing');

  const app = poolApp(options);
  await app.request('/v1/nothing');
  await app.request('/v1/prepaid');
  await app.request('/v1/events');
  const after = await statusAnswer(parts);
  expect(after.json).toMatchObject({ refusals: { unauthenticated: 2, route_unknown: 1 } });
  expect(after.text).toContain('refused since the start: 2 unauthenticated, 1 route_unknown');
});
