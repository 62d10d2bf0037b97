/** Watchtowers in an operator's config: refused by name wherever nobody would tell LND of them. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { operatorCommands } from '../operator/commands.ts';
import { checkedConfig, configText, FILES, readConfig } from '../operator/config.ts';

const TOWER = `02${'a'.repeat(64)}@tower.example:9911`;
const ID = '1'.repeat(64);
const KEY = '2'.repeat(64);
const treasury = { socket: '/c/pool.sock', id: ID, coordinator_key: KEY };
const bitcoind = { url: 'http://127.0.0.1:1', cookie_file: '/b/.cookie' };
const watchtowers = [TOWER];
const BARE = {
  schema: 'weir.operator/v1',
  network: 'regtest',
  pool_id: 'harbour',
  listen: '127.0.0.1:1',
  url: 'http://127.0.0.1:1',
  lnd: { socket: 'localhost:2', cert_file: 'tls.cert', macaroons: 'macaroons' },
};
const NO_TREASURY = /config: watchtowers: need a treasury/;
const NO_BITCOIND = /config: watchtowers: need a bitcoind/;

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(path.join(tmpdir(), 'weir-config-'));
});
afterEach(async () => {
  vi.restoreAllMocks();
  process.exitCode = 0;
  await rm(dir, { recursive: true, force: true });
});

/** What a command of the operator wrote to stderr; nothing where it did what it was asked. */
async function run(...args: string[]): Promise<string> {
  let err = '';
  vi.spyOn(process.stdout, 'write').mockReturnValue(true);
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    err += String(text);
    return true;
  });
  await operatorCommands().parseAsync([...args, '--dir', dir], { from: 'user' });
  return err;
}

test.each<[what: string, config: object]>([
  ['none, without treasury and bitcoind', BARE],
  ['some, with both', { ...BARE, treasury, bitcoind, watchtowers }],
])('a config with %s is read', (_what, config) => {
  expect(() => checkedConfig(config)).not.toThrow();
});

test.each<[what: string, config: object, rule: RegExp]>([
  ['a treasury', { ...BARE, bitcoind, watchtowers }, NO_TREASURY],
  ['a bitcoind', { ...BARE, treasury, watchtowers }, NO_BITCOIND],
  ['both', { ...BARE, watchtowers }, NO_TREASURY],
])('a config with watchtowers and without %s is refused', (_what, config, rule) => {
  expect(() => checkedConfig(config)).toThrow(rule);
});

const INIT =
  `init --pool-id harbour --network regtest --policy p.yaml --listen 127.0.0.1:1 --url http://127.0.0.1:1
  --lnd-socket localhost:2 --lnd-cert-file tls.cert --macaroons m --watchtower ${TOWER}`.split(
    /\s+/,
  );

test.each<[what: string, more: string[], rule: RegExp]>([
  ['treasury and bitcoind', [], NO_TREASURY],
  ['treasury', ['--bitcoind-url', bitcoind.url, '--bitcoind-cookie-file', 'c'], NO_TREASURY],
  [
    'bitcoind',
    ['--treasury-socket', 's', '--treasury-id', ID, '--coordinator-key', KEY],
    NO_BITCOIND,
  ],
])('init with --watchtower and without %s makes nothing', async (_what, more, rule) => {
  // Refused before a passphrase is asked for or anybody is called.
  expect(await run(...INIT, ...more)).toMatch(rule);
  expect(process.exitCode).toBe(1);
});

test('towers are named with the treasury, which is often there only after init', async () => {
  const file = path.join(dir, FILES.config);
  const words = ['treasury', '--socket', treasury.socket, '--id', ID, '--coordinator-key', KEY];
  await writeFile(file, configText(checkedConfig(BARE)));
  expect(await run(...words, '--watchtower', TOWER)).toMatch(NO_BITCOIND);
  expect(await readConfig(dir)).toEqual(BARE);
  await writeFile(file, configText(checkedConfig({ ...BARE, bitcoind })));
  expect(await run(...words, '--watchtower', TOWER)).toBe('');
  expect(await readConfig(dir)).toEqual({ ...BARE, bitcoind, treasury, watchtowers });
});
