/**
 * Hints to the outside that something ended. What is to be sent is read from the event feed behind a cursor, so
 * there is no queue to lose; a receiver that missed one reads the feed itself.
 */
import { type Event, type EventPage, WEBHOOK_KINDS } from './protocol.ts';
import { type Delivery, deliver, type WebhookEndpoint } from './webhook-endpoint.ts';

const TERMINAL: ReadonlySet<string> = new Set(WEBHOOK_KINDS);
/** Waits between tries of one event; then it is left to the feed. */
export const RETRY_MS: readonly number[] = [1_000, 5_000, 30_000, 120_000, 600_000];
const PAGE = 100;
const WAIT_MS = 20_000;
/** After a feed that could not be read. */
const FEED_RETRY_MS = 5_000;

/** Where an endpoint stands. `gone`: it answered 410 and is not asked again. */
export interface Standing {
  after: number;
  state: 'live' | 'gone';
}

export interface CursorStore {
  get(url: string): Standing | undefined;
  /** Durable when it resolves. */
  set(url: string, standing: Standing): Promise<void>;
}

export interface FollowOptions {
  endpoints: readonly WebhookEndpoint[];
  store: CursorStore;
  /** Place that an endpoint begins at which was not there before: it is not told the past. */
  startAfter: number;
  feed: (after: number, limit: number, waitMs: number) => Promise<EventPage>;
  sleep: (ms: number, signal: AbortSignal) => Promise<void>;
  now: () => number;
  send?: typeof deliver;
}

export interface RunningWebhooks {
  stop(): Promise<void>;
}

/** One loop for each endpoint, so that a slow one delays nobody else. */
export function followEvents(options: FollowOptions): RunningWebhooks {
  const ending = new AbortController();
  const loops = options.endpoints.map((endpoint) => follow(endpoint, options, ending.signal));
  return {
    async stop() {
      ending.abort();
      await Promise.all(loops);
    },
  };
}

async function follow(
  endpoint: WebhookEndpoint,
  options: FollowOptions,
  signal: AbortSignal,
): Promise<void> {
  const { store, startAfter } = options;
  let standing = store.get(endpoint.url) ?? { after: startAfter, state: 'live' };
  while (standing.state === 'live' && !signal.aborted) {
    const page = await nextPage(options, standing.after, signal);
    if (page === null) continue;
    standing = await sendPage(endpoint, page, options, signal);
    // A stop in the middle of a page sends some of it again, under the same ids.
    if (!signal.aborted || standing.state === 'gone') await store.set(endpoint.url, standing);
  }
}

/** Null when there is nothing, when the feed cannot be read, or at the end. */
async function nextPage(
  { feed, sleep }: FollowOptions,
  after: number,
  signal: AbortSignal,
): Promise<EventPage | null> {
  const ended = new Promise<null>((resolve) => {
    signal.addEventListener('abort', () => resolve(null), { once: true });
  });
  try {
    const page = await Promise.race([feed(after, PAGE, WAIT_MS), ended]);
    return page === null || page.next_after === after ? null : page;
  } catch {
    await sleep(FEED_RETRY_MS, signal);
    return null;
  }
}

async function sendPage(
  endpoint: WebhookEndpoint,
  page: EventPage,
  options: FollowOptions,
  signal: AbortSignal,
): Promise<Standing> {
  for (const event of page.events) {
    if (!TERMINAL.has(event.kind)) continue;
    if ((await sendWithRetries(endpoint, event, options, signal)) === 'gone') {
      return { after: event.seq, state: 'gone' };
    }
  }
  return { after: page.next_after, state: 'live' };
}

async function sendWithRetries(
  endpoint: WebhookEndpoint,
  event: Event,
  { send = deliver, sleep, now }: FollowOptions,
  signal: AbortSignal,
): Promise<Delivery> {
  for (const wait of [...RETRY_MS, null]) {
    if (signal.aborted) break;
    const delivery = await send(event, endpoint, now());
    if (delivery !== 'failed' || wait === null) return delivery;
    await sleep(wait, signal);
  }
  return 'failed';
}
