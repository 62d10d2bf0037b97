/**
 * Channels on running processes and a real chain, without a Lightning node: the test plays the pool, whose
 * word the policy asks for, and the guardians are asked since their agents have no view of their own.
 */
import { randomBytes } from 'node:crypto';
import path from 'node:path';
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex } from '@noble/hashes/utils.js';
import { base64 } from '@scure/base';
import { createTRPCClient, httpLink } from '@trpc/client';
import { expect, test } from 'vitest';
import { FILES } from '../coordinator/config.ts';
import type { PoolRouter } from '../coordinator/pool-protocol.ts';
import { mineBlocks } from '../demo/decisions.ts';
import { policyFor, STEP_MS_MAX, type World } from '../demo/world.ts';
import { parsePreviousTx } from '../descriptors/previous-tx.ts';
import { decodePsbt } from '../descriptors/psbt.ts';
import { authorizationForce } from '../policies/authorization-force.ts';
import { toWire } from '../policies/canonical-json.ts';
import { type ChannelFunding, channelFunding } from '../policies/intent.ts';
import { logEntry } from '../policies/log-entry.ts';
import { channelsPendingBody } from '../policies/proposal.ts';
import { signStatement } from '../policies/statement.ts';
import { sat } from '../policies/units.ts';
import { until } from '../regtest/wait.ts';
import { SOCKET_URL, unixFetch } from '../transport/trpc-fetch.ts';
import { describeWithBitcoind } from './bitcoind-available.ts';
import { ALPHA, CHANNEL_RULES } from './channel-cases.ts';
import { guardianSaysYes } from './e2e-people.ts';
import { confirmed, foldedLog, sharedWorld, untilRow, whenReached } from './e2e-world.ts';
import { secretOf } from './treasury-scenario.ts';

const QUORUM = { threshold: 2, of: 3 };
const TEST_MS_MAX = 200_000;
const POLICY = (await policyFor(QUORUM)).replace('channel_open: not_yet', CHANNEL_RULES);

function poolOf(world: World) {
  const socket = path.join(world.coordinator.dir, FILES.pool);
  return createTRPCClient<PoolRouter>({
    links: [httpLink({ url: SOCKET_URL, fetch: unixFetch(socket) })],
  });
}

/** A channel with a 2-of-2 that nobody has keys of: what LND would have answered. */
function negotiated(capacity: bigint, closeIndex: number): ChannelFunding {
  const fundingScript = `0020${bytesToHex(sha256(randomBytes(71)))}`;
  const capacitySat = sat(capacity);
  return channelFunding.parse({
    peer: ALPHA,
    capacitySat,
    fundingScript,
    closeIndex,
    announced: 'public',
  });
}

async function propose(world: World, capacities: readonly bigint[]) {
  const pool = poolOf(world);
  const addresses = await pool.closeAddresses.mutate({ count: capacities.length });
  const channels = capacities.map((each, at) => negotiated(each, addresses[at]?.index ?? -1));
  const request = { channels, reserve: null, initiator: 'pool' };
  const made = await pool.proposeChannelOpen.mutate(toWire(request) as never);
  if (made.id === null) throw new Error(JSON.stringify(made.reasons));
  const { outputs } = decodePsbt(base64.decode(made.psbt));
  const vouts = channels.map(({ fundingScript }) =>
    outputs.findIndex(({ script }) => script === fundingScript),
  );
  return { pool, id: made.id, txid: made.txid, channels, vouts };
}

async function attest(world: World, made: Awaited<ReturnType<typeof propose>>): Promise<void> {
  const { id: proposalId, txid, channels, vouts } = made;
  const body = channelsPendingBody.parse({
    treasuryId: world.treasuryId,
    network: 'regtest',
    proposalId,
    txid,
    channels: channels.map(({ peer, capacitySat, closeIndex }, at) => ({
      peer,
      vout: vouts[at],
      capacitySat,
      closeIndex,
    })),
  });
  const pending = signStatement('channels-pending', body, secretOf('pool'), randomBytes(32));
  await made.pool.channelsPending.mutate(toWire(pending) as never);
}

describeWithBitcoind('channels by quorum', () => {
  const world = sharedWorld({ quorum: QUORUM, policy: POLICY, coinsBtc: ['0.5', '0.2'] });

  test(
    'G9 two channels are funded in one transaction: pending, then guardians, then the chain',
    async () => {
      const made = await propose(world(), [300_000n, 400_000n]);
      await attest(world(), made);
      await untilRow(world(), made.id, 'the question', ({ asks }) => asks.length === 3);
      expect((await made.pool.proposal.query({ id: made.id })).signed).toBe('nobody');
      for (const seat of ['ana', 'cleo']) await guardianSaysYes(world(), seat, made.id);
      const { txid } = await confirmed(world(), made.id);
      expect(txid).toBe(made.txid);
      const raw = await world().network.second.rpc<string>('getrawtransaction', [txid]);
      const { outputs } = parsePreviousTx(Buffer.from(raw, 'hex'));
      for (const [at, { fundingScript, capacitySat }] of made.channels.entries()) {
        expect(outputs[made.vouts[at] ?? -1]).toEqual({
          script: fundingScript,
          amountSat: capacitySat,
        });
      }
      await mineBlocks(world(), 5);
      await until(
        'it to be buried',
        async () => {
          const { standing } = await made.pool.proposal.query({ id: made.id });
          return standing === 'buried' ? true : null;
        },
        STEP_MS_MAX,
      );
      await closed(made);
    },
    TEST_MS_MAX,
  );

  /** The close of its first channel, until the pool reads off the log that the quorum decided it. */
  async function closed({ pool, txid, channels, vouts }: Awaited<ReturnType<typeof propose>>) {
    const [channel] = channels;
    const request = {
      channelPoint: `${txid}:${vouts[0]}`,
      force: 'cooperative',
      closeIndex: channel?.closeIndex,
      maxFeeRateSatPerKvb: 5_000n,
      initiator: 'pool',
    };
    const { id } = await pool.proposeChannelClose.mutate(toWire(request) as never);
    const force = async () => {
      const entries = [];
      for (;;) {
        const page = await pool.log.query({ afterSeq: entries.length, limit: 200 });
        if (page.length === 0) break;
        entries.push(...page.map((each) => logEntry.parse(each)));
      }
      const { tipHeight } = await pool.standing.query();
      return authorizationForce(foldedLog(entries), id ?? '', tipHeight).is;
    };
    expect(await force()).toBe('open');
    await guardianSaysYes(world(), 'ana', id ?? '');
    expect(await force()).toBe('open');
    await guardianSaysYes(world(), 'ben', id ?? '');
    const inForce = async () => ((await force()) === 'in-force' ? true : null);
    await until('the close to be in force', () => whenReached(inForce()), STEP_MS_MAX);
  }

  test(
    'what was never pending is withdrawn, and nobody signs it afterwards',
    async () => {
      const made = await propose(world(), [200_000n]);
      await made.pool.withdrawProposal.mutate({ id: made.id, why: 'alpha went away' });
      expect((await made.pool.proposal.query({ id: made.id })).standing).toBe('dead');
      await expect(attest(world(), made)).rejects.toMatchObject({
        data: { failure: 'WRONG_STATE' },
      });
      const row = await untilRow(world(), made.id, 'its end', ({ state }) => state === 'dead');
      expect(row.signed).toEqual([]);
    },
    TEST_MS_MAX,
  );
});
