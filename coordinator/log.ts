/**
 * The treasury log: the journal with its fold and its signatures. One writer: commands wait in one queue,
 * each sees the treasury that the one before left, and what it appends was folded before it was written.
 */

import { corrupt, type JournalEntry } from '../journal/entry.ts';
import { everyEntry, type Journal } from '../journal/journal.ts';
import { BrokenInvariant, Failure } from '../policies/failure.ts';
import { type LogEntry, type LogEvent, logEvent, signHead } from '../policies/log-entry.ts';
import { EMPTY_TREASURY, type Treasury } from '../policies/treasury.ts';
import { applyEntry, applyEvent } from '../policies/treasury-fold.ts';
import { type CrashPoint, NO_CRASH } from './crash-point.ts';

/** Commands that wait at once: more means that somebody floods, or the disk does not keep up. */
const COMMANDS_WAITING_MAX = 256;
/** Head signatures kept: each is made once, agents ask for the same ones again. */
const SIGNATURES_KEPT_MAX = 50_000;

export interface TreasuryLog {
  treasury(): Treasury;
  /** Durable entries after a place, signed; at most `limit`. */
  entries(afterSeq: number, limit: number): Promise<readonly LogEntry[]>;
  /**
   * Runs a command alone and appends what it answers, all or nothing.
   *
   * @throws Failure of the command; INPUT_INVALID or SIGNATURE_INVALID where the fold refuses an event;
   *   NOT_READY when too many wait; JOURNAL_LOCKED when writing failed: then the process has to end.
   */
  act(command: (treasury: Treasury) => readonly LogEvent[]): Promise<readonly LogEvent[]>;
  /** Resolves when there is an entry after this place, when the time is over, or at `close`. */
  newer(afterSeq: number, waitMs: number): Promise<void>;
  /** Lets all waiters go, finishes what is being written, and closes the journal. */
  close(): Promise<void>;
}

export interface TreasuryLogOptions {
  journal: Journal;
  /** Identity key of the coordinator: signs heads. */
  secretKey: Uint8Array;
  crashPoint?: CrashPoint;
  /** Called when what is on disk is unknown, or not what was folded: the process has to end. */
  broken: (cause: unknown) => void;
}

/** @throws Failure JOURNAL_CORRUPT when the fold refuses what the journal holds. */
export async function openTreasuryLog(options: TreasuryLogOptions): Promise<TreasuryLog> {
  const { journal, secretKey, broken, crashPoint = NO_CRASH } = options;
  let treasury = await folded(journal);
  let waiting = 0;
  let last: Promise<unknown> = Promise.resolve();
  let closed = false;
  const waiters = new Set<() => void>();
  const signatures = new Map<number, string>();

  async function run(
    command: (treasury: Treasury) => readonly LogEvent[],
  ): Promise<readonly LogEvent[]> {
    const events = command(treasury);
    const first = events[0];
    if (first === undefined) return events;
    requireFoldable(treasury, events);
    crashPoint(`before-append ${first.kind}`);
    try {
      const entries = await journal.append(events);
      // What was written is folded, not what was meant: a restart folds the same.
      treasury = entries.reduce((state, entry) => foldWritten(state, entry), treasury);
    } catch (cause) {
      if (!isHarmless(cause)) broken(cause);
      throw cause;
    }
    crashPoint(`after-append ${first.kind}`);
    wakeAll();
    return events;
  }

  function wakeAll(): void {
    for (const look of waiters) look();
  }

  return {
    treasury: () => treasury,
    async entries(afterSeq, limit) {
      const found = await journal.read(afterSeq, limit);
      return found.map((entry) => signed(entry, treasury, { secretKey, signatures }));
    },
    async act(command) {
      if (closed) throw new Failure('NOT_READY', 'the coordinator is stopping');
      if (waiting >= COMMANDS_WAITING_MAX) {
        throw new Failure('NOT_READY', `${waiting} commands wait: try again later`);
      }
      waiting += 1;
      const mine = last.then(() => run(command)).finally(() => (waiting -= 1));
      last = mine.catch(() => undefined);
      return mine;
    },
    newer(afterSeq, waitMs) {
      if (treasury.seq > afterSeq || waitMs === 0 || closed) return Promise.resolve();
      return new Promise((resolve) => {
        const end = (): void => {
          clearTimeout(timer);
          waiters.delete(look);
          resolve();
        };
        const look = (): void => {
          if (treasury.seq > afterSeq || closed) end();
        };
        const timer = setTimeout(end, waitMs);
        waiters.add(look);
      });
    },
    async close() {
      closed = true;
      wakeAll();
      await last;
      await journal.close();
    },
  };
}

async function folded(journal: Journal): Promise<Treasury> {
  let treasury = EMPTY_TREASURY;
  for await (const entry of everyEntry(journal)) {
    try {
      treasury = applyEntry(treasury, logEntryOf(entry, ''));
    } catch (cause) {
      throw corrupt(`entry ${entry.seq} breaks a rule of the log`, cause);
    }
  }
  return treasury;
}

/** Refused before a byte was written. */
function isHarmless(cause: unknown): boolean {
  return cause instanceof Failure && ['INPUT_TOO_LARGE', 'NOT_READY'].includes(cause.code);
}

/** Asks the fold before anything is written: it refuses what an agent would refuse to replay. */
function requireFoldable(treasury: Treasury, events: readonly LogEvent[]): void {
  let state = treasury;
  for (const event of events) {
    const seq = state.seq + 1;
    state = { ...applyEvent(state, event, seq), seq };
  }
}

function foldWritten(treasury: Treasury, entry: JournalEntry): Treasury {
  try {
    return applyEntry(treasury, logEntryOf(entry, ''));
  } catch (cause) {
    throw new BrokenInvariant(`entry ${entry.seq} was folded before it was written, not after`, {
      cause,
    });
  }
}

function signed(
  entry: JournalEntry,
  { id, params }: Treasury,
  { secretKey, signatures }: { secretKey: Uint8Array; signatures: Map<number, string> },
): LogEntry {
  const known = signatures.get(entry.seq);
  if (known !== undefined) return logEntryOf(entry, known);
  if (id === null || params === null) throw new Failure('NOT_READY', 'the ceremony is not open');
  const { seq, hash } = entry;
  const signature = signHead({ treasuryId: id, network: params.network, seq, hash }, secretKey);
  const [oldest] = signatures.keys();
  if (signatures.size >= SIGNATURES_KEPT_MAX && oldest !== undefined) signatures.delete(oldest);
  signatures.set(seq, signature);
  return logEntryOf(entry, signature);
}

function logEntryOf({ seq, previous, hash, body }: JournalEntry, signature: string): LogEntry {
  return { seq, previous, hash, body: logEvent.parse(body), signature };
}
