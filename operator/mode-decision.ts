/** Freezing, winding down, and taking either back: what a person decides of the pool's mode. Pure. */
import { actionReceiptOf } from './action-news.ts';
import { type Decision, nothing } from './decision.ts';
import type { PoolState } from './pool-state.ts';

/** What a person may do to the mode, and what it comes from. */
const VERBS = {
  freeze: { to: 'frozen', not: 'it is frozen already' },
  unfreeze: { to: 'open', not: 'it is not frozen' },
  'wind-down': { to: 'winding-down', not: 'it winds down already' },
  reopen: { to: 'open', not: 'it does not wind down, or is frozen: unfreeze first' },
} as const;
export type ModeVerb = keyof typeof VERBS;

/** A person freezes, winds down, or takes one of both back: each its own word, so that one never ends the other. */
export function decideMode(
  state: PoolState,
  nowMs: number,
  { verb, why, by }: { verb: ModeVerb; why: string; by: string },
): Decision<{ changed: boolean; text: string }> {
  const { to: mode, not } = VERBS[verb];
  if (!isPossible(state, verb)) return nothing({ changed: false, text: not });
  const event = { kind: 'mode-changed' as const, mode, why, by };
  const receipt = actionReceiptOf(state, nowMs, {
    action: `mode-${mode}`,
    subject: mode,
    amounts: {},
    agentId: null,
  });
  return {
    news: [{ event, entry: null, receipt }],
    answer: { changed: true, text: textOf(state, verb, why) },
  };
}

function isPossible({ mode, windDownWhy }: PoolState, verb: ModeVerb): boolean {
  switch (verb) {
    case 'freeze':
      return mode !== 'frozen';
    case 'unfreeze':
      return mode === 'frozen';
    case 'wind-down':
      return windDownWhy === null;
    case 'reopen':
      return mode === 'winding-down';
  }
}

function textOf({ mode, windDownWhy }: PoolState, verb: ModeVerb, why: string): string {
  if (verb === 'wind-down' && mode === 'frozen') {
    return `winding-down: ${why}; the freeze stays: withdrawals go on once it is unfrozen`;
  }
  if (verb === 'unfreeze' && windDownWhy !== null) return `winding-down again: ${windDownWhy}`;
  return `${VERBS[verb].to}: ${why}`;
}
