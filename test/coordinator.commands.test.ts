/** `weir coordinator …` as an operator and a script see it: against a coordinator on a real socket. */
import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { parseQuestion } from '../cli/policy-question.ts';
import { coordinatorCommands } from '../coordinator/commands.ts';
import { FILES } from '../coordinator/config.ts';
import { operatorKeyFile } from '../coordinator/operator-key.ts';
import { OPERATOR_BODY_BYTES_MAX, operatorRouter } from '../coordinator/operator-protocol.ts';
import { operatorService } from '../coordinator/operator-service.ts';
import type { RequestGate } from '../coordinator/request-auth.ts';
import { sealFile } from '../custody/sealed-file.ts';
import { toWire } from '../policies/canonical-json.ts';
import { evaluate } from '../policies/evaluate.ts';
import type { LpOrder } from '../policies/intent.ts';
import { parsePolicy } from '../policies/policy.ts';
import { sat } from '../policies/units.ts';
import { serveUnix } from '../transport/trpc-server.ts';
import { coordinatorDesk, type Desk, SETTINGS } from './coordinator-desk.ts';
import { strangerScript } from './spend-scenario.ts';
import { policyText, registrationOf, secretOf } from './treasury-scenario.ts';

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  vi.restoreAllMocks();
  process.exitCode = 0;
  for (const close of closing.splice(0).toReversed()) await close();
});

interface Ran {
  exit: typeof process.exitCode;
  out: string;
  err: string;
}

/** Runs one command in this process and gives what it printed. */
async function run(...args: string[]): Promise<Ran> {
  const ran = { out: '', err: '' };
  const into = (name: 'out' | 'err') => (text: string | Uint8Array) => {
    ran[name] += text.toString();
    return true;
  };
  const spies = [
    vi.spyOn(process.stdout, 'write').mockImplementation(into('out')),
    vi.spyOn(process.stderr, 'write').mockImplementation(into('err')),
  ];
  process.exitCode = 0;
  try {
    await coordinatorCommands().parseAsync(args, { from: 'user' });
  } finally {
    for (const spy of spies) spy.mockRestore();
  }
  return { ...ran, exit: process.exitCode };
}

const NOBODY_CALLED: RequestGate = {
  admit: () => Promise.reject(new Error('unused')),
  lastSeen: () => new Map([['ana', 1_800_000_000_000]]),
};

async function office() {
  const desk = await coordinatorDesk();
  closing.push(() => desk.close());
  const dir = await mkdtemp(path.join(tmpdir(), 'weir-office-'));
  const service = operatorService({
    work: desk.work,
    loop: desk.loop,
    gate: NOBODY_CALLED,
    longTermFeerate: SETTINGS.longTermFeerate,
    places: { journal: 'journal', bitcoindUrl: 'http://127.0.0.1:1' },
  });
  const serving = await serveUnix(
    {
      router: operatorRouter,
      createContext: () => ({ service }),
      bodyBytesMax: OPERATOR_BODY_BYTES_MAX,
    },
    path.join(dir, FILES.socket),
  );
  closing.push(() => serving.close());
  const json = async (...args: string[]): Promise<Record<string, unknown>> => {
    const { out } = await run(...args, '--dir', dir, '--json');
    return JSON.parse(out) as Record<string, unknown>;
  };
  const file = async (value: unknown): Promise<string> => {
    const at = path.join(dir, `${randomBytes(4).toString('hex')}.json`);
    await writeFile(at, typeof value === 'string' ? value : JSON.stringify(toWire(value)), {
      mode: 0o600,
    });
    return at;
  };
  return { desk, dir, json, file, plain: (...args: string[]) => run(...args, '--dir', dir) };
}

/** The operator's sealed key, as `init` leaves it. */
async function writeKey(dir: string): Promise<void> {
  await mkdir(path.join(dir, FILES.operators));
  await sealFile(operatorKeyFile(dir, 'olga'), secretOf('olga'), 'correct horse battery');
}

/** A batch that waits for its operator, and the file of the operator's passphrase. */
async function waiting() {
  const made = await office();
  const { desk, dir, json, file } = made;
  await json('order', await file(anOrder(desk, { amountSat: sat(2_000_000n) })));
  const id = String((await json('propose', 'batch'))['id']);
  const passphrase = await file('correct horse battery\n');
  await writeKey(dir);
  return { ...made, id, passphrase };
}

function anOrder(desk: Desk, change: Partial<LpOrder['body']> = {}): LpOrder {
  return desk.s.t.order('lp-one', { script: strangerScript(5), ...change });
}

test('status says who and what is there, in stable keys, amounts as text', async () => {
  const { desk, json, plain } = await office();
  expect(await json('status')).toMatchObject({
    network: 'regtest',
    treasuryId: desk.s.t.id,
    quorum: '2-of-3',
    ceremony: 'done',
    seats: [
      { seatId: 'ana', state: 'confirmed', lastSeenMs: 1_800_000_000_000 },
      { seatId: 'ben', state: 'confirmed', lastSeenMs: null },
      { seatId: 'cleo', state: 'confirmed', lastSeenMs: null },
    ],
    balance: { confirmedSat: '240000000', unconfirmedSat: '0', reservedSat: '0' },
    breaker: 'armed',
    live: [],
    bitcoind: { version: '/Fake:1.0.0/', trouble: null },
  });
  const { out, exit } = await plain('status');
  expect(out).toContain('240_000_000 sat confirmed');
  expect(exit).toBe(0);
});

test('an address is derived here, the next one or one that is asked for', async () => {
  const { desk, json } = await office();
  expect(await json('address', '--index', '7')).toEqual({
    address: desk.s.deriver.address(0, 7),
    index: 7,
  });
  expect(await json('address')).toMatchObject({ index: 4 });
});

test('an order is queued, proposed in a batch, shown, and its coins are reserved', async () => {
  const { desk, json, file, plain } = await office();
  const order = anOrder(desk);
  expect(await json('order', await file(order))).toEqual({
    orderId: order.body.orderId,
    state: 'queued',
  });
  const made = await json('propose', 'batch');
  expect(made).toMatchObject({ verdict: 'ok', reasons: [], kind: 'withdrawal_batch', payees: 1 });
  const id = String(made['id']);
  expect(await json('proposals')).toMatchObject({
    proposals: [
      {
        id,
        kind: 'withdrawal_batch',
        state: 'collecting',
        txid: made['txid'],
        amountSat: '100000',
        signed: [],
        refused: [],
        asks: [],
        place: null,
      },
    ],
  });
  const shown = await json('show', id);
  // What it was asked is what `weir policy explain --proposal` reads.
  const policy = parsePolicy(policyText(['ana', 'ben', 'cleo']));
  expect(evaluate(parseQuestion(JSON.stringify(shown), policy)).kind).toBe('ok');
  expect(shown).toMatchObject({
    initiator: 'queue',
    payees: [{ amountSat: '100000', authority: { kind: 'lp-order', lpId: 'lp-one' } }],
    change: { index: 0 },
    verdict: { kind: 'ok' },
    question: {
      facts: { kind: 'withdrawal_batch', payees: [{ amountSat: '100000' }] },
      charges: [],
      approvals: { initiator: 'queue', guardians: [], operators: [] },
      breaker: 'armed',
    },
    broadcast: null,
    held: null,
  });
  expect(await json('status')).toMatchObject({ live: [id], queued: 0 });
  const { out } = await plain('show', id);
  expect(out).toContain('pays withdrawals that LPs signed');
  expect(out).toContain('leaves    100_000 sat to 1 payees');
});

test('what the policy refuses ends with 4, says why, and is not logged', async () => {
  const { desk, dir, file, json } = await office();
  await json('order', await file(anOrder(desk, { amountSat: sat(700n) })));
  const { out, exit } = await run('propose', 'batch', '--dir', dir, '--json');
  expect(exit).toBe(4);
  expect(JSON.parse(out)).toMatchObject({
    id: null,
    txid: null,
    verdict: 'refuse',
    reasons: [{ code: 'W-FEE-SHARE' }],
  });
  expect(await json('proposals')).toEqual({ proposals: [], authorizations: expect.any(Array) });
});

describe('an operator', () => {
  test('approves with a key of its own, and what waited is collected', async () => {
    const { id, json, passphrase } = await waiting();
    expect(await json('show', id)).toMatchObject({
      state: 'waiting-approval',
      verdict: { kind: 'needs', reasons: [{ code: 'W-APP-OPERATOR' }] },
    });
    const word = ['--operator', 'olga', '--passphrase-file', passphrase];
    expect(await json('approve', id, ...word)).toEqual({
      id,
      decision: 'approve',
      operator: 'olga',
    });
    expect(await json('show', id)).toMatchObject({
      state: 'collecting',
      approvals: [{ signerId: 'olga', role: 'operator', decision: 'approve' }],
    });
  });

  test('rejects, and then nobody signs', async () => {
    const { desk, id, json, passphrase } = await waiting();
    await json('reject', id, '--operator', 'olga', '--passphrase-file', passphrase);
    expect(await json('show', id)).toMatchObject({ state: 'rejected' });
    await expect(desk.contribute('ana', id)).rejects.toMatchObject({ code: 'WRONG_STATE' });
  });

  test('with a wrong passphrase says nothing', async () => {
    const { desk, id, dir, file } = await waiting();
    const { seq } = desk.work.log.treasury();
    const wrong = await file('wrong horse battery\n');
    const words = ['--operator', 'olga', '--passphrase-file', wrong];
    const { out, exit } = await run('approve', id, ...words, '--dir', dir, '--json');
    expect([exit, JSON.parse(out)]).toMatchObject([1, { error: { code: 'PASSPHRASE_WRONG' } }]);
    expect(desk.work.log.treasury().seq).toBe(seq);
  });
});

test('a bump and a cancel are proposed of what is live', async () => {
  const { desk, json, file } = await office();
  await json('order', await file(anOrder(desk)));
  const id = String((await json('propose', 'batch'))['id']);
  const bump = await json('propose', 'bump', '--of', id, '--feerate', '9_000');
  expect(bump).toMatchObject({ kind: 'fee_bump', verdict: 'ok' });
  const cancel = await json('cancel', id);
  expect(cancel).toMatchObject({ kind: 'cancel', verdict: 'ok' });
  expect(await json('show', String(cancel['id']))).toMatchObject({ of: id, payees: [] });
  expect(await json('propose', 'bump', '--of', id)).toMatchObject({
    error: { code: 'WRONG_STATE' },
  });
});

describe('a decision', () => {
  test('on the registry waits for guardians, by name', async () => {
    const { desk, json, file } = await office();
    const entries = [registrationOf(desk.s.t.params, 'lp-new')];
    const made = await json('propose', 'registry', await file(entries));
    expect(made).toMatchObject({ txid: null, verdict: 'needs' });
    expect(await json('show', String(made['id']))).toMatchObject({
      kind: 'registry_change',
      state: 'waiting-approval',
      needed: 2,
      approved: [],
    });
  });

  test('on a registration that its LP did not sign is not even proposed', async () => {
    const { desk, json, file } = await office();
    const entry = registrationOf(desk.s.t.params, 'lp-new');
    const forged = { ...entry, signature: '00'.repeat(64) };
    expect(await json('propose', 'registry', await file([forged]))).toMatchObject({
      error: { code: 'SIGNATURE_INVALID' },
    });
  });

  test('on a policy that is no successor is refused with the rule', async () => {
    const { dir, json, file } = await office();
    const policy = await file(policyText(['ana', 'ben', 'cleo']));
    const args = ['propose', 'policy', policy, '--activates-at', '0'];
    expect(await json(...args)).toMatchObject({
      verdict: 'refuse',
      reasons: [{ code: 'W-POL-VERSION' }, { code: 'W-POL-VERSION' }],
    });
    expect((await run(...args, '--dir', dir, '--json')).exit).toBe(4);
  });

  test('on the breaker is proposed', async () => {
    const { json } = await office();
    expect(await json('propose', 'breaker', 'trip')).toMatchObject({ verdict: 'needs' });
  });
});

describe('bad input ends with a code', () => {
  test.each<[string, string[], string, number]>([
    ['an id that there is not', ['show', '00'.repeat(32)], 'NOT_FOUND', 1],
    ['an index that is none', ['address', '--index', '-1'], 'INPUT_INVALID', 1],
    ['a file that is not there', ['order', '/nowhere.json'], 'NOT_FOUND', 1],
    [
      'an amount that is none',
      ['propose', 'move', '--to', 'x', '--amount', '1e8'],
      'INPUT_INVALID',
      1,
    ],
    [
      'an entry that is not listed',
      ['propose', 'topup', '--to', 'hot', '--amount', '5000'],
      'NOT_FOUND',
      1,
    ],
    ['an empty queue', ['propose', 'batch'], 'NOT_READY', 6],
  ])('%s', async (_, args, code, exit) => {
    const { dir } = await office();
    const ran = await run(...args, '--dir', dir, '--json');
    expect(JSON.parse(ran.out)).toMatchObject({ error: { code } });
    expect(ran.exit).toBe(exit);
    expect(ran.err).toContain(`error ${code}`);
  });

  test('a folder where nothing runs', async () => {
    const dir = await mkdtemp(path.join(tmpdir(), 'weir-empty-'));
    const { out, exit } = await run('status', '--dir', dir, '--json');
    expect([exit, JSON.parse(out)]).toMatchObject([
      6,
      { error: { code: 'COORDINATOR_UNREACHABLE' } },
    ]);
  });
});
