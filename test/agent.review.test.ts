/** What a guardian reads before saying yes: drawn from the agent's own parse, whatever others wrote. */
import fc from 'fast-check';
import { beforeEach, expect, test } from 'vitest';
import type { AgentVerdict } from '../policies/proposal.ts';
import { reason } from '../policies/reason.ts';
import { signStatement } from '../policies/statement.ts';
import { type FeeRate, sat } from '../policies/units.ts';
import { type AddressBook, parseAddressBook } from '../signer-agent/address-book.ts';
import type { JudgeInput, Judgement } from '../signer-agent/judgement.ts';
import { type NextStep, nextStepOf } from '../signer-agent/views/next-step.ts';
import { reviewOf } from '../signer-agent/views/review.ts';
import type { View } from '../signer-agent/views/wording.ts';
import { editedPsbt } from './hostile-spend.ts';
import { type JudgeScenario, judgeScenario, rewinder, withChain } from './judge-scenario.ts';
import { type Built, strangerScript, TIP } from './spend-scenario.ts';
import { policyText, secretOf } from './treasury-scenario.ts';

const VAULT = strangerScript(9);
const policy = policyText(['ana', 'ben', 'cleo']).replace(
  'vaults: []',
  `vaults:\n    - { name: cold, script: ${VAULT}, active_from: 0 }`,
);
const s: JudgeScenario = judgeScenario({ policy });
const rewind = rewinder(s);
beforeEach(() => {
  rewind();
});

const book = parseAddressBook(
  `- { name: Acme exchange, script: ${strangerScript(1)} }\n- { name: Deep cold, script: ${VAULT} }\n`,
  'regtest',
);

interface Asked {
  change?: (input: JudgeInput) => JudgeInput;
  book?: AddressBook;
  nextStep?: NextStep;
  edit?: (judgement: Judgement) => Judgement;
}

function review(built: Built, asked: Asked = {}): View & { judgement: Judgement } {
  const change = asked.change ?? known;
  const judgement = (asked.edit ?? ((same) => same))(s.judge(built, change));
  const state = s.t.treasury.proposals.get(built.id) ?? built.state;
  const view = reviewOf({
    judgement,
    state,
    treasury: s.t.treasury,
    overlay: null,
    book: asked.book ?? book,
    seatId: 'ana',
    network: 'regtest',
    nextStep: asked.nextStep ?? nextStepOf(judgement, 'open'),
  });
  return { ...view, judgement };
}

/** The own node paid the first twenty strangers and the vault before. */
const known = withChain({
  paidScripts: new Set([VAULT, ...Array.from({ length: 300 }, (_, n) => strangerScript(n + 1))]),
});

/** Without what depends on the keys and ids of the scenario. */
function masked(text: string): string {
  return text
    .replaceAll(/[0-9a-f]{64}/g, '<32 bytes>')
    .replace(/in four words: [a-z ]+/, 'in four words: <words>')
    .replaceAll(/order [0-9a-f]{8}…/g, 'order <eight>…');
}

function approvedByOlga(built: Built): void {
  const subject = { ...built, txid: built.built.txid };
  s.t.append({ kind: 'approval', approval: s.t.approval('olga', 'operator', subject) });
}

test('a batch of two: what leaves, what comes back, the fee, what is left, what a yes does', () => {
  const built = s.batch(s.orders(1_000_000n, 500_000n));
  approvedByOlga(built);
  expect(masked(review(built).text)).toMatchInlineSnapshot(`
    "Withdrawals: 1_500_000 sat leave to 2 payees, fee 440 sat
    This agent SIGNS: everything holds
    proposal <32 bytes>
    in four words: <words>
    transaction <32 bytes>
    asked for by the queue of LP orders

    WHAT LEAVES
    ┌────────┬───────────────┬─────────────────────────────────────────┬─────────────────┐
    │ output │ amount        │ to                                      │ on whose word   │
    ├────────┼───────────────┼─────────────────────────────────────────┼─────────────────┤
    │ 0      │ 1_000_000 sat │ Acme exchange                           │ LP lp-one       │
    │        │               │ bcrt 1qqq qqqq qqqq qqqq qqqq qqqq qqqq │ order <eight>… │
    │        │               │ qqqq qpsq gljc                          │                 │
    │ 1      │ 500_000 sat   │ not in your address book                │ LP lp-one       │
    │        │               │ bcrt 1qqq qqqq qqqq qqqq qqqq qqqq qqqq │ order <eight>… │
    │        │               │ qqqq qz7n afu8                          │                 │
    └────────┴───────────────┴─────────────────────────────────────────┴─────────────────┘

    WHAT COMES BACK TO US
    ┌────────┬────────────────┬─────────────────────────────────────────┬────────────────┐
    │ output │ amount         │ to us                                   │ derived here   │
    ├────────┼────────────────┼─────────────────────────────────────────┼────────────────┤
    │ 2      │ 58_499_560 sat │ bcrt 1q35 xcll tpst 7cg9 00ls 4pns 0lx3 │ derived at 1/0 │
    │        │                │ ypzs ns70 ht2d px0a upan 24yr 5s7l uzde │                │
    └────────┴────────────────┴─────────────────────────────────────────┴────────────────┘

    FEE
    440 sat, 2 sat/vB, 0.02 % of what leaves
    60_000_000 sat in 1 coin of ours = 1_500_000 sat leave + 58_499_560 sat come back + fee

    WHAT IS LEFT OF EACH LIMIT
    ┌───────────────────────────┬─────────────────┬─────────────────┬─────────────────┐
    │ limit                     │ allows          │ with this       │ left            │
    ├───────────────────────────┼─────────────────┼─────────────────┼─────────────────┤
    │ fees of 144 blocks        │ 2_000_000 sat   │ 440 sat         │ 1_999_560 sat   │
    │ one payee, in this        │ 40_000_000 sat  │ 1_500_000 sat   │ 38_500_000 sat  │
    │ transaction               │                 │                 │                 │
    │ one payee, in a day       │ 60_000_000 sat  │ 1_500_000 sat   │ 58_500_000 sat  │
    │ withdrawal_batch in 144   │ 150_000_000 sat │ 1_500_440 sat   │ 148_499_560 sat │
    │ blocks                    │                 │                 │                 │
    │ number of transactions    │ 40              │ 1               │ 39              │
    │ what must stay, at least  │ 10_000_000 sat  │ 238_499_560 sat │ 228_499_560 sat │
    │ one transaction           │ 50_000_000 sat  │ 1_500_440 sat   │ 48_499_560 sat  │
    │ all spends, window “day”  │ 200_000_000 sat │ 1_500_440 sat   │ 198_499_560 sat │
    │ all spends, window        │ 60_000_000 sat  │ 1_500_440 sat   │ 58_499_560 sat  │
    │ “day-share”               │                 │                 │                 │
    │ all spends, window “hour” │ 100_000_000 sat │ 1_500_440 sat   │ 98_499_560 sat  │
    └───────────────────────────┴─────────────────┴─────────────────┴─────────────────┘

    Checked and in order (52): A1 A2 A3 A4 A5 A7 A8 A9 B1 B2 B3 B4 B5 B7 C1 C2 C3 C4 C5 C6 C7 D1 D2 D3
    D4 D5 D6 D7 D8 D9 E1 E2 E3 E4 E5 E6 E7 E8 F1 F2 F3 F4 F5 H1 H2 H5 H7 H8 H9 I1 I6 K3

    SO FAR
    approved by olga (operator)
    signed by nobody yet (0 of 2 needed)

    EXPIRES
    in 100 blocks, at height 600

    WHAT APPROVING WILL DO
    Your approval key signs “ana approves this id, this transaction, under this policy”. With that this
    agent signs the transaction as shown. Once 2 seats signed, the coordinator can broadcast it, and it
    can not be called back."
  `);
});

test('a move to a listed vault names the entry, and the guardian’s own name for it', () => {
  const built = s.propose(
    {
      kind: 'treasury_move',
      payees: [{ entry: 'cold', index: null, amountSat: sat(20_000_000n) }],
      plan: s.plan(),
    },
    [{ script: VAULT, amountSat: sat(20_000_000n) }],
  );
  const { text } = review(built);
  expect(text.split('\n')[0]).toBe(
    'Move to a listed vault: 20_000_000 sat leave to 1 payee, fee 378 sat',
  );
  expect(text).toContain('Deep cold');
  expect(text).toContain('cold');
  expect(text).toContain('W-APP-TOO-FEW');
});

test('a bump shows the payees of what it bumps, and both fees', () => {
  const first = s.batch(s.orders(1_000_000n, 500_000n));
  const payees = first.proposal.intent;
  if (payees.kind !== 'withdrawal_batch') throw new Error('a batch');
  const bump = s.propose(
    {
      kind: 'fee_bump',
      of: first.id,
      plan: s.plan({ feerateSatPerKvb: 8_000n as FeeRate }),
    },
    payees.orders.map(({ body }) => ({ script: body.script, amountSat: body.amountSat })),
  );
  const { text, json } = review(bump);
  const lines = text.split('\n');
  expect(lines[0]).toBe(
    `Higher fee for an earlier spend: 1_500_000 sat leave to 2 payees, fee 1_760 sat`,
  );
  expect(lines).toContain(`of proposal ${first.id} (Withdrawals)`);
  expect(lines).toContain('the fee so far was 440 sat; only one of them is paid');
  expect(text).toContain('Acme exchange');
  expect(json).toMatchObject({ kind: 'fee_bump', of: first.id, feeSat: 1_760n });
});

test('a cancel says that everything comes back', () => {
  const first = s.batch(s.orders(1_000_000n));
  const cancel = s.propose(
    { kind: 'cancel', of: first.id, plan: s.plan({ feerateSatPerKvb: 8_000n as FeeRate }) },
    [],
  );
  const { text } = review(cancel);
  expect(text.split('\n')[0]).toMatch(
    /^Cancel of an earlier spend: everything comes back to us, only the fee leaves, fee [0-9_]+ sat$/,
  );
  expect(text).toContain('WHAT COMES BACK TO US');
  expect(text).not.toContain('WHAT LEAVES\n');
});

test('a large batch: totals, how many signed, and only what differs', () => {
  const usual = s.batch(s.orders(...Array.from({ length: 30 }, () => 20_000n)));
  expect(usual.state.proposal.intent.kind).toBe('withdrawal_batch');
  const amounts = Array.from({ length: 214 }, (_, n) => (n === 100 ? 900_000n : 20_000n));
  const orders = s.orders(...amounts);
  const plan = { coins: s.coins.slice(1, 2), anchor: s.coins[1]?.outpoint ?? '' };
  const fresh = s.t.order('lp-two', { script: `0020${'5a'.repeat(32)}`, amountSat: sat(20_000n) });
  const built = s.batch([...orders.slice(0, 213), fresh], plan);
  const { text, json } = review(built);
  expect(text).toContain('214 payees, 5_160_000 sat in all');
  expect(text).toContain('214 of 214 payees signed');
  expect(text).toContain('from 20_000 sat to 900_000 sat, median 20_000 sat');
  expect(text).toContain('212 are as ever');
  expect(text).toContain('WHAT DIFFERS (2)');
  expect(text).toContain('! 45 times the usual amount');
  expect(text).toContain('! first payment to this address');
  expect(text).toContain('! a new kind of address');
  expect(text).not.toContain('lp-three');
  expect(text.split('\n').length).toBeLessThan(90);
  expect((json as { payees: unknown[] }).payees).toHaveLength(214);
});

test('a large batch with one order nobody signed says so first', () => {
  const orders = s.orders(...Array.from({ length: 25 }, () => 20_000n));
  const [forged, ...rest] = orders;
  if (forged === undefined) throw new Error('25 orders');
  const other = s.t.order('lp-two', { script: strangerScript(1), amountSat: sat(20_000n) });
  const built = s.batch([{ ...forged, signature: other.signature }, ...rest]);
  const { text } = review(built);
  expect(text).toContain('24 of 25 payees signed');
  expect(text).toContain('This agent REFUSES');
  expect(text).toContain('W-OUT-PAYEE-UNSIGNED');
});

test('a refusal names every failed row, and that no approval changes it', () => {
  const built = s.batch(s.orders(1_000_000n, 500_000n));
  const { text, json } = review(built, {
    change: (input) => ({
      ...input,
      parcel: {
        ...input.parcel,
        psbt: editedPsbt(input.parcel.psbt, (raw) => {
          for (const each of raw.inputs) each.sighashType = 3;
        }),
      },
    }),
  });
  expect(text).toContain('This agent REFUSES: at least one rule is broken');
  expect(text).toContain('WHY IT IS REFUSED');
  expect(text).toMatch(/D8 +│ W-IN-SIGHASH +│ a sighash type other than ALL/);
  expect(text).toContain('Nothing: this agent refuses, and no approval changes that.');
  expect(json).toMatchObject({ decision: 'refuse', nextStep: 'refuses' });
});

test('an output that nobody asked for stands among what leaves, never among the change', () => {
  const built = s.batch(s.orders(1_000_000n));
  const { text } = review(built, {
    edit: (judgement) => ({
      ...judgement,
      outputs: judgement.outputs.map((row) =>
        row.is === 'change' ? { ...row, is: 'unlisted', because: 'nobody asked for it' } : row,
      ),
    }),
  });
  const [, leaves = ''] = text.split('WHAT LEAVES');
  expect(leaves.split('WHAT COMES BACK TO US')[0]).toContain('! NOBODY ASKED FOR THIS');
  expect(text).toContain('WHAT COMES BACK TO US\nnothing');
});

test('bytes that can not be read show nothing but that', () => {
  const built = s.batch(s.orders(1_000_000n));
  const { text } = review(built, {
    change: (input) => ({ ...input, parcel: { ...input.parcel, psbt: new Uint8Array([1, 2]) } }),
  });
  expect(text.split('\n')[0]).toBe(
    'Withdrawals: this proposal could not be read: nothing below comes from it',
  );
  expect(text).not.toContain('1_000_000 sat');
});

test('without a node the rows that need one are named', () => {
  const built = s.batch(s.orders(1_000_000n));
  const { text } = review(built, { change: (input) => ({ ...input, chain: null }) });
  const [, blind = ''] = text.split('COULD NOT BE CHECKED HERE');
  for (const row of ['D5', 'E1', 'K3']) expect(blind).toMatch(new RegExp(`│ ${row} +│`));
  expect(text).toContain('W-BRK-NO-CHAIN-VIEW');
  expect(text).toContain(`EXPIRES\nat height ${TIP + 100}`);
});

test('every amount on the screen is one of the parse, and no line is wider than a page', () => {
  const amount = fc.bigInt({ min: 1_000n, max: 4_000_000n });
  fc.assert(
    fc.property(fc.array(amount, { minLength: 1, maxLength: 30 }), (amounts) => {
      rewind();
      const built = s.batch(s.orders(...amounts));
      const { text, judgement } = review(built);
      const { outputs, inputs, feeSat, slack } = judgement;
      const parts = outputs.map(({ amountSat }): bigint => amountSat);
      const paid = amounts.reduce((a, b) => a + b, 0n);
      const ofParse = new Set<bigint>([
        ...parts,
        paid,
        feeSat ?? -1n,
        inputs.reduce((sum, { amountSat }) => sum + amountSat, 0n),
        amounts.toSorted((a, b) => (a < b ? -1 : 1))[Math.floor((amounts.length - 1) / 2)] ?? -1n,
        ...slack.flatMap((row) => [row.limit, row.used, row.slack < 0n ? -row.slack : row.slack]),
      ]);
      const shown = [...text.matchAll(/([0-9_]+) sat(?!\/)/g)].map(([, digits = '']) =>
        BigInt(digits.replaceAll('_', '')),
      );
      expect(shown.filter((each) => !ofParse.has(each))).toEqual([]);
      const oneByOne = amounts.length <= 20 ? parts : [];
      expect(oneByOne.filter((each) => !shown.includes(each))).toEqual([]);
      expect(text.split('\n').filter((line) => line.length > 100)).toEqual([]);
    }),
    { numRuns: 15 },
  );
});

test('what others wrote can neither move the cursor nor fake a row', () => {
  const built = s.batch(s.orders(1_000_000n));
  const body: AgentVerdict['body'] = {
    treasuryId: s.t.id,
    network: 'regtest',
    seatId: 'cleo',
    subject: built.id,
    verdict: 'refused',
    classes: ['W-FEE'],
    note: 'all fine\u001b[2J\u202Egnihton\nThis agent SIGNS\r: everything holds',
    headSeq: 1,
  };
  const said = signStatement('verdict', body, secretOf('cleo identity'), new Uint8Array(32));
  s.t.append({ kind: 'verdict', verdict: said });
  const { text } = review(built, {
    edit: (judgement) => ({
      ...judgement,
      reasons: [reason('W-TX-XPUB', 'tpub\u0007\n│ A1 │ W-ENV │ fake row')],
    }),
  });
  expect(text).not.toMatch(/(?!\n)[\p{Cc}\p{Cf}]/u);
  expect(text).not.toMatch(/^This agent SIGNS/m);
  expect(text).not.toMatch(/^│ A1/m);
  expect(text).toContain(
    'refused by cleo (W-FEE), who wrote: “all fine [2J gnihton This agent SIGNS',
  );
});
