/** What the channel work is done with, and the one line of turns it is done in. */
import type { PoolService } from '../../coordinator/pool-protocol.ts';
import { Failure, type FailureCode } from '../../policies/failure.ts';
import type { NetworkName } from '../../policies/intent.ts';
import type { ChannelsPending } from '../../policies/proposal.ts';
import { textUpTo } from '../../policies/text.ts';
import type { ChainPort } from '../chain.ts';
import type { CrashPoint } from '../crash-at.ts';
import type { Decide, News } from '../decision.ts';
import type { Entry } from '../ledger/entry.ts';
import { checkEntry } from '../ledger/ledger.ts';
import type { Backup, ChannelManager, NodeReader } from '../lightning.ts';
import type { OperatorPolicy } from '../operator-policy.ts';
import { alarmed } from '../outcome-decision.ts';
import type { PoolState } from '../pool-state.ts';
import { type BatchEvent, mayFollow } from './batch-apply.ts';
import type { Batch } from './channel-state.ts';
import type { TreasuryFollower } from './treasury-log.ts';

/** Static channel backups on disk, some generations of them; `backup-files.ts` keeps them. */
export interface BackupStore {
  /** Durable when it resolves. Answers the name it has. */
  store(backup: Backup, atMs: number): Promise<{ file: string; sha256: string }>;
}

export interface ChannelParts {
  engine: { act<T>(decide: Decide<T>): Promise<T>; state(): PoolState };
  manager: ChannelManager;
  reader: NodeReader;
  /** Has all forwards booked that the node lists by now: what they earned is no part of a close. */
  forwards: { catchUp(): Promise<void> };
  coordinator: PoolService;
  treasury: TreasuryFollower;
  chain: ChainPort;
  backups: BackupStore;
  network: NetworkName;
  policy(): OperatorPolicy;
  /** Signs with the pool's own key, the one that the treasury's policy names. */
  attest(body: ChannelsPending['body']): ChannelsPending;
  /** 32 random bytes in hex. */
  random32(): string;
  now(): number;
  /** From the request for funding until all are pending; `PENDING_DEADLINE_MS` unless it is less. */
  pendingDeadlineMs: number;
  crashPoint: CrashPoint;
}

/** What happens to a batch that is there. */
export type BatchNews = Exclude<BatchEvent, { kind: 'channel-batch-planned' }>;

/** The news, if that may follow what the batch is by now; else nothing. Pure. */
export function batchNews(
  state: PoolState,
  event: BatchNews,
  entry: News['entry'] = null,
): readonly News[] {
  const batch = state.channels.batches.get(event.batchId);
  if (batch === undefined || !mayFollow(batch.phase, event.kind)) return [];
  return [{ event, entry: entry?.postings.length === 0 ? null : entry, receipt: null }];
}

/**
 * The same where the chain itself has spoken. Books that cannot show it are wrong elsewhere: that is said aloud,
 * nothing more is sent, and it is tried again until a person has put them right.
 */
export function batchNewsBooked(state: PoolState, event: BatchNews, entry: Entry): readonly News[] {
  const short = checkEntry(state.ledger, entry);
  if (short === null) return batchNews(state, event, entry);
  const why = `${event.batchId} cannot be booked: ${short.message}`;
  return state.mode === 'frozen' ? [] : alarmed(why);
}

/** Says what happened to a batch, unless something else did first. */
export async function recordBatch(
  { engine }: Pick<ChannelParts, 'engine'>,
  event: BatchNews,
): Promise<void> {
  await engine.act((state) => ({ news: batchNews(state, event), answer: null }));
}

/** @throws Failure NOT_FOUND */
export function batchOf(state: PoolState, batchId: string): Batch {
  const batch = state.channels.batches.get(batchId);
  if (batch === undefined) throw new Failure('NOT_FOUND', `there is no batch ${batchId}`);
  return batch;
}

/** Somebody was away or busy: nothing is concluded from it, and the next round asks again. */
const PASSING: readonly FailureCode[] = [
  'LND_UNREACHABLE',
  'BITCOIND_UNREACHABLE',
  'COORDINATOR_UNREACHABLE',
  'NOT_READY',
];

export function isPassing(cause: unknown): boolean {
  return cause instanceof Failure && PASSING.includes(cause.code);
}

/** Null where it was refused for good. @throws what may pass, and what is no Failure */
export async function unlessRefused<T>(asked: Promise<T>): Promise<T | null> {
  try {
    return await asked;
  } catch (cause) {
    if (cause instanceof Failure && !isPassing(cause)) return null;
    throw cause;
  }
}

/** Short enough for the log, and one line. */
export function detailOf(cause: unknown): string {
  const text = cause instanceof Failure ? cause.message : 'an unexpected answer';
  return textUpTo(text, 300);
}

/** Work that must not run beside other work of its kind: commands and the watch take turns. */
export function turns(): <T>(work: () => Promise<T>) => Promise<T> {
  let last: Promise<unknown> = Promise.resolve();
  return (work) => {
    const mine = last.then(work);
    last = mine.catch(() => undefined);
    return mine;
  };
}
