/** The agent's commands at the keyboard: what is printed, asked, sent, and how each ends. */
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { expect, test } from 'vitest';
import { EXIT } from '../console/exit-code.ts';
import { Failure } from '../policies/failure.ts';
import { agentCommandTree } from '../signer-agent/command-tree.ts';
import { APPROVES, at, failed, ID, RECORD, said, serve, tools, weir } from './agent-at-socket.ts';

const COIN = `${ID}:0`;
const INVITE = {
  schema: 'weir.invite/v1',
  url: 'http://127.0.0.1:8100',
  treasuryId: ID,
  coordinatorKey: RECORD,
  seatId: 'ana',
  token: '12'.repeat(16),
};
test.each<[words: readonly string[], call: readonly unknown[], printed: string]>([
  [['status'], ['status'], 'all is well\n'],
  [['pending'], ['pending'], 'nothing waits\n'],
  [['history'], ['history'], 'nothing yet\n'],
  [['limits'], ['limits'], 'all left\n'],
  [['address'], ['address', null], 'bcrt1qthird\n'],
  [['address', '--index', '3'], ['address', 3], 'bcrt1qthird\n'],
  [['review', ID], ['review', ID], 'it pays 5 sat\n'],
  [['refuse', ID, '--note', 'no'], ['refuse', ID, 'no'], 'refused\n'],
  [['unlock'], ['unlock'], 'unlocked\n'],
  [['trip'], ['trip'], 'tripped\n'],
  [['freeze', COIN], ['freeze', COIN, 'freeze'], 'frozen\n'],
  [['thaw', COIN], ['freeze', COIN, 'thaw'], 'frozen\n'],
  [['export', 'wallet', '--format', 'core'], ['exportWallet', 'core'], '{"wallet":1}\n'],
])('%s asks the agent and prints its text', async (words, call, printed) => {
  await serve();
  expect(await weir(words)).toEqual({ exit: 0, out: printed, err: '' });
  expect(at.calls).toEqual([call]);
});

test('a script gets one JSON value, amounts as decimal text', async () => {
  await serve();
  const { out: printed } = await weir(['status', '--json']);
  expect(printed).toBe('{"seatId":"ana","treasurySat":"5"}\n');
});

test('the agent’s exit code is the command’s', async () => {
  await serve({
    review: () => Promise.resolve({ ...said('no', {}, EXIT.refused), approves: null }),
  });
  expect((await weir(['review', ID])).exit).toBe(4);
});

test('without a running agent every command says so and that later may help', async () => {
  expect(await failed(['status'])).toMatchObject({ exit: 6, code: 'AGENT_UNREACHABLE' });
});

test('a failure of the agent keeps its code, and what it says is made plain', async () => {
  await serve({
    pending: () => Promise.reject(new Failure('AGENT_LOCKED', 'locked \u001b[2J until proved')),
  });
  expect(await failed(['pending'])).toEqual({
    exit: 6,
    code: 'AGENT_LOCKED',
    message: 'locked  [2J until proved',
    retry: 'later',
  });
});

test.each<[words: readonly string[]]>([
  [['review', 'ab']],
  [['approve', `${ID}0`]],
  [['address', '--index', '-1']],
  [['address', '--index', '0x10']],
  [['freeze', ID]],
  [['join', 'x', '--wait', 'soon']],
  [['refuse', ID, '--note', 'x'.repeat(281)]],
  [['status', '--unknown']],
  [['export', 'wallet', '--format', 'paper']],
])('%s is a usage error, and nobody is asked', async (words) => {
  await serve();
  const tree = agentCommandTree(tools());
  for (const command of [tree, ...tree.commands]) command.exitOverride();
  await expect(
    tree.parseAsync([...words, '--dir', at.dir], { from: 'user' }),
  ).rejects.toMatchObject({
    code: expect.stringMatching(/^commander\./) as string,
  });
  expect(at.calls).toEqual([]);
});

test('approve shows the review, asks, opens the key only then, and sends what the review named', async () => {
  await serve();
  const file = path.join(at.dir, 'words');
  const ended = await weir(['approve', ID, '--approval-passphrase-file', file]);
  expect(ended).toEqual({ exit: 0, out: 'it pays 5 sat\napproved\n', err: '' });
  expect(at.calls.slice(0, 4)).toEqual([
    ['review', ID],
    ['agrees', 'Approve this?'],
    ['passphrase', file, 'known'],
    ['signApproval'],
  ]);
  expect(at.calls[4]).toMatchObject(['approve', { body: APPROVES }]);
});

test('approve --yes asks nobody; with --json the review is for people, on stderr', async () => {
  await serve();
  const ended = await weir(['approve', ID, '--yes', '--json']);
  expect(ended).toEqual({ exit: 0, out: '{"said":"approved"}\n', err: 'it pays 5 sat\n' });
  expect(at.calls.map((call) => (call as string[])[0])).not.toContain('agrees');
});

test.each<[answer: false | null, word: RegExp]>([
  [false, /nothing was approved/],
  [null, /nobody is here to ask/],
])('approve opens no key when the answer is %s', async (agreed, word) => {
  await serve();
  const ended = await weir(['approve', ID], { agrees: () => Promise.resolve(agreed) });
  expect(ended.exit).toBe(EXIT.needsPerson);
  expect(ended.err).toMatch(word);
  expect(at.calls).toEqual([['review', ID]]);
});

test.each<[title: string, change: Partial<typeof APPROVES>]>([
  ['another id', { subject: RECORD }],
  ['a rejection', { decision: 'reject' }],
  ['an operator’s word', { role: 'operator' }],
])('approve signs no statement about %s', async (_, change) => {
  const approves = { ...APPROVES, ...change };
  await serve({ review: () => Promise.resolve({ ...said('x'), approves }) });
  expect(await failed(['approve', ID, '--yes'])).toMatchObject({ exit: 1, code: 'INPUT_INVALID' });
  expect(at.calls).toEqual([]);
});

test('approve of what can not be approved is the review and its exit code', async () => {
  await serve({
    review: () => Promise.resolve({ ...said('refused', {}, EXIT.refused), approves: null }),
  });
  expect(await weir(['approve', ID, '--yes'])).toEqual({ exit: 4, out: 'refused\n', err: '' });
  expect(at.calls).toEqual([]);
});

async function inviteFile(content: string): Promise<string> {
  const file = path.join(at.dir, 'invite.json');
  await writeFile(file, content);
  return file;
}

test('join goes on until every seat is there, and shows what is new once', async () => {
  const answers = [
    said('waiting for ben', { n: 1 }, EXIT.notReady),
    said('waiting for ben', { n: 2 }, EXIT.notReady),
    said('your words', { n: 3 }),
  ];
  await serve({
    join: (value, key) => {
      at.calls.push(['join', value, key]);
      return Promise.resolve(answers[at.calls.length - 2] ?? said('too often'));
    },
  });
  const ended = await weir(['join', await inviteFile(JSON.stringify(INVITE))]);
  expect(ended).toEqual({ exit: 0, out: 'your words\n', err: 'waiting for ben\n' });
  expect(at.calls).toEqual([
    ['passphrase', null, 'new'],
    ...[1, 2, 3].map(() => ['join', INVITE, RECORD]),
  ]);
});

test('join --wait 0 looks once and says that it is not yet', async () => {
  await serve({ join: () => Promise.resolve(said('waiting', {}, EXIT.notReady)) });
  const file = await inviteFile(JSON.stringify(INVITE));
  expect((await weir(['join', file, '--wait', '0'])).exit).toBe(6);
});

test.each<[title: string, content: string, code: string, named: RegExp]>([
  ['cut short', JSON.stringify(INVITE).slice(0, 50), 'INPUT_INVALID', /not all of it/],
  ['of another kind', JSON.stringify({ ...INVITE, schema: 'x' }), 'INPUT_INVALID', /schema/],
  ['with more in it', JSON.stringify({ ...INVITE, more: 1 }), 'INPUT_INVALID', /more/],
  [
    'with a file as its address',
    JSON.stringify({ ...INVITE, url: 'file:///x' }),
    'INPUT_INVALID',
    /url/,
  ],
  ['larger than an invite is', ' '.repeat(20_000), 'INPUT_TOO_LARGE', /bytes/],
])('join refuses an invite %s before it asks anything', async (_, content, code, named) => {
  await serve();
  const error = await failed(['join', await inviteFile(content)]);
  expect(error).toMatchObject({ exit: 1, code, message: expect.stringMatching(named) as string });
  expect(at.calls).toEqual([]);
});

test('join refuses a file that is not there', async () => {
  const error = await failed(['join', path.join(at.dir, 'none')]);
  expect(error).toMatchObject({ exit: 1, code: 'NOT_FOUND' });
});

test('accept shows, asks, and confirms the record that was shown', async () => {
  await serve();
  const ended = await weir(['accept', '--expect-address', 'bcrt1qfirst']);
  expect(ended).toEqual({ exit: 0, out: 'compare this\nconfirmed\n', err: '' });
  expect(at.calls).toEqual([
    ['ceremony'],
    ['agrees', 'Do all guardians read this very address and these words?'],
    ['accept', RECORD],
  ]);
});

test('accept refuses another first address, --yes or not', async () => {
  await serve();
  const error = await failed(['accept', '--yes', '--expect-address', 'bcrt1qother']);
  expect(error).toMatchObject({ exit: 4, code: 'REQUEST_REFUSED' });
  expect(at.calls).toEqual([['ceremony']]);
});

test('accept confirms nothing where a person says no, or nobody is there', async () => {
  await serve();
  for (const agreed of [false, null]) {
    const ended = await weir(['accept'], { agrees: () => Promise.resolve(agreed) });
    expect(ended.exit).toBe(3);
  }
  expect(at.calls).toEqual([['ceremony'], ['ceremony']]);
});

test('accept before every seat is there confirms nothing', async () => {
  const waiting = {
    ...said('waiting', {}, EXIT.notReady),
    recordHash: null,
    state: 'waiting' as const,
  };
  await serve({ ceremony: () => Promise.resolve(waiting) });
  expect((await weir(['accept', '--yes'])).exit).toBe(6);
  expect(at.calls).toEqual([]);
});
