/**
 * The shared policy of a treasury: what may leave, how fast, to whom, and who must agree. Written in
 * YAML for people, decoded here, hashed over what was decoded and never over the bytes of a file.
 */
import { Document } from 'yaml';
import { type Hex32, taggedHashHex } from './canonical-json.ts';
import { policyContradictions } from './policy-references.ts';
import { type Policy, policySchema } from './policy-schema.ts';
import { requireShape } from './policy-shape.ts';
import { amountShown } from './scalar.ts';
import { parseYamlTree, type YamlTree } from './yaml.ts';

export type { Policy } from './policy-schema.ts';

/**
 * Reads a policy, YAML text as a person writes it.
 *
 * @throws Failure POLICY_INVALID naming the path and the rule: unknown or missing keys, values out of
 *   range, names that lead nowhere, keys of features that are not there yet, and every YAML trap.
 */
export function parsePolicy(text: string): Policy {
  const policy = requireShape(policySchema, parseYamlTree(text, 'policy'), 'policy');
  policyContradictions(policy);
  return policy;
}

/** Tagged hash (`weir/policy/v1`) of the decoded policy: what a proposal names and approvals sign. */
export function policyHash(policy: Policy): Hex32 {
  return taggedHashHex('weir/policy/v1', policy);
}

/** The decoded policy as YAML, keys in the order of the schema: parses back to the same policy. */
export function printPolicy(policy: Policy): string {
  return new Document(textOf(policy), { schema: 'failsafe' }).toString({ lineWidth: 0 });
}

function textOf(value: unknown): YamlTree {
  if (typeof value === 'bigint') return amountShown(value);
  if (Array.isArray(value)) return value.map(textOf);
  if (typeof value === 'object' && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, textOf(member)]));
  }
  return typeof value === 'number' ? value.toString() : textOrNull(value);
}

function textOrNull(value: unknown): string {
  return typeof value === 'string' ? value : 'null';
}
