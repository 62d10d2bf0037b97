/**
 * YAML as plain text: every scalar stays the characters a person wrote, and everything that makes a
 * file mean something else than it reads (anchors, tags, merges, two documents) is refused.
 */

import type { Document, YAMLMap } from 'yaml';
import { isMap, isScalar, isSeq, Lexer, Parser, parseDocument } from 'yaml';
import { Failure } from './failure.ts';

/** Text, lists and maps of text. No numbers, no booleans, no null: schemas decode the text. */
export type YamlTree = string | YamlTree[] | { [key: string]: YamlTree };

/** A policy of 300 guardians' rules fits; a proposal carries no more (`policyText` in intent.ts). */
export const YAML_TEXT_MAX = 200_000;
/** Nested collections the parser may hold: a policy needs 15; its composer overflows the stack. */
const NESTING_MAX = 64;

/** Whatever prints as nothing or turns a line around on a screen. Tab and line ends are fine. */
const UNPRINTABLE = /(?![\t\n\r])[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u;
/** Also keeps `__proto__` and `<<` out. */
const KEY = /^[a-z][a-z0-9_-]{0,63}$/;

/**
 * Reads one YAML document into a tree of text.
 *
 * @param what Names the document in errors, e.g. `policy`.
 * @throws Failure POLICY_INVALID for text that is too long, too deep, not YAML, or uses an anchor, an
 *   alias, a tag, a merge key, a directive, a second document, or one key twice.
 */
export function parseYamlTree(text: string, what: string): YamlTree {
  const refuse = (why: string): Failure => new Failure('POLICY_INVALID', `${what}: ${why}`);
  if (text.length > YAML_TEXT_MAX) throw refuse(`longer than ${YAML_TEXT_MAX} characters`);
  if (UNPRINTABLE.test(text)) throw refuse('holds a character that does not print');
  if (deeperThan(text, NESTING_MAX)) throw refuse(`nested deeper than ${NESTING_MAX} levels`);
  // Duplicate keys are found below: the library's own search takes quadratic time.
  const document = parseDocument(text, { schema: 'failsafe', uniqueKeys: false, version: '1.2' });
  const problem = document.errors[0] ?? document.warnings[0];
  if (problem !== undefined) throw refuse(problem.message.split('\n')[0] ?? problem.code);
  if (hasDirectives(document)) throw refuse('directives are not allowed');
  return treeOf(document.contents, what);
}

function hasDirectives(document: Document.Parsed): boolean {
  const { yaml, tags } = document.directives;
  return yaml.explicit === true || Object.keys(tags).some((handle) => handle !== '!!');
}

/** Feeds the parser token by token: its stack is data, the composer's behind it is the machine's. */
function deeperThan(text: string, max: number): boolean {
  const parser = new Parser();
  for (const lexeme of new Lexer().lex(text)) {
    for (const _ of parser.next(lexeme)) continue;
    if (parser.stack.length > max) return true;
  }
  return false;
}

function treeOf(node: unknown, path: string): YamlTree {
  const refuse = (why: string): Failure => new Failure('POLICY_INVALID', `${path}: ${why}`);
  if (!isScalar(node) && !isMap(node) && !isSeq(node)) throw refuse('no alias, no empty document');
  if (node.anchor !== undefined) throw refuse('anchors are not allowed');
  if (node.tag !== undefined) throw refuse('tags are not allowed');
  if (isScalar(node)) {
    if (typeof node.value !== 'string') throw refuse('not text');
    return node.value;
  }
  if (isSeq(node)) return node.items.map((item, index) => treeOf(item, `${path}[${index}]`));
  return mapOf(node, path);
}

function mapOf(node: YAMLMap, path: string): YamlTree {
  const refuse = (why: string): Failure => new Failure('POLICY_INVALID', `${path}: ${why}`);
  const tree: { [key: string]: YamlTree } = {};
  for (const { key, value } of node.items) {
    const name = treeOf(key, `${path} key`);
    if (typeof name !== 'string' || !KEY.test(name)) throw refuse(`not a key: ${shown(name)}`);
    if (Object.hasOwn(tree, name)) throw refuse(`the key ${name} stands twice`);
    tree[name] = treeOf(value, `${path}.${name}`);
  }
  return tree;
}

function shown(name: YamlTree): string {
  return typeof name === 'string' ? JSON.stringify(name.slice(0, 64)) : 'a list or a map';
}
