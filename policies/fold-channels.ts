/**
 * Channel opens in the fold: first the pool's word that every channel is pending, then signatures. In
 * another order coins could come to lie in a 2-of-2 that no commitment leads out of (BOLT 2).
 */
import { canonicalJson } from './canonical-json.ts';
import { Failure } from './failure.ts';
import { refuseWhen, requireHere, withProposal } from './fold-step.ts';
import type { LogEventOf } from './log-entry.ts';
import { type ChannelsPending, proposalTxid } from './proposal.ts';
import { requireStatement } from './statement.ts';
import type { ProposalState, Treasury } from './treasury.ts';
import { outputsOfTx } from './tx-outputs.ts';

/**
 * Takes the pool's word on a channel_open. Saying the same again changes nothing.
 *
 * @throws Failure SIGNATURE_INVALID unless the pool of the proposal's policy signed it, INPUT_INVALID when
 *   it is about another transaction or other channels.
 */
export function hearPending(treasury: Treasury, pending: ChannelsPending): Treasury {
  const { body } = pending;
  requireHere(treasury, body);
  const target = proposalIn(treasury, body.proposalId);
  requireStatement('channels-pending', pending, poolKeyOf(treasury, target));
  refuseWhen(target.withdrawn !== null, `${target.id} was withdrawn`);
  refuseWhen(body.txid !== proposalTxid(target.proposal), 'is about another transaction');
  requireChannels(target, body.channels);
  if (target.pending === null) return withProposal(treasury, { ...target, pending });
  const before = canonicalJson(target.pending.body);
  refuseWhen(before !== canonicalJson(body), 'another word on it stands already');
  return treasury;
}

/** Drops a channel_open at once. After the pool's word somebody may have signed: then a cancel is due. */
export function withdraw(treasury: Treasury, event: LogEventOf<'withdrawn'>): Treasury {
  const target = proposalIn(treasury, event.proposalId);
  refuseWhen(target.proposal.intent.kind !== 'channel_open', 'only a channel_open is withdrawn');
  refuseWhen(target.withdrawn !== null, `${target.id} was withdrawn before`);
  refuseWhen(target.pending !== null, 'its channels are pending: cancel it instead');
  return withProposal(treasury, { ...target, withdrawn: event.why });
}

/** @throws Failure INPUT_INVALID while a channel_open may not be signed: not pending yet, or withdrawn. */
export function requireSignable({ id, proposal, pending, withdrawn }: ProposalState): void {
  if (proposal.intent.kind !== 'channel_open') return;
  refuseWhen(withdrawn !== null, `${id} was withdrawn`);
  refuseWhen(pending === null, `${id} is signed before its channels are pending`);
}

/** The pool's key by the policy that a proposal names; empty where it names no pool. */
export function poolKeyOf({ policies }: Treasury, { proposal }: ProposalState): string {
  const named = policies.find(({ hash }) => hash === proposal.policyHash);
  const rules = named?.policy.intents.channel_open ?? 'not_yet';
  return rules === 'not_yet' ? '' : rules.attested_by;
}

/** Each channel of the intent at an output of its own, which pays its script its capacity. */
function requireChannels(
  { proposal }: ProposalState,
  said: ChannelsPending['body']['channels'],
): void {
  const { intent } = proposal;
  const wanted = intent.kind === 'channel_open' ? intent.channels : [];
  refuseWhen(said.length !== wanted.length || said.length === 0, 'is about other channels');
  refuseWhen(new Set(said.map(({ vout }) => vout)).size !== said.length, 'one output twice');
  const outputs = outputsOfTx(proposal.unsignedTx);
  for (const [at, channel] of wanted.entries()) {
    const claim = said[at];
    const output = outputs[claim?.vout ?? -1];
    refuseWhen(
      claim?.peer !== channel.peer ||
        claim.capacitySat !== channel.capacitySat ||
        claim.closeIndex !== channel.closeIndex ||
        output?.script !== channel.fundingScript ||
        output.amountSat !== channel.capacitySat,
      `channel ${at + 1} is another one`,
    );
  }
}

function proposalIn(treasury: Treasury, id: string): ProposalState {
  const target = treasury.proposals.get(id);
  if (target === undefined) {
    throw new Failure('INPUT_INVALID', `says something of ${id}, which the log does not hold`);
  }
  return target;
}
