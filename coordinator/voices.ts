/**
 * What seats say that is no part of the log: acknowledgements of heads, questions of a restored agent and
 * the answers to them. In memory, bounded by the number of seats; agents say it again after a restart.
 */
import { Failure } from '../policies/failure.ts';
import type { LogEntry } from '../policies/log-entry.ts';
import type { Acknowledgement, Freshness } from '../policies/proposal.ts';
import { requireStatement } from '../policies/statement.ts';
import type { Treasury } from '../policies/treasury.ts';
import type { FreshnessQuestion } from './protocol.ts';

export interface Voices {
  /** @param entry  The log's own entry at the acknowledged place, where there is one. */
  acknowledge(value: Acknowledgement, entry: LogEntry | undefined): void;
  acknowledgements(): readonly Acknowledgement[];
  ask(question: FreshnessQuestion): void;
  questions(): readonly FreshnessQuestion[];
  answer(value: Freshness): void;
  answers(nonce: string): readonly Freshness[];
}

export function openVoices(treasury: () => Treasury): Voices {
  const heads = new Map<string, Acknowledgement>();
  const asked = new Map<string, FreshnessQuestion>();
  /** By asking seat, then by answering seat: a new question drops the answers to the old one. */
  const answered = new Map<string, Map<string, Freshness>>();

  /** Everything said here is for this treasury and signed by the seat it names. */
  function requireSeat(
    domain: 'acknowledgement' | 'freshness',
    value: Acknowledgement | Freshness,
  ): void {
    const { id, params, seats } = treasury();
    const { body } = value;
    if (body.treasuryId !== id || body.network !== params?.network) {
      throw new Failure('REQUEST_REFUSED', 'said for another treasury or network');
    }
    const key = seats.get(body.seatId)?.claim?.body.identityKey ?? '';
    requireStatement(domain, value, key);
  }

  return {
    acknowledge(value, entry) {
      const { seatId, seq, hash, headSignature } = value.body;
      const before = heads.get(seatId);
      if (before !== undefined && before.body.seq > seq) return;
      if (entry?.hash !== hash || entry.signature !== headSignature) {
        throw new Failure('REQUEST_REFUSED', `entry ${seq} of this log is another one`);
      }
      if (before?.signature === value.signature) return;
      requireSeat('acknowledgement', value);
      heads.set(seatId, value);
    },
    acknowledgements: () => [...heads.values()],
    ask(question) {
      const before = asked.get(question.askingSeatId);
      if (before?.nonce === question.nonce) return;
      asked.set(question.askingSeatId, question);
      answered.delete(question.askingSeatId);
    },
    questions: () => [...asked.values()],
    answer(value) {
      const { askingSeatId, seatId, nonce } = value.body;
      if (asked.get(askingSeatId)?.nonce !== nonce) {
        throw new Failure('NOT_FOUND', `${askingSeatId} asks nothing with this nonce`);
      }
      requireSeat('freshness', value);
      const answers = answered.get(askingSeatId) ?? new Map<string, Freshness>();
      answered.set(askingSeatId, answers.set(seatId, value));
    },
    answers(nonce) {
      const question = [...asked.values()].find((each) => each.nonce === nonce);
      return [...(answered.get(question?.askingSeatId ?? '')?.values() ?? [])];
    },
  };
}
