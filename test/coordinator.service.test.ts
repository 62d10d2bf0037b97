/** The coordinator's own protocol over real HTTP, on a journal on disk: what agents can and cannot do to it. */
import { randomBytes } from 'node:crypto';
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js';
import { createTRPCClient, httpLink } from '@trpc/client';
import { afterEach, describe, expect, test } from 'vitest';
import { decide } from '../coordinator/machine.ts';
import {
  BODY_BYTES_MAX,
  type CoordinatorRouter,
  coordinatorRouter,
  REQUEST_HEADER,
} from '../coordinator/protocol.ts';
import { openRequestGate } from '../coordinator/request-auth.ts';
import { contextOf } from '../coordinator/run.ts';
import { coordinatorService } from '../coordinator/service.ts';
import { parsePreviousTx } from '../descriptors/previous-tx.ts';
import { decodePsbt, psbtBytes } from '../descriptors/psbt.ts';
import { spendFromPsbt } from '../descriptors/spend-from-psbt.ts';
import { canonicalJson } from '../policies/canonical-json.ts';
import { headHolds, logEntry } from '../policies/log-entry.ts';
import { proposalTxid } from '../policies/proposal.ts';
import { type Domain, signStatement } from '../policies/statement.ts';
import { EMPTY_TREASURY } from '../policies/treasury.ts';
import { applyEntry } from '../policies/treasury-fold.ts';
import { sat } from '../policies/units.ts';
import { failureOfCall } from '../transport/trpc-failure.ts';
import { signedFetch } from '../transport/trpc-fetch.ts';
import { serveHttp } from '../transport/trpc-server.ts';
import { coordinatorDesk, type Desk } from './coordinator-desk.ts';
import { strangerScript, TIP } from './spend-scenario.ts';
import { keyOf, secretOf } from './treasury-scenario.ts';

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
});

const TOKEN = 'ab'.repeat(16);

async function served() {
  const desk = await coordinatorDesk();
  closing.push(() => desk.close());
  const tokenHashes = new Map([['ana', bytesToHex(sha256(utf8ToBytes(TOKEN)))]]);
  const service = coordinatorService({ work: desk.work, tokenHashes });
  const gate = await openRequestGate({
    treasury: () => desk.work.log.treasury(),
    now: () => Date.now(),
    store: { read: async () => new Map(), write: async () => undefined },
  });
  const serving = await serveHttp(
    {
      router: coordinatorRouter,
      createContext: (request) => contextOf(request, service, gate),
      bodyBytesMax: BODY_BYTES_MAX,
    },
    { host: '127.0.0.1', port: 0 },
  );
  closing.push(() => serving.close());
  const url = `http://127.0.0.1:${serving.port}`;
  return { desk, url, as: (seatId: string) => clientOf(desk, url, seatId) };
}

function clientOf(desk: Desk, url: string, seatId: string | null) {
  const fetch = signedFetch(({ procedure, input }) => {
    if (seatId === null) return {};
    const body = {
      treasuryId: desk.s.t.id,
      seatId,
      procedure,
      bodyHash: bytesToHex(sha256(utf8ToBytes(input))),
      id: randomBytes(32).toString('hex'),
      unixTimeMs: Date.now(),
    };
    const signed = signStatement('request', body, secretOf(`${seatId} identity`), randomBytes(32));
    return { [REQUEST_HEADER]: Buffer.from(canonicalJson(signed)).toString('base64') };
  });
  return createTRPCClient<CoordinatorRouter>({ links: [httpLink({ url, fetch })] });
}

async function codeOf(call: Promise<unknown>): Promise<unknown> {
  try {
    await call;
    return 'no failure';
  } catch (cause) {
    return (failureOfCall(cause, 'COORDINATOR_UNREACHABLE') as { code?: unknown }).code;
  }
}

async function batch(desk: Desk): Promise<string> {
  await desk.queue(desk.s.t.order('lp-one', { script: strangerScript(1) }));
  const { id } = await desk.propose({ kind: 'withdrawal_batch' });
  return id ?? '';
}

function contribution(desk: Desk, seatId: string, proposalId: string) {
  return {
    proposalId,
    seatId,
    round: 1,
    scheme: 'wsh-ecdsa' as const,
    signatures: desk.signatures(seatId, proposalId),
  };
}

function said<T extends object>(desk: Desk, seatId: string, domain: Domain, body: T) {
  const whole = { treasuryId: desk.s.t.id, network: 'regtest' as const, seatId, ...body };
  return signStatement(domain, whole, secretOf(`${seatId} identity`), new Uint8Array(32));
}

test('an agent replays the log from what it is served, and every head is signed by the coordinator', async () => {
  const { desk, as } = await served();
  let treasury = EMPTY_TREASURY;
  for (;;) {
    const page = await as('ana').log.query({ afterSeq: treasury.seq, limit: 7, waitMs: 0 });
    const entries = logEntry.array().parse(page);
    if (entries.length === 0) break;
    for (const entry of entries) {
      const head = {
        treasuryId: desk.s.t.id,
        network: 'regtest',
        seq: entry.seq,
        hash: entry.hash,
      };
      expect(
        headHolds({ ...head, network: 'regtest' }, keyOf('coordinator'), entry.signature),
      ).toBe(true);
      treasury = applyEntry(treasury, entry);
    }
  }
  expect(treasury.hash).toBe(desk.work.log.treasury().hash);
  // One head has one signature: asking again shows no second one.
  const [first] = (await as('ben').log.query({ afterSeq: 0, limit: 1, waitMs: 0 })) as {
    signature: string;
  }[];
  expect(first?.signature).toBe(desk.s.t.entries[0]?.signature);
});

test('a long poll is answered by the next entry, and let go when the coordinator stops', async () => {
  const { desk, as } = await served();
  const { seq } = desk.work.log.treasury();
  const waiting = as('ana').log.query({ afterSeq: seq, limit: 10, waitMs: 20_000 });
  await desk.queue(desk.s.t.order('lp-one', { script: strangerScript(1) }));
  expect(await waiting).toMatchObject([{ seq: seq + 1, body: { kind: 'order-queued' } }]);
  const cut = as('ana').log.query({ afterSeq: seq + 1, limit: 10, waitMs: 20_000 });
  // The call has arrived once another one, sent after it, is answered.
  await as('ben').acknowledgements.query();
  await desk.work.log.close();
  expect(await cut.catch(() => 'cut')).toSatisfy(
    (answer) => answer === 'cut' || (Array.isArray(answer) && answer.length === 0),
  );
});

test('a parcel holds what an agent needs to judge the proposal, and nothing an agent would refuse', async () => {
  const { desk, as } = await served();
  const id = await batch(desk);
  const { psbt, previousTxs } = (await as('ben').parcel.query({ proposalId: id })) as {
    psbt: string;
    previousTxs: string[];
  };
  const parsed = previousTxs.map((raw) => parsePreviousTx(Buffer.from(raw, 'hex')));
  const spend = spendFromPsbt(
    decodePsbt(psbtBytes(psbt)),
    new Map(parsed.map((each) => [each.txid, each])),
    desk.s.deriver,
    { indexMax: 20 },
  );
  expect(spend.problems).toEqual([]);
  expect(spend.feeSat).toBe(desk.work.log.treasury().proposals.get(id)?.proposal.feeSat);
  expect(await codeOf(as('ben').parcel.query({ proposalId: '00'.repeat(32) }))).toBe('NOT_FOUND');
});

describe('a caller', () => {
  test('without a signature is served nothing', async () => {
    const { desk, url } = await served();
    const nobody = clientOf(desk, url, null);
    await expect(nobody.log.query({ afterSeq: 0, limit: 1, waitMs: 0 })).rejects.toMatchObject({
      data: { httpStatus: 401 },
    });
  });

  test('speaks for its own seat only', async () => {
    const { desk, as } = await served();
    const id = await batch(desk);
    const stolen = contribution(desk, 'ana', id);
    expect(await codeOf(as('ben').postContribution.mutate(stolen))).toBe('REQUEST_REFUSED');
    const yes = desk.s.t.approval('olga', 'operator', { id, txid: null });
    expect(await codeOf(as('ben').postApproval.mutate(yes))).toBe('REQUEST_REFUSED');
  });

  test('takes no seat without its token, and none that is taken', async () => {
    const { desk, url } = await served();
    const nobody = clientOf(desk, url, null);
    const claim = desk.work.log.treasury().seats.get('ana')?.claim;
    if (claim === null || claim === undefined) throw new Error('unclaimed');
    const wrong = { token: 'cd'.repeat(16), claim };
    expect(await codeOf(nobody.claimSeat.mutate(wrong))).toBe('REQUEST_REFUSED');
    // The same identity again is the same claim.
    expect(await codeOf(nobody.claimSeat.mutate({ token: TOKEN, claim }))).toBe('no failure');
    const thief = signStatement(
      'seat-claim',
      { ...claim.body, identityKey: keyOf('thief') },
      secretOf('thief'),
      new Uint8Array(32),
    );
    expect(await codeOf(nobody.claimSeat.mutate({ token: TOKEN, claim: thief }))).toBe(
      'REQUEST_REFUSED',
    );
  });
});

describe('a contribution', () => {
  test('that does not verify names its seat once, and the session goes on with the others', async () => {
    const { desk, as } = await served();
    const id = await batch(desk);
    const bad = { ...contribution(desk, 'ben', id), seatId: 'ana' };
    expect(await codeOf(as('ana').postContribution.mutate(bad))).toBe('SIGNATURE_INVALID');
    const { seq } = desk.work.log.treasury();
    for (let n = 0; n < 3; n += 1) {
      expect(await codeOf(as('ana').postContribution.mutate(bad))).toBe('SIGNATURE_INVALID');
    }
    expect(desk.work.log.treasury().seq).toBe(seq);
    for (const seat of ['ben', 'cleo']) {
      await as(seat).postContribution.mutate(contribution(desk, seat, id));
    }
    await desk.loop.round();
    const state = desk.work.log.treasury().proposals.get(id);
    expect([...(state?.faults.keys() ?? [])]).toEqual(['ana']);
    expect(desk.chain.mempool()).toEqual([state?.broadcast?.txid]);
  });

  test('that is good comes after a bad one of the same seat', async () => {
    const { desk, as } = await served();
    const id = await batch(desk);
    const bad = { ...contribution(desk, 'ben', id), seatId: 'ana' };
    await codeOf(as('ana').postContribution.mutate(bad));
    await as('ana').postContribution.mutate(contribution(desk, 'ana', id));
    expect([...(desk.work.log.treasury().proposals.get(id)?.contributions.keys() ?? [])]).toEqual([
      'ana',
    ]);
  });

  test('waits for the people the policy asks', async () => {
    const { desk, as } = await served();
    await desk.queue(
      desk.s.t.order('lp-one', { script: strangerScript(1), amountSat: sat(2_000_000n) }),
    );
    const { id, verdict } = await desk.propose({ kind: 'withdrawal_batch' });
    expect(verdict).toMatchObject({ kind: 'needs', reasons: [{ code: 'W-APP-OPERATOR' }] });
    const signed = contribution(desk, 'ana', id ?? '');
    expect(await codeOf(as('ana').postContribution.mutate(signed))).toBe('NOT_READY');
    const state = desk.work.log.treasury().proposals.get(id ?? '');
    if (state === undefined) throw new Error('lost');
    const subject = { id: state.id, proposal: state.proposal, txid: proposalTxid(state.proposal) };
    const yes = desk.s.t.approval('olga', 'operator', subject);
    const bounded = { ...yes.body, expiresHeight: TIP + 50 };
    const approval = signStatement('approval', bounded, secretOf('olga'), new Uint8Array(32));
    await desk.work.log.act((treasury) =>
      decide(treasury, { kind: 'approve', approval, tipHeight: TIP }),
    );
    expect(await codeOf(as('ana').postContribution.mutate(signed))).toBe('no failure');
  });
});

describe('what is said beside the log', () => {
  test('an acknowledgement is passed on when it is of this log, and the newest of each seat only', async () => {
    const { desk, as } = await served();
    const [one, two] = await desk.work.log.entries(4, 2);
    if (one === undefined || two === undefined) throw new Error('a log that is too short');
    const ack = (seatId: string, entry: typeof one, hash = entry.hash) =>
      said(desk, seatId, 'acknowledgement', {
        seq: entry.seq,
        hash,
        headSignature: entry.signature,
      });
    await as('ana').acknowledge.mutate(ack('ana', two));
    await as('ana').acknowledge.mutate(ack('ana', one));
    await as('ben').acknowledge.mutate(ack('ben', one));
    const other = ack('cleo', one, 'ff'.repeat(32));
    expect(await codeOf(as('cleo').acknowledge.mutate(other))).toBe('REQUEST_REFUSED');
    const forged = { ...ack('cleo', one), signature: '00'.repeat(64) };
    expect(await codeOf(as('cleo').acknowledge.mutate(forged))).toBe('SIGNATURE_INVALID');
    const known = (await as('cleo').acknowledgements.query()) as {
      body: { seatId: string; seq: number };
    }[];
    expect(known.map(({ body }) => [body.seatId, body.seq])).toEqual([
      ['ana', two.seq],
      ['ben', one.seq],
    ]);
  });

  test('a restored agent hears its peers, by its newest question alone', async () => {
    const { desk, as } = await served();
    const nonce = '11'.repeat(32);
    await as('ana').askFreshness.mutate({ askingSeatId: 'ana', nonce });
    expect(await as('ben').freshnessQuestions.query()).toEqual([{ askingSeatId: 'ana', nonce }]);
    const answer = said(desk, 'ben', 'freshness', {
      askingSeatId: 'ana',
      nonce,
      seq: 3,
      hash: '22'.repeat(32),
    });
    await as('ben').answerFreshness.mutate(answer);
    expect(await as('ana').freshnessAnswers.query({ nonce })).toHaveLength(1);
    await as('ana').askFreshness.mutate({ askingSeatId: 'ana', nonce: '33'.repeat(32) });
    expect(await as('ana').freshnessAnswers.query({ nonce })).toEqual([]);
    expect(await codeOf(as('ben').answerFreshness.mutate(answer))).toBe('NOT_FOUND');
  });
});

test('a flood of verdicts, old and new, adds to the log what changes something', async () => {
  const { desk, as } = await served();
  const id = await batch(desk);
  const before = desk.work.log.treasury().seq;
  const verdictOf = (verdict: 'asks' | 'refused', note: string) =>
    said(desk, 'ana', 'verdict', {
      subject: id,
      verdict,
      classes: ['W-FEE'],
      note,
      headSeq: before,
    });
  for (let n = 0; n < 5; n += 1) {
    await codeOf(as('ana').postVerdict.mutate(verdictOf('asks', `${n}`)));
  }
  for (let n = 0; n < 5; n += 1) {
    await codeOf(as('ana').postVerdict.mutate(verdictOf('refused', `${n}`)));
  }
  await codeOf(as('ana').postVerdict.mutate(verdictOf('asks', 'again')));
  expect(desk.work.log.treasury().seq).toBe(before + 2);
});
