/** What the treasury already used of each window of the policy that rules, and what is left. */
import { satText } from '../../console/print.ts';
import { chargesOf, families, spendsByOutpoint } from '../../policies/commitments.ts';
import type { SlackRow } from '../../policies/evaluate.ts';
import type { SpendFacts } from '../../policies/facts.ts';
import type { Overlay } from '../../policies/overlay.ts';
import type { SpendCase } from '../../policies/rules/case.ts';
import { feeBoundRules } from '../../policies/rules/fees.ts';
import {
  countRules,
  floorRules,
  intentWindowRules,
  windowRules,
} from '../../policies/rules/limits.ts';
import { policyAt, type Treasury } from '../../policies/treasury.ts';
import { feerate, sat, vbytes } from '../../policies/units.ts';
import type { ChainView } from '../judgement.ts';
import { limitsTable } from './limit-rows.ts';
import { plural, screen, section, type View } from './wording.ts';

const COUNTED_KINDS = ['withdrawal_batch', 'treasury_move', 'hot_topup'] as const;

/** `chain` is the own node's; without one the treasury's coins are not known, and nothing is claimed. */
export function limitsView(
  treasury: Treasury,
  chain: Pick<ChainView, 'tipHeight' | 'spends' | 'treasurySat'> | null,
  overlay: Overlay | null,
): View {
  if (chain === null) {
    const why = 'without a node of its own this agent does not know what is used';
    return { json: { known: 'no', why }, text: why };
  }
  const { policy, hash } = policyAt(treasury, chain.tipHeight);
  const seen = families(treasury, spendsByOutpoint(chain.spends), chain.tipHeight);
  const charges = chargesOf(seen, treasury);
  const rows = usedRows({
    policy,
    overlay,
    charges,
    breaker: treasury.breaker,
    facts: nothingMore(chain, policy.network),
  });
  const live = charges.filter(({ at }) => at === 'live').length;
  return {
    json: {
      known: 'yes',
      tipHeight: chain.tipHeight,
      treasurySat: chain.treasurySat,
      policy: { version: policy.version, hash },
      live,
      rows,
    },
    text: screen([
      [
        `policy version ${policy.version}, ${hash}`,
        `at height ${chain.tipHeight} the treasury holds ${satText(chain.treasurySat)}`,
        `${plural(live, 'spend')} not final yet, counted in every window`,
      ].join('\n'),
      ...section('LIMITS', limitsTable(rows, 'used')),
    ]),
  };
}

/** Every rule that adds up, asked about a bump of nothing: it adds no amount, no fee and no spend. */
function usedRows(now: SpendCase): SlackRow[] {
  const ofKind = (kind: (typeof COUNTED_KINDS)[number]): SpendCase => ({
    ...now,
    facts: { ...now.facts, bump: { ...NO_BUMP, of: kind } },
  });
  const findings = [
    ...windowRules(now),
    ...countRules(now),
    ...floorRules(now),
    ...feeBoundRules(now),
    ...COUNTED_KINDS.flatMap((kind) => intentWindowRules(ofKind(kind))),
  ];
  return findings
    .flatMap(({ row }) => (row === null ? [] : [row]))
    .filter(({ rule }) => !/fees\.(min|max)|^intents\.fee_bump/.test(rule));
}

const NO_BUMP = {
  of: 'withdrawal_batch',
  feeSat: sat(0n),
  feerate: feerate(0n),
  earlierBumps: 0,
} as const;

function nothingMore(
  chain: { tipHeight: number; treasurySat: SpendFacts['treasurySat'] },
  network: SpendFacts['network'],
): SpendFacts {
  return {
    kind: 'fee_bump',
    bump: NO_BUMP,
    network,
    tipHeight: chain.tipHeight,
    lockTime: chain.tipHeight,
    expiryHeight: chain.tipHeight,
    inputs: [],
    payees: [],
    changeSat: null,
    feeSat: sat(0n),
    vsize: vbytes(0n),
    estimate: null,
    treasurySat: chain.treasurySat,
  };
}
