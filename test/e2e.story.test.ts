/** The demo's story on running processes: what it promises, and that no process tells a secret anywhere. */
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { HDKey } from '@scure/bip32';
import { mnemonicToSeedSync } from '@scure/bip39';
import { afterAll, expect, test } from 'vitest';
import { openSealedFile } from '../custody/sealed-file.ts';
import { type SpendOfStory, tellStory } from '../demo/story.ts';
import { homeOf, type World } from '../demo/world.ts';
import { NETWORKS } from '../descriptors/network.ts';
import { describeWithBitcoind } from './bitcoind-available.ts';
import { journalOf, sharedWorld } from './e2e-world.ts';

const STORY_MS_MAX = 400_000;
/** Short-lived commands are caught too. */
const LOOK_EVERY_MS = 40;
/** Kept by their owners on purpose: passphrases, what is sealed under them, the node's own files. */
const OWN_SECRETS =
  /\.(approval-)?passphrase$|\.password$|\.sealed$|\.key$|coordinator\/coordinator\.key$/;
const EXTENDED_PRIVATE_KEY = /[xt]prv[1-9A-HJ-NP-Za-km-z]{20}/;

describeWithBitcoind('the story of the demo', () => {
  const world = sharedWorld({ quorum: { threshold: 2, of: 3 } });
  const spends: SpendOfStory[] = [];
  const titles = new Set<string>();
  const watching = setInterval(() => void lookAtTitles(titles), LOOK_EVERY_MS);
  afterAll(() => clearInterval(watching));

  test(
    'pays, refuses the theft, asks a guardian, bumps and is rescued, all on the chain',
    async () => {
      await tellStory(world(), {
        chapter: () => undefined,
        tell: () => undefined,
        spend: (row) => void spends.push(row),
      });
      const inBlocks = await confirmedTxids(world());
      const table = spends.map(({ what, state, txid, signed, refused }) => ({
        what,
        state,
        // All who are online may sign before it goes out; the quorum is enough.
        signers: Math.min(signed.length, world().quorum.threshold),
        refusers: refused.length,
        inABlock: inBlocks.has(txid ?? ''),
      }));
      expect(table).toEqual([
        {
          what: 'batch of five withdrawals',
          state: 'confirmed',
          signers: 2,
          refusers: 0,
          inABlock: true,
        },
        {
          what: 'theft by a hacked coordinator',
          state: 'refused by all',
          signers: 0,
          refusers: 3,
          inABlock: false,
        },
        {
          what: 'withdrawal above the limit',
          state: 'confirmed',
          signers: 2,
          refusers: 0,
          inABlock: true,
        },
        { what: 'fee bump', state: 'confirmed', signers: 2, refusers: 0, inABlock: true },
        {
          what: 'the spend it replaced',
          state: 'replaced',
          signers: 2,
          refusers: 0,
          inABlock: false,
        },
        {
          what: 'rescue without Weir',
          state: 'confirmed',
          signers: 2,
          refusers: 0,
          inABlock: true,
        },
      ]);
    },
    STORY_MS_MAX,
  );

  test(
    'no file, log, journal or process title holds a secret',
    async () => {
      const secrets = await secretsOf(world());
      expect(secrets.size).toBe(3 * 10 + 4 + 1);
      await world().stop();
      const places = await textsOf(world().dir);
      places.set('process titles', [...titles].join('\n'));
      for (const { dir } of [world().coordinator, ...world().agents.values()]) {
        const entries = await journalOf(dir);
        expect(entries.length).toBeGreaterThan(20);
        places.set(`${dir} journal, entry by entry`, JSON.stringify(entries));
      }
      // Titles were really seen, commands that take a passphrase among them.
      expect([...titles].some((title) => title.includes('--approval-passphrase-file'))).toBe(true);
      const found = [...places].flatMap(([place, text]) => [
        ...[...secrets]
          .filter(([, secret]) => text.includes(secret))
          .map(([name]) => `${name} in ${place}`),
        ...(EXTENDED_PRIVATE_KEY.test(text) ? [`an extended private key in ${place}`] : []),
      ]);
      expect(found).toEqual([]);
    },
    STORY_MS_MAX,
  );
});

/** Command lines of all processes, as `ps` shows them. */
async function lookAtTitles(titles: Set<string>): Promise<void> {
  for (const pid of await readdir('/proc').catch(() => [])) {
    if (!/^[0-9]+$/.test(pid)) continue;
    const text = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
    if (text.includes('weir')) titles.add(text.replaceAll('\0', ' '));
  }
}

async function confirmedTxids({ network }: World): Promise<Set<string>> {
  const { second } = network;
  const found = new Set<string>();
  const tip = await second.rpc<number>('getblockcount');
  for (let height = 1; height <= tip; height += 1) {
    const hash = await second.rpc<string>('getblockhash', [height]);
    const { tx } = await second.rpc<{ tx: string[] }>('getblock', [hash, 1]);
    for (const txid of tx) found.add(txid);
  }
  return found;
}

/** Everything nobody may read: by name, so that a finding says what leaked and not its text. */
async function secretsOf(world: World): Promise<Map<string, string>> {
  const secrets = new Map<string, string>();
  for (const seatId of world.agents.keys()) {
    const { mnemonic, dir } = homeOf(world, seatId);
    const passphrase = await passphraseIn(world, `${seatId}.passphrase`);
    secrets.set(`words of ${seatId}`, mnemonic);
    secrets.set(`first half of the words of ${seatId}`, mnemonic.split(' ').slice(0, 12).join(' '));
    secrets.set(`passphrase of ${seatId}`, passphrase);
    const approval = await passphraseIn(world, `${seatId}.approval-passphrase`);
    secrets.set(`approval passphrase of ${seatId}`, approval);
    const seed = mnemonicToSeedSync(mnemonic);
    secrets.set(`seed of ${seatId}`, Buffer.from(seed).toString('hex'));
    const master = HDKey.fromMasterSeed(seed, NETWORKS.regtest.bip32);
    const account = master.derive("m/48'/1'/0'/2'");
    secrets.set(`master key of ${seatId}`, hexOf(master.privateKey));
    secrets.set(`account key of ${seatId}`, hexOf(account.privateKey));
    secrets.set(`first spending key of ${seatId}`, hexOf(account.derive('m/0/0').privateKey));
    const sealed = await openSealedFile(path.join(dir, 'signer.sealed'), passphrase);
    const kept = JSON.parse(Buffer.from(sealed).toString('utf8')) as Record<string, string>;
    secrets.set(`identity key of ${seatId}`, kept['identitySecret'] ?? '');
    secrets.set(`MAC secret of ${seatId}`, kept['macSecret'] ?? '');
  }
  for (const name of ['olga', 'lp-one', 'lp-two', 'lp-three']) {
    secrets.set(`passphrase of ${name}`, await passphraseIn(world, `${name}.passphrase`));
  }
  const own = await readFile(path.join(world.coordinator.dir, 'coordinator.key'), 'utf8');
  secrets.set("the coordinator's identity key", own.trim());
  for (const [name, secret] of secrets) expect(secret.length, name).toBeGreaterThan(20);
  return secrets;
}

async function passphraseIn(world: World, name: string): Promise<string> {
  return (await readFile(path.join(world.dir, name), 'utf8')).trim();
}

function hexOf(key: Uint8Array | null): string {
  return Buffer.from(key ?? []).toString('hex');
}

/** Every file of the world but those that are secret by purpose and the nodes' own wallets. */
async function textsOf(dir: string): Promise<Map<string, string>> {
  const texts = new Map<string, string>();
  for (const entry of await readdir(dir, { recursive: true, withFileTypes: true })) {
    const file = path.join(entry.parentPath, entry.name);
    const inside = path.relative(dir, file);
    if (!entry.isFile() || inside.startsWith('bitcoin') || OWN_SECRETS.test(inside)) continue;
    texts.set(inside, await readFile(file, 'latin1'));
  }
  for (const name of ['coordinator.log', 'ana.log', 'ben.log', 'cleo.log']) {
    expect([...texts.keys()]).toContain(name);
  }
  return texts;
}
