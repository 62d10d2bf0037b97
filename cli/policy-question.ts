/**
 * A spend question as a file: the facts, charges and approvals that a policy judges, as JSON with amounts
 * in decimal text. `weir coordinator show ID --json` gives one under `question`; a file may hold that
 * whole answer, or the question alone. The policy comes from another file.
 */
import { z } from 'zod';
import type { SpendQuestion } from '../policies/evaluate.ts';
import { Failure } from '../policies/failure.ts';
import {
  childIndex,
  feerateAmount,
  height,
  hex32,
  hexBytes,
  INPUTS_MAX,
  label,
  networkName,
  nodeKey,
  OUTPUTS_MAX,
  outpoint,
  type SpendKind,
  satAmount,
} from '../policies/intent.ts';
import type { Policy } from '../policies/policy.ts';
import { vbytes } from '../policies/units.ts';

/** The largest batch with its charges; more is no question. */
export const QUESTION_BYTES_MAX = 16 * 1024 * 1024;
const CHARGES_MAX = 20_000;
const PEOPLE_MAX = 30;

const spendKind = z.enum([
  'withdrawal_batch',
  'treasury_move',
  'hot_topup',
  'consolidate',
  'fee_bump',
  'cancel',
  'channel_open',
]) satisfies z.ZodType<SpendKind>;
const count = z.int().min(0);
const script = hexBytes.max(20_000);

const inputFact = z.strictObject({
  outpoint,
  amountSat: satAmount,
  confirmations: count,
  origin: z.enum(['own-change', 'received']),
  branch: z.literal([0, 1]),
  index: childIndex,
});

const payeeFact = z.strictObject({
  script,
  amountSat: satAmount,
  authority: z.discriminatedUnion('kind', [
    z.strictObject({
      kind: z.literal('lp-order'),
      lpId: label,
      orderId: hex32,
      expiryHeight: height,
    }),
    z.strictObject({
      kind: z.literal('allowlist'),
      list: label,
      entry: label,
      index: childIndex.nullable(),
      usedIndex: childIndex.nullable().exactOptional(),
    }),
    z.strictObject({
      kind: z.literal('channel'),
      peer: nodeKey,
      closeIndex: childIndex,
      announced: z.enum(['public', 'private']),
    }),
  ]),
  firstPayment: z.enum(['first', 'known']),
});

const spendFacts = z.strictObject({
  kind: spendKind,
  bump: z
    .strictObject({
      of: spendKind,
      feeSat: satAmount,
      feerate: feerateAmount,
      earlierBumps: count,
    })
    .nullable(),
  network: networkName,
  tipHeight: height,
  lockTime: z.int().min(0).max(0xffffffff),
  expiryHeight: height,
  inputs: z.array(inputFact).max(INPUTS_MAX),
  payees: z.array(payeeFact).max(OUTPUTS_MAX),
  changeSat: satAmount.nullable(),
  feeSat: satAmount,
  vsize: satAmount.transform((value) => vbytes(value)),
  estimate: feerateAmount.nullable(),
  treasurySat: satAmount,
});

const charge = z.strictObject({
  proposalId: hex32,
  kind: spendKind,
  at: z.union([height, z.literal('live')]),
  outflowSat: satAmount,
  feeSat: satAmount,
  payees: z
    .array(
      z.strictObject({
        script: z.string().max(20_000),
        amountSat: satAmount,
        lpId: label.nullable(),
        entry: label.nullable(),
        peer: nodeKey.exactOptional(),
      }),
    )
    .max(OUTPUTS_MAX),
});

const people = z.array(z.strictObject({ id: label, owner: label })).max(PEOPLE_MAX);
const spendQuestion = z.strictObject({
  facts: spendFacts,
  charges: z.array(charge).max(CHARGES_MAX),
  approvals: z.strictObject({ initiator: label, guardians: people, operators: people }),
  breaker: z.enum(['armed', 'tripped']),
});

/** The answer of `show` around it: everything else in it is passed over. */
const shown = z.object({ question: spendQuestion });

/**
 * Reads a question about a spend and puts it to a policy, with nobody's overlay.
 *
 * @throws Failure INPUT_INVALID naming the field
 */
export function parseQuestion(text: string, policy: Policy): SpendQuestion {
  const value = jsonIn(text);
  const wrapped = typeof value === 'object' && value !== null && 'question' in value;
  const parsed = wrapped ? shown.safeParse(value) : spendQuestion.safeParse(value);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    const where = issue?.path.join('.') || 'the document';
    throw new Failure('INPUT_INVALID', `question: ${where}: ${issue?.message ?? 'another shape'}`);
  }
  const question = 'question' in parsed.data ? parsed.data.question : parsed.data;
  return { ...question, policy, overlay: null };
}

function jsonIn(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new Failure('INPUT_INVALID', 'question: not JSON, or not all of it', { cause });
  }
}
