/**
 * A pool that is not its owner's any more, on a real node: it has the pool's key and the channel manager's macaroon,
 * and tells the treasury another close address than it told LND. Guardians cannot see that while a channel is
 * pending (LND does not list it); they see it at its first block, and nothing follows it.
 */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { base64 } from '@scure/base';
import { getChannels } from 'ln-service';
import { expect, test } from 'vitest';
import { FILES } from '../coordinator/config.ts';
import { agentJson, STEP_MS_MAX } from '../demo/world.ts';
import { decodePsbt } from '../descriptors/psbt.ts';
import { treasuryDoor } from '../operator/adapters/treasury.ts';
import { scriptOf } from '../operator/channels/address-script.ts';
import { openPoolKeys } from '../operator/pool-keys.ts';
import { channelFunding } from '../policies/intent.ts';
import { channelsPendingBody } from '../policies/proposal.ts';
import { signStatement } from '../policies/statement.ts';
import { sat } from '../policies/units.ts';
import { mineSynced } from '../regtest/lightning.ts';
import { called } from '../regtest/ln-call.ts';
import { minerAddress } from '../regtest/network.ts';
import { until } from '../regtest/wait.ts';
import { agreed, pendingAt, QUORUM, sharedPool } from './e2e-pool.ts';
import { describeWithLnd } from './lnd-available.ts';
import { realHands } from './lnd-hands.ts';

const TEST_MS_MAX = 400_000;
const CAPACITY = sat(1_000_000n);
const RESERVE = sat(20_000n);

interface AgentStatus {
  automation: { state: string; why: string };
}

describeWithLnd('a pool in other hands', () => {
  const world = sharedPool({ nodes: ['pool', 'left'] });
  const node = () => world().lightning.node('pool');

  /** Pending at LND with a close address of the thief's, and signed for by the pool's own key. */
  async function liedAbout(closeAddress: string): Promise<{ id: string; outpoint: string }> {
    const { lightning, treasury, operator } = world();
    const left = lightning.node('left');
    const hands = await realHands(node());
    const { manager } = hands;
    await manager.connect(left.publicKey, `127.0.0.1:${left.p2pPort}`);
    const order = { peer: left.publicKey, capacitySat: CAPACITY, closeAddress };
    const [asked] = await manager.openChannels([{ ...order, announced: 'public' }]);
    const coordinator = treasuryDoor(path.join(treasury.coordinator.dir, FILES.pool));
    const [claimed] = await coordinator.closeAddresses(1);
    if (asked === undefined || claimed === undefined) throw new Error('nothing to propose');
    const channel = channelFunding.parse({
      peer: left.publicKey,
      capacitySat: CAPACITY,
      fundingScript: scriptOf(asked.address, 'regtest'),
      closeIndex: claimed.index,
      announced: 'public',
    });
    const made = await coordinator.proposeChannelOpen({
      channels: [channel],
      reserve: { address: await manager.walletAddress(), amountSat: RESERVE },
      initiator: 'pool',
    });
    const psbt = base64.decode(made.psbt);
    await manager.verifyFunding([asked.pendingId], psbt);
    hands.close();
    const { outputs } = decodePsbt(psbt);
    const vout = outputs.findIndex(({ script }) => script === channel.fundingScript);
    const outpoint = `${made.txid}:${vout}`;
    await until(
      'the channel to be pending',
      async () => ((await pendingAt(node())).includes(outpoint) ? true : null),
      STEP_MS_MAX,
    );
    const passphrase = await readFile(path.join(world().dir, 'operator.passphrase'), 'utf8');
    const { word } = await openPoolKeys(operator.dir, passphrase.trim());
    const body = channelsPendingBody.parse({
      treasuryId: treasury.treasuryId,
      network: 'regtest',
      proposalId: made.id,
      txid: made.txid,
      channels: [{ peer: channel.peer, vout, capacitySat: CAPACITY, closeIndex: claimed.index }],
    });
    await coordinator.channelsPending(
      signStatement('channels-pending', body, word, new Uint8Array(32).fill(1)),
    );
    return { id: made.id ?? '', outpoint };
  }

  test(
    'LN-27 a channel that closes to another address than was approved stops every agent at its first block',
    async () => {
      const { lightning, treasury } = world();
      const thief = await minerAddress(lightning.network);
      const { id, outpoint } = await liedAbout(thief);
      await agreed(world(), id);
      await mineSynced(lightning, 6);
      const { channels } = await called('channels', getChannels({ lnd: node().lnd }));
      expect(channels.map((each) => each.cooperative_close_address)).toEqual([thief]);
      for (const seat of QUORUM) {
        const { automation } = await until(
          `the agent of ${seat} to stop`,
          async () => {
            const status = await agentJson<AgentStatus>(treasury, seat, ['status'], [0, 7]);
            return status.automation.state === 'tripped' ? status : null;
          },
          STEP_MS_MAX,
        );
        expect(automation.why).toContain('W-LN-SHUTDOWN');
        expect(automation.why).toContain(outpoint);
      }
      // The pool's own operator, which asked for no such channel, says so as well.
      const log = path.join(world().dir, 'operator.log');
      await until(
        'the operator to say so',
        async () => {
          const text = await readFile(log, 'utf8');
          return text.includes('ALARM channel_unknown') && text.includes(outpoint) ? true : null;
        },
        STEP_MS_MAX,
      );
    },
    TEST_MS_MAX,
  );
});
