/** The agent's look at a real LND: what is pending, where an active channel closes, and a node that hangs. */
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { createChainAddress, grantAccess, openChannel } from 'ln-service';
import { expect, test } from 'vitest';
import { fundNode, mineSynced } from '../regtest/lightning.ts';
import { connectPeers, untilActive } from '../regtest/lightning-channels.ts';
import { called } from '../regtest/ln-call.ts';
import { until } from '../regtest/wait.ts';
import { ownLnd } from '../signer-agent/adapters/lnd.ts';
import { describeWithLnd, sharedLightning } from './lnd-available.ts';
import { REGTEST_GENESIS } from './treasury-scenario.ts';

/** What the adapter says its macaroon needs. */
const URIS = [
  'uri:/lnrpc.Lightning/GetInfo',
  'uri:/lnrpc.Lightning/PendingChannels',
  'uri:/lnrpc.Lightning/ListChannels',
];
const SAT = 500_000;
const WAIT_MS = 60_000;

describeWithLnd('the agent’s look at LND', () => {
  const network = sharedLightning({
    nodes: ['pool', 'left'],
    async prepare(lightning) {
      await fundNode(lightning, lightning.node('pool'), '0.5');
      await connectPeers(lightning.node('pool'), lightning.node('left'));
    },
  });

  async function look() {
    const pool = network().node('pool');
    const baked = grantAccess({ lnd: pool.lnd, permissions: URIS });
    const { macaroon } = await called('grantAccess', baked);
    const macaroonFile = path.join(pool.dir, 'agent.macaroon');
    await writeFile(macaroonFile, Buffer.from(macaroon, 'base64'));
    return ownLnd({ socket: pool.socket, certFile: pool.certPath, macaroonFile });
  }

  test('a channel is pending with its peer and capacity, then active with its close address', async () => {
    const pool = network().node('pool');
    const left = network().node('left');
    const view = await look();
    expect(await view.identity()).toEqual({
      publicKey: pool.publicKey,
      genesisHash: REGTEST_GENESIS,
    });
    expect(await view.pendingChannels()).toEqual([]);
    const wish = createChainAddress({ lnd: left.lnd, format: 'p2wpkh' });
    const closeAddress = (await called('createChainAddress', wish)).address;
    const opened = await called(
      'openChannel',
      openChannel({
        lnd: pool.lnd,
        local_tokens: SAT,
        give_tokens: 20_000,
        partner_public_key: left.publicKey,
        cooperative_close_address: closeAddress,
      }),
    );
    const outpoint = `${opened.transaction_id}:${opened.transaction_vout}`;
    const channel = { outpoint, peer: left.publicKey, capacitySat: BigInt(SAT) };
    expect(await view.pendingChannels()).toEqual([{ ...channel, peerSat: 20_000n }]);
    expect(await view.activeChannels()).toEqual([]);
    await mineSynced(network(), 6);
    const { transaction_id: txid, transaction_vout: vout } = opened;
    await untilActive({ from: pool, to: left, txid, vout });
    expect(await view.pendingChannels()).toEqual([]);
    expect(await view.activeChannels()).toEqual([{ ...channel, closeAddress }]);
  });

  test('a node that hangs is unreachable in bounded time, and seen again when it goes on', async () => {
    const pool = network().node('pool');
    const view = await look();
    await view.identity();
    pool.pause();
    await expect(view.pendingChannels()).rejects.toMatchObject({ code: 'LND_UNREACHABLE' });
    pool.resume();
    await until(
      'the node to answer again',
      () =>
        view.identity().then(
          ({ publicKey }) => publicKey === pool.publicKey,
          () => false,
        ),
      WAIT_MS,
    );
  });

  test('a file that is no macaroon of this node, or is not there, is a node that does not answer us', async () => {
    const pool = network().node('pool');
    const access = { socket: pool.socket, certFile: pool.certPath };
    const none = ownLnd({ ...access, macaroonFile: path.join(pool.dir, 'none') });
    await expect(none.identity()).rejects.toMatchObject({ code: 'LND_UNREACHABLE' });
    const wrong = ownLnd({ ...access, macaroonFile: pool.certPath });
    await expect(wrong.pendingChannels()).rejects.toMatchObject({ code: 'LND_UNREACHABLE' });
  });
});
