/**
 * The wallet of a node that has just started: made from a seed the first time, unlocked every other time.
 * Its words and password lie beside it for tests to read: real coins must never be near it.
 */
import { randomBytes } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { GetWalletStatusResult, UnauthenticatedLnd } from 'ln-service';
import {
  createSeed,
  createWallet,
  getWalletStatus,
  unauthenticatedLndGrpc,
  unlockWallet,
} from 'ln-service';
import { called } from './ln-call.ts';
import { until } from './wait.ts';

/** `real` makes new words; `words` are those of an earlier node, as after the loss of its disk. */
export type Seed = 'none' | 'real' | { words: string };

export interface WalletOpening {
  dir: string;
  seed: Seed;
  /** base64 */
  cert: string;
  socket: string;
  /** Throws when the node has ended meanwhile. */
  goesOn: () => void;
}

/** Deriving the key of a wallet takes seconds by design, and five nodes may do it at once. */
const READY_TIMEOUT_MS = 240_000;
const STATUS_TIMEOUT_MS = 5_000;
const SEED_FILE = 'seed-words';
const PASSWORD_FILE = 'wallet-password';

/** The 24 words of a node started with a real seed. */
export function seedWords(dir: string): Promise<string> {
  return readFile(path.join(dir, SEED_FILE), 'utf8');
}

/** The password of its wallet. */
export function walletPassword(dir: string): Promise<string> {
  return readFile(path.join(dir, PASSWORD_FILE), 'utf8');
}

/** Resolves when LND takes every call. */
export async function openWallet(opening: WalletOpening): Promise<void> {
  const { cert, socket, seed } = opening;
  const { lnd } = unauthenticatedLndGrpc({ cert, socket });
  try {
    if (seed !== 'none') await opened(lnd, opening, seed);
    await until(
      `${socket} to take calls`,
      async () => (await status(lnd, opening))?.is_ready === true,
      READY_TIMEOUT_MS,
    );
  } finally {
    for (const client of Object.values(lnd) as { close(): void }[]) client.close();
  }
}

async function opened(
  lnd: UnauthenticatedLnd,
  opening: WalletOpening,
  seed: Exclude<Seed, 'none'>,
): Promise<void> {
  const { dir, socket } = opening;
  const found = await until(
    `${socket} to say whether it has a wallet`,
    async () => {
      const now = await status(lnd, opening);
      return now?.is_absent === true || now?.is_locked === true ? now : null;
    },
    READY_TIMEOUT_MS,
  );
  if (found.is_locked === true) {
    const password = await walletPassword(dir);
    await called('unlockWallet', unlockWallet({ lnd, password }), READY_TIMEOUT_MS);
    return;
  }
  const words =
    seed === 'real' ? (await called('createSeed', createSeed({ lnd }))).seed : seed.words;
  const password = randomBytes(16).toString('hex');
  await writeFile(path.join(dir, SEED_FILE), words, { mode: 0o600 });
  await writeFile(path.join(dir, PASSWORD_FILE), password, { mode: 0o600 });
  await called('createWallet', createWallet({ lnd, password, seed: words }), READY_TIMEOUT_MS);
}

/** Null while nobody answers yet. */
async function status(
  lnd: UnauthenticatedLnd,
  { goesOn }: WalletOpening,
): Promise<GetWalletStatusResult | null> {
  goesOn();
  return called('getWalletStatus', getWalletStatus({ lnd }), STATUS_TIMEOUT_MS).catch(() => null);
}
