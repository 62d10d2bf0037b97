/** The story of the pool: channels by quorum, money in, payments once, a crash, money out, channels back. */
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { payViaPaymentRequest } from 'ln-service';
import { satText } from '../console/print.ts';
import { mineSynced } from '../regtest/lightning.ts';
import { connectPeers, openChannel } from '../regtest/lightning-channels.ts';
import { holdInvoice, invoice, routeKnown } from '../regtest/lightning-payments.ts';
import { called } from '../regtest/ln-call.ts';
import type { LndNode } from '../regtest/lnd.ts';
import { until } from '../regtest/wait.ts';
import { guardianApproves, operatorApproves, untilSent } from './decisions.ts';
import { callerFor, operatorJson, type PoolWorld, startOperator } from './lightning-world.ts';
import { type ApiAnswer, post, rawPost } from './pool-calls.ts';
import type { Teller } from './story.ts';
import { weir } from './weir-process.ts';
import { STEP_MS_MAX } from './world.ts';

/** Nobody in particular: whoever asks may not be who approves. */
const INITIATOR = 'pool';
const AGENT = 'scout';
const MSAT = 1_000n;
/** The coins that the treasury was funded with. */
const TREASURY_MSAT = '50000000000';
/** What LND must have heard before a channel is used: six blocks announce it (BOLT 7). */
const ANNOUNCED_BLOCKS = 6;

export interface PoolEnd {
  channelsTxid: string;
  receiptIds: string[];
  closeTxid: string;
  differences: Record<string, string>;
  token: string;
}

export async function tellPoolStory(world: PoolWorld, teller: Teller): Promise<PoolEnd> {
  const channelsTxid = await chapterOpen(world, teller);
  const token = await chapterTopup(world, teller);
  const paid = await chapterPay(world, teller, token);
  await chapterFifty(world, teller, token);
  const afterCrash = await chapterCrash(world, teller, token);
  const out = await chapterWithdraw(world, teller, token);
  const closeTxid = await chapterClose(world, teller);
  const differences = await chapterBooks(world, teller);
  return { channelsTxid, receiptIds: [paid, afterCrash, out], closeTxid, differences, token };
}

async function chapterOpen(world: PoolWorld, teller: Teller): Promise<string> {
  const { treasury, lightning } = world;
  const [left, right] = [lightning.node('left'), lightning.node('right')];
  teller.chapter('The quorum opens two channels in one transaction');
  // A peer that is only half connected refuses.
  for (const peer of [left, right]) await connectPeers(lightning.node('pool'), peer);
  await operatorJson(world, [
    ...['capital', '--rail', 'cold', '--amount-msat', TREASURY_MSAT],
    ...['--why', 'what the treasury holds for the pool'],
  ]);
  const batch = await operatorJson<{ proposalId: string; txid: string }>(world, [
    ...['channels', 'open', '--initiator', INITIATOR],
    ...['--channel', `${left.publicKey}@127.0.0.1:${left.p2pPort}=5000000`],
    ...['--channel', `${right.publicKey}@127.0.0.1:${right.p2pPort}=4000000`],
  ]);
  teller.tell('both peers hold our signature and we theirs; only now the guardians are asked');
  await operatorApproves(treasury, batch.proposalId);
  const [guardian = ''] = treasury.agents.keys();
  const { stdout } = await weir([
    ...['signer-agent', 'review', batch.proposalId, '--dir', path.join(treasury.dir, guardian)],
  ]);
  for (const line of stdout.trimEnd().split('\n')) teller.tell(`| ${line}`);
  await guardianApproves(treasury, guardian, batch.proposalId);
  const sent = await untilSent(treasury, batch.proposalId);
  teller.tell(`signed by ${sent.signed.join(' and ')}, broadcast by us as ${sent.txid}`);
  teller.spend({
    what: 'two channels',
    txid: sent.txid,
    state: 'confirmed',
    feeSat: sent.feeSat,
    signed: sent.signed,
    refused: sent.refused.map(({ seatId }) => seatId),
  });
  await mineSynced(lightning, ANNOUNCED_BLOCKS);
  await untilActive(world, 2);
  teller.tell('both are active, and close to addresses that the guardians derive');
  await openChannel(lightning, left, lightning.node('pool'), { sat: 3_000_000 });
  await untilActive(world, 3);
  teller.tell('left opened one to us: its peer, size and close address passed our acceptor');
  return batch.txid;
}

interface ChannelRow {
  outpoint: string;
  openedBy: string;
  state: string;
  closes: string;
}

interface ChannelList {
  channels: ChannelRow[];
  differences: Record<string, string>;
}

function untilActive(world: PoolWorld, count: number): Promise<ChannelRow[]> {
  return until(
    `${count} channels to be active and known to the books`,
    async () => {
      const { channels } = await operatorJson<ChannelList>(world, ['channels', 'list']);
      const open = channels.filter(({ state }) => state === 'active');
      return open.length === count ? open : null;
    },
    STEP_MS_MAX,
  );
}

async function chapterTopup(world: PoolWorld, teller: Teller): Promise<string> {
  const { lightning } = world;
  teller.chapter(`The agent ${AGENT} gets a token, and tops up over Lightning`);
  const { token } = await callerFor(world, 'router', [AGENT, 'second']);
  const topup = await post(world, token, '/v1/prepaid/topups', {
    schema: 'weir.prepaid.topup_request.v1',
    idempotency_key: 'first',
    amount_msats: 1_500_000_000,
  });
  const { invoice: request, topup_id: topupId } = topup as { invoice: string; topup_id: string };
  await payFrom(lightning.node('left'), request);
  await until(
    'the top-up to be credited',
    async () => (await get(world, token, `/v1/prepaid/topups/${topupId}`))['state'] === 'credited',
    STEP_MS_MAX,
  );
  teller.tell(`credited: ${await balanceText(world, token)}`);
  return token;
}

function payFrom({ lnd, alias }: LndNode, request: string): Promise<unknown> {
  return called(`${alias} pays`, payViaPaymentRequest({ lnd, request, max_fee: 1_000 }));
}

async function get(
  world: PoolWorld,
  token: string,
  route: string,
): Promise<Record<string, unknown>> {
  const answer = await fetch(`${world.operator.url}${route}`, {
    headers: { authorization: `Bearer ${token}` },
  });
  return (await answer.json()) as Record<string, unknown>;
}

async function balanceText(world: PoolWorld, token: string): Promise<string> {
  const { available_msats } = await get(world, token, '/v1/prepaid');
  return `${AGENT} has ${satText(BigInt(String(available_msats)) / MSAT)}`;
}

async function quote(
  world: PoolWorld,
  token: string,
  { request, key, maxFee = 400_000 }: { request: string; key: string; maxFee?: number },
): Promise<string> {
  const answer = await post(world, token, '/v1/liquidity/quote_pay', {
    schema: 'openagents.liquidity.quote_pay_request.v1',
    idempotency_key: key,
    invoice: request,
    host: 'shop.example',
    max_amount_msats: 400_000_000,
    max_fee_msats: maxFee,
    urgency: null,
    policy_context: { budget: 'demo' },
  });
  return answer['quote_id'] as string;
}

function payBody(quoteId: string): object {
  return {
    schema: 'openagents.liquidity.pay_request.v1',
    quote_id: quoteId,
    run_id: 'run-1',
    trajectory_hash: null,
  };
}

async function chapterPay(world: PoolWorld, teller: Teller, token: string): Promise<string> {
  const { lightning, operator } = world;
  const payee = lightning.node('payee');
  teller.chapter('Quote and pay; the receipt verifies offline');
  await routeKnown(lightning.node('pool'), payee.publicKey, 150_000_000n);
  const { request } = await invoice(payee, { msat: 150_000_000n });
  const quoteId = await quote(world, token, { request, key: 'order-1' });
  const first = await rawPost(world, token, '/v1/liquidity/pay', payBody(quoteId));
  const receiptId = receiptIdOf(first);
  teller.tell(`paid ${satText(150_000n)}; receipt ${receiptId}`);
  const file = path.join(world.dir, 'receipt.json');
  const document = await get(world, token, `/v1/receipts/${receiptId}`);
  await writeFile(file, JSON.stringify(document));
  const verified = await weir(['receipts', 'verify', file, '--pool-key', operator.receiptKey]);
  if (verified.code !== 0) throw new Error(`the receipt does not verify: ${verified.stdout}`);
  for (const line of verified.stdout.trimEnd().split('\n')) teller.tell(`| ${line}`);
  const again = await rawPost(world, token, '/v1/liquidity/pay', payBody(quoteId));
  if (again.text !== first.text) throw new Error('the same request got other bytes');
  teller.tell(`the same request again: the same ${first.text.length} bytes`);
  return receiptId;
}

function receiptIdOf({ text }: ApiAnswer): string {
  const { receipt } = JSON.parse(text) as { receipt?: { receipt_id: string } };
  if (receipt === undefined) throw new Error(`no receipt: ${text}`);
  return receipt.receipt_id;
}

async function chapterFifty(world: PoolWorld, teller: Teller, token: string): Promise<void> {
  teller.chapter('Fifty concurrent calls pay one quote once');
  const { request } = await invoice(world.lightning.node('payee'), { msat: 2_000_000n });
  const quoteId = await quote(world, token, { request, key: 'fifty' });
  const before = await balance(world, token);
  const answers = await Promise.all(
    Array.from({ length: 50 }, () => rawPost(world, token, '/v1/liquidity/pay', payBody(quoteId))),
  );
  const distinct = new Set(answers.map(({ text }) => text));
  const cost = before - (await balance(world, token));
  if (distinct.size !== 1 || cost < 2_000_000n || cost > 2_200_000n) {
    throw new Error(`${distinct.size} answers, cost ${cost} msat`);
  }
  teller.tell(`fifty answers, one text; the balance went down once, by ${cost} msat`);
}

async function balance(world: PoolWorld, token: string): Promise<bigint> {
  return BigInt(String((await get(world, token, '/v1/prepaid'))['available_msats']));
}

async function chapterCrash(world: PoolWorld, teller: Teller, token: string): Promise<string> {
  const { lightning, operator } = world;
  const hidden = lightning.node('hidden');
  teller.chapter('The operator is killed while a payment is held by its payee');
  const held = await holdInvoice(hidden, { msat: 20_000_000n, isPrivate: true });
  const quoteId = await quote(world, token, { request: held.request, key: 'held' });
  const paying = rawPost(world, token, '/v1/liquidity/pay', payBody(quoteId)).catch(() => null);
  await held.untilHeld();
  await operator.daemon?.kill();
  await paying;
  teller.tell('kill -9 with the HTLC in flight');
  await startOperator(world);
  const open = await rawPost(world, token, '/v1/liquidity/pay', payBody(quoteId));
  teller.tell(`started again; the same request answers ${open.status}: in flight, not failed`);
  await held.settle();
  const end = await until(
    'the receipt',
    async () => {
      const answer = await rawPost(world, token, '/v1/liquidity/pay', payBody(quoteId));
      return answer.status === 200 ? answer : null;
    },
    STEP_MS_MAX,
  );
  const { status } = JSON.parse(end.text) as { status: string };
  if (status !== 'succeeded') throw new Error(`the receipt says ${status}`);
  teller.tell(`the payee settled; receipt ${receiptIdOf(end)} says ${status}`);
  return receiptIdOf(end);
}

async function chapterWithdraw(world: PoolWorld, teller: Teller, token: string): Promise<string> {
  teller.chapter('The agent withdraws what is left');
  const left = await balance(world, token);
  const maxFee = 200_000n;
  const msat = ((left - maxFee) / MSAT) * MSAT;
  const { request } = await invoice(world.lightning.node('payee'), { msat });
  const answer = await rawPost(world, token, '/v1/prepaid/withdrawals', {
    schema: 'weir.prepaid.withdraw_request.v1',
    idempotency_key: 'all',
    invoice: request,
    max_fee_msats: JSON.parse(maxFee.toString()) as number,
  });
  teller.tell(`paid out ${satText(msat / MSAT)}; ${await balanceText(world, token)}`);
  return receiptIdOf(answer);
}

async function chapterClose(world: PoolWorld, teller: Teller): Promise<string> {
  const { treasury, lightning } = world;
  teller.chapter('The quorum approves a close: the channel pays the treasury');
  const channels = await untilActive(world, 3);
  const mine = channels.find(({ openedBy }) => openedBy === 'us');
  if (mine === undefined) throw new Error('no channel of ours');
  const asked = await operatorJson<{ authorizationId: string }>(world, [
    ...['channels', 'close', mine.outpoint, '--max-feerate', '20000', '--initiator', INITIATOR],
  ]);
  const guardians = [...treasury.agents.keys()].slice(0, treasury.quorum.threshold);
  for (const guardian of guardians) {
    await guardianApproves(treasury, guardian, asked.authorizationId);
  }
  teller.tell(`approved by ${guardians.join(' and ')}; only then the node is asked`);
  const txid = await until(
    'the close to be out',
    async () => {
      const { closes } = await operatorJson<{
        closes: { outpoint: string; txid: string | null }[];
      }>(world, ['channels', 'list']);
      return closes.find(({ outpoint }) => outpoint === mine.outpoint)?.txid ?? null;
    },
    STEP_MS_MAX,
  );
  await mineSynced(lightning, ANNOUNCED_BLOCKS);
  teller.tell(`closed by ${txid}`);
  return txid;
}

async function chapterBooks(world: PoolWorld, teller: Teller): Promise<Record<string, string>> {
  teller.chapter('The books against node and chain, to the millisatoshi');
  const { differences } = await until(
    'the books to agree with node and chain',
    async () => {
      const list = await operatorJson<ChannelList>(world, ['channels', 'list']);
      return Object.values(list.differences).every((each) => each === '0') ? list : null;
    },
    STEP_MS_MAX,
  );
  const { accounts } = await operatorJson<{ accounts: { account: string; balance: string }[] }>(
    world,
    ['books'],
  );
  for (const { account, balance: held } of accounts)
    teller.tell(`${account.padEnd(34)} ${held} msat`);
  teller.tell(`differences: ${JSON.stringify(differences)}`);
  return differences;
}
