/** One case before this agent: what it is asked, and what it looked up once for all rows. */
import {
  BURIED_DEPTH,
  type Family,
  families,
  proposalsByTxid,
  type SpendsByOutpoint,
  spendsByOutpoint,
  type TreasurySpend,
} from '../../policies/commitments.ts';
import { emptyOverlay, type Overlay } from '../../policies/overlay.ts';
import type { Policy } from '../../policies/policy.ts';
import { proposalTxid } from '../../policies/proposal.ts';
import { type ProposalState, policyAt, type Treasury } from '../../policies/treasury.ts';
import type { ChainView, JudgeInput } from '../judgement.ts';

export interface Case {
  input: JudgeInput;
  chain: ChainView | null;
  /** The own tip; without a node the height that the proposal itself claims. */
  height: number;
  /** Ruling at that height. */
  policy: Policy;
  policyHash: string;
  /** Of this seat, whatever name it was written under. */
  overlay: Overlay;
  txid: string;
  /** The first proposal of the intent; null where the log does not hold it. */
  root: ProposalState | null;
  spends: SpendsByOutpoint;
  /** All proposals of the log by their txid. */
  known: ReadonlyMap<string, ProposalState>;
  /** The intent this proposal belongs to, and all others. */
  own: Family | null;
  others: readonly Family[];
  /** Those of the others that came first, that this agent signed, or that are out: what they hold, they hold. */
  prior: readonly Family[];
  /** Whether the own node sees this very transaction: then a quorum signed, nothing is left to do. */
  seen: 'out' | 'not-out';
}

export function caseOf(input: JudgeInput): Case {
  const { treasury, state, chain, pinned, memory } = input;
  const height = chain?.tipHeight ?? state.proposal.intent.plan.lockTime;
  const { policy, hash: policyHash } = policyAt(treasury, height);
  const spends = spendsByOutpoint(chain?.spends ?? claimedSpends(treasury));
  const all = families(treasury, spends, height);
  const txid = proposalTxid(state.proposal);
  const root = treasury.proposals.get(state.root) ?? null;
  const bound = new Set([...memory.signed, ...memory.signedOutpoints.values()]);
  const others = all
    .filter((family) => family.root.id !== state.root)
    .map((family) => unlessBoundHere(family, bound, { spends, height }));
  const first = cameFirst(state, root);
  const out = new Set((chain?.spends ?? []).map((each) => each.txid));
  return {
    input,
    chain,
    height,
    policy,
    policyHash,
    overlay: { ...(input.overlay ?? emptyOverlay(pinned.seatId)), guardian: pinned.seatId },
    txid,
    root,
    spends,
    known: proposalsByTxid(treasury),
    own: all.find((family) => family.root.id === state.root) ?? null,
    others,
    prior: others.filter(
      (family) =>
        family.root.entrySeq < first ||
        family.variants.some(
          ({ id, proposal }) => bound.has(id) || out.has(proposalTxid(proposal)),
        ),
    ),
    seen: chain?.spends.some((each) => each.txid === txid) === true ? 'out' : 'not-out',
  };
}

/**
 * A bump pays, so it stands where it was logged: what its root once held may belong to another by then. A
 * cancel pays nobody and stands where its root does, so that nothing logged since can be in its way.
 */
function cameFirst({ entrySeq, proposal }: ProposalState, root: ProposalState | null): number {
  return proposal.intent.kind === 'cancel' ? (root?.entrySeq ?? entrySeq) : entrySeq;
}

/**
 * Others' word that they never sign an intent does not free what this agent signed itself, or gave to its
 * device: one liar among them could still complete it. Only the chain does.
 */
function unlessBoundHere(
  family: Family,
  bound: ReadonlySet<string>,
  { spends, height }: Pick<Case, 'spends' | 'height'>,
): Family {
  const mine = family.variants.some(({ id }) => bound.has(id));
  if (!mine || family.fate.is !== 'dead') return family;
  const spent = spends.get(family.root.proposal.intent.plan.anchor)?.height ?? null;
  const byChain = spent !== null && height - spent + 1 >= BURIED_DEPTH;
  return byChain ? family : { ...family, fate: { is: 'live' } };
}

/**
 * Where an agent has no node, payments that the coordinator says are in blocks slide out of windows as they
 * do for everybody: such an agent never signs alone. Cancels and conflicts are not believed: they would
 * free orders to be paid again.
 */
function claimedSpends(treasury: Treasury): TreasurySpend[] {
  return [...treasury.proposals.values()].flatMap(({ proposal, place }): TreasurySpend[] => {
    if (place?.in !== 'block' || proposal.intent.kind === 'cancel') return [];
    const outpoints = proposal.prevouts.map(({ outpoint }) => outpoint);
    return [{ txid: proposalTxid(proposal), height: place.height, outpoints }];
  });
}
