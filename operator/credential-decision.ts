/** Who may call: credentials issued and revoked by the operator, none without limits and none for ever. Pure. */
import { actionReceiptOf } from './action-news.ts';
import { type Decision, nothing } from './decision.ts';
import type { PoolEventOf } from './pool-event.ts';
import type { PoolState } from './pool-state.ts';

/** A credential lives this long at most. */
export const CREDENTIAL_MS_MAX = 366 * 24 * 60 * 60 * 1_000;

type NewCredential = PoolEventOf<'credential-issued'>['credential'];

/** Null where it is issued; else the rule that it breaks. */
export function decideIssue(
  state: PoolState,
  nowMs: number,
  credential: NewCredential,
): Decision<string | null> {
  const rule = broken(state, nowMs, credential);
  if (rule !== null) return nothing(rule);
  const event = { kind: 'credential-issued' as const, credential };
  const receipt = actionReceiptOf(state, nowMs, {
    action: 'credential-issued',
    subject: credential.id,
    amounts: {},
    agentId: null,
  });
  return { news: [{ event, entry: null, receipt }], answer: null };
}

function broken(state: PoolState, nowMs: number, credential: NewCredential): string | null {
  if (state.credentials.has(credential.id)) return `there was a credential ${credential.id} before`;
  if (credential.expiresAtMs <= nowMs || credential.expiresAtMs > nowMs + CREDENTIAL_MS_MAX) {
    return 'a credential lives for more than nothing and at most 366 days';
  }
  if ((credential.tokenHash === null) === (credential.nostrKey === null)) {
    return 'a credential is a token or a Nostr key';
  }
  if (credential.nostrKey !== null && state.credentialByNostrKey.has(credential.nostrKey)) {
    return 'this Nostr key has a credential: revoked keys do not come back';
  }
  return null;
}

/** False where there is none to revoke. */
export function decideRevoke(state: PoolState, nowMs: number, id: string): Decision<boolean> {
  if (state.credentials.get(id)?.state !== 'live') return nothing(false);
  const event = { kind: 'credential-revoked' as const, id };
  const receipt = actionReceiptOf(state, nowMs, {
    action: 'credential-revoked',
    subject: id,
    amounts: {},
    agentId: null,
  });
  return { news: [{ event, entry: null, receipt }], answer: true };
}

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
