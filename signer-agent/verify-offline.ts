/** `verify FILE`: opens the folder of an agent that is not running, judges the file, and signs nothing. */
import path from 'node:path';
import { openJournal } from '../journal/level-journal.ts';
import { Failure } from '../policies/failure.ts';
import { type Overlay, parseOverlay } from '../policies/overlay.ts';
import { YAML_TEXT_MAX } from '../policies/yaml.ts';
import {
  ADDRESS_BOOK_FILE,
  type AddressBook,
  EMPTY_BOOK,
  parseAddressBook,
} from './address-book.ts';
import { readBounded, readText } from './command-files.ts';
import { readConfig } from './config.ts';
import { openEngine } from './engine.ts';
import { JOURNAL_FOLDER, OVERLAY_FILE } from './init.ts';
import { openKeystore } from './keystore.ts';
import { PROPOSAL_FILE_BYTES_MAX, parseProposalFile } from './proposal-file.ts';
import { randomHex32 } from './random.ts';
import { openSession, requireWallet } from './session.ts';
import { type VerifyAnswer, verifyFile } from './verify-file.ts';

const MS_IN_SECOND = 1_000;
/** UTF-8 takes up to four bytes a character. */
const TEXT_BYTES_MAX = YAML_TEXT_MAX * 4;

/**
 * @throws Failure NOT_FOUND, INPUT_…, PASSPHRASE_WRONG; NOT_READY before a wallet was confirmed here;
 *   JOURNAL_LOCKED while the agent runs: `review` shows the same there.
 */
export async function verifyOffline(request: {
  dir: string;
  file: string;
  passphrase: string;
}): Promise<VerifyAnswer> {
  const { dir, passphrase } = request;
  // The file first: whoever mistyped it need not wait for the keys.
  const file = parseProposalFile(await readBounded(request.file, PROPOSAL_FILE_BYTES_MAX));
  const config = await readConfig(dir);
  const keystore = await openKeystore(dir, passphrase);
  const overlay = await overlayIn(dir);
  const book = await bookIn(dir, config.network);
  const journal = await openJournal(path.join(dir, JOURNAL_FOLDER));
  try {
    const engine = await openEngine({
      dir,
      config,
      journal,
      keystore,
      node: null,
      lightning: null,
      overlay,
      book,
      now: () => Date.now(),
      random32: randomHex32,
      crashPoint: () => undefined,
    });
    const session = openSession(engine, () => {
      throw new Failure('COORDINATOR_UNREACHABLE', 'verify speaks to nobody');
    });
    const pinned = requireWallet(session.pinned());
    const now = Math.floor(Date.now() / MS_IN_SECOND);
    return verifyFile(file, {
      pinned,
      deriver: session.deriver(),
      trust: engine.trust(),
      state: engine.state(),
      overlay,
      book,
      now,
    });
  } finally {
    await journal.close();
  }
}

async function overlayIn(dir: string): Promise<Overlay | null> {
  const text = await textOrNull(path.join(dir, OVERLAY_FILE));
  return text === null ? null : parseOverlay(text);
}

async function bookIn(dir: string, network: Parameters<typeof parseAddressBook>[1]) {
  const text = await textOrNull(path.join(dir, ADDRESS_BOOK_FILE));
  const book: AddressBook = text === null ? EMPTY_BOOK : parseAddressBook(text, network);
  return book;
}

async function textOrNull(file: string): Promise<string | null> {
  try {
    return await readText(file, TEXT_BYTES_MAX);
  } catch (cause) {
    if (cause instanceof Failure && cause.code === 'NOT_FOUND') return null;
    throw cause;
  }
}
