/** `weir policy check` and `diff`, in this process: what they print, how they end, and what they refuse. */
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { POLICY_FILE_MAX } from '../cli/policy-file.ts';
import { parsePolicy, policyHash, printPolicy } from '../policies/policy.ts';
import { edited, POLICY, POLICY_TEXT } from './policy-cases.ts';
import { fileOf, folder, run, runJson } from './policy-command-run.ts';

const good = (): string => fileOf(POLICY_TEXT);
const none = (): string => path.join(folder, 'none');
const successor = (...edits: readonly (readonly [string, string])[]): string =>
  edited(
    POLICY_TEXT,
    ['version: 1', 'version: 2'],
    ['previous: null', `previous: sha256:${policyHash(POLICY)}`],
    ...edits,
  );

describe('check', () => {
  test('names a policy by version, network, hash and height, and its people', async () => {
    const { exit, out } = await run('check', fileOf(POLICY_TEXT));
    expect(exit).toBe(0);
    expect(out).toBe(
      [
        `policy version 1 on regtest, sha256:${policyHash(POLICY)}`,
        'rules from height 0 on',
        'guardian ana: region eu, signs automatically',
        'guardian ben: region eu, signs automatically',
        'guardian cleo: region us, signs automatically',
        'operator olga',
        '',
      ].join('\n'),
    );
  });

  test('--print gives a text back that is the same policy', async () => {
    const { exit, out } = await run('check', fileOf(POLICY_TEXT), '--print');
    expect(exit).toBe(0);
    expect(parsePolicy(out)).toEqual(POLICY);
    expect(out).toContain(`# policy version 1 on regtest, sha256:${policyHash(POLICY)}`);
  });

  test('--json says the same, and the policy only where it is asked for', async () => {
    const file = fileOf(POLICY_TEXT);
    const plain = await runJson('check', file);
    const summary = { version: 1, network: 'regtest', hash: policyHash(POLICY) };
    expect(plain).toMatchObject({ exit: 0, value: { ...summary, activatesAtHeight: 0 } });
    expect(plain.value).not.toHaveProperty('policy');
    const printed = await runJson('check', file, '--print');
    expect(printed.value).toMatchObject({ policy: printPolicy(POLICY).trimEnd() });
  });
});

describe('a file that is no policy', () => {
  const YAML_ERRORS: readonly [what: string, text: string, names: string][] = [
    ['a typo in a key', edited(POLICY_TEXT, ['per_tx:', 'per_txx:']), 'limits.per_txx'],
    ['a missing section', edited(POLICY_TEXT, ['no_self_approval: yes', '']), 'no_self_approval'],
    ['a decimal', edited(POLICY_TEXT, ['per_tx: 50_000_000', 'per_tx: 0.5']), 'limits.per_tx'],
    ['an exponent', edited(POLICY_TEXT, ['per_tx: 50_000_000', 'per_tx: 5e7']), 'limits.per_tx'],
    ['a negative limit', edited(POLICY_TEXT, ['per_tx: 50_000_000', 'per_tx: -1']), 'per_tx'],
    ['a leading zero', edited(POLICY_TEXT, ['max_tx: 40', 'max_tx: 040']), 'limits.count.max_tx'],
    ['a key twice', edited(POLICY_TEXT, ['version: 1', 'version: 1\nversion: 2']), 'version'],
    ['an anchor', edited(POLICY_TEXT, ['version: 1', 'version: &one 1']), 'anchors'],
    ['a tag', edited(POLICY_TEXT, ['version: 1', 'version: !!str 1']), 'tags'],
    ['a second document', `${POLICY_TEXT}\n---\nversion: 2\n`, 'policy'],
    ['no YAML', 'limits: [', 'policy'],
    ['nothing', '', 'policy'],
    ['a feature that is not there', `${POLICY_TEXT}\ndelay: 6\n`, 'not there yet'],
    ['another schema', edited(POLICY_TEXT, ['weir.policy/v1', 'weir.policy/v2']), 'schema'],
  ];

  test.each(YAML_ERRORS)('with %s is POLICY_INVALID and exit 1', async (_what, text, names) => {
    const file = fileOf(text);
    const { exit, out, errors } = await run('check', file);
    expect({ exit, out }).toEqual({ exit: 1, out: '' });
    expect(errors).toMatch(/^error POLICY_INVALID: /);
    expect(errors).toContain(names);
    expect(errors).toContain(file);
    const json = await runJson('check', file);
    const error: unknown = expect.objectContaining({ code: 'POLICY_INVALID', retry: 'never' });
    expect(json).toEqual({ exit: 1, value: { error } });
  });

  const FILES: readonly [what: string, args: () => string[], code: string][] = [
    ['check of no file', () => ['check', none()], 'NOT_FOUND'],
    ['check below a file', () => ['check', path.join(good(), 'x')], 'NOT_FOUND'],
    ['check of a folder', () => ['check', folder], 'INPUT_INVALID'],
    ['check of a device', () => ['check', '/dev/zero'], 'INPUT_INVALID'],
    ['check of bytes', () => ['check', fileOf(Uint8Array.of(0xff, 0xfe))], 'INPUT_INVALID'],
    [
      'check of too much',
      () => ['check', fileOf('#'.repeat(POLICY_FILE_MAX + 1))],
      'INPUT_TOO_LARGE',
    ],
    ['diff from no file', () => ['diff', none(), good()], 'NOT_FOUND'],
    ['diff to no file', () => ['diff', good(), none()], 'NOT_FOUND'],
    ['diff to no policy', () => ['diff', good(), fileOf('a: b')], 'POLICY_INVALID'],
    ['diff at no height', () => ['diff', good(), good(), '--height', 'now'], 'INPUT_INVALID'],
    ['explain of no file', () => ['explain', none()], 'NOT_FOUND'],
    ['explain with no keys', () => ['explain', good(), '--threshold', '0'], 'INPUT_INVALID'],
    ['explain with 4 of 3', () => ['explain', good(), '--threshold', '4'], 'INPUT_INVALID'],
    ['explain of no spend', () => ['explain', good(), '--proposal', none()], 'NOT_FOUND'],
    ['explain of a text', () => ['explain', good(), '--proposal', good()], 'INPUT_INVALID'],
  ];

  test.each(FILES)('%s ends with its code and exit 1', async (_what, args, code) => {
    const { exit, value } = await runJson(...args());
    expect({ exit, value }).toMatchObject({ exit: 1, value: { error: { code } } });
  });

  test('as long as allowed is read to its end', async () => {
    const comment = `\n#${' '.repeat(POLICY_FILE_MAX - POLICY_TEXT.length - 2)}`;
    const { exit } = await run('check', fileOf(POLICY_TEXT + comment));
    expect(exit).toBe(0);
    const tail = `${comment.slice(2)}\nx: y`;
    expect((await run('check', fileOf(POLICY_TEXT + tail.slice(4)))).exit).toBe(1);
  });
});

describe('diff', () => {
  const LATE = ['activates_at_height: 0', 'activates_at_height: 1020'] as const;
  const MORE = ['per_tx: 50_000_000', 'per_tx: 60_000_000'] as const;
  const LESS = ['floor_balance: 10_000_000', 'floor_balance: 20_000_000'] as const;

  test('says field by field which way a policy goes', async () => {
    const args = ['diff', fileOf(POLICY_TEXT), fileOf(successor(MORE, LESS))] as const;
    const { exit, out } = await run(...args);
    expect(exit).toBe(0);
    expect(out).toContain('overall loosen: at least one field allows more than before');
    expect(out).toMatch(/limits\.per_tx +│ loosen +│ 50_000_000 +│ 60_000_000/);
    expect(out).toMatch(/limits\.floor_balance +│ tighten +│ 10_000_000 +│ 20_000_000/);
    expect(out).toContain('a loosening waits 20 blocks after it is announced');
    expect((await runJson(...args)).value).toMatchObject({
      overall: 'loosen',
      loosenDelay: 20,
      succession: null,
      changes: expect.arrayContaining([
        { path: 'limits.per_tx', change: 'loosen', from: '50_000_000', to: '60_000_000' },
      ]) as unknown,
    });
  });

  test.each([
    ['the same policy again, which is no successor', POLICY_TEXT, 'neutral', 4],
    ['a tightening at once', successor(LESS), 'tighten', 0],
    ['a loosening at once', successor(MORE), 'loosen', 4],
    ['a loosening that waits', successor(MORE, LATE), 'loosen', 0],
    ['a version left out', successor(['version: 2', 'version: 3']), 'neutral', 4],
  ] as const)('%s', async (_what, newer, overall, exit) => {
    const args = ['diff', fileOf(POLICY_TEXT), fileOf(newer), '--height', '1000'] as const;
    const allowed = exit === 0 ? 'yes' : 'no';
    expect(await runJson(...args)).toMatchObject({
      exit,
      value: { overall, succession: { announcedAt: 1_000, earliestLoosening: 1_020, allowed } },
    });
    const { out } = await run(...args);
    expect(out).toContain(exit === 0 ? 'it may follow' : 'it may not follow');
    expect(out).toContain('a loosening rules from 1020 at the earliest');
  });

  test('names why a loosening comes too soon', async () => {
    const args = ['diff', fileOf(POLICY_TEXT), fileOf(successor(MORE)), '--height', '1000'];
    const { out } = await run(...args);
    expect(out).toContain('W-POL-LOOSENED-EARLY (H1): limits.per_tx from 0, not before 1020');
  });
});
