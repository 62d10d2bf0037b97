/** A seat's secrets: they sign, they are sealed, and nothing that leaves the keystore has them in it. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { inspect } from 'node:util';
import { bytesToHex, hexToBytes, utf8ToBytes } from '@noble/hashes/utils.js';
import { HDKey } from '@scure/bip32';
import { entropyToMnemonic, mnemonicToSeedSync } from '@scure/bip39';
import { wordlist } from '@scure/bip39/wordlists/english.js';
import { RawOldTx } from '@scure/btc-signer/script.js';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openSealedFile, sealFile } from '../custody/sealed-file.ts';
import { makeDeriver } from '../descriptors/derive.ts';
import { type AccountKey, makeDescriptor } from '../descriptors/descriptor.ts';
import { NETWORKS } from '../descriptors/network.ts';
import { firstFault } from '../descriptors/signature.ts';
import { Failure } from '../policies/failure.ts';
import { statementHolds } from '../policies/statement.ts';
import type { Sat } from '../policies/units.ts';
import { makeApprovalKey, signApproval } from '../signer-agent/approval-key.ts';
import { createKeystore, type Keystore, openKeystore } from '../signer-agent/keystore.ts';
import { wordsOf } from '../signer-agent/word-fingerprint.ts';
import {
  ACCOUNT_PATH,
  accountOf,
  masterFingerprintOf,
  secretOf,
  treasuryScenario,
} from './treasury-scenario.ts';

const PASSPHRASE = 'guardian of the pool';
const APPROVAL_PASSPHRASE = 'another one entirely';
const HERE = { network: 'regtest' as const, device: null };

let dir = '';
beforeEach(async () => {
  dir = await mkdtemp(path.join(tmpdir(), 'weir-keystore-'));
});
afterEach(async () => {
  await rm(dir, { recursive: true });
});

async function failureOf(work: () => unknown): Promise<Failure> {
  try {
    await work();
  } catch (cause) {
    if (cause instanceof Failure) return cause;
    throw cause;
  }
  throw new Error('it did not fail');
}

function seatKey(seatId: string): AccountKey {
  const fingerprint = masterFingerprintOf(seatId);
  return { fingerprint, path: ACCOUNT_PATH, xpub: accountOf(seatId).publicExtendedKey };
}

function deviceOptions(account: AccountKey) {
  const limits = { name: 'steel', maxInputs: 20, maxOutputs: 40 };
  return { network: 'regtest' as const, device: { account, limits } };
}

/** Two coins of a 2-of-3 whose first seat is this one, and a transaction that spends them. */
function spendOf(account: AccountKey) {
  const descriptor = makeDescriptor({
    template: { kind: 'wsh-sortedmulti' },
    threshold: 2,
    keys: [account, seatKey('ben'), seatKey('cleo')],
    network: NETWORKS.regtest,
  });
  const deriver = makeDeriver(descriptor);
  const coins = [deriver.at(0, 3), deriver.at(1, 0), deriver.at(0, 3)].map((place) => ({
    amountSat: 50_000n as Sat,
    place,
  }));
  return { coins, unsignedTx: unsignedTxOf(coins.length) };
}

function publicPartOf({ identityKey, network, holder, device, account }: Keystore) {
  return { identityKey, network, holder, device, account };
}

function unsignedTxOf(inputs: number): Uint8Array {
  return RawOldTx.encode({
    version: 2,
    inputs: Array.from({ length: inputs }, (_, index) => ({
      txid: secretOf('funding'),
      index,
      finalScriptSig: new Uint8Array(),
      sequence: 0xfffffffd,
    })),
    outputs: [{ amount: 100_000n, script: hexToBytes(`0014${'11'.repeat(20)}`) }],
    lockTime: 100,
  });
}

describe('a keystore', () => {
  test('opened again is the same: identity, account and MACs', async () => {
    const made = await createKeystore(dir, PASSPHRASE, HERE);
    expect(made.account).toBeNull();
    const { account } = await made.makeSpendingKey();
    const opened = await openKeystore(dir, PASSPHRASE);
    const record = treasuryScenario({ threshold: 2, of: 3 }).wallet;
    expect(publicPartOf(opened)).toEqual(publicPartOf(made));
    expect(opened.account).toEqual(account);
    expect(opened.macOf(record)).toBe(made.macOf(record));
    expect(opened.macOf({ ...record, epoch: 2 })).not.toBe(made.macOf(record));
  });

  test('says things under its identity key, and two keystores are two identities', async () => {
    const one = await createKeystore(path.join(dir, 'one'), PASSPHRASE, HERE);
    const two = await createKeystore(path.join(dir, 'two'), PASSPHRASE, HERE);
    const said = one.say('freshness', { nonce: '00' });
    expect(said.key).toBe(one.identityKey);
    expect(statementHolds('freshness', said)).toBe(true);
    expect(statementHolds('verdict', said)).toBe(false);
    const record = treasuryScenario({ threshold: 2, of: 3 }).wallet;
    expect([two.identityKey, two.macOf(record)]).not.toEqual([one.identityKey, one.macOf(record)]);
    expect(two.identityKey).not.toBe(one.identityKey);
    expect(two.macOf(record)).not.toBe(one.macOf(record));
  });

  test('gives 24 words whose account any wallet derives at the BIP-48 path', async () => {
    const made = await createKeystore(dir, PASSPHRASE, HERE);
    const { account, mnemonic } = await made.makeSpendingKey();
    const words = mnemonic.split(' ');
    expect(words.length).toBe(24);
    const master = HDKey.fromMasterSeed(mnemonicToSeedSync(mnemonic), NETWORKS.regtest.bip32);
    expect(account).toEqual({
      fingerprint: master.fingerprint.toString(16).padStart(8, '0'),
      path: '48h/1h/0h/2h',
      xpub: master.derive("m/48'/1'/0'/2'").publicExtendedKey,
    });
  });

  test('of bitcoin derives coin type 0 and an xpub', async () => {
    const made = await createKeystore(dir, PASSPHRASE, { network: 'bitcoin', device: null });
    const { account } = await made.makeSpendingKey();
    expect(account.path).toBe('48h/0h/0h/2h');
    expect(account.xpub).toMatch(/^xpub/);
  });

  test('signs every input of both branches, as the descriptor verifies', async () => {
    const made = await createKeystore(dir, PASSPHRASE, HERE);
    const { account } = await made.makeSpendingKey();
    const { coins, unsignedTx } = spendOf(account);
    const opened = await openKeystore(dir, PASSPHRASE);
    for (const keystore of [made, opened]) {
      const signatures = keystore.signInputs(unsignedTx, coins);
      expect(firstFault(unsignedTx, coins, 0, signatures)).toBeNull();
      expect(firstFault(unsignedTx, coins, 1, signatures)).toBe(0);
    }
  });

  test('before it has a spending key has nothing to sign with', async () => {
    const made = await createKeystore(dir, PASSPHRASE, HERE);
    const { coins, unsignedTx } = spendOf(seatKey('ana'));
    const failure = await failureOf(() => made.signInputs(unsignedTx, coins));
    expect(failure.code).toBe('KEY_MISSING');
  });

  test('that redoes its key signs with the new one only, and keeps the old words sealed', async () => {
    const made = await createKeystore(dir, PASSPHRASE, HERE);
    const first = await made.makeSpendingKey();
    const second = await made.makeSpendingKey();
    expect(second.account.xpub).not.toBe(first.account.xpub);
    const old = spendOf(first.account);
    const now = spendOf(second.account);
    for (const keystore of [made, await openKeystore(dir, PASSPHRASE)]) {
      expect(keystore.account).toEqual(second.account);
      const signatures = keystore.signInputs(now.unsignedTx, now.coins);
      expect(firstFault(now.unsignedTx, now.coins, 0, signatures)).toBeNull();
      const failure = await failureOf(() => keystore.signInputs(old.unsignedTx, old.coins));
      expect(failure.code).toBe('KEY_MISSING');
    }
    const plain = await openSealedFile(path.join(dir, 'signer.sealed'), PASSPHRASE);
    expect(new TextDecoder().decode(plain)).toContain(first.mnemonic);
  });

  test('is never made over another one', async () => {
    const made = await createKeystore(dir, PASSPHRASE, HERE);
    const again = await failureOf(() => createKeystore(dir, 'another passphrase', HERE));
    expect(again.code).toBe('WRONG_STATE');
    expect((await openKeystore(dir, PASSPHRASE)).identityKey).toBe(made.identityKey);
  });

  test('refuses another passphrase, a folder without one, and a content that is no keystore', async () => {
    await createKeystore(dir, PASSPHRASE, HERE);
    const wrong = await failureOf(() => openKeystore(dir, 'not the passphrase'));
    expect(wrong.code).toBe('PASSPHRASE_WRONG');
    const missing = await failureOf(() => openKeystore(path.join(dir, 'none'), PASSPHRASE));
    expect(missing.code).toBe('KEY_MISSING');
    for (const text of ['', '{}', '{"schema":"weir.keystore/v2"}', 'words words words']) {
      await sealFile(path.join(dir, 'signer.sealed'), utf8ToBytes(text), PASSPHRASE);
      const failure = await failureOf(() => openKeystore(dir, PASSPHRASE));
      expect(failure.code).toBe('INPUT_INVALID');
    }
  });
});

describe("a device's seat", () => {
  test('has an identity and an account, and refuses to make or use a spending key', async () => {
    await createKeystore(dir, PASSPHRASE, deviceOptions(seatKey('ana')));
    const seat = await openKeystore(dir, PASSPHRASE);
    expect(seat.holder).toBe('device');
    expect(seat.account).toEqual(seatKey('ana'));
    expect(seat.device).toEqual({ name: 'steel', maxInputs: 20, maxOutputs: 40 });
    const { coins, unsignedTx } = spendOf(seatKey('ana'));
    const signing = await failureOf(() => seat.signInputs(unsignedTx, coins));
    expect(signing.code).toBe('KEY_MISSING');
    const making = await failureOf(() => seat.makeSpendingKey());
    expect(making.code).toBe('WRONG_STATE');
  });

  test.each([
    ['a path of bitcoin', { path: '48h/0h/0h/2h' }],
    ['a path that is not BIP-48', { path: '84h/1h/0h' }],
    ['a fingerprint that is none', { fingerprint: 'ANA' }],
    ['an xpub of bitcoin', { xpub: bitcoinXpub() }],
    ['a key of another depth', { xpub: accountOf('ana').deriveChild(0).publicExtendedKey }],
    ['a private key', { xpub: accountOf('ana').privateExtendedKey }],
    ['text', { xpub: 'tpub' }],
  ])('refuses %s', async (_what, change) => {
    const options = deviceOptions({ ...seatKey('ana'), ...change });
    const failure = await failureOf(() => createKeystore(dir, PASSPHRASE, options));
    expect(failure.code).toBe('DESCRIPTOR_INVALID');
    expect(inspect(failure)).not.toContain(accountOf('ana').privateExtendedKey);
    expect((await failureOf(() => openKeystore(dir, PASSPHRASE))).code).toBe('KEY_MISSING');
  });
});

function bitcoinXpub(): string {
  const seed = utf8ToBytes('a seed of the network bitcoin...');
  return HDKey.fromMasterSeed(seed).derive("m/48'/0'/0'/2'").publicExtendedKey;
}

describe('a secret', () => {
  test('is in no error, in no JSON and in no inspection of the keystore, and plain in no file', async () => {
    const made = await createKeystore(dir, PASSPHRASE, HERE);
    const { mnemonic, account } = await made.makeSpendingKey();
    await makeApprovalKey(dir, APPROVAL_PASSPHRASE);
    const sealedContent = async (name: string, passphrase: string) =>
      new TextDecoder().decode(await openSealedFile(path.join(dir, name), passphrase));
    const texts = [
      await sealedContent('signer.sealed', PASSPHRASE),
      await sealedContent('approval.sealed', APPROVAL_PASSPHRASE),
    ];
    const secrets = [
      PASSPHRASE,
      APPROVAL_PASSPHRASE,
      mnemonic,
      mnemonic.split(' ').slice(0, 3).join(' '),
      ...texts.flatMap((text) =>
        [...text.matchAll(/"([0-9a-f]{64})"/g)].map((hit) => hit[1] ?? ''),
      ),
    ];
    // Identity secret, MAC secret, approval secret.
    expect(secrets.length).toBe(7);
    const opened = await openKeystore(dir, PASSPHRASE);
    const { coins, unsignedTx } = spendOf(seatKey('ana'));
    // A content that is nearly right: its fault must not be quoted.
    const spoiled = path.join(dir, 'spoiled');
    await createKeystore(spoiled, PASSPHRASE, HERE);
    const nearly = texts[0]?.replace(mnemonic, `${mnemonic} zoo`) ?? '';
    await sealFile(path.join(spoiled, 'signer.sealed'), utf8ToBytes(nearly), PASSPHRASE);
    await sealFile(path.join(spoiled, 'approval.sealed'), utf8ToBytes(nearly), PASSPHRASE);
    const attempts: (() => unknown)[] = [
      () => openKeystore(dir, 'not the passphrase'),
      () => createKeystore(dir, PASSPHRASE, HERE),
      () => openKeystore(spoiled, PASSPHRASE),
      () => makeApprovalKey(spoiled, PASSPHRASE),
      () => makeApprovalKey(dir, PASSPHRASE),
      () => opened.signInputs(unsignedTx, coins),
      () => opened.signInputs(unsignedTx.subarray(0, 30), spendOf(account).coins),
    ];
    const failures: unknown[] = [];
    for (const attempt of attempts) {
      try {
        await attempt();
        failures.push('done');
      } catch (cause) {
        failures.push(cause);
      }
    }
    const shown = [
      ...failures.map((each) => inspect(each, { depth: 9, showHidden: true })),
      ...failures.map((each) => JSON.stringify(each, Object.getOwnPropertyNames(each))),
      inspect(opened, { depth: 9, showHidden: true }),
      JSON.stringify(opened),
      bytesToHex(await readFile(path.join(dir, 'signer.sealed'))),
      (await readFile(path.join(dir, 'signer.sealed'))).toString('latin1'),
      (await readFile(path.join(dir, 'approval.sealed'))).toString('latin1'),
    ].join('\n');
    expect(failures).not.toContain('done');
    expect(secrets.filter((secret) => shown.includes(secret))).toEqual([]);
  });
});

describe('an approval key', () => {
  const body = {
    treasuryId: 'aa'.repeat(32),
    network: 'regtest' as const,
    subject: 'bb'.repeat(32),
    txid: null,
    policyHash: 'cc'.repeat(32),
    decision: 'approve' as const,
    role: 'guardian' as const,
    signerId: 'ana',
    expiresHeight: 100,
  };

  test('signs approvals and nothing else, under its own passphrase', async () => {
    await createKeystore(dir, PASSPHRASE, HERE);
    const key = await makeApprovalKey(dir, APPROVAL_PASSPHRASE);
    const approval = await signApproval(dir, APPROVAL_PASSPHRASE, body);
    expect(approval.key).toBe(key);
    expect(statementHolds('approval', approval)).toBe(true);
    expect((await openKeystore(dir, PASSPHRASE)).identityKey).not.toBe(key);
  });

  test("does not open with the keystore's passphrase, nor the other way round", async () => {
    await createKeystore(dir, PASSPHRASE, HERE);
    await makeApprovalKey(dir, APPROVAL_PASSPHRASE);
    for (const work of [
      () => signApproval(dir, PASSPHRASE, body),
      () => makeApprovalKey(dir, PASSPHRASE),
      () => openKeystore(dir, APPROVAL_PASSPHRASE),
    ]) {
      expect((await failureOf(work)).code).toBe('PASSPHRASE_WRONG');
    }
  });

  test('made a second time is the first one', async () => {
    const key = await makeApprovalKey(dir, APPROVAL_PASSPHRASE);
    expect(await makeApprovalKey(dir, APPROVAL_PASSPHRASE)).toBe(key);
  });

  test('that is missing signs nothing, and a spoiled file is never replaced', async () => {
    const missing = await failureOf(() => signApproval(dir, APPROVAL_PASSPHRASE, body));
    expect(missing.code).toBe('KEY_MISSING');
    const file = path.join(dir, 'approval.sealed');
    await writeFile(file, 'spoiled');
    const spoiled = await failureOf(() => makeApprovalKey(dir, APPROVAL_PASSPHRASE));
    expect(spoiled.code).toBe('INPUT_INVALID');
    expect(await readFile(file, 'utf8')).toBe('spoiled');
  });
});

describe('a word fingerprint', () => {
  test('is the beginning of what BIP-39 makes of the same bytes', () => {
    const hash = '7f'.repeat(32);
    const all = entropyToMnemonic(
      Uint8Array.from({ length: 32 }, () => 0x7f),
      wordlist,
    );
    expect(wordsOf(hash, 23)).toBe(all.split(' ').slice(0, 23).join(' '));
    expect(wordsOf(hash, 4)).toBe(all.split(' ').slice(0, 4).join(' '));
  });

  test('differs where the first bits differ', () => {
    expect(wordsOf(`0${'0'.repeat(63)}`, 2)).toBe('abandon abandon');
    expect(wordsOf(`f${'f'.repeat(63)}`, 2)).toBe('zoo zoo');
  });

  test.each([0, 24])('of %i words is a mistake of ours', (count) => {
    expect(() => wordsOf('00'.repeat(32), count)).toThrow(/1 to 23 words/);
  });
});
