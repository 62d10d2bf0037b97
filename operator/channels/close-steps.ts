/** What is next for a close that was asked for, and when a refused one is tried again. Pure. */
import { authorizationForce } from '../../policies/authorization-force.ts';
import { approvalsNeeded } from '../../policies/fold-decision.ts';
import type { Treasury } from '../../policies/treasury.ts';
import type { Channel, ClosedChannel, PendingChannel } from '../lightning.ts';
import type { Close } from './channel-state.ts';

/** First wait after a refusal; each next one is twice as long, up to the longest. */
export const CLOSE_BACKOFF_MS = 30_000;
export const CLOSE_BACKOFF_MAX_MS = 60 * 60_000;
/** More attempts than this are a person's matter. */
export const CLOSE_ATTEMPTS_MAX = 100;
/** After this long without an answer, a channel that still works was not closed. */
export const CLOSE_UNKNOWN_MS = 60_000;

export type CloseStep =
  | { do: 'note-approvals'; by: string[] }
  | { do: 'start'; attempt: number }
  /** Nobody knows what the node did: the lists say, after a while. */
  | { do: 'settle-unknown' }
  | { do: 'end'; why: 'expired' | 'given_up' | 'rejected' }
  | { do: 'nothing' };

/** How long to wait after this many attempts. */
export function backoffMs(attempts: number): number {
  const doublings = Math.min(Math.max(attempts - 1, 0), 16);
  return Math.min(CLOSE_BACKOFF_MS * 2 ** doublings, CLOSE_BACKOFF_MAX_MS);
}

/** The one next step. `startedAtMs`: when this process, or the log, last asked the node. */
export function closeStep(
  close: Close,
  treasury: Treasury,
  at: { nowMs: number; tipHeight: number },
): CloseStep {
  const { order, phase } = close;
  if (order === null) return { do: 'nothing' };
  const word = quorumsWord(close, treasury, at.tipHeight);
  switch (phase) {
    case 'asked':
      if (word.is === 'ended') return { do: 'end', why: word.why };
      return word.is === 'approved' ? { do: 'note-approvals', by: word.by } : { do: 'nothing' };
    case 'approved':
    case 'refused': {
      if (word.is !== 'approved') {
        return word.is === 'ended' ? { do: 'end', why: word.why } : { do: 'nothing' };
      }
      if (close.attempts >= CLOSE_ATTEMPTS_MAX) return { do: 'end', why: 'given_up' };
      const due = (close.lastAnswer?.atMs ?? 0) + backoffMs(close.attempts);
      const isDue = phase === 'approved' || at.nowMs >= due;
      return isDue ? { do: 'start', attempt: close.attempts + 1 } : { do: 'nothing' };
    }
    case 'started':
      return { do: 'settle-unknown' };
    case 'closing':
    case 'closed':
    case 'ended':
      return { do: 'nothing' };
  }
}

type QuorumsWord =
  | { is: 'approved'; by: string[] }
  | { is: 'waiting' }
  | { is: 'ended'; why: 'expired' | 'rejected' };

/**
 * Whether the quorum agreed to this very close: counted here, from approvals that the fold verified, as distinct
 * seats of the treasury as it is now. What the log calls passed is not enough and not needed.
 */
function quorumsWord(close: Close, treasury: Treasury, tipHeight: number): QuorumsWord {
  const { order } = close;
  const id = order?.authorizationId ?? '';
  const state = treasury.authorizations.get(id);
  if (order === null || state === undefined) return { is: 'waiting' };
  const { authorization, approvals } = state;
  const { intent } = authorization;
  const force = authorizationForce(treasury, id, tipHeight);
  const isThis =
    intent.kind === 'channel_close' &&
    intent.channelPoint === close.outpoint &&
    intent.closeIndex === order.closeIndex &&
    intent.maxFeeRateSatPerKvb === order.maxFeeRateSatPerKvb &&
    (intent.force === 'cooperative') === (order.how === 'cooperative');
  if (!isThis || force.is === 'replaced') return { is: 'ended', why: 'rejected' };
  if (force.is === 'expired') return { is: 'ended', why: 'expired' };
  const guardians = approvals.filter(({ body }) => body.role === 'guardian');
  const seats = (decision: 'approve' | 'reject'): string[] => [
    ...new Set(
      guardians
        .filter(({ body }) => body.decision === decision && treasury.seats.has(body.signerId))
        .map(({ body }) => body.signerId),
    ),
  ];
  const by = seats('approve');
  const needed = approvalsNeeded(treasury, authorization);
  if (by.length >= needed && force.is === 'in-force') return { is: 'approved', by };
  const left = treasury.seats.size - seats('reject').length;
  return left < needed ? { is: 'ended', why: 'rejected' } : { is: 'waiting' };
}

/** What the node's lists say of a channel that it was asked to close. */
export function closeSeen(
  outpoint: string,
  lists: {
    channels: readonly Channel[];
    pending: readonly PendingChannel[];
    closed: readonly ClosedChannel[];
  },
): 'closing' | 'open' | 'unlisted' {
  if (lists.closed.some((each) => each.outpoint === outpoint)) return 'closing';
  if (lists.pending.some((each) => each.outpoint === outpoint && each.phase !== 'opening')) {
    return 'closing';
  }
  return lists.channels.some((each) => each.outpoint === outpoint) ? 'open' : 'unlisted';
}
