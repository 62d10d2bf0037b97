/** `weir operator run`: wires the pool, serves callers and operator, drives what is open, and stops cleanly. */
import { once } from 'node:events';
import path from 'node:path';
import { setTimeout as after } from 'node:timers/promises';
import { printJson, printNote } from '../console/print.ts';
import { BrokenInvariant, Failure } from '../policies/failure.ts';
import { lastWord, watched } from '../transport/last-word.ts';
import { type Serving, serveUnix } from '../transport/trpc-server.ts';
import { lndRoles } from './adapters/lnd/roles.ts';
import { ADMIN_BODY_BYTES_MAX, type AdminContext, adminRouter } from './admin-protocol.ts';
import { adminService } from './admin-service.ts';
import type { RefusalCount } from './api/refusal-count.ts';
import { serveApi } from './api/server.ts';
import { openChannelDesk } from './channels/open.ts';
import { programHash } from './checkpoint/program-hash.ts';
import { openBooks } from './checkpoint/restart.ts';
import { checkpointFile } from './checkpoint/store.ts';
import { FILES, type OperatorConfig, proxyHopsOf, readConfig } from './config.ts';
import { crashPointOf } from './crash-at.ts';
import { crashingJournal } from './crashing-journal.ts';
import type { News } from './decision.ts';
import { type Engine, openEngine } from './engine.ts';
import { forwardsDriver } from './forwards-driver.ts';
import { paymentEnds } from './liquidity-service.ts';
import { type NodeWatch, nodeWatch } from './node-watch.ts';
import type { OperatorPolicy } from './operator-policy.ts';
import { paymentDriver } from './payment-driver.ts';
import { readPolicyFile } from './policy-file.ts';
import type { Credentials, PoolApi } from './pool-api.ts';
import { openPoolKeys, type PoolKeys } from './pool-keys.ts';
import { poolService } from './pool-service.ts';
import { receiptDesk } from './receipt-desk.ts';
import { reconciler } from './reconcile.ts';
import { watchStuck } from './stuck-watch.ts';
import { topupDriver } from './topup-driver.ts';
import { runWebhooks } from './webhooks.ts';

export interface RunOptions {
  dir: string;
  passphrase: string;
  output: 'text' | 'json';
}

/** Until the first match of all payments is made, this long, nothing is served: then the API says not ready. */
const FIRST_MATCH_MS = 20_000;

/**
 * Runs until SIGINT or SIGTERM.
 *
 * @throws Failure NOT_FOUND, KEY_MISSING, PASSPHRASE_WRONG, JOURNAL_…, NETWORK_MISMATCH; BrokenInvariant when the
 *   books contradict themselves: then nothing goes on.
 */
export async function runOperator({ dir, passphrase, output }: RunOptions): Promise<void> {
  const config = await readConfig(dir);
  const policy = await readPolicyFile(path.join(dir, FILES.policy));
  const keys = await openPoolKeys(dir, passphrase);
  const { fatal, failed } = lastWord();
  const crashPoint = crashPointOf(process.env['WEIR_CRASH_AT'], () =>
    process.kill(process.pid, 'SIGKILL'),
  );
  const checkpoint = checkpointFile({
    file: path.join(dir, FILES.checkpoint),
    program: await programHash(),
    note: printNote,
  });
  const books = await openBooks(path.join(dir, FILES.journal), await checkpoint.head());
  const journal = crashingJournal(books, crashPoint);
  const engine = await openEngine({ journal, now, onFatal: fatal, checkpoint });
  engine.onDurable(tellAlarms);
  try {
    checkBooks(engine, config, policy, keys);
    const pool = await openPool({ dir, config, policy, keys, engine, crashPoint, fatal });
    try {
      const ready = { listening: config.listen, url: config.url, seq: engine.state().seq };
      if (output === 'json') printJson(ready);
      else printNote(`pool on ${ready.url}, ${ready.seq} entries; Ctrl-C ends it`);
      await Promise.race([failed, once(process, 'SIGINT'), once(process, 'SIGTERM')]);
    } finally {
      await pool.close();
    }
  } finally {
    await engine.close();
  }
}

/** Said where the process is watched: whoever pages people reads it there, with what it is about. */
function tellAlarms(news: readonly News[]): void {
  for (const { event } of news) {
    if (event.kind === 'alarm') printNote(`ALARM ${event.code}: ${event.detail}`);
  }
}

interface Parts {
  dir: string;
  config: OperatorConfig;
  policy: OperatorPolicy;
  keys: PoolKeys;
  engine: Engine;
  crashPoint: ReturnType<typeof crashPointOf>;
  fatal: (cause: unknown) => void;
}

async function openPool(parts: Parts): Promise<{ close(): Promise<void> }> {
  const { dir, config, policy, keys, engine, crashPoint, fatal } = parts;
  const timing = { now, sleep: sleeping, crashPoint, onFatal: fatal };
  const lnd = await lndRoles({
    socket: config.lnd.socket,
    certPath: config.lnd.cert_file,
    macaroons: config.lnd.macaroons,
    network: config.network,
  });
  const { reader, payer, receiver } = lnd;
  const watch = nodeWatch({ reader, seq: () => engine.state().seq, ...timing });
  const reconcile = { engine, payer, watch, now, sleep: sleeping };
  const matching = reconciler(reconcile);
  const driver = paymentDriver({ engine, payer, receiver, policy, watch, ...timing });
  watchStuck({ engine, watch, policy });
  const topups = topupDriver({ engine, receiver, topupSecret: keys.topups, ...timing });
  const forwards = forwardsDriver({ engine, reader, ...timing });
  const desk = receiptDesk(engine, keys.receipts, keys.receiptsPublic);
  const ends = paymentEnds(engine);
  const isMatched = (): boolean => matching.isMatched();
  const own = { engine, reader, payer, watch, driver, desk, policy, ends, isMatched, now };
  const options = { ...own, topups, topupSecret: keys.topups };
  const channels = await openChannelDesk({
    dir,
    config,
    policy,
    keys,
    engine,
    lnd,
    forwards,
    ...timing,
  });
  const refusals = new Map<string, number>();
  const places = { journal: path.join(dir, FILES.journal), listen: config.listen, url: config.url };
  const admin = watched(adminService({ ...options, reconcile, forwards, places, refusals }), fatal);
  await firstMatch(matching.ready, fatal, () => driver.resume());
  const servings = await serve(parts, {
    api: watched(poolService(options), fatal),
    admin,
    channels: channels.service,
    refusals,
    notReady: () => notReady(engine, watch, matching.isMatched()),
  });
  return {
    async close() {
      await Promise.all(servings.map((each) => each()));
      await Promise.all([driver.stop(), topups.stop(), matching.stop(), channels.stop()]);
      await Promise.all([forwards.stop(), watch.stop()]);
      lnd.close();
    },
  };
}

function now(): number {
  return Date.now();
}

/** Nothing found reserved is driven on before the node's payments were matched; the API serves a little later anyway. */
async function firstMatch(
  ready: Promise<unknown>,
  fatal: (cause: unknown) => void,
  resume: () => void,
): Promise<void> {
  const first = ready.then(resume, fatal);
  const waiting = new AbortController();
  await Promise.race([first, sleeping(FIRST_MATCH_MS, waiting.signal)]);
  waiting.abort();
}

interface Served extends AdminContextOf {
  api: PoolApi;
  notReady: () => readonly string[];
  refusals: RefusalCount;
}

interface AdminContextOf {
  admin: AdminContext['service'];
  channels: AdminContext['channels'];
}

/** HTTP for callers, a socket for the operator, webhooks as hints. Gives what closes each. */
async function serve(
  { dir, config, policy, engine, fatal }: Parts,
  { api, admin, channels, refusals, notReady: why }: Served,
): Promise<(() => Promise<void>)[]> {
  const http = await serveApi(
    {
      api,
      credentials: credentialsOf(engine),
      policy: () => policy,
      publicUrl: config.url,
      now,
      fault: (cause) => {
        if (cause instanceof BrokenInvariant) fatal(cause);
        else printNote(`fault: ${cause instanceof Error ? cause.message : 'unknown'}`);
      },
      proxyHops: proxyHopsOf(config),
      notReady: why,
      refusals,
    },
    hostPort(config.listen),
  );
  const socket: Serving = await serveUnix(
    {
      router: adminRouter,
      createContext: () => ({ service: admin, channels }),
      bodyBytesMax: ADMIN_BODY_BYTES_MAX,
    },
    path.join(dir, FILES.socket),
  );
  const webhooks = await runWebhooks({ dir, config, engine, sleep: sleeping });
  return [() => http.close(), () => socket.close(), () => webhooks.stop()];
}

/** What serves must be what the books were made with. */
function checkBooks(
  engine: Engine,
  config: OperatorConfig,
  policy: OperatorPolicy,
  keys: PoolKeys,
): void {
  const { opened } = engine.state();
  if (opened === null) throw new Failure('WRONG_STATE', 'the journal has no beginning: init again');
  if (opened.poolId !== config.pool_id || policy.poolId !== config.pool_id) {
    throw new Failure('WRONG_STATE', `the books are of ${opened.poolId}`);
  }
  if (opened.network !== config.network || policy.network !== config.network) {
    throw new Failure('NETWORK_MISMATCH', `the books are of ${opened.network}`);
  }
  if (opened.receiptKey !== keys.receiptsPublic) {
    throw new Failure('KEY_MISSING', 'the sealed keys are of another pool');
  }
}

function notReady(engine: Engine, watch: NodeWatch, matched: boolean): string[] {
  const look = watch.look();
  const reasons: string[] = [];
  if (!matched) reasons.push("the node's payments are not matched yet");
  if (look === null) reasons.push('the Lightning node does not answer');
  else if (!look.standing.syncedToChain) reasons.push('the Lightning node is behind the chain');
  // Why it froze may name payments: `weir operator status` tells it, this answers anybody.
  const { mode, windDownWhy } = engine.state();
  if (mode === 'winding-down') reasons.push(`${mode}: ${windDownWhy ?? ''}`);
  else if (mode !== 'open') reasons.push(mode);
  return reasons;
}

function credentialsOf(engine: Engine): Credentials {
  return {
    byTokenHash(hash) {
      const { credentials, credentialByToken } = engine.state();
      return credentials.get(credentialByToken.get(hash) ?? '');
    },
    byNostrKey(key) {
      const { credentials, credentialByNostrKey } = engine.state();
      return credentials.get(credentialByNostrKey.get(key) ?? '');
    },
  };
}

function hostPort(text: string): { host: string; port: number } {
  const at = text.lastIndexOf(':');
  return { host: text.slice(0, at), port: Number.parseInt(text.slice(at + 1), 10) };
}

/** Ends at once, and without an error, when the signal says so. */
async function sleeping(ms: number, signal: AbortSignal): Promise<void> {
  await after(ms, undefined, { signal, ref: true }).catch(() => undefined);
}
