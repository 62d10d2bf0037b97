/** `weir signer-agent run`: wires the agent, serves its commands, follows the log, works, and stops cleanly. */
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { printJson, printNote } from '../console/print.ts';
import { readPassphrase } from '../custody/passphrase.ts';
import { openJournal } from '../journal/level-journal.ts';
import { Failure } from '../policies/failure.ts';
import { type Overlay, parseOverlay } from '../policies/overlay.ts';
import { type Serving, serveUnix } from '../transport/trpc-server.ts';
import { ownBitcoind } from './adapters/bitcoind.ts';
import { coordinatorDoor } from './adapters/coordinator.ts';
import { runHook } from './adapters/hook.ts';
import { ownLnd } from './adapters/lnd.ts';
import {
  ADDRESS_BOOK_FILE,
  type AddressBook,
  EMPTY_BOOK,
  parseAddressBook,
} from './address-book.ts';
import { type AgentConfig, bitcoindAddress, readConfig } from './config.ts';
import { crashAt } from './crash-at.ts';
import { type AgentParts, type Engine, failureOnly, openEngine } from './engine.ts';
import { followOnce, type News } from './follower.ts';
import { JOURNAL_FOLDER, OVERLAY_FILE } from './init.ts';
import { openKeystore } from './keystore.ts';
import { agentRouter, LOCAL_BODY_BYTES_MAX, SOCKET_NAME } from './local-protocol.ts';
import { localService } from './local-service.ts';
import { noticeText } from './notices.ts';
import { randomHex32 } from './random.ts';
import { openSession, type Session } from './session.ts';
import { makeTurns, type Turns } from './turns.ts';
import { type Tell, workOnce } from './worker.ts';

/** How long the coordinator may hold a call open when nothing is new. */
const LONG_POLL_MS = 20_000;
/** Between two tries to reach a coordinator that does not answer. */
const RETRY_MS = 1_000;
/** What is still open this long after the end is cut. */
const CUT_CALLS_MS = 500;

/**
 * Runs until SIGINT or SIGTERM.
 *
 * @throws Failure KEY_MISSING, PASSPHRASE_WRONG, JOURNAL_…, INPUT_INVALID for a config or overlay.
 */
export async function runAgent(options: {
  dir: string;
  passphraseFile?: string;
  output: 'text' | 'json';
}): Promise<void> {
  const { dir, passphraseFile, output } = options;
  const parts = await partsOf(dir, passphraseFile);
  const engine = await openEngine(parts);
  const session = openSession(engine, doorOf);
  const turns = makeTurns();
  const serving = await serveLocal(session, turns, dir);
  const ready = {
    ready: true,
    dir,
    network: parts.config.network,
    seq: engine.state().treasury.seq,
  };
  if (output === 'json') printJson(ready);
  else
    printNote(`agent on ${dir} (${parts.config.network}), log entry ${ready.seq}; Ctrl-C ends it`);
  const stopping = Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')]);
  void stopping.then(() => turns.stop());
  try {
    await Promise.all([following(session, turns), working(session, turns, tellBy(parts.config))]);
  } finally {
    turns.stop();
    await serving.close();
    await parts.journal.close();
    // A call that was cut still holds its socket: nothing waits for it any more.
    setTimeout(() => process.exit(), CUT_CALLS_MS).unref();
  }
}

async function following(session: Session, turns: Turns): Promise<void> {
  while (turns.state() === 'running') {
    const invited = session.engine.state().invited !== null;
    const came = invited ? await followed(session, turns) : 'nothing';
    if (came === 'more') turns.wake();
    else if (!invited || came === 'stopped' || session.troubles.has('log')) {
      await turns.pause(RETRY_MS);
    }
  }
}

async function followed(session: Session, turns: Turns): Promise<News> {
  const news: News[] = [];
  await session.trying('log', async () => {
    news.push(await turns.cut<News>(followOnce(session, LONG_POLL_MS), 'nothing'));
  });
  return news[0] ?? 'nothing';
}

async function working(session: Session, turns: Turns, tell: Tell): Promise<void> {
  const { poll_ms } = session.engine.parts.config;
  while (turns.state() === 'running') {
    await workOnce(session, tell);
    await turns.idle(poll_ms);
  }
}

function serveLocal(session: Session, turns: Turns, dir: string): Promise<Serving> {
  const service = localService(session, () => turns.wake());
  return serveUnix(
    {
      router: agentRouter,
      createContext: () => ({ service }),
      bodyBytesMax: LOCAL_BODY_BYTES_MAX,
    },
    path.join(dir, SOCKET_NAME),
  );
}

async function partsOf(dir: string, passphraseFile: string | undefined): Promise<AgentParts> {
  const config = await readConfig(dir);
  const passphrase = await readPassphrase({
    ...(passphraseFile !== undefined && { file: passphraseFile }),
    prompt: "Passphrase of the agent's keys",
    entry: 'known',
    flag: '--passphrase-file',
  });
  const keystore = await openKeystore(dir, passphrase);
  if (keystore.network !== config.network) {
    throw new Failure(
      'NETWORK_MISMATCH',
      `the keys are for ${keystore.network}, the config is not`,
    );
  }
  const { bitcoind, birth_time: birthTime } = config;
  const node =
    bitcoind === undefined
      ? null
      : ownBitcoind({
          address: await bitcoindAddress(bitcoind),
          wallet: `weir-agent-${keystore.identityKey.slice(0, 16)}`,
          birthTime,
        });
  const crash = crashAt(process.env['WEIR_CRASH_AT']);
  return {
    dir,
    config,
    journal: await openJournal(path.join(dir, JOURNAL_FOLDER)),
    keystore,
    node,
    lightning: lightningOf(config),
    overlay: await overlayOf(dir),
    book: await bookOf(dir, config),
    now: () => Date.now(),
    random32: randomHex32,
    crashPoint: crash,
  };
}

function lightningOf({ lnd }: AgentConfig) {
  if (lnd === undefined) return null;
  const { socket, cert_file: certFile, macaroon_file: macaroonFile } = lnd;
  return ownLnd({ socket, certFile, macaroonFile });
}

function doorOf({ parts, trust, seatId, state }: Engine) {
  const url = state().invited?.url ?? '';
  return coordinatorDoor({
    url,
    treasuryId: trust().treasuryId,
    seatId: seatId(),
    say: (domain, body) => parts.keystore.say(domain, body),
    random32: () => parts.random32(),
    now: () => parts.now(),
  });
}

function tellBy({ hook }: AgentConfig): Tell {
  return async (notice) => {
    if (hook !== undefined) await runHook(hook, notice.notice, noticeText(notice));
  };
}

async function overlayOf(dir: string): Promise<Overlay | null> {
  const text = await optionalText(path.join(dir, OVERLAY_FILE));
  return text === null ? null : parseOverlay(text);
}

async function bookOf(dir: string, { network }: AgentConfig): Promise<AddressBook> {
  const text = await optionalText(path.join(dir, ADDRESS_BOOK_FILE));
  return text === null ? EMPTY_BOOK : parseAddressBook(text, network);
}

async function optionalText(file: string): Promise<string | null> {
  return readFile(file, 'utf8').catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === 'ENOENT') return null;
    throw failureOnly(new Failure('INPUT_INVALID', `${file} cannot be read`, { cause }));
  });
}
