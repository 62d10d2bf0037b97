/** Channels on real LNDs: verified before anybody signs, published by us alone, accepted by rules, closed with retries. */
import { getChannel, openChannel as lnOpenChannel } from 'ln-service';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openChannelManager } from '../operator/adapters/lnd/channel-manager.ts';
import { connectLnd } from '../operator/adapters/lnd/connect.ts';
import type { Channel, ChannelOrder, CloseOutcome, InboundRules } from '../operator/lightning.ts';
import { feerate, msat, sat } from '../policies/units.ts';
import { fundNode, mineSynced } from '../regtest/lightning.ts';
import { connectPeers, openRing } from '../regtest/lightning-channels.ts';
import { holdInvoice, payable } from '../regtest/lightning-payments.ts';
import type { LndNode } from '../regtest/lnd.ts';
import { minerAddress } from '../regtest/network.ts';
import { until } from '../regtest/wait.ts';
import { conflictWith, type FundingTx, fundingTx, signedTx } from './funding-wallet.ts';
import { describeWithLnd, sharedLightning } from './lnd-available.ts';
import { type RealHands, realHands } from './lnd-hands.ts';

const WAIT_MS = 90_000;
/** Deep enough to be announced, and for a conflict to count as buried. */
const BLOCKS = 6;
const FEERATE = feerate(5_000n);

describeWithLnd('channels of real LNDs', () => {
  const lightning = sharedLightning({
    nodes: ['left', 'right', 'hidden'],
    prepare: async (fresh) => {
      await openRing(fresh);
      const [left, hidden] = [fresh.node('left'), fresh.node('hidden')];
      await connectPeers(left, hidden);
      await fundNode(fresh, left, '0.02');
    },
  });
  const node = (name: 'left' | 'right' | 'hidden'): LndNode => lightning().node(name);
  const network = () => lightning().network;
  let hands: RealHands;
  beforeAll(async () => {
    hands = await realHands(node('left'));
  });
  afterAll(() => hands.close());

  async function order(peer: LndNode, capacity: bigint): Promise<ChannelOrder> {
    return {
      peer: peer.publicKey,
      capacitySat: sat(capacity),
      closeAddress: await minerAddress(network()),
      announced: 'public',
    };
  }

  /** Asks, builds, has it verified, and waits until all are pending. */
  async function pending(
    orders: readonly ChannelOrder[],
  ): Promise<{ tx: FundingTx; outpoints: string[] }> {
    const asked = await hands.manager.openChannels(orders);
    const tx = await fundingTx(network(), asked);
    const outpoints = asked.map(({ address }) => `${tx.txid}:${tx.voutOf(address)}`);
    await hands.manager.verifyFunding(
      asked.map(({ pendingId }) => pendingId),
      Buffer.from(tx.psbt, 'base64'),
    );
    await until(
      'all to be pending',
      async () => {
        const listed = await hands.reader.pendingChannels();
        return outpoints.every((outpoint) => listed.some((each) => each.outpoint === outpoint));
      },
      WAIT_MS,
    );
    return { tx, outpoints };
  }

  function active(outpoint: string): Promise<Channel> {
    return until(
      `${outpoint} to be active`,
      async () => {
        const channels = await hands.reader.channels();
        return channels.find((each) => each.outpoint === outpoint && each.usable === 'active');
      },
      WAIT_MS,
    );
  }

  async function broadcast(tx: FundingTx): Promise<string> {
    const txid = await network().first.rpc<string>('sendrawtransaction', [
      await signedTx(network(), tx),
    ]);
    await mineSynced(lightning(), BLOCKS);
    return txid;
  }

  test('LN-10 LN-11 two channels are pending before anybody signs, and nobody but us publishes', async () => {
    const orders = [await order(node('right'), 200_000n), await order(node('hidden'), 300_000n)];
    const { tx, outpoints } = await pending(orders);
    const listed = await hands.reader.pendingChannels();
    expect(outpoints.map((outpoint) => listed.find((each) => each.outpoint === outpoint))).toEqual(
      orders.map((each, at) => ({
        outpoint: outpoints[at],
        peer: each.peer,
        capacitySat: each.capacitySat,
        localSat: expect.any(BigInt),
        phase: 'opening',
        closeTxid: null,
        blocksLeft: null,
      })),
    );
    await mineSynced(lightning(), 1);
    const mempool = await network().first.rpc<string[]>('getrawmempool');
    expect(mempool).not.toContain(tx.txid);
    expect(await hands.reader.channels()).not.toContainEqual(
      expect.objectContaining({ outpoint: outpoints[0] }),
    );
    expect(await broadcast(tx)).toBe(tx.txid);
    for (const [at, outpoint] of outpoints.entries()) {
      expect(await active(outpoint)).toMatchObject({
        openedBy: 'us',
        announced: 'public',
        closeAddress: orders[at]?.closeAddress,
        capacitySat: orders[at]?.capacitySat,
      });
    }
  });

  test('LN-13 a backup has every channel inside, and one that is not inside is missed', async () => {
    const backup = await hands.manager.backup();
    const channels = await hands.reader.channels();
    expect([...backup.outpoints].toSorted()).toEqual(
      channels.map(({ outpoint }) => outpoint).toSorted(),
    );
    expect(await hands.manager.verifyBackup(backup)).toBe(true);
    const more = { ...backup, outpoints: [...backup.outpoints, `${'00'.repeat(32)}:0`] };
    expect(await hands.manager.verifyBackup(more)).toBe(false);
    const bent = { ...backup, multiHex: `${backup.multiHex.slice(0, -2)}00` };
    expect(await hands.manager.verifyBackup(bent)).toBe(false);
  });

  test('fees are ours to set, and the rest of the policy stays', async () => {
    const [channel] = (await hands.reader.channels()).filter(
      ({ announced }) => announced === 'public',
    );
    if (channel === undefined) throw new Error('there is no channel');
    const policy = async () => {
      const { policies } = await getChannel({ lnd: node('left').lnd, id: channel.id });
      return policies.find((each) => each.public_key === node('left').publicKey);
    };
    const before = await until(
      'our policy to be known',
      async () => {
        const now = await policy().catch(() => undefined);
        return now?.cltv_delta === undefined ? null : now;
      },
      WAIT_MS,
    );
    const { outpoint } = channel;
    await hands.manager.setChannelFees({ outpoint, baseMsat: msat(7n), ratePpm: 321 });
    const after = await until(
      'the policy to be known',
      async () => {
        const now = await policy();
        return now?.fee_rate === 321 ? now : null;
      },
      WAIT_MS,
    );
    const { updated_at: _, ...kept } = after;
    const { updated_at: __, ...had } = before;
    expect(kept).toEqual({ ...had, base_fee_mtokens: '7', fee_rate: 321 });
  });

  test('LN-12 a busy slot is named, its batch taken back, and what was pending forgotten after a conflict', async () => {
    const { tx, outpoints } = await pending([await order(node('right'), 200_000n)]);
    const again = hands.manager.openChannels([
      await order(node('hidden'), 200_000n),
      await order(node('right'), 200_000n),
    ]);
    await expect(again).rejects.toMatchObject({ code: 'LND_REFUSED' });
    await expect(again).rejects.toThrow(
      `${node('right').publicKey} holds a pending channel of ours`,
    );
    const conflict = await conflictWith(network(), tx, await minerAddress(network()));
    const confirmedTx = await signedTx(network(), conflict);
    await network().first.rpc('sendrawtransaction', [confirmedTx, 0]);
    await mineSynced(lightning(), BLOCKS);
    const [outpoint = ''] = outpoints;
    await hands.manager.forgetConflicted({ outpoint, pendingTx: tx.unsignedTx, confirmedTx });
    await until(
      'it to be forgotten',
      async () =>
        !(await hands.reader.pendingChannels()).some((each) => each.outpoint === outpoint),
      WAIT_MS,
    );
  });

  test('a request is taken back, once and again', async () => {
    const [asked] = await hands.manager.openChannels([await order(node('hidden'), 200_000n)]);
    const { pendingId = '' } = asked ?? {};
    await hands.manager.cancelPending(pendingId);
    await hands.manager.cancelPending(pendingId);
    const verifying = hands.manager.verifyFunding([pendingId], Buffer.alloc(1));
    await expect(verifying).rejects.toMatchObject({ code: 'LND_REFUSED' });
  });

  test('LN-11 a transaction that does not fund the channel is not verified', async () => {
    const [asked] = await hands.manager.openChannels([await order(node('hidden'), 200_000n)]);
    if (asked === undefined) throw new Error('nothing is asked');
    const short = await fundingTx(network(), [{ ...asked, amountSat: 199_999n }]);
    const verifying = hands.manager.verifyFunding(
      [asked.pendingId],
      Buffer.from(short.psbt, 'base64'),
    );
    await expect(verifying).rejects.toMatchObject({ code: 'LND_REFUSED' });
    await hands.manager.cancelPending(asked.pendingId);
  });

  test('LN-9 a node without coins of its own for the anchor reserve says so', async () => {
    const poor = await realHands(node('hidden'));
    const [asked] = await poor.manager.openChannels([await order(node('left'), 200_000n)]);
    if (asked === undefined) throw new Error('nothing is asked');
    const tx = await fundingTx(network(), [asked]);
    const verifying = poor.manager.verifyFunding([asked.pendingId], Buffer.from(tx.psbt, 'base64'));
    await expect(verifying).rejects.toMatchObject({ code: 'LND_REFUSED' });
    await expect(verifying).rejects.toThrow('anchor reserve');
    await poor.manager.cancelPending(asked.pendingId);
    poor.close();
  });

  test('a peer that is not connected is named', async () => {
    const stranger = {
      publicKey: '0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798',
    };
    const opening = hands.manager.openChannels([
      { ...(await order(node('right'), 200_000n)), peer: stranger.publicKey },
    ]);
    await expect(opening).rejects.toMatchObject({ code: 'LND_REFUSED' });
    await expect(opening).rejects.toThrow(`${stranger.publicKey} is not connected`);
  });

  test('LN-25 peers open to us by our rules: who is listed, within the size, without gifts', async () => {
    const treasury = await minerAddress(network());
    const rules: InboundRules = {
      peers: [{ node: node('right').publicKey, minSat: sat(100_000n), maxSat: sat(400_000n) }],
      closeAddressFor: () => Promise.resolve(treasury),
    };
    const stop = new AbortController();
    const accepting = hands.manager.accept(rules, stop.signal);
    const ask = (tokens: number, gift = 0) =>
      lnOpenChannel({
        lnd: node('right').lnd,
        partner_public_key: node('left').publicKey,
        local_tokens: tokens,
        give_tokens: gift,
      });
    const refusal = { cause: null as unknown };
    for (const [tokens, gift, why] of [
      [50_000, 0, 'below 100000 sat'],
      [500_000, 0, 'above 400000 sat'],
      [200_000, 5_000, 'gifts'],
    ] as const) {
      refusal.cause = await ask(tokens, gift).catch((cause: unknown) => cause);
      expect(JSON.stringify(refusal.cause)).toContain(why);
    }
    const { transaction_id, transaction_vout } = await ask(200_000);
    await mineSynced(lightning(), BLOCKS);
    expect(await active(`${transaction_id}:${transaction_vout}`)).toMatchObject({
      openedBy: 'peer',
      closeAddress: treasury,
    });
    stop.abort();
    await accepting;
  });

  /** Asks until it is what is waited for: refusals of a moment pass. */
  function closes(
    outpoint: string,
    how: 'cooperative' | 'force',
    wanted: string,
  ): Promise<CloseOutcome> {
    return until(
      `the close of ${outpoint} to be ${wanted}`,
      async () => {
        const feeRate = how === 'force' ? null : FEERATE;
        const outcome = await hands.manager.close({ outpoint, how, feerate: feeRate });
        const is = outcome.is === 'refused' ? outcome.why : outcome.is;
        return is === wanted ? outcome : null;
      },
      WAIT_MS,
    );
  }

  test('a close is refused while HTLCs linger and while the peer is away, then pays the treasury', async () => {
    const channel = (await hands.reader.channels()).find(
      (each) => each.peer === node('hidden').publicKey && each.closeAddress !== null,
    );
    if (channel === undefined) throw new Error('there is no channel to hidden');
    const { outpoint, closeAddress } = channel;
    const held = await holdInvoice(node('hidden'), { msat: 20_000_000n });
    await payable(node('left'), held.request);
    const paying = hands.payer.pay({
      request: held.request,
      paymentHash: held.hash,
      maxFeeMsat: msat(0n),
      partsMax: 1,
      pathfindingMs: 10_000,
      maxTimeoutHeight: (await hands.reader.standing()).height + 200,
      outgoingChannels: [channel.id],
      deadlineMs: WAIT_MS,
    });
    await held.untilHeld();
    await closes(outpoint, 'cooperative', 'htlcs_active');
    await held.settle();
    expect(await paying).toMatchObject({ is: 'settled', firstChannels: [channel.id] });
    await node('hidden').stop();
    await closes(outpoint, 'cooperative', 'peer_offline');
    await node('hidden').restart();
    await connectPeers(node('left'), node('hidden'));
    const outcome = await closes(outpoint, 'cooperative', 'closing');
    if (outcome.is !== 'closing') throw new Error('it does not close');
    expect(await hands.reader.pendingChannels()).toContainEqual(
      expect.objectContaining({ outpoint, phase: 'waiting_close' }),
    );
    await mineSynced(lightning(), BLOCKS);
    const closed = await until(
      'it to be closed',
      async () => (await hands.reader.closedChannels()).find((each) => each.outpoint === outpoint),
      WAIT_MS,
    );
    expect(closed).toMatchObject({ how: 'cooperative', closeTxid: outcome.txid });
    const { vout } = await network().first.rpc<{
      vout: { value: number; scriptPubKey: { address: string } }[];
    }>('getrawtransaction', [outcome.txid, true]);
    const paid = vout.find(({ scriptPubKey }) => scriptPubKey.address === closeAddress);
    expect(Math.round((paid?.value ?? 0) * 1e8)).toBe(Number(closed.settledSat));
    expect(await hands.manager.close({ outpoint, how: 'cooperative', feerate: FEERATE })).toEqual(
      expect.objectContaining({ is: 'refused', why: 'not_found' }),
    );
  });

  test('a forced close is forced, and only when asked', async () => {
    const channel = (await hands.reader.channels()).find(
      (each) => each.peer === node('right').publicKey && each.openedBy === 'us',
    );
    if (channel === undefined) throw new Error('there is no channel to right');
    const { outpoint } = channel;
    await closes(outpoint, 'force', 'closing');
    await mineSynced(lightning(), 1);
    const forced = await until(
      'it to be forced',
      async () =>
        (await hands.reader.pendingChannels()).find(
          (each) => each.outpoint === outpoint && each.phase === 'force_closing',
        ),
      WAIT_MS,
    );
    expect(forced.closeTxid).toMatch(/^[0-9a-f]{64}$/);
  });

  test('the wallet of the node gives addresses, and a node without towers says so', async () => {
    expect(await hands.manager.walletAddress()).toMatch(/^bcrt1q/);
    await expect(
      hands.manager.addWatchtower(node('right').publicKey, '127.0.0.1:9911'),
    ).rejects.toMatchObject({ code: 'LND_REFUSED' });
  });

  test('each hand has one credential: the manager cannot close, and who closes cannot open', async () => {
    const { socket, certPath } = node('left');
    const by = async (role: 'channels' | 'closer') =>
      connectLnd({ socket, certPath, macaroon: hands.macaroons[role] });
    const [channels, closer] = [await by('channels'), await by('closer')];
    const crossed = openChannelManager({ channels: closer, closer: channels, backup: closer });
    const [channel] = await hands.reader.channels();
    const { outpoint = '' } = channel ?? {};
    expect(await crossed.close({ outpoint, how: 'cooperative', feerate: FEERATE })).toMatchObject({
      is: 'refused',
      why: 'error',
    });
    await expect(
      crossed.openChannels([await order(node('right'), 200_000n)]),
    ).rejects.toMatchObject({ code: 'LND_UNREACHABLE' });
    channels.close();
    closer.close();
  });
});
