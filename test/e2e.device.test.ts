/**
 * A seat whose spending key is on a device: its agent verifies and exports, the device signs, the agent takes
 * the signatures back. The device is a bitcoind's own wallet, which knows nothing of this program.
 */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { HDKey } from '@scure/bip32';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  fundTreasury,
  mineBlocks,
  operatorApproves,
  untilKnown,
  untilProposal,
  untilSent,
} from '../demo/decisions.ts';
import { queueOrder, registerLps } from '../demo/lps.ts';
import { weir } from '../demo/weir-process.ts';
import {
  agentJson,
  coordinatorJson,
  homeOf,
  startWorld,
  stopAgent,
  type World,
} from '../demo/world.ts';
import { descriptorChecksum } from '../descriptors/descriptor.ts';
import { NETWORKS } from '../descriptors/network.ts';
import { minerAddress } from '../regtest/network.ts';
import { bitcoindBinary, describeWithBitcoind } from './bitcoind-available.ts';

const ACCOUNT = HDKey.fromMasterSeed(new Uint8Array(32).fill(7), NETWORKS.regtest.bip32);
const DEVICE = 'device';
const WORLD_MS_MAX = 180_000;

describeWithBitcoind('a seat on a device', () => {
  let world: World;
  let id = '';
  const node = ACCOUNT.derive("m/48'/1'/0'/2'");
  const fingerprint = ACCOUNT.fingerprint.toString(16).padStart(8, '0');

  beforeAll(async () => {
    const dir = await mkdtemp(path.join(tmpdir(), 'weir-e2e-device-'));
    const xpub = `[${fingerprint}/48h/1h/0h/2h]${node.publicExtendedKey}`;
    const hook = `cat >> ${path.join(dir, 'told.txt')}`;
    world = await startWorld({
      dir,
      binary: bitcoindBinary(),
      quorum: { threshold: 2, of: 3 },
      initFlags: new Map([['cleo', ['--xpub', xpub, '--device', DEVICE, '--hook', hook]]]),
    });
    await fundTreasury(world, ['0.5', '0.5']);
    await registerLps(world, ['lp-one']);
    await stopAgent(world, 'ben');
    await queueOrder(world, 'lp-one', {
      amountSat: '1200000',
      to: await minerAddress(world.network),
    });
    ({ id } = await coordinatorJson<{ id: string }>(world, ['propose', 'batch']));
    await operatorApproves(world, id);
  }, WORLD_MS_MAX);
  afterAll(async () => {
    await world?.stop();
    if (world !== undefined) await rm(world.dir, { recursive: true, force: true });
  }, WORLD_MS_MAX);

  test(
    'asks its guardian although the policy would let it sign',
    async () => {
      const row = await untilProposal(world, id, 'the question', ({ asks }) =>
        asks.includes('cleo'),
      );
      expect(row.signed).toEqual(['ana']);
      const told = await readFile(path.join(world.dir, 'told.txt'), 'utf8');
      expect(told).toContain(`proposal ${id.slice(0, 8)} waits for your review`);
      expect(told).not.toMatch(/1.?200.?000|bcrt1|sat\b/);
    },
    WORLD_MS_MAX,
  );

  test(
    'judges an exported proposal file offline, and signs nothing by that',
    async () => {
      await untilKnown(world, 'ana', id);
      const file = path.join(world.dir, 'proposal.json');
      await agentJson(world, 'ana', ['export', id, file, '--proposal']);
      const judged = (name: string) =>
        weir([
          'signer-agent',
          'verify',
          name,
          '--json',
          '--dir',
          homeOf(world, 'ben').dir,
          '--passphrase-file',
          path.join(world.dir, 'ben.passphrase'),
        ]);
      // Ben's agent is not running and never heard of it: what is in the file is all it needs.
      const verdict = await judged(file);
      expect(verdict.code, verdict.stdout).toBe(0);
      const stolen = (await readFile(file, 'utf8')).replaceAll(
        '"amountSat":"1200000"',
        '"amountSat":"1200001"',
      );
      await writeFile(path.join(world.dir, 'stolen.json'), stolen);
      expect((await judged(path.join(world.dir, 'stolen.json'))).code).not.toBe(0);
      await writeFile(path.join(world.dir, 'cut.json'), stolen.slice(0, 1_000));
      const refused = await judged(path.join(world.dir, 'cut.json'));
      expect(refused.code).toBe(1);
      expect(JSON.parse(refused.stdout)).toMatchObject({ error: { code: 'INPUT_INVALID' } });
      const row = await untilProposal(world, id, 'its row', () => true);
      expect(row.signed).toEqual(['ana']);
    },
    WORLD_MS_MAX,
  );

  test(
    'refuses a file that the device did not sign, takes the one it signed, and the spend confirms',
    async () => {
      const psbtFile = path.join(world.dir, 'to-sign.psbt');
      await agentJson(world, 'cleo', ['export', id, psbtFile]);
      const { dir } = homeOf(world, 'cleo');
      const unsigned = await weir(['signer-agent', 'import', psbtFile, '--dir', dir, '--json']);
      expect(JSON.parse(unsigned.stdout)).toMatchObject({ error: { code: 'SIGNATURE_INVALID' } });
      const signed = await signOnDevice(world, psbtFile);
      const signedFile = path.join(world.dir, 'signed.psbt');
      await writeFile(signedFile, Buffer.from(signed, 'base64'));
      await agentJson(world, 'cleo', ['import', signedFile]);
      const sent = await untilSent(world, id);
      expect(new Set(sent.signed)).toEqual(new Set(['ana', 'cleo']));
      await mineBlocks(world, 1);
      await untilProposal(world, id, 'its block', ({ state }) => state === 'confirmed');
    },
    WORLD_MS_MAX,
  );

  /** The node's own wallet with this one seat's extended private key signs the file. */
  async function signOnDevice({ network }: World, file: string): Promise<string> {
    const { first } = network;
    const args = ['export', 'wallet', '--format', 'core'];
    const { wallet } = await agentJson<{ wallet: string }>(world, 'cleo', args);
    await first.rpc('createwallet', [DEVICE, false, true, '', false, true, false]);
    const rows = (JSON.parse(wallet) as { desc: string; internal: boolean }[]).map((row) => {
      const body = (row.desc.split('#')[0] ?? '').replace(
        node.publicExtendedKey,
        node.privateExtendedKey,
      );
      const desc = `${body}#${descriptorChecksum(body)}`;
      return { ...row, desc, active: true, range: [0, 100], timestamp: 'now' };
    });
    const imported = await first.rpc<{ success: boolean }[]>('importdescriptors', [rows], DEVICE);
    expect(imported.every(({ success }) => success)).toBe(true);
    const psbt = (await readFile(file)).toString('base64');
    const answer = await first.rpc<{ psbt: string; complete: boolean }>(
      'walletprocesspsbt',
      [psbt, true, 'ALL', true, false],
      DEVICE,
    );
    expect(answer.complete).toBe(false);
    return answer.psbt;
  }
});
