/** Closing a channel: to the address that is its own, and by the word of enough guardians. */
import { describe, expect, test } from 'vitest';
import { authorizationForce } from '../policies/authorization-force.ts';
import { closeReasons } from '../policies/channel-close.ts';
import { closeIndexMax } from '../policies/commitments.ts';
import type { AuthorizationIntent } from '../policies/intent.ts';
import { proposalTxid } from '../policies/proposal.ts';
import { EMPTY_TREASURY, policyAt } from '../policies/treasury.ts';
import { applyEvent } from '../policies/treasury-fold.ts';
import { sat } from '../policies/units.ts';
import { CHANNEL_POLICY, channelScenario, familiesOf, opened, pend } from './channel-cases.ts';
import { spendScenario, TIP } from './spend-scenario.ts';

const close = (channelPoint: string, closeIndex: number) =>
  ({
    kind: 'channel_close',
    channelPoint,
    force: 'cooperative',
    closeIndex,
    maxFeeRateSatPerKvb: sat(5_000n) as never,
  }) satisfies AuthorizationIntent;

describe('G6 a close pays', () => {
  test('the address of its channel, and no other of the treasury', () => {
    const s = channelScenario();
    const made = opened(s);
    pend(s, made);
    const txid = proposalTxid(made.proposal);
    const { policy } = policyAt(s.t.treasury, TIP);
    const max = closeIndexMax(policy, 0);
    const found = (point: string, index: number) =>
      closeReasons(close(point, index), familiesOf(s), max).map(({ code }) => code);
    const [first = 0, second = 0] = made.vouts;
    expect(max).toBe(201);
    expect(found(`${txid}:${first}`, 10)).toEqual([]);
    expect(found(`${txid}:${second}`, 11)).toEqual([]);
    expect(found(`${txid}:${first}`, 11)).toEqual(['W-LN-CLOSE-INDEX']);
    expect(found(`${txid}:${made.built.changeVout}`, 10)).toEqual(['W-LN-CLOSE-INDEX']);
    // One that a peer opened: any index near by, but none that a funded channel has.
    expect(found(`${'12'.repeat(32)}:0`, 12)).toEqual([]);
    expect(found(`${'12'.repeat(32)}:0`, 201)).toEqual([]);
    expect(found(`${'12'.repeat(32)}:0`, 202)).toEqual(['W-LN-CLOSE-INDEX']);
    expect(found(`${'12'.repeat(32)}:0`, 10)).toEqual(['W-LN-CLOSE-INDEX']);
  });

  test('only once threshold guardians approved, until it expires', () => {
    const s = channelScenario();
    const intent = close(`${'12'.repeat(32)}:0`, 5);
    const before = s.t.treasury;
    const id = s.t.authorize(intent);
    const at = (treasury: typeof before, height: number) =>
      authorizationForce(treasury, id, height);
    expect(at(before, 1).is).toBe('unknown');
    const [lastApproval] = s.t.entries.slice(-1);
    expect(at(s.t.treasury, 1)).toMatchObject({ is: 'in-force', passedAtSeq: lastApproval?.seq });
    expect(at(s.t.treasury, 1_000_000).is).toBe('in-force');
    expect(at(s.t.treasury, 1_000_001).is).toBe('expired');
    expect(at({ ...s.t.treasury, epoch: 2 }, 1).is).toBe('replaced');
    // One approval fewer.
    const replayed = s.t.entries
      .slice(0, -1)
      .reduce(
        (state, { body, seq, hash }) => ({ ...applyEvent(state, body, seq), seq, hash }),
        EMPTY_TREASURY,
      );
    expect(at(replayed, 1).is).toBe('open');
  });

  test('only with as many guardians as the policy asks for where that is more than the threshold', () => {
    const s = spendScenario({
      threshold: 2,
      of: 3,
      policy: CHANNEL_POLICY.replace('force: { approvals: 2', 'force: { approvals: 3'),
    });
    const forced = { ...close(`${'12'.repeat(32)}:0`, 5), force: 'peer_offline' } as const;
    const byTwo = s.t.authorize(forced);
    expect(authorizationForce(s.t.treasury, byTwo, 1).is).toBe('open');
    const cooperative = s.t.authorize(close(`${'12'.repeat(32)}:0`, 5));
    expect(authorizationForce(s.t.treasury, cooperative, 1).is).toBe('in-force');
  });
});
