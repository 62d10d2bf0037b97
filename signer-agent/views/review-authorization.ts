/** What a decision without a transaction changes, in plain words: a policy, the registry, the breaker. */
import { feerateText, satText } from '../../console/print.ts';
import { diffPolicies, type PolicyDiff } from '../../policies/diff.ts';
import { Failure } from '../../policies/failure.ts';
import type { AuthorizationIntent } from '../../policies/intent.ts';
import { type Policy, parsePolicy } from '../../policies/policy.ts';
import { type AuthorizationState, policyAt, type Treasury } from '../../policies/treasury.ts';
import type { Judgement } from '../judgement.ts';
import { closeChange } from './channel-rows.ts';
import { decisionStepText, type NextStep } from './next-step.ts';
import { saidText, saidView } from './said-so-far.ts';
import {
  DECISIONS,
  expiryText,
  kindText,
  oneLine,
  plural,
  REASONS_TITLE,
  reasonsTable,
  rowsText,
  screen,
  section,
  tableOrNothing,
  type View,
  wrapped,
} from './wording.ts';

/** Of a policy's changes or a registry's entries a person reads the first ones on a screen. */
const CHANGES_SHOWN_MAX = 100;

export interface AuthorizationReviewQuestion {
  judgement: Pick<Judgement, 'decision' | 'reasons' | 'rows'>;
  state: AuthorizationState;
  treasury: Treasury;
  seatId: string;
  /** Of the own node; null without one. */
  tipHeight: number | null;
  /** Of the pinned wallet's receive branch, derived here. */
  addressAt: (index: number) => string;
  nextStep: Exclude<NextStep, 'device'>;
}

/** The review of an authorization. */
export function reviewOfAuthorization(question: AuthorizationReviewQuestion): View {
  const { judgement, state, seatId, tipHeight, nextStep } = question;
  const { intent, expiryHeight, initiator } = state.authorization;
  const said = saidView({ ...state, signed: [] });
  const change = changeOf(intent, question);
  const text = screen([
    [
      `${kindText(intent.kind)}: ${change.headline}`,
      state.passedAtSeq === null
        ? `This agent ${DECISIONS[judgement.decision]}`
        : `In force since entry ${state.passedAtSeq} of the log`,
      `authorization ${state.id}`,
      `asked for by ${oneLine(initiator)}`,
    ].join('\n'),
    ...section('WHAT CHANGES', change.body),
    ...section(REASONS_TITLE[judgement.decision], reasonsTable(judgement.reasons)),
    ...rowsText(judgement.rows),
    ...section('SO FAR', saidText(said, null)),
    ...section('EXPIRES', expiryText(expiryHeight, tipHeight)),
    ...section('WHAT APPROVING WILL DO', decisionStepText(nextStep, seatId)),
  ]);
  return {
    text,
    json: {
      id: state.id,
      kind: intent.kind,
      decision: judgement.decision,
      nextStep,
      passedAtSeq: state.passedAtSeq,
      change: change.json,
      reasons: judgement.reasons,
      rows: judgement.rows,
      said,
      initiator,
      expiryHeight,
      expiresInBlocks: tipHeight === null ? null : expiryHeight - tipHeight,
    },
  };
}

interface Change {
  headline: string;
  body: string;
  json: unknown;
}

function changeOf(
  intent: AuthorizationIntent,
  { treasury, tipHeight, addressAt }: AuthorizationReviewQuestion,
): Change {
  switch (intent.kind) {
    case 'policy_change':
      return policyChange(intent, treasury, tipHeight);
    case 'registry_change':
      return registryChange(intent, treasury);
    case 'breaker':
      return {
        headline:
          intent.action === 'trip'
            ? 'TRIP it, so that no agent signs anything'
            : 'RESET it, so that agents sign again',
        body: `it is ${treasury.breaker} now`,
        json: { action: intent.action, now: treasury.breaker },
      };
    case 'channel_close': {
      const change = closeChange(intent, treasury, addressAt);
      const rate = `at most ${feerateText(intent.maxFeeRateSatPerKvb)} for the closing transaction`;
      return { ...change, body: `${change.body}\n${rate}` };
    }
    case 'large_ln_payout':
    case 'snapshot':
      return { headline: 'not there yet', body: '', json: intent };
  }
}

function policyChange(
  intent: Extract<AuthorizationIntent, { kind: 'policy_change' }>,
  treasury: Treasury,
  tipHeight: number | null,
): Change {
  // Read by whoever asks for it: a text that does not load changes nothing, and says so.
  const next = policyOrProblem(intent.policyText);
  if (typeof next === 'string') {
    return {
      headline: 'a text that is no policy',
      body: wrapped(next, 90),
      json: { problem: next },
    };
  }
  const current = policyAt(treasury, tipHeight ?? treasury.policies.at(-1)?.activeFromHeight ?? 0);
  const diff = diffPolicies(current.policy, next);
  const way = WAYS[diff.overall];
  return {
    headline: `version ${current.policy.version} becomes ${next.version}; it ${way}`,
    body: `${diffText(diff)}\nfrom height ${intent.activatesAtHeight} on`,
    json: {
      overall: diff.overall,
      changes: diff.changes,
      activatesAtHeight: intent.activatesAtHeight,
    },
  };
}

const WAYS: Record<PolicyDiff['overall'], string> = {
  loosen: 'LOOSENS what may leave',
  tighten: 'tightens what may leave',
  neutral: 'changes no limit',
};

function diffText({ changes }: PolicyDiff): string {
  // What loosens comes first: a long list of harmless changes must not hide it.
  const ordered = [...changes].toSorted((a, b) => rank(a.change) - rank(b.change));
  const rows = ordered
    .slice(0, CHANGES_SHOWN_MAX)
    .map(({ path, change, from, to }) => [
      change === 'loosen' ? 'LOOSENS' : change === 'tighten' ? 'tightens' : 'neutral',
      wrapped(path, 40),
      wrapped(from ?? '—', 18),
      wrapped(to ?? '—', 18),
    ]);
  const more = changes.length - rows.length;
  const table = tableOrNothing(['', 'rule', 'now', 'then'], rows);
  return `${table === '' ? 'nothing' : table}${more > 0 ? `\nand ${more} more` : ''}`;
}

function rank(change: PolicyDiff['overall']): number {
  return ['loosen', 'tighten', 'neutral'].indexOf(change);
}

function policyOrProblem(text: string): Policy | string {
  try {
    return parsePolicy(text);
  } catch (cause) {
    if (cause instanceof Failure) return cause.message;
    throw cause;
  }
}

function registryChange(
  intent: Extract<AuthorizationIntent, { kind: 'registry_change' }>,
  treasury: Treasury,
): Change {
  const rows = intent.entries.map(({ body }) => {
    const known = treasury.registry.get(body.lpId)?.at(-1) ?? null;
    const newKey = known !== null && known.key !== body.key;
    return {
      lpId: body.lpId,
      what: known === null ? 'new LP' : newKey ? 'NEW KEY' : 'new terms',
      key: body.key,
      lifetimeCapSat: body.lifetimeCapSat,
      activeFromHeight: body.activeFromHeight,
      before: known === null ? null : { key: known.key, lifetimeCapSat: known.lifetimeCapSat },
    };
  });
  const shown = rows.slice(0, CHANGES_SHOWN_MAX);
  const more = rows.length - shown.length;
  const table = tableOrNothing(
    ['LP', '', 'key that signs its orders', 'is ever paid at most', 'from height'],
    shown.map((row) => [
      oneLine(row.lpId),
      row.what,
      `${row.key.slice(0, 16)}…`,
      row.before === null || row.before.lifetimeCapSat === row.lifetimeCapSat
        ? satText(row.lifetimeCapSat)
        : `${satText(row.lifetimeCapSat)}\nwas ${satText(row.before.lifetimeCapSat)}`,
      row.activeFromHeight.toString(),
    ]),
  );
  return {
    headline: `${plural(rows.length, 'entry', 'entries')}; who is in it may be paid on its own word`,
    body: `${table}${more > 0 ? `\nand ${more} more` : ''}`,
    json: { entries: rows },
  };
}
