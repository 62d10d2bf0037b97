/** Any entries in any order, against an oracle that recomputes everything from the list of them. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { entrySchema } from '../operator/ledger/entry.ts';
import {
  available,
  checkEntry,
  emptyLedger,
  type Ledger,
  postEntry,
  postedOf,
} from '../operator/ledger/ledger.ts';
import { ledgerFromState, ledgerState, stateHash } from '../operator/ledger/ledger-state.ts';
import { partitionValues, trialBalance } from '../operator/ledger/totals.ts';
import { canonicalJson } from '../policies/canonical-json.ts';
import {
  naiveAccounts,
  naiveAvailable,
  naiveBalance,
  naiveVerdict,
  openHolds,
  type WireEntry,
  type WirePosting,
} from './ledger-oracle.ts';

const RUNS = 150;
/** Few accounts and small amounts, so that entries meet: on one account, on its last unit, on one hold. */
const ACCOUNTS = [
  'SYS:asset:ln.local',
  'SYS:liab:prepaid.ana',
  'SYS:liab:prepaid_hold.q1',
  'LLP:asset:ln.local',
  'LLP:asset:ln.inflight',
  'LLP:inc:service',
  'LLP:equity:capital',
  'CEP:asset:ln.local',
  'CEP:asset:recv.principal.e1',
  'CEP:equity:capital',
  'share[LLP]:issued',
  'share[LLP]:lp.ana',
  'share[LLP]:escrow.w1',
  'quota:granted',
  'quota:subsidy',
];
const amount = fc.bigInt({ min: 1n, max: 4n });
const account = fc.constantFrom(...ACCOUNTS);

/** What business does: debit, credit. */
const FLOWS = [
  ['SYS:asset:ln.local', 'SYS:liab:prepaid.ana'],
  ['SYS:liab:prepaid.ana', 'SYS:asset:ln.local'],
  ['SYS:liab:prepaid.ana', 'SYS:liab:prepaid_hold.q1'],
  ['SYS:liab:prepaid_hold.q1', 'SYS:liab:prepaid.ana'],
  ['LLP:asset:ln.inflight', 'LLP:asset:ln.local'],
  ['LLP:asset:ln.local', 'LLP:asset:ln.inflight'],
  ['LLP:asset:ln.local', 'LLP:inc:service'],
  ['CEP:asset:recv.principal.e1', 'CEP:asset:ln.local'],
  ['CEP:asset:ln.local', 'CEP:asset:recv.principal.e1'],
  ['share[LLP]:lp.ana', 'share[LLP]:escrow.w1'],
  ['share[LLP]:escrow.w1', 'share[LLP]:issued'],
  ['quota:subsidy', 'quota:granted'],
] as const;
const flow = fc
  .tuple(fc.constantFrom(...FLOWS), amount)
  .map(([[debit, credit], value]) => moved(debit, credit, value.toString()));
/** Any two accounts of one book, whatever that would mean. */
const pair = fc
  .tuple(account, account, amount)
  .filter(([debit, credit]) => debit.slice(0, 3) === credit.slice(0, 3) && debit !== credit)
  .map(([debit, credit, value]) => moved(debit, credit, value.toString()));
/** Seldom balanced. */
const stray = fc
  .tuple(account, fc.constantFrom('dr' as const, 'cr' as const), amount)
  .map(([name, side, value]): WirePosting[] => [
    { account: name, side, amount: value.toString() },
    { account: 'LLP:equity:capital', side: 'cr', amount: value.toString() },
  ]);
const postings = fc
  .array(
    fc.oneof(
      { weight: 12, arbitrary: flow },
      { weight: 4, arbitrary: pair },
      { weight: 1, arbitrary: stray },
    ),
    { minLength: 1, maxLength: 3 },
  )
  .map((groups) => groups.flat());
const holdId = fc.constantFrom('h1', 'h2', 'h3');
/** Ends a hold that is open, by a part of it or by nothing; which one, `opAfter` looks up. */
const ending = fc.record({
  op: fc.constant('end' as const),
  which: fc.nat(2),
  takes: fc.bigInt({ min: 0n, max: 2n }),
});
const anyOp = fc.oneof(
  fc.record({ op: fc.constant('open' as const), id: holdId, postings: flow }),
  fc.record({ op: fc.constant('open' as const), id: holdId, postings }),
  fc.record({ op: fc.constant('post' as const), id: holdId, postings }),
  fc.record({ op: fc.constant('void' as const), id: holdId }),
  ending,
  ending,
);
type AnyOp = typeof anyOp extends fc.Arbitrary<infer T> ? T : never;
const step = fc.oneof(
  fc.record({ postings, ops: fc.constant<AnyOp[]>([]) }),
  fc.record({ postings: fc.constant<WirePosting[]>([]), ops: anyOp.map((op) => [op]) }),
  fc.record({ postings, ops: fc.array(anyOp, { maxLength: 2 }) }),
);
const steps = fc.array(step, { minLength: 8, maxLength: 20 });
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

/** Everybody can pay something: the first entry of every run. */
const START: WireEntry = {
  postings: [
    ...moved('SYS:asset:ln.local', 'SYS:liab:prepaid.ana', '6'),
    ...moved('LLP:asset:ln.local', 'LLP:equity:capital', '8'),
    ...moved('CEP:asset:ln.local', 'CEP:equity:capital', '5'),
    ...moved('share[LLP]:issued', 'share[LLP]:lp.ana', '7'),
    ...moved('quota:granted', 'quota:subsidy', '3'),
  ],
};

function moved(debit: string, credit: string, value: string): WirePosting[] {
  return [
    { account: debit, side: 'dr', amount: value },
    { account: credit, side: 'cr', amount: value },
  ];
}

type WireOp = NonNullable<WireEntry['pending']>[number];

/** An operation as it is asked for after `journal`; a part of a hold is cut from it pair by pair. */
function opAfter(journal: readonly WireEntry[], op: AnyOp): WireOp {
  if (op.op !== 'end') return op;
  const open = [...openHolds(journal)];
  const [id, held] = open[op.which % open.length] ?? ['h1', []];
  if (op.takes === 0n) return { op: 'void', id };
  const cut = held.map((each) => ({
    ...each,
    amount: (BigInt(each.amount) < op.takes ? BigInt(each.amount) : op.takes).toString(),
  }));
  return { op: 'post', id, postings: cut };
}

function entryAfter(journal: readonly WireEntry[], { postings: all, ops }: Step): WireEntry {
  return { postings: all, pending: ops.map((op) => opAfter(journal, op)) };
}

const VERDICTS = {
  unbalanced: 'unbalanced',
  overdraft: 'overdraft',
  hold_unknown: 'hold',
  hold_known: 'hold',
  hold_exceeded: 'hold',
} as const;

/** Runs the steps, checks each verdict, and gives what was taken. */
function run(
  all: readonly Step[],
  seen: Map<string, number>,
): { ledger: Ledger; journal: WireEntry[] } {
  const ledger = emptyLedger();
  const journal: WireEntry[] = [];
  let before = canonicalJson(ledgerState(ledger));
  for (const each of [null, ...all]) {
    const wire = each === null ? START : entryAfter(journal, each);
    const expected = naiveVerdict(journal, wire);
    seen.set(expected, (seen.get(expected) ?? 0) + 1);
    const entry = entryOfWire(wire);
    const refusal = checkEntry(ledger, entry);
    expect(refusal === null ? 'taken' : VERDICTS[refusal.code]).toBe(expected);
    expect(canonicalJson(ledgerState(ledger))).toBe(before);
    if (refusal !== null) continue;
    for (const { op } of wire.pending ?? []) seen.set(op, (seen.get(op) ?? 0) + 1);
    postEntry(ledger, entry);
    journal.push(wire);
    before = canonicalJson(ledgerState(ledger));
    for (const book of trialBalance(ledger)) {
      expect([book.drPosted, book.drPending]).toStrictEqual([book.crPosted, book.crPending]);
    }
  }
  return { ledger, journal };
}

function read(all: readonly WirePosting[]) {
  return all.map((each) => ({ ...each, amount: BigInt(each.amount) }));
}

/** As the journal gives it back, except that a hold of one posting is for the ledger to refuse, not for the schema. */
function entryOfWire(wire: WireEntry) {
  return {
    postings: entrySchema.parse({ postings: wire.postings }).postings,
    pending: (wire.pending ?? []).map(({ op, id, postings: held = [] }) =>
      op === 'void' ? { op, id } : { op, id, postings: read(held) },
    ),
  };
}

test('every entry is taken or refused as an oracle says that recomputes the whole journal', () => {
  const seen = new Map<string, number>();
  fc.assert(
    fc.property(steps, (all) => {
      const { ledger, journal } = run(all, seen);
      for (const name of ACCOUNTS) {
        expect([name, available(ledger, name)]).toStrictEqual([
          name,
          naiveAvailable(journal, name),
        ]);
        const sign = naiveSign(name);
        expect([name, postedOf(ledger, name) * sign]).toStrictEqual([
          name,
          naiveBalance(journal, name),
        ]);
      }
      expect(naiveAccounts(journal).every((name) => ACCOUNTS.includes(name))).toBe(true);
      expect(() => partitionValues(ledger)).not.toThrow();
    }),
    { numRuns: RUNS },
  );
  // A run that never meets a refusal proves nothing about it.
  for (const met of ['taken', 'unbalanced', 'overdraft', 'hold', 'open', 'post', 'void']) {
    expect([met, (seen.get(met) ?? 0) > 5]).toStrictEqual([met, true]);
  }
});

function naiveSign(name: string): bigint {
  return /:(asset|exp):|:(issued|granted)$/.test(name) ? 1n : -1n;
}

test('I-34 the journal replayed, whole or from a checkpoint in between, gives the same bytes and the same hash', () => {
  fc.assert(
    fc.property(steps, fc.nat(20), (all, cut) => {
      const { ledger, journal } = run(all, new Map());
      const again = emptyLedger();
      let resumed = emptyLedger();
      journal.forEach((wire, at) => {
        if (at === cut) {
          resumed = ledgerFromState(JSON.parse(canonicalJson(ledgerState(again))));
        }
        postEntry(again, entryOfWire(wire));
        if (at >= cut) postEntry(resumed, entryOfWire(wire));
      });
      const last = cut >= journal.length ? [again] : [again, resumed];
      for (const each of last) {
        expect(canonicalJson(ledgerState(each))).toBe(canonicalJson(ledgerState(ledger)));
        expect(stateHash(each)).toBe(stateHash(ledger));
      }
    }),
    { numRuns: RUNS / 2 },
  );
});
