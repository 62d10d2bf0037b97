/**
 * Channels with others who mean no good, on real nodes: a peer that takes a funding and does not sign, and a pool
 * that is not its owner's any more.
 */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { base64 } from '@scure/base';
import { getChannels } from 'ln-service';
import { expect, test } from 'vitest';
import { FILES } from '../coordinator/config.ts';
import { operatorJson, startOperator } from '../demo/lightning-world.ts';
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
import {
  agreed,
  batchNow,
  booksAgree,
  opened,
  opens,
  pendingAt,
  QUORUM,
  sharedPool,
  untilList,
  wish,
} from './e2e-pool.ts';
import { rowOf } from './e2e-world.ts';
import { describeWithLnd } from './lnd-available.ts';
import { realHands } from './lnd-hands.ts';

const TEST_MS_MAX = 400_000;
const CAPACITY = sat(1_000_000n);
const RESERVE = sat(20_000n);

interface AgentStatus {
  automation: { state: string; why: string };
}

describeWithLnd('channels with others who mean no good', () => {
  const world = sharedPool({ nodes: ['pool', 'left'] });
  const node = () => world().lightning.node('pool');

  test(
    'a peer that falls silent before funding_signed gives no guardian anything to sign, and holds nothing afterwards',
    async () => {
      const { operator, lightning, treasury } = world();
      const left = lightning.node('left');
      const capital = ['capital', '--rail', 'cold', '--amount-msat', '50000000000'];
      await operatorJson(world(), [...capital, '--why', 'what the treasury holds for the pool']);
      await operator.daemon?.stop();
      await startOperator(world(), { WEIR_CRASH_AT: 'before-verify:1' });
      await opens(world(), wish(world(), 'left', '500000')).catch(() => null);
      await operator.daemon?.ended;
      left.pause();
      await startOperator(world());
      const { batches } = await untilList(
        world(),
        'the node to have sent what is to be signed',
        (list) => list.batches.at(-1)?.phase === 'verified',
      );
      const { batchId = '', proposalId } = batches.at(-1) ?? {};
      expect(await pendingAt(node())).toEqual([]);
      const row = await rowOf(treasury, proposalId ?? '');
      expect([row.signed, row.asks]).toEqual([[], []]);
      await operatorJson(world(), ['channels', 'abort', batchId, 'it does not sign'], [0, 4]);
      await untilList(world(), 'the batch to be let go', (list) =>
        list.batches.some((each) => each.batchId === batchId && each.phase === 'aborted'),
      );
      expect((await rowOf(treasury, proposalId ?? '')).state).toBe('dead');
      left.resume();
      // It signs late, and the node has forgotten what for.
      await mineSynced(lightning, 1);
      const next = await opens(world(), wish(world(), 'left', '500000'));
      expect(next.phase).toBe('attested');
      await opened(world(), next);
      expect((await batchNow(world(), { ...next, batchId })).phase).toBe('aborted');
      expect(await pendingAt(node())).toEqual([]);
      await booksAgree(world());
    },
    TEST_MS_MAX,
  );

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

  // It has the pool's key and the channel manager's macaroon, and tells the treasury another close address than it told
  // LND. Guardians cannot see that while a channel is pending, since LND does not list it.
  test(
    'LN-27 a channel that closes to another address than was approved stops every agent at its first block',
    async () => {
      const { lightning, treasury } = world();
      const thief = await minerAddress(lightning.network);
      const { id, outpoint } = await liedAbout(thief);
      await agreed(world(), id);
      await mineSynced(lightning, 6);
      const { channels } = await called('channels', getChannels({ lnd: node().lnd }));
      const found = channels.find(
        (each) => `${each.transaction_id}:${each.transaction_vout}` === outpoint,
      );
      expect(found?.cooperative_close_address).toBe(thief);
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
