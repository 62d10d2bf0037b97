/**
 * One checkpoint in one file: written whole beside the one before, synced, then put in its place. A file that cannot
 * be used is said aloud and left alone: the journal is the truth, and the replay of all of it gives the same.
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { type FileHandle, open, rename } from 'node:fs/promises';
import path from 'node:path';
import type { Head } from '../../journal/entry.ts';
import { syncDirectory } from '../../journal/head-file.ts';
import { Failure, invariant } from '../../policies/failure.ts';
import { type Checkpoint, checkpointLines, checkpointReader, titleOf } from './lines.ts';

/** Read and written in parts of this size. */
const PART_BYTES = 1024 * 1024;
/** A line is one quote, payment or batch; a longer one is none of ours. */
const LINE_BYTES_MAX = 16 * 1024 * 1024;
/** The last line, a hash, is shorter. */
const SEAL_CHARS_MAX = 100;
/** The first line says what the file is of, in some 250 bytes. */
const TITLE_BYTES_MAX = 1_024;
const LINE_END = 10;

/** In the order in which they come. */
export type CheckpointMoment = 'draft-begun' | 'draft-written' | 'draft-synced' | 'draft-named';

/** When one is written, in entries. */
export interface CheckpointRhythm {
  /** Before the pool opens, after a replay of so many. */
  replayed: number;
  /** When it closes, after so many new ones; fewer are replayed sooner than all is written. */
  added: number;
}

const RHYTHM: CheckpointRhythm = { replayed: 100_000, added: 10_000 };

export interface CheckpointStore {
  /** What the file says it is of, its content not looked at; null where there is none that can be used. */
  head(): Promise<Head | null>;
  /** The whole of it, every byte checked; null, said aloud, where there is none that can be used. */
  load(): Promise<Checkpoint | null>;
  note(text: string): void;
  rhythm: CheckpointRhythm;
  /** @throws BrokenInvariant when the state moves on meanwhile; whatever the disk says */
  save(checkpoint: Checkpoint): Promise<void>;
}

export interface CheckpointFile {
  file: string;
  /** From `programHash`. */
  program: string;
  note: (text: string) => void;
  rhythm?: CheckpointRhythm;
  /** For tests: called at each moment. */
  crashPoint?: (moment: CheckpointMoment) => void;
}

export function checkpointFile(of: CheckpointFile): CheckpointStore {
  return {
    // What is wrong with it is said once, by `load`.
    head: () => usable({ ...of, note: () => undefined }, () => titleIn(of)),
    load: () => usable(of, () => loaded(of)),
    note: of.note,
    rhythm: of.rhythm ?? RHYTHM,
    save: (checkpoint) => saved(of, checkpoint),
  };
}

/** Whatever is wrong with a file of ours, the journal is not: the reason is said, and all of it is replayed. */
async function usable<T>(
  { file, note }: CheckpointFile,
  read: () => Promise<T>,
): Promise<T | null> {
  try {
    return await read();
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return null;
    const why = cause instanceof Error ? cause.message : 'unknown';
    note(`the checkpoint ${file} is not used: ${why}`);
    return null;
  }
}

async function titleIn({ file, program }: CheckpointFile): Promise<Head> {
  const handle = await open(file, 'r');
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(TITLE_BYTES_MAX));
    const [line = ''] = buffer.toString('utf8', 0, bytesRead).split('\n', 1);
    const { seq, hash } = titleOf(line, program);
    return { seq, hash };
  } finally {
    await handle.close();
  }
}

async function loaded({ file, program }: CheckpointFile): Promise<Checkpoint> {
  const reader = checkpointReader(program);
  let last = reader.next();
  const hash = createHash('sha256');
  let seal = '';
  for await (const block of blocksOf(file)) {
    let at = 0;
    while (at < block.length && last.done !== true) {
      const end = block.indexOf(LINE_END, at);
      last = reader.next(block.toString('utf8', at, end));
      at = end + 1;
    }
    hash.update(block.subarray(0, at));
    seal += block.toString('latin1', at);
    if (seal.length > SEAL_CHARS_MAX) throw damaged('it goes on after its end');
  }
  if (last.done !== true) throw damaged('it has no end');
  if (seal !== sealOf(hash.digest('hex'))) throw damaged('its bytes are not what was written');
  return last.value;
}

/** The last line: a hash of all before it, line ends included. */
function sealOf(sha256: string): string {
  return `${JSON.stringify({ sha256 })}\n`;
}

/** The file in parts that end with a line. */
async function* blocksOf(file: string): AsyncGenerator<Buffer> {
  let rest: Buffer = Buffer.alloc(0);
  for await (const read of createReadStream(file, { highWaterMark: PART_BYTES })) {
    const part = Buffer.concat([rest, read as Buffer]);
    const end = part.lastIndexOf(LINE_END) + 1;
    if (end > 0) yield part.subarray(0, end);
    rest = part.subarray(end);
    if (rest.length > LINE_BYTES_MAX) throw damaged('a line has no end');
  }
  if (rest.length > 0) throw damaged('its last line has no end');
}

async function saved(of: CheckpointFile, checkpoint: Checkpoint): Promise<void> {
  const { file, program, crashPoint = () => undefined } = of;
  const draft = `${file}.new`;
  const handle = await open(draft, 'w', 0o600);
  try {
    crashPoint('draft-begun');
    await writeLines(handle, checkpointLines(checkpoint, program));
    crashPoint('draft-written');
    await handle.sync();
    crashPoint('draft-synced');
  } finally {
    await handle.close();
  }
  const { state, head } = checkpoint;
  invariant(state.seq === head.seq, 'the state moved on while it was written');
  await rename(draft, file);
  crashPoint('draft-named');
  await syncDirectory(path.dirname(file));
}

async function writeLines(handle: FileHandle, lines: Iterable<string>): Promise<void> {
  const hash = createHash('sha256');
  let part: string[] = [];
  let chars = 0;
  const flush = async (): Promise<void> => {
    const bytes = Buffer.from(part.join(''), 'utf8');
    part = [];
    chars = 0;
    hash.update(bytes);
    await handle.writeFile(bytes);
  };
  for (const line of lines) {
    part.push(line, '\n');
    chars += line.length + 1;
    if (chars >= PART_BYTES) await flush();
  }
  await flush();
  await handle.writeFile(sealOf(hash.digest('hex')));
}

function damaged(what: string): Failure {
  return new Failure('INPUT_INVALID', what);
}
