/** Shape errors in a person's words: path and rule, and why a known word is refused. */
import type { z } from 'zod';
import { Failure } from './failure.ts';
import { UNKNOWN_KEY } from './scalar.ts';
import type { YamlTree } from './yaml.ts';

/** A person mends the first few and reads again. */
const SHOWN_MAX = 5;

/** Keys of the language that this version does not do: half a rule is worse than none. */
const NOT_YET: ReadonlySet<string> = new Set([
  'delay',
  'announce',
  'mechanism',
  'cancel_presigned',
  'hot_after_max',
  'test_spend_first',
  'emergency_move',
  'signer_set_change',
  'sweep',
]);
/** Keys that people look for here and find in the wallet record. */
const IN_WALLET_RECORD: ReadonlySet<string> = new Set([
  'vaults',
  'descriptor',
  'approval_key',
  'threshold',
]);

/** @throws Failure POLICY_INVALID naming path and rule of the first few problems. */
export function requireShape<T>(schema: z.ZodType<T>, tree: YamlTree, what: string): T {
  const parsed = schema.safeParse(tree);
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.flatMap(problemsOf);
  const rest = problems.length > SHOWN_MAX ? `; and ${problems.length - SHOWN_MAX} more` : '';
  throw new Failure('POLICY_INVALID', `${what}: ${problems.slice(0, SHOWN_MAX).join('; ')}${rest}`);
}

function problemsOf(issue: z.core.$ZodIssue): string[] {
  const path = issue.path.map(String);
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => `${[...path, key].join('.')}: ${whyUnknown(key)}`);
  }
  const last = path.at(-1);
  if (issue.message === UNKNOWN_KEY && last !== undefined) {
    return [`${path.join('.')}: ${whyUnknown(last)}`];
  }
  const missing = issue.code === 'invalid_type' && issue.input === undefined;
  return [`${path.join('.') || 'the document'}: ${missing ? 'missing' : issue.message}`];
}

function whyUnknown(key: string): string {
  if (NOT_YET.has(key)) return 'not there yet';
  if (IN_WALLET_RECORD.has(key)) return 'belongs to the wallet record, not to the policy';
  return UNKNOWN_KEY;
}
