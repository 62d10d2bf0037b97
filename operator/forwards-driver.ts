/**
 * What others' payments through the node earned, read from its list and booked page by page. Cursor and postings are
 * one entry, so that a crash repeats a question and nothing else.
 */
import { Failure } from '../policies/failure.ts';
import { turns } from './channels/channel-parts.ts';
import { plainNews } from './decision.ts';
import type { Engine } from './engine.ts';
import {
  afterPage,
  decideForwards,
  type ForwardsCursor,
  NO_FORWARDS,
  placeOf,
} from './forwards-decision.ts';
import { FORWARDS_PAGE, type NodeReader } from './lightning.ts';
import { isNodeFailure } from './node-failure.ts';
import { isAnother } from './reconcile.ts';

/** Between two questions, beside those before a close is booked. */
export const FORWARDS_MS = 30_000;
/** A node that says no so often in a row will go on: its credential may lack the method. */
const REFUSED_MAX = 10;
/** Pages of one reading at most: ten million forwards. */
const PAGES_MAX = 10_000;

interface ReadOptions {
  engine: Pick<Engine, 'act' | 'state'>;
  reader: Pick<NodeReader, 'standing' | 'forwards'>;
}

export interface ForwardsDriver {
  /** Books all that the node lists by now. @throws Failure LND_…, JOURNAL_LOCKED */
  catchUp(): Promise<void>;
  stop(): Promise<void>;
}

/** Asks at once and then again and again, until `stop`. */
export function forwardsDriver(
  options: ReadOptions & {
    sleep: (ms: number, signal: AbortSignal) => Promise<void>;
    onFatal: (cause: unknown) => void;
  },
): ForwardsDriver {
  const stopping = new AbortController();
  const { signal } = stopping;
  const catchUp = forwardsReader(options);

  async function loop(): Promise<void> {
    let refused = 0;
    while (!signal.aborted) {
      try {
        await catchUp();
        refused = 0;
      } catch (cause) {
        if (!isNodeFailure(cause)) throw cause;
        if (cause instanceof Failure && cause.code === 'LND_REFUSED') refused += 1;
        if (refused === REFUSED_MAX) await unread(options.engine);
      }
      await options.sleep(FORWARDS_MS, signal);
    }
  }
  const running = loop().catch((cause: unknown) => {
    if (!signal.aborted) options.onFatal(cause);
  });
  return {
    catchUp,
    async stop() {
      stopping.abort();
      await running;
    },
  };
}

async function unread(engine: Pick<Engine, 'act'>): Promise<void> {
  const detail = `the node refused ${REFUSED_MAX} times to list its forwards: what they earn is not booked`;
  await engine.act(() => ({
    news: [plainNews({ kind: 'alarm', code: 'forwards_unread', detail })],
    answer: null,
  }));
}

/** One reading at a time: two would begin at the same cursor. */
export function forwardsReader(options: ReadOptions): ForwardsDriver['catchUp'] {
  const inTurn = turns();
  return () => inTurn(() => readAll(options));
}

async function readAll({ engine, reader }: ReadOptions): Promise<void> {
  const { publicKey } = await reader.standing();
  // What another node earned is not in these books.
  if (isAnother(engine.state(), publicKey)) return;
  const { openedAtMs } = engine.state();
  for (let pages = 0; pages < PAGES_MAX; pages += 1) {
    const from = engine.state().forwards;
    const next = await pageAfter(reader, from, openedAtMs);
    // Ours is no longer the list's order: all of it is added up again, and the difference booked.
    const to = next?.cursor ?? (await addedUp(reader, openedAtMs));
    await engine.act((state) => decideForwards(state, { from, to }));
    if (next?.isLast !== false) return;
  }
}

interface Page {
  cursor: ForwardsCursor;
  isLast: boolean;
}

async function pageAfter(
  reader: ReadOptions['reader'],
  cursor: ForwardsCursor,
  sinceMs: number,
): Promise<Page | null> {
  const page = await reader.forwards({ sinceMs, skip: placeOf(cursor) });
  const after = afterPage(cursor, page, sinceMs);
  return after === null ? null : { cursor: after, isLast: page.length < FORWARDS_PAGE };
}

/** The whole list. @throws Failure LND_UNREACHABLE where it changes in the middle, or has no end */
async function addedUp(reader: ReadOptions['reader'], sinceMs: number): Promise<ForwardsCursor> {
  let cursor = NO_FORWARDS;
  for (let pages = 0; pages < PAGES_MAX; pages += 1) {
    const next = await pageAfter(reader, cursor, sinceMs);
    if (next === null) break;
    if (next.isLast) return next.cursor;
    cursor = next.cursor;
  }
  throw new Failure('LND_UNREACHABLE', 'the node’s forwards changed while they were read');
}
