/** A proposal file: what it holds, what is refused in it, and the verdict that `verify` gives on it. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import { beforeEach, expect, test } from 'vitest';
import { createJournal, openJournal } from '../journal/level-journal.ts';
import { emptyOverlay, parseOverlay } from '../policies/overlay.ts';
import { signStatement } from '../policies/statement.ts';
import { EMPTY_TREASURY } from '../policies/treasury.ts';
import { applyEntry } from '../policies/treasury-fold.ts';
import { walletRecordHash } from '../policies/wallet-record.ts';
import { EMPTY_BOOK } from '../signer-agent/address-book.ts';
import { writeConfig } from '../signer-agent/config.ts';
import { createKeystore } from '../signer-agent/keystore.ts';
import { EMPTY_STATE } from '../signer-agent/memory.ts';
import type { OwnEvent } from '../signer-agent/own-event.ts';
import {
  PROPOSAL_FILE_BYTES_MAX,
  type ProposalFile,
  parseProposalFile,
  proposalFileJson,
} from '../signer-agent/proposal-file.ts';
import { type OwnFolder, verifyFile } from '../signer-agent/verify-file.ts';
import { verifyOffline } from '../signer-agent/verify-offline.ts';
import { editedPsbt } from './hostile-spend.ts';
import { type JudgeScenario, judgeScenario, NOW, rewinder } from './judge-scenario.ts';
import type { Built } from './spend-scenario.ts';
import {
  ACCOUNT_PATH,
  keyOf,
  keyRecordOf,
  masterFingerprintOf,
  secretOf,
} from './treasury-scenario.ts';

const s: JudgeScenario = judgeScenario();
const rewind = rewinder(s);
beforeEach(() => {
  rewind();
});

/** A batch that the operator approved, as the agent of ana would write it into a file. */
function approvedFile(): ProposalFile {
  const built = s.batch(s.orders(1_000_000n, 500_000n));
  const subject = { ...built, txid: built.built.txid };
  s.t.append({ kind: 'approval', approval: s.t.approval('olga', 'operator', subject) });
  return fileOf(built);
}

function fileOf(built: Built): ProposalFile {
  const { parcel, acknowledgements, chain } = s.input(built);
  const log = [...s.t.entries];
  return { proposalId: built.id, log, parcel, acknowledgements, chain };
}

function folder(change: Partial<OwnFolder> = {}): OwnFolder {
  const { params, wallet } = s.t;
  return {
    pinned: {
      record: wallet,
      recordHash: walletRecordHash(wallet),
      seatId: 'ana',
      ownXpub: keyRecordOf(params, 'ana').body.xpub,
      integrity: 'mac-ok',
    },
    deriver: s.deriver,
    trust: { treasuryId: s.t.id, network: 'regtest', coordinatorKey: params.coordinatorKey },
    state: EMPTY_STATE,
    overlay: null,
    book: EMPTY_BOOK,
    now: NOW,
    ...change,
  };
}

function bytesOf(file: ProposalFile): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(proposalFileJson(file)));
}

test('a file reads back as what was written', () => {
  const file = approvedFile();
  expect(parseProposalFile(bytesOf(file))).toEqual(file);
  const blind = { ...file, chain: null };
  expect(parseProposalFile(bytesOf(blind))).toEqual(blind);
});

type Verdict = [
  title: string,
  change: (file: ProposalFile) => ProposalFile,
  exit: number,
  codes: readonly string[],
];

test.each<Verdict>([
  ['would sign what the agent would sign', (file) => file, 0, []],
  [
    'waits while the operator has not approved',
    (file) => ({ ...file, log: file.log.slice(0, -1), acknowledgements: [] }),
    3,
    ['W-APP-OPERATOR', 'W-ENV-ACKS'],
  ],
  [
    'asks without a view of the chain',
    (file) => ({ ...file, chain: null }),
    3,
    ['W-BRK-NO-CHAIN-VIEW'],
  ],
  [
    'refuses another sighash',
    (file) => ({
      ...file,
      parcel: {
        ...file.parcel,
        psbt: editedPsbt(file.parcel.psbt, (raw) => {
          for (const input of raw.inputs) input.sighashType = 2;
        }),
      },
    }),
    4,
    ['W-IN-SIGHASH'],
  ],
  [
    'refuses a missing previous transaction',
    (file) => ({ ...file, parcel: { ...file.parcel, previousTxs: [] } }),
    4,
    ['W-IN-PREVIOUS-TX'],
  ],
  [
    'refuses bytes that are no PSBT',
    (file) => ({ ...file, parcel: { ...file.parcel, psbt: new Uint8Array([1, 2, 3]) } }),
    4,
    ['W-ENV-PARSE'],
  ],
  [
    'refuses a log that the pinned coordinator did not sign',
    (file) => ({
      ...file,
      log: file.log.map((entry, at) =>
        at === 3 ? { ...entry, signature: file.log[4]?.signature ?? '' } : entry,
      ),
    }),
    4,
    ['W-ENV-SIGNATURE'],
  ],
  [
    'refuses a log with an entry left out',
    (file) => ({ ...file, log: file.log.toSpliced(5, 1) }),
    4,
    ['W-ENV-PREV'],
  ],
])('%s', (_, change, exit, codes) => {
  const answer = verifyFile(parseProposalFile(bytesOf(change(approvedFile()))), folder());
  const { json } = answer;
  expect((json as { codes: string[] }).codes).toEqual(expect.arrayContaining([...codes]));
  expect(answer.exit).toBe(exit);
  expect((json as { codes: string[] }).codes.length === 0).toBe(exit === 0);
});

test('the verdict is the one of the running agent, row by row', () => {
  const built = s.batch(s.orders(1_000_000n, 500_000n));
  const { judgement } = verifyFile(parseProposalFile(bytesOf(fileOf(built))), folder());
  expect(judgement).toEqual(s.judge(built));
});

test('what this folder knows counts: a frozen coin, an id refused before, a tighter overlay', () => {
  const file = approvedFile();
  const coin = s.coins[0]?.outpoint ?? '';
  const tight = parseOverlay(
    'schema: weir.overlay/v1\nguardian: ana\nlimits: { per_tx: 1_000_000 }\n',
  );
  const codes = (change: Partial<OwnFolder>) =>
    (verifyFile(file, folder(change)).json as { codes: string[] }).codes;
  expect(codes({ state: { ...EMPTY_STATE, frozen: new Set([coin]) } })).toContain('W-IN-FROZEN');
  expect(codes({ overlay: tight })).toContain('W-LIM-PER-TX');
  expect(codes({ overlay: emptyOverlay('ana') })).toEqual([]);
});

test('two logs shown to two folders are found out', () => {
  const file = approvedFile();
  const state = {
    ...EMPTY_STATE,
    heads: s.t.entries.map(({ hash, signature }, at) => ({
      hash: at === 7 ? 'ab'.repeat(32) : hash,
      signature,
    })),
  };
  const answer = verifyFile(file, folder({ state }));
  expect((answer.json as { codes: string[] }).codes).toContain('W-ENV-FORK');
  expect(answer.exit).toBe(4);
});

test('what the folder’s own log knows beyond the file counts', () => {
  const file = approvedFile();
  for (const seat of ['ben', 'cleo']) s.t.append(s.t.verdict(seat, file.proposalId, 'refused'));
  const no = s.t.treasury.proposals.get(file.proposalId);
  expect(no?.verdicts.size).toBe(2);
  let treasury = EMPTY_TREASURY;
  for (const entry of s.t.entries) treasury = applyEntry(treasury, entry);
  const heads = s.t.entries.map(({ hash, signature }) => ({ hash, signature }));
  const { json } = verifyFile(file, folder({ state: { ...EMPTY_STATE, treasury, heads } }));
  expect(json).toMatchObject({
    review: { said: { refused: [{ seatId: 'ben' }, { seatId: 'cleo' }] } },
  });
});

test('a file whose log does not hold the proposal is no verdict at all', () => {
  const file = { ...approvedFile(), proposalId: 'ab'.repeat(32) };
  expect(() => verifyFile(file, folder())).toThrow(expect.objectContaining({ code: 'NOT_FOUND' }));
});

const text = (value: string): Uint8Array => new TextEncoder().encode(value);
type Broken = [
  title: string,
  make: (file: ProposalFile) => Uint8Array,
  code: string,
  named: RegExp,
];
const edited =
  (edit: (json: Record<string, unknown>) => Record<string, unknown>) =>
  (file: ProposalFile): Uint8Array =>
    text(JSON.stringify(edit(proposalFileJson(file) as Record<string, unknown>)));

test.each<Broken>([
  ['an empty file', () => text(''), 'INPUT_INVALID', /not JSON/],
  [
    'a truncated file',
    (file) => bytesOf(file).subarray(0, 5_000),
    'INPUT_INVALID',
    /not all of it/,
  ],
  ['a binary PSBT', (file) => file.parcel.psbt, 'INPUT_INVALID', /this is a PSBT/],
  [
    'a PSBT in base64',
    (file) => text(Buffer.from(file.parcel.psbt).toString('base64')),
    'INPUT_INVALID',
    /this is a PSBT/,
  ],
  ['bytes that are not UTF-8', () => new Uint8Array([0x7b, 0xff, 0x7d]), 'INPUT_INVALID', /JSON/],
  ['a list', () => text('[]'), 'INPUT_INVALID', /the file/],
  [
    'another schema',
    edited((json) => ({ ...json, schema: 'weir.proposal-file/v2' })),
    'INPUT_INVALID',
    /schema: must be weir\.proposal-file\/v1/,
  ],
  ['an unknown key', edited((json) => ({ ...json, note: 'x' })), 'INPUT_INVALID', /note/],
  ['a missing chain', edited((json) => ({ ...json, chain: undefined })), 'INPUT_INVALID', /chain/],
  ['no log', edited((json) => ({ ...json, log: [] })), 'INPUT_INVALID', /log/],
  [
    'an unknown event',
    edited((json) => ({
      ...json,
      log: [{ ...(json['log'] as object[])[0], body: { kind: 'x' } }],
    })),
    'INPUT_INVALID',
    /log\.0\.body\.kind/,
  ],
  [
    'a PSBT that is no base64',
    edited((json) => ({ ...json, parcel: { psbt: '!', previousTxs: [] } })),
    'PSBT_INVALID',
    /base64/,
  ],
  [
    'half a byte',
    edited((json) => ({ ...json, parcel: { psbt: '', previousTxs: ['abc'] } })),
    'INPUT_INVALID',
    /parcel\.previousTxs\.0/,
  ],
  [
    'an amount below zero',
    edited((json) => ({ ...json, chain: { ...(json['chain'] as object), treasurySat: '-1' } })),
    'INPUT_INVALID',
    /chain\.treasurySat/,
  ],
  [
    'a file larger than is read',
    () => new Uint8Array(PROPOSAL_FILE_BYTES_MAX + 1),
    'INPUT_TOO_LARGE',
    /bytes/,
  ],
])('refuses %s, naming what is wrong', (_, make, code, named) => {
  const bytes = make(approvedFile());
  expect(() => parseProposalFile(bytes)).toThrow(
    expect.objectContaining({ code, message: expect.stringMatching(named) as string }),
  );
});

test('a file cut anywhere is refused with a code, never with a crash', () => {
  const whole = bytesOf(approvedFile());
  fc.assert(
    fc.property(fc.nat({ max: whole.length - 1 }), (length) => {
      expect(() => parseProposalFile(whole.subarray(0, length))).toThrow(
        expect.objectContaining({ code: 'INPUT_INVALID' }),
      );
    }),
    { numRuns: 50 },
  );
});

/** The folder of ana's agent, whose spending key is on a device. */
async function agentFolder(passphrase: string): Promise<string> {
  const dir = await mkdtemp(path.join(tmpdir(), 'weir-verify-'));
  const { params, wallet, id } = s.t;
  const { body } = keyRecordOf(params, 'ana');
  const account = { fingerprint: masterFingerprintOf('ana'), path: ACCOUNT_PATH, xpub: body.xpub };
  const limits = { name: 'box', maxInputs: 20, maxOutputs: 20 };
  const device = { account, limits };
  const keystore = await createKeystore(dir, passphrase, { network: 'regtest', device });
  const schema = 'weir.agent-config/v1';
  await writeConfig(dir, { schema, network: 'regtest', birth_time: 0, poll_ms: 1_000 });
  const confirmation = signStatement(
    'seat-confirmation',
    {
      treasuryId: id,
      network: params.network,
      seatId: 'ana',
      recordHash: walletRecordHash(wallet),
      firstAddress: wallet.firstAddress,
      policyHash: params.policyHash,
    },
    secretOf('ana identity'),
    new Uint8Array(32),
  );
  const coordinatorKey = keyOf('coordinator');
  const events: OwnEvent[] = [
    { kind: 'invited', url: 'http://127.0.0.1:1', treasuryId: id, coordinatorKey, seatId: 'ana' },
    { kind: 'pinned', record: wallet, mac: keystore.macOf(wallet), confirmation },
  ];
  const journal = await createJournal(path.join(dir, 'journal'));
  await journal.append(events);
  await journal.close();
  return dir;
}

test('a folder without a process gives the verdict; a running one and a wrong passphrase give a code', async () => {
  const dir = await agentFolder('correct horse');
  try {
    const file = path.join(dir, 'proposal.json');
    // Without a chain: the clock of this machine would find the scenario's tip long past or ahead.
    await writeFile(file, bytesOf({ ...approvedFile(), chain: null }));
    const request = { dir, file, passphrase: 'correct horse' };
    const answer = await verifyOffline(request);
    expect([answer.exit, answer.judgement?.decision]).toEqual([3, 'ask']);
    expect(answer.text).toContain('No view of the chain is in the file');
    await expect(verifyOffline({ ...request, passphrase: 'wrong horse' })).rejects.toMatchObject({
      code: 'PASSPHRASE_WRONG',
    });
    await expect(verifyOffline({ ...request, file: path.join(dir, 'none') })).rejects.toMatchObject(
      { code: 'NOT_FOUND' },
    );
    const running = await openJournal(path.join(dir, 'journal'));
    await expect(verifyOffline(request)).rejects.toMatchObject({ code: 'JOURNAL_LOCKED' });
    await running.close();
  } finally {
    await rm(dir, { recursive: true });
  }
});
