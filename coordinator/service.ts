/** What the coordinator does for agents: each call becomes a command of the log, or an answer from it. */
import { timingSafeEqual } from 'node:crypto';
import { sha256 } from '@noble/hashes/sha2.js';
import { utf8ToBytes } from '@noble/hashes/utils.js';
import { Failure } from '../policies/failure.ts';
import { objections } from './collect.ts';
import { decide, proposalOf } from './machine.ts';
import { openParcelShelf } from './parcel.ts';
import type { CoordinatorService } from './protocol.ts';
import { openVoices } from './voices.ts';
import type { Workplace } from './workplace.ts';

/** Key records a seat may publish between two starts: redoing its part is for a person, not for a loop. */
const RECORDS_PER_SEAT_MAX = 20;

export interface ServiceOptions {
  work: Workplace;
  /** SHA-256 of each seat's one-time token, in hex. */
  tokenHashes: ReadonlyMap<string, string>;
}

export function coordinatorService({ work, tokenHashes }: ServiceOptions): CoordinatorService {
  const { log, now } = work;
  const voices = openVoices(() => log.treasury());
  const shelf = openParcelShelf(work);
  const records = new Map<string, number>();
  const tip = (): number => work.view().tipHeight;
  const act = async (command: Parameters<typeof decide>[1]): Promise<void> => {
    await log.act((treasury) => decide(treasury, command));
  };

  return {
    async claimSeat(token, claim) {
      requireToken(tokenHashes.get(claim.body.seatId), token);
      await act({ kind: 'claim-seat', claim, unixTime: Math.floor(now() / 1_000) });
    },
    async joinSeat(record) {
      const { seatId } = record.body;
      const known = log.treasury().seats.get(seatId)?.record?.signature === record.signature;
      const count = (records.get(seatId) ?? 0) + (known ? 0 : 1);
      if (count > RECORDS_PER_SEAT_MAX) {
        throw new Failure('REQUEST_REFUSED', `${seatId} published too many key records`);
      }
      await act({ kind: 'join-seat', record });
      records.set(seatId, count);
    },
    confirmSeat: (confirmation) => act({ kind: 'confirm-seat', confirmation }),
    async log(afterSeq, limit, waitMs) {
      await log.newer(afterSeq, waitMs);
      return log.treasury().seq > afterSeq ? log.entries(afterSeq, limit) : [];
    },
    async acknowledge(value) {
      const { seq } = value.body;
      const [entry] = seq > log.treasury().seq ? [] : await log.entries(seq - 1, 1);
      voices.acknowledge(value, entry);
    },
    acknowledgements: async () => voices.acknowledgements(),
    parcel: async (proposalId) => shelf.parcelOf(proposalOf(log.treasury(), proposalId)),
    postVerdict: (verdict) => act({ kind: 'hear-verdict', verdict }),
    async postContribution(contribution) {
      const { fault, missing } = await objections(work, contribution);
      await act({ kind: 'contribute', contribution, fault, missing, tipHeight: tip() });
      if (fault !== null) {
        throw new Failure('SIGNATURE_INVALID', `the signature of input ${fault} does not hold`);
      }
    },
    postApproval: async (approval) => act({ kind: 'approve', approval, tipHeight: tip() }),
    askFreshness: async (question) => voices.ask(question),
    freshnessQuestions: async () => voices.questions(),
    answerFreshness: async (answer) => voices.answer(answer),
    freshnessAnswers: async (nonce) => voices.answers(nonce),
  };
}

/** Compared by hash and in constant time. */
function requireToken(wanted: string | undefined, token: string): void {
  const given = sha256(utf8ToBytes(token));
  if (wanted === undefined || !timingSafeEqual(Buffer.from(wanted, 'hex'), given)) {
    throw new Failure('REQUEST_REFUSED', 'the token does not open this seat');
  }
}
