/** A disk that does not keep up is told as an overload, with the time to come back, whatever was asked. */
import { expect, test, vi } from 'vitest';
import { Failure } from '../policies/failure.ts';
import { apiDesk } from './api-desk.ts';

const PAY = '/v1/liquidity/pay';
const PAY_BODY = {
  schema: 'openagents.liquidity.pay_request.v1',
  quote_id: 'liq_quote_1',
  run_id: null,
  trajectory_hash: null,
};
const FULL = new Failure('NOT_READY', 'too many wait');

test.each<[what: string, body: object]>([
  ['a payment that there is no room for', PAY_BODY],
  ['a refusal whose receipt there is no room for', { ...PAY_BODY, quote_id: 7 }],
])('%s', async (_what, body) => {
  const desk = apiDesk();
  vi.spyOn(desk.api, 'pay').mockRejectedValue(FULL);
  vi.spyOn(desk.api, 'recordRefusal').mockRejectedValue(FULL);
  const answer = await desk.post(PAY, body);
  expect(answer.status).toBe(429);
  expect(await answer.json()).toMatchObject({
    error: { reason_code: 'overloaded', retryable: true, retry_after_ms: expect.any(Number) },
  });
  expect(desk.faults).toEqual([]);
});
