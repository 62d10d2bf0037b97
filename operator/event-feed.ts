/** The replayable feed of an agent's events, and the public log: both are read from the journal. */
import { PAGE_ENTRIES_MAX } from '../journal/journal.ts';
import type { Fact } from './apply.ts';
import type { Engine } from './engine.ts';
import type { Caller, Reply } from './pool-api.ts';
import { factOf, recordOf } from './pool-entry.ts';
import type { PoolEvent } from './pool-event.ts';
import { ownerOf } from './pool-owner.ts';
import type * as wire from './protocol.ts';

/** Entries that one call reads: what it did not reach, the next one does, from `next_after`. */
const READ_MAX = 5_000;

export async function eventsAfter(
  engine: Engine,
  caller: Caller,
  { after, limit, waitMs }: { after: number; limit: number; waitMs: number },
): Promise<Reply<wire.EventPage>> {
  await engine.durable();
  let page = await readEvents(engine, caller, after, limit);
  if (page.events.length === 0 && waitMs > 0) {
    await nextDurable(engine, caller, waitMs);
    page = await readEvents(engine, caller, page.next_after, limit);
  }
  return { is: 'ok', body: page };
}

async function readEvents(
  engine: Engine,
  caller: Caller,
  after: number,
  limit: number,
): Promise<wire.EventPage> {
  const events: wire.Event[] = [];
  let at = after;
  let read = 0;
  while (events.length < limit && read < READ_MAX) {
    const entries = await engine.journal.read(at, Math.min(PAGE_ENTRIES_MAX, 500));
    if (entries.length === 0) break;
    for (const entry of entries) {
      if (events.length === limit) break;
      at = entry.seq;
      read += 1;
      // Of others' entries nothing is parsed but whose they are: a caller may ask from the beginning every time.
      if (!seenBy(engine, caller, eventIn(entry.body))) continue;
      events.push(wireEvent(caller, factOf(entry).fact));
    }
  }
  return { schema: 'weir.event_page.v1', events, next_after: at };
}

function eventIn(body: unknown): object {
  const event = (body as { event?: unknown } | null)?.event;
  return typeof event === 'object' && event !== null ? event : {};
}

function seenBy(engine: Engine, caller: Caller, event: object): boolean {
  return caller.role === 'operator' || ownerOf(engine.state(), event) === caller.agentId;
}

type FeedFact = Pick<Fact, 'seq' | 'atMs' | 'event' | 'receiptId'>;

function wireEvent(caller: Caller, fact: FeedFact): wire.Event {
  const { event } = fact;
  const quoteId =
    'quoteId' in event ? event.quoteId : event.kind === 'quoted' ? event.quote.quoteId : null;
  const hash =
    'paymentHash' in event
      ? event.paymentHash
      : event.kind === 'quoted'
        ? event.quote.paymentHash
        : null;
  return {
    seq: fact.seq,
    at_ms: fact.atMs,
    kind: event.kind,
    ...(hash === null ? {} : { payment_hash: hash }),
    ...(quoteId === null ? {} : { quote_id: quoteId }),
    ...(fact.receiptId === null ? {} : { receipt_id: fact.receiptId }),
    ...('topupId' in event ? { topup_id: event.topupId } : {}),
    ...(caller.role === 'operator' ? operatorsOnly(event) : {}),
  };
}

/** What an alarm is about and why the mode changed: a pager that reads the feed needs no second way. */
function operatorsOnly(event: PoolEvent): Partial<wire.Event> {
  if (event.kind === 'alarm') return { code: event.code, detail: event.detail };
  if (event.kind === 'mode-changed') return { mode: event.mode, why: event.why };
  return {};
}

/** Resolves with the next batch that holds something for this caller, or after the time. */
function nextDurable(engine: Engine, caller: Caller, ms: number): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      stop();
      resolve();
    };
    const timer = setTimeout(end, ms);
    const stop = engine.onDurable((news) => {
      if (news.some(({ event }) => seenBy(engine, caller, event))) end();
    });
  });
}

export async function logRecordsAfter(
  engine: Engine,
  { after, limit }: { after: number; limit: number },
): Promise<Reply<wire.LogPage>> {
  await engine.durable();
  const entries = await engine.journal.read(after, limit);
  const poolId = engine.state().opened?.poolId ?? '';
  const records = entries.map((entry) => {
    const { fact, receipt } = factOf(entry);
    return recordOf(entry, { poolId, atMs: fact.atMs, kind: fact.event.kind, receipt });
  });
  return {
    is: 'ok',
    body: {
      schema: 'weir.log_page.v1',
      records,
      next_after: entries.at(-1)?.seq ?? after,
    },
  };
}
