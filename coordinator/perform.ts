/**
 * Performing effects. Each one asks the log again before it acts, and writes what it is about to do before
 * it does it, so that doing it twice, or half and then again, is doing it once.
 */
import { finalizeTx, type SeatSignatures, signaturesFromHex } from '../descriptors/signature.ts';
import { invariant } from '../policies/failure.ts';
import { proposalTxid } from '../policies/proposal.ts';
import { spentCoins } from './collect.ts';
import type { Effect } from './effects.ts';
import { judge, spendOf } from './facts.ts';
import { type Command, decide, proposalOf } from './machine.ts';
import { assembleWallet } from './vault.ts';
import type { Workplace } from './workplace.ts';

/** A transaction offered before is offered again at a new tip, or after this long. */
const OFFER_AGAIN_MS = 30_000;

export interface Performer {
  perform(effect: Effect): Promise<void>;
  /** Why something that is signed does not go out, by proposal: for a person's eyes. */
  held(): ReadonlyMap<string, string>;
}

export function openPerformer(work: Workplace): Performer {
  const held = new Map<string, string>();
  const offered = new Map<string, { tipHash: string; atMs: number }>();
  const act = async (command: Command): Promise<void> => {
    await work.log.act((treasury) => decide(treasury, command));
  };

  async function finalize({ proposalId, seats }: Of<'finalize'>): Promise<void> {
    const final = await finalTx(work, proposalId, seats);
    if ('why' in final) {
      held.set(proposalId, final.why);
      return;
    }
    held.delete(proposalId);
    await act({ kind: 'intend-broadcast', proposalId, ...final });
    await broadcast({ do: 'broadcast', proposalId, rawTx: final.rawTx });
  }

  async function broadcast({ proposalId, rawTx }: Of<'broadcast'>): Promise<void> {
    const { broadcast: sent } = proposalOf(work.log.treasury(), proposalId);
    invariant(sent?.rawTx === rawTx, `${proposalId} is sent as it was meant, or not at all`);
    const { tipHash } = work.view();
    const before = offered.get(proposalId);
    const isNew = before?.tipHash !== tipHash || work.now() - before.atMs >= OFFER_AGAIN_MS;
    if (sent.answer !== null && !isNew) return;
    work.crashPoint('before-broadcast');
    const answer = await work.chain.broadcast(rawTx);
    work.crashPoint('after-broadcast');
    offered.set(proposalId, { tipHash, atMs: work.now() });
    if (answer.outcome === 'refused') held.set(proposalId, answer.reason);
    else held.delete(proposalId);
    // The same answer in other words is not worth an entry of everybody's log.
    if (sent.answer?.outcome === answer.outcome) return;
    const reason = answer.outcome === 'refused' ? answer.reason : '';
    await act({ kind: 'note-answer', proposalId, outcome: answer.outcome, reason });
  }

  return {
    held: () => held,
    async perform(effect) {
      switch (effect.do) {
        case 'record-wallet':
          await work.log.act((treasury) =>
            decide(treasury, { kind: 'record-wallet', record: assembleWallet(treasury) }),
          );
          return;
        case 'finalize':
          return finalize(effect);
        case 'broadcast':
          return broadcast(effect);
        case 'note-answer': {
          const { proposalId, reason } = effect;
          return act({ kind: 'note-answer', proposalId, outcome: 'accepted', reason });
        }
        case 'note-place': {
          const { proposalId, place } = effect;
          if (place.in === 'block') {
            held.delete(proposalId);
            offered.delete(proposalId);
          }
          return act({ kind: 'note-place', proposalId, place });
        }
      }
    },
  };
}

type Of<D extends Effect['do']> = Extract<Effect, { do: D }>;

/** The signed transaction, once everything that can be asked beforehand says yes; else why not yet. */
async function finalTx(
  work: Workplace,
  proposalId: string,
  seats: readonly string[],
): Promise<{ txid: string; rawTx: string } | { why: string }> {
  const state = proposalOf(work.log.treasury(), proposalId);
  const vault = work.vault();
  const spend = spendOf(state, work.situation());
  const hidden = await work.hiddenCoins(state.proposal.prevouts.map(({ outpoint }) => outpoint));
  const verdict = judge(spend, work.situation(proposalId), hidden);
  const [reason] = verdict.reasons;
  if (reason !== undefined) return { why: `${reason.code} ${reason.detail}` };
  const signed = seats.map((seatId): SeatSignatures => {
    const contribution = state.contributions.get(seatId);
    invariant(contribution !== undefined, `${seatId} signed ${proposalId}`);
    return {
      seat: vault.seats.indexOf(seatId),
      signatures: signaturesFromHex(contribution.signatures),
    };
  });
  const { threshold } = vault.record.params;
  const coins = spentCoins(spend.built, vault);
  const { txid, rawTx } = finalizeTx(spend.built.unsignedTx, coins, signed, threshold);
  invariant(txid === proposalTxid(state.proposal), `${proposalId} was finalized as another`);
  const answer = await work.chain.test(rawTx);
  if (answer.outcome === 'refused') return { why: answer.reason };
  return { txid, rawTx };
}
