/** The agent's commands that read and write files: bounded, never overwritten, every failure with its code. */
import { readFile, stat, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { expect, test } from 'vitest';
import { EXIT } from '../console/exit-code.ts';
import type { CommandTools } from '../signer-agent/command-tools.ts';
import { at, failed, ID, said, serve, stopServing, weir } from './agent-at-socket.ts';
import { spendScenario, strangerScript } from './spend-scenario.ts';

test('export writes the bytes of the PSBT; a file that is there is never overwritten', async () => {
  await serve();
  const file = path.join(at.dir, 'p.psbt');
  expect((await weir(['export', ID, file])).exit).toBe(0);
  expect((await readFile(file)).toString('hex')).toBe('70736274ff');
  expect((await stat(file)).mode & 0o777).toBe(0o600);
  expect(await failed(['export', ID, file])).toMatchObject({ exit: 1, code: 'WRONG_STATE' });
  await symlink(file, path.join(at.dir, 'link'));
  const linked = await failed(['export', ID, path.join(at.dir, 'link')]);
  expect(linked).toMatchObject({ exit: 1, code: 'WRONG_STATE' });
});

test('export --proposal writes the proposal file, and says when there is none', async () => {
  const file = path.join(at.dir, 'p.json');
  await serve({
    exportProposal: () => Promise.resolve(said('', { psbt: '', proposalFile: { amount: 5n } })),
  });
  await weir(['export', ID, file, '--proposal']);
  expect(await readFile(file, 'utf8')).toBe('{"amount":"5"}\n');
  await stopServing();
  await serve();
  const error = await failed(['export', ID, path.join(at.dir, 'q.json'), '--proposal']);
  expect(error).toMatchObject({ exit: 1, code: 'NOT_FOUND' });
});

test('the wallet is written into a file where one is named', async () => {
  await serve();
  const file = path.join(at.dir, 'wallet.json');
  expect((await weir(['export', 'wallet', file, '--format', 'sparrow'])).exit).toBe(0);
  expect(await readFile(file, 'utf8')).toBe('{"wallet":1}\n');
});

test.each<[words: readonly string[]]>([
  [['export', 'wallet']],
  [['export', ID]],
  [['export', 'x']],
])('%s asks nobody and says what is missing', async (words) => {
  await serve();
  expect(await failed(words)).toMatchObject({ exit: 1, code: 'INPUT_INVALID' });
  expect(at.calls).toEqual([]);
});

const psbt = (() => {
  const s = spendScenario({ threshold: 2, of: 3 });
  return s.batch([s.t.order('lp-one', { script: strangerScript(1) })]).psbt;
})();
const base64 = Buffer.from(psbt).toString('base64');

test.each<[title: string, content: Uint8Array | string]>([
  ['in binary', psbt],
  ['in base64', base64],
  ['in base64 with line ends', base64.replaceAll(/(.{76})/g, '$1\n')],
])('import takes a PSBT %s', async (_, content) => {
  await serve();
  const file = path.join(at.dir, 'signed.psbt');
  await writeFile(file, content);
  expect((await weir(['import', file])).exit).toBe(0);
  expect(at.calls).toEqual([['importPsbt', base64]]);
});

test.each<[title: string, content: Uint8Array | string, code: string]>([
  ['cut short', psbt.subarray(0, psbt.length - 9), 'PSBT_INVALID'],
  ['of another magic', base64.replace('c', 'd'), 'PSBT_INVALID'],
  ['that is text', 'not a psbt!', 'PSBT_INVALID'],
  ['that is empty', '', 'PSBT_INVALID'],
  ['larger than is read', new Uint8Array(31_000_000), 'INPUT_TOO_LARGE'],
])('import refuses a file %s, and the agent is not asked', async (_, content, code) => {
  await serve();
  const file = path.join(at.dir, 'signed.psbt');
  await writeFile(file, content);
  expect(await failed(['import', file])).toMatchObject({ exit: 1, code });
  expect(at.calls).toEqual([]);
});

test('import refuses a folder and a file that is not there', async () => {
  expect(await failed(['import', at.dir])).toMatchObject({ exit: 1, code: 'INPUT_INVALID' });
  const none = path.join(at.dir, 'none');
  expect(await failed(['import', none])).toMatchObject({ exit: 1, code: 'NOT_FOUND' });
});

test('backup writes what the agent packed, once', async () => {
  await serve();
  const file = path.join(at.dir, 'backup');
  expect((await weir(['backup', file])).exit).toBe(0);
  expect(await readFile(file, 'utf8')).toBe('kept');
  expect(await failed(['backup', file])).toMatchObject({ exit: 1, code: 'WRONG_STATE' });
});

test('restore reads the backup before it asks for the passphrase', async () => {
  const file = path.join(at.dir, 'backup');
  const error = await failed(['restore', file]);
  expect(error).toMatchObject({ exit: 1, code: 'NOT_FOUND' });
  expect(at.calls).toEqual([]);
  await writeFile(file, 'kept');
  const restored: unknown[] = [];
  const restore: CommandTools['restore'] = (request) => {
    restored.push({ ...request, backup: Buffer.from(request.backup).toString() });
    return Promise.resolve(said('made'));
  };
  expect((await weir(['restore', file, '--hook', 'notify'], { restore })).exit).toBe(0);
  expect(restored).toEqual([
    {
      dir: at.dir,
      backup: 'kept',
      passphrase: 'correct horse',
      bitcoind: null,
      lnd: null,
      hook: 'notify',
    },
  ]);
});

const XPUB =
  'tpubDFH9dgzveyD8zTbPUFuLrGmCydNvxehyNdUXKJAQN8x4aZ4j6UZqGfnqFrD4NqyaTVGKbvEW54tsvPTK2UoSbCC1PJY8iCNiwTL3RWZEheQ';

const LND = [
  '--lnd-socket',
  'localhost:10009',
  '--lnd-cert-file',
  '/cert',
  '--lnd-macaroon-file',
  '/mac',
];

test('lnd names the Lightning node, or takes it away, and nothing half', async () => {
  const used: unknown[] = [];
  const useLnd: CommandTools['useLnd'] = ({ lnd }) => {
    used.push(lnd);
    return Promise.resolve(said('looks'));
  };
  expect((await weir(['lnd', ...LND], { useLnd })).exit).toBe(0);
  expect((await weir(['lnd', '--none'], { useLnd })).exit).toBe(0);
  expect(used).toEqual([
    { socket: 'localhost:10009', certFile: '/cert', macaroonFile: '/mac' },
    null,
  ]);
  for (const words of [['lnd'], ['lnd', '--none', ...LND], ['lnd', ...LND.slice(0, 4)]]) {
    expect(await failed(words)).toMatchObject({ exit: 1, code: 'INPUT_INVALID' });
  }
});

test('init hands on a device’s key and its node', async () => {
  const made: unknown[] = [];
  const init: CommandTools['init'] = (request) => {
    made.push(request);
    return Promise.resolve(said('made'));
  };
  const words = ['init', '--network', 'regtest', '--bitcoind-url', 'http://127.0.0.1:1'];
  const node = ['--bitcoind-cookie-file', '/c'];
  const device = ['--xpub', `[0a0b0c0d/48'/1'/0'/2']${XPUB}`, '--device', 'box'];
  expect((await weir([...words, ...node, ...LND, ...device], { init })).exit).toBe(0);
  expect(made).toEqual([
    {
      dir: at.dir,
      network: 'regtest',
      passphrase: 'correct horse',
      device: {
        account: { fingerprint: '0a0b0c0d', path: '48h/1h/0h/2h', xpub: XPUB },
        limits: { name: 'box', maxInputs: 20, maxOutputs: 100 },
      },
      bitcoind: { url: 'http://127.0.0.1:1', cookieFile: '/c' },
      lnd: { socket: 'localhost:10009', certFile: '/cert', macaroonFile: '/mac' },
      hook: null,
    },
  ]);
});

test.each<[title: string, words: readonly string[]]>([
  ['a node without a way to log in', ['--bitcoind-url', 'http://127.0.0.1:1']],
  ['a user without a password', ['--bitcoind-url', 'http://x', '--bitcoind-user', 'u']],
  ['a key without its origin', ['--xpub', XPUB, '--device', 'box']],
  ['a device without a name', ['--xpub', `[0a0b0c0d/48h/1h/0h/2h]${XPUB}`]],
  ['a name without a key', ['--device', 'box']],
  ['a key at another path', ['--xpub', `[0a0b0c0d/84h/1h/0h]${XPUB}`, '--device', 'box']],
  [
    'a device that takes nothing',
    ['--xpub', `[0a0b0c0d/48h/1h/0h/2h]${XPUB}`, '--device', 'b', '--device-max-inputs', '0'],
  ],
])('init refuses %s and makes nothing', async (_, words) => {
  const error = await failed(['init', '--network', 'regtest', ...words]);
  expect(error).toMatchObject({ exit: 1, code: 'INPUT_INVALID' });
  expect(at.calls).toEqual([]);
});

test('verify prints the verdict and ends with its exit code', async () => {
  const ended = await weir(['verify', 'file.json', '--json'], {
    verify(request) {
      at.calls.push(request);
      return Promise.resolve(said('refuses', { codes: ['W-FEE-ABS'] }, EXIT.refused));
    },
  });
  expect([ended.exit, ended.out]).toEqual([4, '{"codes":["W-FEE-ABS"]}\n']);
  expect(at.calls.at(-1)).toEqual({
    dir: at.dir,
    file: 'file.json',
    passphrase: 'correct horse',
  });
});
