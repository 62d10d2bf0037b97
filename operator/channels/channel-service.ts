/** Commands on channels: each checks, writes down what is meant, and lets the steps do it. */
import { EXIT } from '../../console/exit-code.ts';
import { Failure } from '../../policies/failure.ts';
import type { Reason } from '../../policies/reason.ts';
import { sat } from '../../policies/units.ts';
import { plainNews } from '../decision.ts';
import { railTotals } from '../ledger/rail-rows.ts';
import { missingReserveSat } from './anchor-reserve.ts';
import { backUp } from './backup-run.ts';
import { giveUp } from './batch-abort.ts';
import { physicalRails, railDifferences } from './books-check.ts';
import { batchOf, type ChannelParts } from './channel-parts.ts';
import type {
  AbortAsk,
  ChannelAnswer,
  ChannelService,
  CloseAsk,
  OpenAsk,
} from './channel-protocol.ts';
import type { Batch, OpenChannel } from './channel-state.ts';
import { batchJson, batchText, channelRows, inboundText, listText } from './channel-views.ts';
import type { ChannelWatch } from './channel-watch.ts';
import { freshCloseAddresses } from './close-addresses.ts';
import { decidePlanned, type OpenFacts, openRefusals } from './open-decision.ts';

/** How long `open` waits for the word: less than its caller waits for an answer. */
const OPEN_WAIT_MS = 40_000;
const LOOK_AGAIN_MS = 500;

export interface ChannelServiceOptions {
  parts: ChannelParts;
  watch: Pick<ChannelWatch, 'round' | 'trouble'>;
  inTurn: <T>(work: () => Promise<T>) => Promise<T>;
  sleep: (ms: number, signal: AbortSignal) => Promise<void>;
}

export function channelService(options: ChannelServiceOptions): ChannelService {
  const { parts, inTurn } = options;
  return {
    list: () => listOf(options),
    async open(ask) {
      const planned = await inTurn(() => plan(parts, ask));
      return 'json' in planned ? planned : progressOf(options, planned.batchId);
    },
    async abort(ask) {
      await inTurn(() => abort(parts, ask));
      await options.watch.round();
      return batchAnswer(batchOf(parts.engine.state(), ask.batchId));
    },
    close: (ask) => inTurn(() => close(parts, ask)),
    async backup() {
      await inTurn(() => backUp(parts, []));
      const { backup } = parts.engine.state().channels;
      const count = backup?.outpoints.size ?? 0;
      const json = { file: backup?.file ?? null, sha256: backup?.sha256 ?? null, channels: count };
      const text = `${backup?.file ?? ''}: ${count} channels, read back by the node`;
      return { json, text, exit: EXIT.done };
    },
    async inbound() {
      const { channels } = parts.engine.state();
      const policy = parts.policy();
      const json = { peers: policy.inbound, promised: [...channels.inbound.values()] };
      return { json, text: inboundText(policy, channels), exit: EXIT.done };
    },
  };
}

async function factsOf(parts: ChannelParts): Promise<OpenFacts> {
  const { treasury, chain, reader } = parts;
  const [folded, tip, standing, balance, channels, pending] = await Promise.all([
    treasury.refresh(),
    chain.tip(),
    reader.standing(),
    reader.balance(),
    reader.channels(),
    reader.pendingChannels(),
  ]);
  const tipHeight = tip.height;
  return {
    treasury: folded,
    tipHeight,
    standing,
    balance,
    channels,
    pending,
    policy: parts.policy(),
  };
}

/** Everything that can be asked before the node is: refusals, or the plan on record. */
async function plan(
  parts: ChannelParts,
  { channels, initiator }: OpenAsk,
): Promise<ChannelAnswer | { batchId: string }> {
  const facts = await factsOf(parts);
  const refusals = openRefusals(parts.engine.state(), channels, facts);
  if (refusals.length > 0) return refusedAnswer(refusals);
  for (const { peer, socket } of channels) {
    if (socket !== null) await parts.manager.connect(peer, socket);
  }
  const addresses = await freshCloseAddresses(parts, channels.length);
  const missing = missingReserveSat({ ...facts, adding: channels });
  const reserve =
    missing === 0n
      ? null
      : { address: await parts.manager.walletAddress(), amountSat: sat(missing) };
  const planned = channels.map(({ peer, capacitySat, announced }, at) => ({
    peer,
    capacitySat,
    announced,
    closeIndex: addresses[at]?.index ?? 0,
    closeAddress: addresses[at]?.address ?? '',
  }));
  const batchId = parts.random32();
  const late = await parts.engine.act((state) =>
    decidePlanned(state, { batchId, initiator, channels: planned, reserve }, facts),
  );
  return late.length > 0 ? refusedAnswer(late) : { batchId };
}

/** Drives the batch until the pool has given its word, it ended, or the caller has waited long enough. */
async function progressOf(options: ChannelServiceOptions, batchId: string): Promise<ChannelAnswer> {
  const { parts, watch } = options;
  const until = parts.now() + OPEN_WAIT_MS;
  const { signal } = new AbortController();
  for (;;) {
    await watch.round();
    const batch = batchOf(parts.engine.state(), batchId);
    if (isAtRest(batch) || parts.now() >= until) return batchAnswer(batch);
    await options.sleep(LOOK_AGAIN_MS, signal);
  }
}

function isAtRest({ phase }: Batch): boolean {
  return ['attested', 'broadcast', 'done', 'conflicting', 'aborted'].includes(phase);
}

function batchAnswer(batch: Batch): ChannelAnswer {
  const exit = batch.abort === null ? EXIT.done : EXIT.refused;
  return { json: batchJson(batch), text: batchText(batch), exit };
}

async function abort(parts: ChannelParts, { batchId, why }: AbortAsk): Promise<void> {
  const batch = batchOf(parts.engine.state(), batchId);
  if (['broadcast', 'done', 'aborted', 'releasing', 'conflicting'].includes(batch.phase)) {
    throw new Failure('WRONG_STATE', `batch ${batchId} is ${batch.phase}`);
  }
  if (batch.statement !== null && batch.proposal !== null) {
    const { signed } = await parts.coordinator.proposal(batch.proposal.proposalId);
    if (signed !== 'nobody') {
      throw new Failure('WRONG_STATE', 'somebody signed it: it counts as published');
    }
  }
  await giveUp(parts, batch, 'operator', why);
}

async function close(parts: ChannelParts, ask: CloseAsk): Promise<ChannelAnswer> {
  const { outpoint, force, maxFeeRateSatPerKvb, initiator } = ask;
  const channel = parts.engine.state().channels.open.get(outpoint);
  if (channel === undefined) throw new Failure('NOT_FOUND', `${outpoint} is no open channel`);
  const before = parts.engine.state().channels.closes.get(outpoint);
  if (before !== undefined && before.phase !== 'ended') {
    throw new Failure('WRONG_STATE', `the close of ${outpoint} is ${before.phase}`);
  }
  const closeIndex = closeIndexOf(parts, channel);
  const proposed = await parts.coordinator.proposeChannelClose({
    channelPoint: outpoint,
    force,
    closeIndex,
    maxFeeRateSatPerKvb,
    initiator,
  });
  const { id, reasons } = proposed;
  if (id === null) return refusedAnswer(reasons);
  await parts.engine.act((state) => {
    const known = state.channels.closes.get(outpoint);
    const may = known === undefined || known.phase === 'ended';
    const event = {
      kind: 'channel-close-asked' as const,
      outpoint,
      authorizationId: id,
      how: force === 'cooperative' ? ('cooperative' as const) : ('force' as const),
      closeIndex,
      maxFeeRateSatPerKvb,
      initiator,
    };
    return { news: may ? [plainNews(event)] : [], answer: null };
  });
  const text = `guardians decide on authorization ${id}; then ${outpoint} closes`;
  return { json: { outpoint, authorizationId: id }, text, exit: EXIT.done };
}

/** Where it closes to. @throws Failure WRONG_STATE where that is no address of the treasury */
function closeIndexOf(
  { engine }: ChannelParts,
  { outpoint, closeAddress, closes }: OpenChannel,
): number {
  const { batches, inbound } = engine.state().channels;
  const planned = [...batches.values()].flatMap(({ channels }) => channels);
  const index =
    planned.find((each) => each.closeAddress === closeAddress)?.closeIndex ??
    inbound.get(closeAddress ?? '')?.closeIndex;
  if (closes === 'elsewhere' || index === undefined) {
    throw new Failure('WRONG_STATE', `${outpoint} does not close to the treasury`);
  }
  return index;
}

function refusedAnswer(
  reasons: readonly (Reason | { code: string; detail: string })[],
): ChannelAnswer {
  const said = reasons.map(({ code, detail }) => ({ code, detail }));
  const text = said.map(({ code, detail }) => `${code}: ${detail}`).join('\n');
  return { json: { refused: said }, text, exit: EXIT.refused };
}

async function listOf({ parts, watch }: ChannelServiceOptions): Promise<ChannelAnswer> {
  const { engine, reader, coordinator, forwards } = parts;
  // A person who reads a difference may book it: what forwards earned must not be in it.
  await unlessAway(forwards.catchUp());
  const state = engine.state();
  const { channels: books, ledger } = state;
  const asked = Promise.all([reader.balance(), reader.channels(), reader.pendingChannels()]);
  const seen = await unlessAway(asked);
  const treasury = await unlessAway(coordinator.standing());
  const [balance, channels, pending] = seen ?? [null, [], []];
  const differences =
    balance === null
      ? null
      : railDifferences(
          railTotals(ledger),
          physicalRails({
            books,
            balance,
            channels,
            pending,
            coldSat: treasury?.treasurySat ?? null,
          }),
        );
  const rows = channelRows(books, channels, pending);
  const batches = [...books.batches.values()];
  return {
    json: {
      channels: rows,
      batches: batches.map(batchJson),
      closes: [...books.closes.values()],
      differences,
      trouble: watch.trouble(),
    },
    text: listText(rows, batches, differences),
    exit: EXIT.done,
  };
}

async function unlessAway<T>(asked: Promise<T>): Promise<T | null> {
  try {
    return await asked;
  } catch (cause) {
    if (cause instanceof Failure) return null;
    throw cause;
  }
}
