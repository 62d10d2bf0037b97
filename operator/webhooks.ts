/** The operator's webhooks as its config names them: secrets from their files, cursors in a file of their own. */
import { open, readFile, rename } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod';
import { Failure } from '../policies/failure.ts';
import type { OperatorConfig } from './config.ts';
import type { Engine } from './engine.ts';
import { eventsAfter } from './event-feed.ts';
import type { Caller, Reply } from './pool-api.ts';
import type { EventPage } from './protocol.ts';
import { checkEndpoint, type WebhookEndpoint } from './webhook-endpoint.ts';
import { type CursorStore, followEvents, type RunningWebhooks } from './webhook-loop.ts';

const STATE_FILE = 'webhooks.json';
const standings = z.record(
  z.string(),
  z.strictObject({ after: z.int().min(0), state: z.enum(['live', 'gone']) }),
);
/** Webhooks are the operator's: they hear of every agent. */
const READER: Caller = {
  credentialId: 'webhooks',
  agentId: 'webhooks',
  role: 'operator',
  actions: ['read'],
  perPaymentMsat: null,
  perDayMsat: null,
};

export interface WebhookOptions {
  dir: string;
  config: OperatorConfig;
  engine: Engine;
  sleep: (ms: number, signal: AbortSignal) => Promise<void>;
}

/** @throws Failure INPUT_INVALID for an endpoint that is not allowed, KEY_MISSING without its secret */
export async function runWebhooks(options: WebhookOptions): Promise<RunningWebhooks> {
  const { dir, config, engine, sleep } = options;
  const endpoints = await Promise.all((config.webhooks ?? []).map(endpointOf));
  return followEvents({
    endpoints,
    store: await openCursorFile(dir),
    startAfter: engine.state().seq,
    feed: async (after, limit, waitMs) =>
      pageOf(await eventsAfter(engine, READER, { after, limit, waitMs })),
    sleep,
    now: () => Date.now(),
  });
}

function pageOf(reply: Reply<EventPage>): EventPage {
  if (reply.is === 'ok') return reply.body;
  throw new Failure('NOT_READY', reply.refusal.message);
}

async function endpointOf({
  url,
  secret_file,
}: {
  url: string;
  secret_file: string;
}): Promise<WebhookEndpoint> {
  const text = await readFile(secret_file, 'utf8').catch((cause: unknown) => {
    throw new Failure('KEY_MISSING', `the webhook secret is not in ${secret_file}`, { cause });
  });
  const endpoint = { url, secret: text.trim() };
  checkEndpoint(endpoint);
  return endpoint;
}

/** Cursors in one small file, replaced whole. @throws Failure INPUT_INVALID when it is not ours. */
export async function openCursorFile(dir: string): Promise<CursorStore> {
  const file = path.join(dir, STATE_FILE);
  const known = new Map(Object.entries(await readStandings(file)));
  let writing: Promise<void> = Promise.resolve();
  return {
    get: (url) => known.get(url),
    set(url, standing) {
      known.set(url, standing);
      writing = writing.then(() => writeWhole(file, JSON.stringify(Object.fromEntries(known))));
      return writing;
    },
  };
}

async function readStandings(file: string): Promise<z.infer<typeof standings>> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return {};
    throw cause;
  }
  try {
    return standings.parse(JSON.parse(text));
  } catch (cause) {
    const hint = 'remove it to begin at what happens next';
    throw new Failure('INPUT_INVALID', `${file} is not a list of cursors: ${hint}`, { cause });
  }
}

async function writeWhole(file: string, text: string): Promise<void> {
  const draft = `${file}.new`;
  const handle = await open(draft, 'w', 0o600);
  try {
    await handle.writeFile(text);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(draft, file);
}
