/** A spend, a policy and people to vary in tests of policies: all of it passes until one thing changes. */
import { readFileSync } from 'node:fs';
import { evaluate, type SpendQuestion } from '../policies/evaluate.ts';
import type { ApprovalFacts, Charge, PayeeFact, SpendFacts } from '../policies/facts.ts';
import { emptyOverlay, parseOverlay } from '../policies/overlay.ts';
import { type Policy, parsePolicy } from '../policies/policy.ts';
import type { ReasonCode } from '../policies/reason.ts';
import { feerate, sat, vbytes } from '../policies/units.ts';

export const TIP = 1_000;
export const VAULT_SCRIPT = `0020${'11'.repeat(32)}`;
const demo = readFileSync(new URL('../demo/policy.yaml', import.meta.url), 'utf8');

/** The demo's policy with lists to pay, regions, and exact replacements. A needle must be there. */
export const POLICY_TEXT = edited(
  demo,
  [
    'vaults: []',
    `vaults: [{ name: vault, script: ${VAULT_SCRIPT}, active_from: 900, per_day: 30_000_000 }]`,
  ],
  [
    'hot: []',
    'hot: [{ name: ln, descriptor: "wpkh(tpubD6/0/*)#qqqqqqqq", max_index_gap: 5, active_from: 0 }]',
  ],
  ['{ id: ana,', '{ id: ana, region: eu,'],
  ['{ id: ben,', '{ id: ben, region: eu,'],
  ['{ id: cleo,', '{ id: cleo, region: us,'],
);

export function edited(text: string, ...edits: readonly (readonly [string, string])[]): string {
  let result = text;
  for (const [from, to] of edits) {
    if (!result.includes(from)) throw new Error(`not in the text: ${from}`);
    result = result.replace(from, to);
  }
  return result;
}

export function policyWith(...edits: readonly (readonly [string, string])[]): Policy {
  return parsePolicy(edited(POLICY_TEXT, ...edits));
}

export function payee(amount: bigint, n = 1): PayeeFact {
  return {
    script: `0014${n.toString(16).padStart(40, '0')}`,
    amountSat: sat(amount),
    authority: { kind: 'lp-order', lpId: `lp-${n}`, orderId: 'ab'.repeat(32), expiryHeight: TIP },
    firstPayment: 'known',
  };
}

export function listed(amount: bigint, list: 'vaults' | 'hot'): PayeeFact {
  const authority =
    list === 'vaults'
      ? ({ kind: 'allowlist', list, entry: 'vault', index: null } as const)
      : ({ kind: 'allowlist', list, entry: 'ln', index: 0 } as const);
  const script = list === 'vaults' ? VAULT_SCRIPT : `0014${'22'.repeat(20)}`;
  return { script, amountSat: sat(amount), authority, firstPayment: 'known' };
}

/** A coin large enough for `spendOf`. */
export function coin(amount: bigint, n = 0): SpendFacts['inputs'][number] {
  return {
    outpoint: `${'cd'.repeat(32)}:${n}`,
    amountSat: sat(amount),
    confirmations: 6,
    origin: 'received',
    branch: 0,
    index: n,
  };
}

/** A spend whose sums are right: change is what is left of one coin. */
export function spendOf(payees: readonly PayeeFact[], facts: Partial<SpendFacts> = {}): SpendFacts {
  const feeSat = facts.feeSat ?? sat(2_000n);
  const inputs = facts.inputs ?? [coin(400_000_000n)];
  const coming = inputs.reduce((sum, { amountSat }) => sum + amountSat, 0n);
  const leaving = payees.reduce((sum, { amountSat }) => sum + amountSat, 0n);
  const left = coming - leaving - feeSat;
  return {
    kind: 'withdrawal_batch',
    bump: null,
    network: 'regtest',
    tipHeight: TIP,
    lockTime: TIP,
    expiryHeight: TIP + 10,
    inputs,
    payees,
    changeSat: left > 0n ? sat(left) : null,
    feeSat,
    vsize: vbytes(200n),
    estimate: feerate(5_000n),
    treasurySat: sat(1_000_000_000n),
    ...facts,
  };
}

/** A bump of a withdrawal of 600,000 sat that paid 2,000 sat of fee. */
export function bumpOf(facts: Partial<SpendFacts> = {}): SpendFacts {
  return spendOf([payee(600_000n)], {
    kind: 'fee_bump',
    bump: {
      of: 'withdrawal_batch',
      feeSat: sat(2_000n),
      feerate: feerate(10_000n),
      earlierBumps: 0,
    },
    feeSat: sat(4_000n),
    ...facts,
  });
}

export function charge(at: number | 'live', outflow: bigint, more: Partial<Charge> = {}): Charge {
  return {
    proposalId: 'ef'.repeat(32),
    kind: 'withdrawal_batch',
    at,
    outflowSat: sat(outflow),
    feeSat: sat(0n),
    payees: [],
    ...more,
  };
}

export const NOBODY: ApprovalFacts = { initiator: 'coordinator', guardians: [], operators: [] };

/** Approvals by ids, each its own owner. */
export function approvedBy(guardians: string, operators = ''): ApprovalFacts {
  return {
    initiator: 'coordinator',
    guardians: people(guardians),
    operators: people(operators),
  };
}

export const POLICY = policyWith();

export function question(facts: SpendFacts, more: Partial<SpendQuestion> = {}): SpendQuestion {
  return {
    policy: POLICY,
    overlay: null,
    facts,
    charges: [],
    approvals: NOBODY,
    breaker: 'armed',
    ...more,
  };
}

/** An overlay of ana's. */
export const overlay = (text: string) =>
  parseOverlay(`schema: weir.overlay/v1\nguardian: ana\n${text}`);
export const small = spendOf([payee(600_000n)]);
export const move = (amount: bigint, more: Partial<SpendFacts> = {}) =>
  spendOf([listed(amount, 'vaults')], { kind: 'treasury_move', ...more });
export const topup = (amount: bigint, more: Partial<SpendFacts> = {}) =>
  spendOf([listed(amount, 'hot')], { kind: 'hot_topup', ...more });
export const consolidation = (more: Partial<SpendFacts> = {}) =>
  spendOf([], { kind: 'consolidate', feeSat: sat(1_000n), ...more });
export const cancelling = (more: Partial<SpendFacts> = {}) =>
  spendOf([], { kind: 'cancel', ...more });
export const everybody = approvedBy('ana ben cleo', 'olga');
export const varied = (facts: Partial<SpendFacts>) => question({ ...small, ...facts });
export const six = spendOf([payee(6_000_000n)]);

export function many(count: number) {
  return Array.from({ length: count }, (_, n) => charge(TIP - n, 1n, { kind: 'consolidate' }));
}
export function paidVault(at: number, amount: bigint) {
  const payees = [{ script: 'vault/', amountSat: sat(amount), lpId: null, entry: 'vault' }];
  return charge(at, 1n, { payees });
}
export function paidLp(at: number, amount: bigint) {
  const payees = [{ script: '0014ff', amountSat: sat(amount), lpId: 'lp-1', entry: null }];
  return charge(at, 1n, { payees });
}

/** One reason, a question that has it, and its twin that just passes. */
export type Row = [code: ReasonCode, failing: SpendQuestion, twin: SpendQuestion];

export function verdictOf(asked: SpendQuestion): { kind: string; codes: ReasonCode[] } {
  const { kind, reasons } = evaluate(asked);
  return { kind, codes: reasons.map(({ code }) => code) };
}

function people(ids: string): ApprovalFacts['guardians'] {
  const named = ids.split(' ').filter((id) => id !== '');
  return named.map((id) => ({ id, owner: id }));
}

/** The same question, judged by the agent of an automatic seat whose guardian adds nothing. */
export function inAutomaticSeat(asked: SpendQuestion): SpendQuestion {
  return { ...asked, overlay: asked.overlay ?? emptyOverlay('ana') };
}
