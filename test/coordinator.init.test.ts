/** What a coordinator's folder is made of, and what is refused before anything is made. */
import { chmod, mkdtemp, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { schnorr } from '@noble/curves/secp256k1.js';
import { bytesToHex } from '@noble/hashes/utils.js';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { FILES, parseConfig, readConfig, readCoordinatorKey } from '../coordinator/config.ts';
import { type InitOptions, initCoordinator } from '../coordinator/init.ts';
import { openTreasuryLog } from '../coordinator/log.ts';
import { operatorKeyFile } from '../coordinator/operator-key.ts';
import { invite } from '../coordinator/protocol.ts';
import { openSealedFile } from '../custody/sealed-file.ts';
import { openJournal } from '../journal/level-journal.ts';
import { policyText, REGTEST_GENESIS } from './treasury-scenario.ts';

/** A node that answers only which network it is on. */
let genesis = REGTEST_GENESIS;
let node: Server;
beforeAll(async () => {
  node = createServer((request, response) => {
    let body = '';
    request.on('data', (part: Buffer) => (body += part.toString()));
    request.on('end', () => {
      const answers: Record<string, unknown> = {
        getblockhash: genesis,
        getblockcount: 7,
        getnetworkinfo: { subversion: '/Fake:1.0.0/' },
      };
      const { method } = JSON.parse(body) as { method: string };
      response.end(JSON.stringify({ result: answers[method], error: null }));
    });
  });
  await new Promise<void>((resolve) => void node.listen(0, '127.0.0.1', resolve));
});
afterAll(() => void node.close());

async function options(change: Partial<InitOptions> = {}): Promise<InitOptions> {
  const base = await mkdtemp(path.join(tmpdir(), 'weir-init-'));
  const policyFile = path.join(base, 'policy.yaml');
  const passwordFile = path.join(base, 'password');
  await writeFile(policyFile, policyText(['ana', 'ben', 'cleo']));
  await writeFile(passwordFile, 'secret\n', { mode: 0o600 });
  const { port } = node.address() as AddressInfo;
  return {
    dir: path.join(base, 'coordinator'),
    name: 'demo',
    network: 'regtest',
    threshold: 2,
    seats: ['ana', 'ben', 'cleo'],
    template: { kind: 'wsh-sortedmulti' },
    policyFile,
    operator: 'olga',
    operatorPassphrase: 'correct horse battery',
    config: {
      listen: '127.0.0.1:7001',
      url: 'http://127.0.0.1:7001',
      bitcoind: { url: `http://127.0.0.1:${port}`, user: 'weir', password_file: passwordFile },
      poll_ms: '1000',
      long_term_feerate: '1000',
    },
    ...change,
  };
}

test('a folder has keys nobody else reads, invites, a config without secrets, and a log that begins', async () => {
  const made = await options();
  const result = await initCoordinator(made);
  const { dir } = made;
  expect((await readdir(dir)).toSorted((a, b) => a.localeCompare(b))).toEqual([
    'config.yaml',
    'coordinator.key',
    'invites',
    'journal',
    'operators',
  ]);
  for (const file of [FILES.key, FILES.config, 'invites/ana.json', 'operators/olga.sealed']) {
    expect([file, (await stat(path.join(dir, file))).mode & 0o777]).toEqual([file, 0o600]);
  }
  const key = await readCoordinatorKey(dir);
  expect(bytesToHex(schnorr.getPublicKey(key))).toBe(result.coordinatorKey);
  const text = await readFile(path.join(dir, FILES.config), 'utf8');
  const tokens = await Promise.all(
    made.seats.map(async (seat) => {
      const file = result.invites[seat] ?? '';
      const value = invite.parse(JSON.parse(await readFile(file, 'utf8')));
      expect(value).toMatchObject({ seatId: seat, treasuryId: result.treasuryId });
      return value.token;
    }),
  );
  expect(new Set(tokens).size).toBe(3);
  for (const secret of [...tokens, 'secret\n', bytesToHex(key)]) expect(text).not.toContain(secret);
  const log = await openTreasuryLog({
    journal: await openJournal(path.join(dir, FILES.journal)),
    secretKey: key,
    broken: () => undefined,
  });
  const { id, params } = log.treasury();
  await log.close();
  expect([id, params?.coordinatorKey]).toEqual([result.treasuryId, result.coordinatorKey]);
  const sealed = await openSealedFile(operatorKeyFile(dir, 'olga'), 'correct horse battery');
  expect(params?.operators).toEqual([
    { id: 'olga', key: bytesToHex(schnorr.getPublicKey(sealed)) },
  ]);
  await expect(initCoordinator(made)).rejects.toMatchObject({ code: 'WRONG_STATE' });
});

describe('nothing is made', () => {
  test.each<[string, Partial<InitOptions>, string]>([
    ['for seats that the policy does not know', { seats: ['ana', 'ben', 'dora'] }, 'INPUT_INVALID'],
    ['for fewer seats than the policy has', { seats: ['ana', 'ben'] }, 'INPUT_INVALID'],
    ['for an operator that the policy does not know', { operator: 'otto' }, 'INPUT_INVALID'],
    ['for a policy of another network', { network: 'signet' }, 'NETWORK_MISMATCH'],
    ['without a policy', { policyFile: '/nowhere.yaml' }, 'NOT_FOUND'],
  ])('%s', async (_, change, code) => {
    const wanted = await options(change);
    await expect(initCoordinator(wanted)).rejects.toMatchObject({ code });
    await expect(stat(wanted.dir)).rejects.toMatchObject({ code: 'ENOENT' });
  });

  test('on a node of another network', async () => {
    genesis = '00'.repeat(32);
    try {
      const wanted = await options();
      await expect(initCoordinator(wanted)).rejects.toMatchObject({ code: 'NETWORK_MISMATCH' });
      await expect(stat(wanted.dir)).rejects.toMatchObject({ code: 'ENOENT' });
    } finally {
      genesis = REGTEST_GENESIS;
    }
  });
});

describe('a config', () => {
  const good = [
    'schema: weir.coordinator/v1',
    'network: regtest',
    'listen: 127.0.0.1:7001',
    'url: http://127.0.0.1:7001',
    'bitcoind: { url: "http://127.0.0.1:18443", cookie_file: /tmp/cookie }',
    'poll_ms: 1_000',
    'birth_time: 0',
    'long_term_feerate: 10_000',
    `seats: [{ id: ana, token_sha256: ${'0'.repeat(64)} }, { id: ben, token_sha256: ${'1'.repeat(64)} }]`,
  ];
  test('is read as text and decoded', () => {
    expect(parseConfig(good.join('\n'))).toMatchObject({
      poll_ms: 1_000,
      long_term_feerate: 10_000n,
    });
  });

  test.each<[string, string, string]>([
    ['an unknown key', 'colour: red', 'colour'],
    ['a key twice', 'network: bitcoin', 'twice'],
    ['an anchor', 'fallback_feerate: &a 1', 'anchors'],
    ['an exponent', 'fallback_feerate: 1e9', 'fallback_feerate'],
  ])('with %s is refused by name', (_, line, named) => {
    expect(() => parseConfig([...good, line].join('\n'))).toThrow(
      expect.objectContaining({ code: 'INPUT_INVALID', message: expect.stringContaining(named) }),
    );
  });

  test('that is not there says how to make one', async () => {
    await expect(readConfig('/nowhere')).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });

  test('a key that everybody may read is not used', async () => {
    const made = await options();
    await initCoordinator(made);
    await chmod(path.join(made.dir, FILES.key), 0o604);
    await expect(readCoordinatorKey(made.dir)).rejects.toMatchObject({ code: 'WRONG_STATE' });
  });
});
