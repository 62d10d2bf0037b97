/** Attacks of LPs and of single guardians on the coordinator: what they log or queue must not stop it. */
import { afterEach, expect, test } from 'vitest';
import { sat } from '../policies/units.ts';
import { coordinatorDesk, type Desk } from './coordinator-desk.ts';
import { strangerScript } from './spend-scenario.ts';
import { policyText, SEATS_OF_THREE } from './treasury-scenario.ts';

let desk: Desk | undefined;
afterEach(async () => desk?.close());

test('leaves out an order that pays our own change, however far out that is', async () => {
  const policy = policyText(SEATS_OF_THREE).replace('gap: 200', 'gap: 1');
  desk = await coordinatorDesk({ policy });
  const { t, deriver } = desk.s;
  const order = (script: string) => t.order('lp-one', { script, amountSat: sat(200_000n) });
  const own = order(deriver.at(1, 30).script);
  await desk.queue(own);
  await desk.queue(order(strangerScript(7)));
  const { id, leftOut } = await desk.propose({ kind: 'withdrawal_batch' });
  expect(id).not.toBeNull();
  expect(leftOut).toEqual([{ orderId: own.body.orderId, why: 'pays an address of our own' }]);
});

test('takes no signature for what enough seats refused for good', async () => {
  desk = await coordinatorDesk();
  const { t } = desk.s;
  await desk.queue(t.order('lp-one', { script: strangerScript(8), amountSat: sat(200_000n) }));
  const { id } = await desk.propose({ kind: 'withdrawal_batch' });
  for (const seatId of ['ana', 'ben']) {
    const word = t.verdict(seatId, id ?? '', 'never');
    if (word.kind === 'verdict') await desk.service.postVerdict(word.verdict);
  }
  await expect(desk.contribute('cleo', id ?? '')).rejects.toMatchObject({ code: 'WRONG_STATE' });
});
