/**
 * A treasury with coins and a valid proposal to pay from it, and all that an agent needs to judge it.
 * A hostile test changes one thing.
 */
import { hexToBytes } from '@noble/hashes/utils.js';
import { RawOldTx } from '@scure/btc-signer/script.js';
import { type BuiltTx, buildUnsignedTx, type Payee } from '../descriptors/build.ts';
import { type Deriver, makeDeriver } from '../descriptors/derive.ts';
import { makeDescriptor } from '../descriptors/descriptor.ts';
import { NETWORKS } from '../descriptors/network.ts';
import { txidOf } from '../descriptors/previous-tx.ts';
import { proposalPsbt } from '../descriptors/proposal-psbt.ts';
import type { CoinRef, LpOrder, SpendIntent, SpendPlan } from '../policies/intent.ts';
import { type Proposal, proposalId } from '../policies/proposal.ts';
import type { ProposalState } from '../policies/treasury.ts';
import { type FeeRate, sat } from '../policies/units.ts';
import {
  registrationOf,
  type ScenarioOptions,
  type TreasuryScenario,
  treasuryScenario,
} from './treasury-scenario.ts';

/** Tip of the chain in the scenario; coins are confirmed below it. */
export const TIP = 500;
/** P2WPKH scripts of strangers. */
export const strangerScript = (n: number): string => `0014${n.toString(16).padStart(40, '0')}`;

export interface FundingTx {
  raw: Uint8Array;
  txid: string;
}

export interface Built {
  proposal: Proposal;
  id: string;
  built: BuiltTx;
  psbt: Uint8Array;
  state: ProposalState;
}

export interface SpendScenario {
  t: TreasuryScenario;
  deriver: Deriver;
  coins: CoinRef[];
  funding: Map<string, FundingTx>;
  plan(change?: Partial<SpendPlan>): SpendPlan;
  /** Builds and logs a proposal; `edit` changes it just before it is logged. */
  propose(
    intent: SpendIntent,
    payees: readonly Payee[],
    edit?: (proposal: Proposal) => Proposal,
  ): Built;
  batch(orders: readonly LpOrder[], change?: Partial<SpendPlan>): Built;
}

/** One funding transaction with an output for each coin: how a faucet or a miner would pay us. */
function fund(deriver: Deriver, amounts: readonly bigint[]): { coins: CoinRef[]; tx: FundingTx } {
  const raw = RawOldTx.encode({
    version: 2,
    inputs: [
      {
        txid: hexToBytes('77'.repeat(32)),
        index: 0,
        finalScriptSig: new Uint8Array(),
        sequence: 0xffffffff,
      },
    ],
    outputs: amounts.map((amount, index) => ({
      amount,
      script: hexToBytes(deriver.at(0, index).script),
    })),
    lockTime: 0,
  });
  const txid = txidOf(raw);
  const coins = amounts.map(
    (amountSat, index): CoinRef => ({
      outpoint: `${txid}:${index}`,
      amountSat: sat(amountSat),
      branch: 0,
      index,
    }),
  );
  return { coins, tx: { raw, txid } };
}

export interface SpendScenarioOptions extends ScenarioOptions {
  /** Amounts of the treasury's coins in sat. */
  amounts?: readonly bigint[];
}

/** Derivers are slow to make, and the same keys make the same one. */
const derivers = new Map<string, Deriver>();

export function spendScenario(options: SpendScenarioOptions): SpendScenario {
  let deriver: Deriver | undefined;
  const t = treasuryScenario({
    ...options,
    descriptor(records, threshold) {
      const descriptor = makeDescriptor({
        template: { kind: 'wsh-sortedmulti' },
        threshold,
        keys: records.map(({ body }) => body),
        network: NETWORKS.regtest,
      });
      deriver = derivers.get(descriptor.text) ?? makeDeriver(descriptor);
      derivers.set(descriptor.text, deriver);
      return { text: descriptor.text, first: deriver.address(0, 0) };
    },
  });
  if (deriver === undefined) throw new Error('the ceremony made no descriptor');
  const mine = deriver;
  const registrations = ['lp-one', 'lp-two', 'lp-three'].map((lpId) =>
    registrationOf(t.params, lpId),
  );
  t.authorize({ kind: 'registry_change', entries: registrations });
  const amounts = options.amounts ?? [60_000_000n, 50_000_000n, 40_000_000n, 90_000_000n];
  const { coins, tx } = fund(mine, amounts);
  const plan = (change: Partial<SpendPlan> = {}): SpendPlan => ({
    coins: [coins[0] as CoinRef],
    feerateSatPerKvb: 2_000n as FeeRate,
    lockTime: TIP,
    change: { index: 0 },
    orderSeed: 'cd'.repeat(32),
    anchor: (change.coins?.[0] ?? coins[0])?.outpoint ?? '',
    ...change,
  });
  const propose: SpendScenario['propose'] = (intent, payees, edit = (same) => same) => {
    const built = buildUnsignedTx(intent.plan, payees, mine);
    const proposal = edit(proposalOf(t, mine, intent, built));
    t.append({ kind: 'proposed', proposal });
    const id = proposalId(proposal);
    const state = t.treasury.proposals.get(id);
    if (state === undefined) throw new Error('the fold lost a proposal');
    const psbt = proposalPsbt(built, mine, intent.plan.change?.index ?? null);
    return { proposal, id, built, psbt, state };
  };
  return {
    t,
    deriver: mine,
    coins,
    funding: new Map([[tx.txid, tx]]),
    plan,
    propose,
    batch(orders, change = {}) {
      const intent: SpendIntent = {
        kind: 'withdrawal_batch',
        orders: [...orders],
        plan: plan(change),
      };
      return propose(
        intent,
        orders.map(({ body }) => ({ script: body.script, amountSat: body.amountSat })),
      );
    },
  };
}

function proposalOf(
  t: TreasuryScenario,
  deriver: Deriver,
  intent: SpendIntent,
  built: BuiltTx,
): Proposal {
  return {
    schema: 'weir.proposal/v1',
    treasuryId: t.id,
    network: 'regtest',
    seq: t.treasury.seq + 1,
    epoch: 1,
    policyHash: t.params.policyHash,
    expiryHeight: TIP + 100,
    initiator: 'queue',
    descriptorHash: deriver.descriptor.hash,
    intent,
    unsignedTx: Buffer.from(built.unsignedTx).toString('hex'),
    prevouts: built.coins.map(({ outpoint, amountSat, branch, index }) => ({
      outpoint,
      amountSat,
      script: deriver.at(branch, index).script,
    })),
    feeSat: built.feeSat,
  };
}
