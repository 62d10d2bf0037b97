/** What the pool asks of the coordinator: channels funded as asked, in order, once, or not at all. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { base64 } from '@scure/base';
import { createTRPCClient, httpLink } from '@trpc/client';
import { describe, expect, test } from 'vitest';
import { channelOpenDetail, channelOpenText } from '../coordinator/channel-detail.ts';
import { spendOf } from '../coordinator/facts.ts';
import {
  type ChannelOpenRequest,
  POOL_BODY_BYTES_MAX,
  type PoolRouter,
  poolRouter,
} from '../coordinator/pool-protocol.ts';
import { poolService } from '../coordinator/pool-service.ts';
import { addressOf } from '../descriptors/derive.ts';
import { NETWORKS } from '../descriptors/network.ts';
import { payeeScript } from '../descriptors/payee-script.ts';
import { decodePsbt } from '../descriptors/psbt.ts';
import { proposalTxid } from '../policies/proposal.ts';
import { feerate, sat } from '../policies/units.ts';
import { SOCKET_URL, unixFetch } from '../transport/trpc-fetch.ts';
import { serveUnix } from '../transport/trpc-server.ts';
import { fundingScript, STRANGER } from './channel-cases.ts';
import {
  attest,
  codeOf,
  LND,
  lndAddress,
  POLICY,
  poolDesk,
  proposedBy,
  request,
  small,
  stateOf,
} from './channel-desk.ts';
import { coordinatorDesk } from './coordinator-desk.ts';
import { strangerScript } from './spend-scenario.ts';

describe('a channel_open', () => {
  test('becomes an unsigned PSBT that funds each channel, tops up the reserve and brings change back', async () => {
    const desk = await poolDesk();
    const { id, txid, psbt, expiryHeight, reasons } = await desk.pool.proposeChannelOpen(request());
    const { proposal } = stateOf(desk, id ?? '');
    expect(reasons).toEqual([]);
    expect(txid).toBe(proposalTxid(proposal));
    expect(expiryHeight).toBe(proposal.expiryHeight);
    const { outputs, inputs } = decodePsbt(base64.decode(psbt));
    expect(inputs.every(({ partialSigs }) => partialSigs.length === 0)).toBe(true);
    const paid = outputs.map(({ script, amountSat }) => [script, amountSat] as const);
    const change = paid.filter(([script]) => desk.s.deriver.find(script, 5)?.branch === 1);
    expect(change).toHaveLength(1);
    expect(change[0]?.[1]).toBeGreaterThanOrEqual(50_000n);
    expect(new Map(paid.filter((each) => !change.includes(each)))).toEqual(
      new Map([
        [fundingScript(0), 300_000n],
        [fundingScript(1), 300_001n],
        [payeeScript(LND, 2, NETWORKS.regtest), 20_000n],
      ]),
    );
    expect(proposal.intent).toMatchObject({ reserve: { entry: 'lnd', index: 2 } });
    await desk.close();
  });

  type Refused = [what: string, change: Partial<ChannelOpenRequest>, codes: string[]];
  test.each<Refused>([
    [
      'a peer that the policy does not list',
      { channels: [small(0, { peer: STRANGER })] },
      ['W-LN-PEER'],
    ],
    [
      'a channel above the cap',
      { channels: [small(0, { capacitySat: sat(3_000_001n) })] },
      ['W-LN-CAPACITY'],
    ],
    [
      'more than a peer may have',
      {
        channels: [
          small(1, { capacitySat: sat(1_000_001n) }),
          small(2, { capacitySat: sat(1_000_000n) }),
        ],
      },
      ['W-LN-CAPACITY'],
    ],
    [
      'more channels than one transaction opens',
      { channels: [0, 1, 2, 3].map((n) => small(n)) },
      ['W-LN-COUNT'],
    ],
    [
      'too large a reserve',
      { reserve: { address: lndAddress(0), amountSat: sat(100_001n) } },
      ['W-LN-RESERVE'],
    ],
    [
      'a reserve further out than the list',
      { reserve: { address: lndAddress(5), amountSat: sat(9_000n) } },
      ['W-OUT-PAYEE-UNSIGNED'],
    ],
    [
      'a reserve that is no address of the list',
      {
        reserve: {
          address: addressOf(strangerScript(7), NETWORKS.regtest) ?? '',
          amountSat: sat(9_000n),
        },
      },
      ['W-OUT-PAYEE-UNSIGNED'],
    ],
    [
      'two channels that close to one address',
      { channels: [small(0), small(1, { closeIndex: 10 })] },
      ['W-LN-CLOSE-INDEX'],
    ],
    [
      'a close address beyond the gap',
      { channels: [small(0, { closeIndex: 202 })] },
      ['W-LN-CLOSE-INDEX'],
    ],
  ])('with %s is refused, and nothing is logged', async (_, change, codes) => {
    const desk = await poolDesk();
    const { seq } = desk.work.log.treasury();
    const { id, txid, psbt, reasons } = await desk.pool.proposeChannelOpen(request(change));
    expect({ id, txid, psbt }).toEqual({ id: null, txid: '', psbt: '' });
    expect(reasons.map(({ code }) => code)).toEqual(codes);
    expect(desk.work.log.treasury().seq).toBe(seq);
    await desk.close();
  });

  test('is refused while the policy opens none', async () => {
    const desk = await poolDesk(
      POLICY.replace(/channel_open:\n( {4}.*\n)+/, 'channel_open: not_yet\n'),
    );
    const { id, reasons } = await desk.pool.proposeChannelOpen(request({ reserve: null }));
    expect([id, reasons.map(({ code }) => code)]).toEqual([null, ['W-LN-NOT-YET']]);
    await desk.close();
  });

  test('is refused where an open that still lives has the close address', async () => {
    const desk = await poolDesk();
    await proposedBy(desk);
    const again = request({ channels: [small(2, { closeIndex: 11 })], reserve: null });
    const { id, reasons } = await desk.pool.proposeChannelOpen(again);
    expect([id, reasons.map(({ code }) => code)]).toEqual([null, ['W-LN-CLOSE-INDEX']]);
    await desk.close();
  });

  test('that coins cannot fund with change left over is not made without', async () => {
    const desk = await coordinatorDesk({ policy: POLICY, amounts: [100_000_000n, 640_000n] });
    const pool = poolService({ work: desk.work, longTermFeerate: feerate(1_000n) });
    const { id } = await pool.proposeChannelOpen(request());
    const { intent } = desk.work.log.treasury().proposals.get(id ?? '')?.proposal ?? {};
    expect(intent?.plan.coins.map(({ amountSat }) => amountSat)).toEqual([100_000_000n]);
    await desk.close();
  });

  test('is shown with names, amounts, where a close pays, and whether the pool has spoken', async () => {
    const desk = await poolDesk();
    const id = await proposedBy(desk);
    const shown = () => {
      const now = desk.work.situation();
      const detail = channelOpenDetail(
        stateOf(desk, id),
        spendOf(stateOf(desk, id), now).built,
        now,
      );
      return detail === null ? '' : channelOpenText(detail);
    };
    expect(shown()).toContain('not attested yet');
    expect(shown()).toMatch(/alpha\s.*300_000 sat\s.*public\s.*\(index 10\)/);
    expect(shown()).toMatch(/beta\s.*300_001 sat\s.*public\s.*\(index 11\)/);
    expect(shown()).toContain(desk.s.deriver.address(0, 10));
    await attest(desk, id);
    expect(shown()).toContain('attested by the pool');
    await desk.close();
  });
});

describe('close addresses', () => {
  test("are the treasury's, each handed out once, and none is the next deposit's", async () => {
    const desk = await poolDesk();
    const first = await desk.pool.closeAddresses(3);
    const second = await desk.pool.closeAddresses(3);
    const indexes = [...first, ...second].map(({ index }) => index);
    // Coins lie at 0 to 3, so the next deposit goes to 4.
    expect(indexes).toEqual([5, 6, 7, 8, 9, 10]);
    for (const { index, address } of first) expect(address).toBe(desk.s.deriver.address(0, index));
    await desk.close();
  });

  test('are handed out again after a restart only where no proposal has them', async () => {
    const desk = await poolDesk();
    await desk.pool.closeAddresses(2);
    await desk.pool.proposeChannelOpen(
      request({ channels: [small(0, { closeIndex: 5 })], reserve: null }),
    );
    const anew = poolService({ work: desk.work, longTermFeerate: feerate(1_000n) });
    expect((await anew.closeAddresses(2)).map(({ index }) => index)).toEqual([7, 8]);
    await desk.close();
  });

  test('come to an end with the gap: then the free ones are handed out again, and never one that is taken', async () => {
    const desk = await poolDesk(POLICY.replace('gap: 200', 'gap: 8'));
    const handed = async (count: number) =>
      (await desk.pool.closeAddresses(count)).map(({ index }) => index);
    expect(await handed(3)).toEqual([5, 6, 7]);
    expect(await handed(3)).toEqual([8, 5, 6]);
    await desk.pool.proposeChannelOpen(
      request({ channels: [small(0, { closeIndex: 8 })], reserve: null }),
    );
    expect(await codeOf(desk.pool.closeAddresses(5))).toBe('NOT_READY');
    expect(await handed(4)).toEqual([4, 5, 6, 7]);
    await desk.close();
  });
});

describe('a channel_close', () => {
  test('is proposed for the address of the channel, and refused for another', async () => {
    const desk = await poolDesk();
    const id = await proposedBy(desk);
    await attest(desk, id);
    const [channel] = stateOf(desk, id).pending?.body.channels ?? [];
    const close = {
      channelPoint: `${proposalTxid(stateOf(desk, id).proposal)}:${channel?.vout}`,
      force: 'cooperative',
      closeIndex: 10,
      maxFeeRateSatPerKvb: feerate(5_000n),
      initiator: 'pool',
    } as const;
    const wrong = await desk.pool.proposeChannelClose({ ...close, closeIndex: 11 });
    expect([wrong.id, wrong.reasons.map(({ code }) => code)]).toEqual([null, ['W-LN-CLOSE-INDEX']]);
    const dear = await desk.pool.proposeChannelClose({
      ...close,
      maxFeeRateSatPerKvb: feerate(100_001n),
    });
    expect([dear.id, dear.reasons.map(({ code }) => code)]).toEqual([null, ['W-FEE-RATE']]);
    const right = await desk.pool.proposeChannelClose(close);
    expect(desk.work.log.treasury().authorizations.has(right.id ?? '')).toBe(true);
    await desk.close();
  });
});

test('over its socket amounts are decimal text, the log comes in pages, and failures keep their code', async () => {
  const desk = await poolDesk();
  const dir = await mkdtemp(path.join(tmpdir(), 'weir-pool-'));
  const socket = path.join(dir, 'pool.sock');
  const serving = await serveUnix(
    {
      router: poolRouter,
      createContext: () => ({ service: desk.pool }),
      bodyBytesMax: POOL_BODY_BYTES_MAX,
    },
    socket,
  );
  const client = createTRPCClient<PoolRouter>({
    links: [httpLink({ url: SOCKET_URL, fetch: unixFetch(socket) })],
  });
  expect(await client.standing.query()).toMatchObject({
    treasuryId: desk.s.t.id,
    treasurySat: '240000000',
  });
  const { seq } = desk.work.log.treasury();
  const page = await client.log.query({ afterSeq: seq - 2, limit: 200 });
  expect(page.map((entry) => entry.seq)).toEqual([seq - 1, seq]);
  expect(await client.log.query({ afterSeq: seq, limit: 1 })).toEqual([]);
  await expect(client.proposal.query({ id: '00'.repeat(32) })).rejects.toMatchObject({
    data: { failure: 'NOT_FOUND' },
  });
  await serving.close();
  await desk.close();
  await rm(dir, { recursive: true });
});
