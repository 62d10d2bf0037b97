/** Receipts as they are handed out: read from the journal entry that holds them, signed then, always the same. */
import { Failure } from '../policies/failure.ts';
import type { Engine } from './engine.ts';
import { factOf, recordOf } from './pool-entry.ts';
import { strictCanonicalText } from './receipts/canonical.ts';
import { type Checkpoint, signCheckpoint } from './receipts/checkpoint.ts';
import type { LogRecord } from './receipts/log-record.ts';
import { proofFor, type ReceiptProof } from './receipts/proof.ts';
import { receiptKey } from './receipts/schnorr.ts';
import {
  type SignedReceipt,
  seqIn,
  signReceipt,
  type UnsignedReceipt,
} from './receipts/unsigned-receipt.ts';

/** Signed receipts that are kept: a caller that retries asks for the newest ones. */
const KEPT_MAX = 10_000;
/** Receipts that just became durable, kept until somebody asks: most are asked for at once. */
const FRESH_MAX = 1_000;

export interface ReceiptDesk {
  /** x-only key of this pool's receipts. */
  publicKey: string;
  /** The receipt of an entry. @throws Failure NOT_FOUND where the entry has none */
  receiptAt(seq: number): Promise<SignedReceipt>;
  /** The same by its id, with the entry's place and event. @throws Failure NOT_FOUND */
  receipt(
    receiptId: string,
  ): Promise<{ signed: SignedReceipt; seq: number; fact: ReturnType<typeof factOf>['fact'] }>;
  proof(receiptId: string): Promise<ReceiptProof>;
  proofAt(seq: number): Promise<ReceiptProof>;
  /** The signed size and root of the log as it stands. */
  checkpoint(): Checkpoint;
}

export function receiptDesk(engine: Engine, secretKey: Uint8Array, publicKey: string): ReceiptDesk {
  const key = receiptKey(secretKey);
  const kept = new Map<number, SignedReceipt>();
  const fresh = new Map<number, UnsignedReceipt>();
  engine.onDurable((news) => {
    for (const { receipt } of news) {
      if (receipt !== null) keepNewest(fresh, FRESH_MAX, seqIn(receipt), receipt);
    }
  });

  async function entryAt(seq: number): Promise<ReturnType<typeof factOf> & { record: LogRecord }> {
    await engine.durable();
    const [entry] = await engine.journal.read(seq - 1, 1);
    if (entry === undefined) throw new Failure('NOT_FOUND', `there is no entry ${seq}`);
    const found = factOf(entry);
    const { event, atMs } = found.fact;
    const poolId = engine.state().opened?.poolId ?? '';
    const of = { poolId, atMs, kind: event.kind, receipt: found.receipt };
    return { ...found, record: recordOf(entry, of) };
  }

  function signed(seq: number, unsigned: UnsignedReceipt): SignedReceipt {
    const made = signReceipt(unsigned, key);
    keepNewest(kept, KEPT_MAX, seq, made);
    return made;
  }

  function seqOf(receiptId: string): number {
    const seq = engine.state().receipts.get(receiptId);
    if (seq === undefined) throw new Failure('NOT_FOUND', `there is no receipt ${receiptId}`);
    return seq;
  }

  const desk: ReceiptDesk = {
    publicKey,
    async receiptAt(seq) {
      const known = kept.get(seq);
      if (known !== undefined) return known;
      const early = fresh.get(seq);
      if (early !== undefined) {
        fresh.delete(seq);
        return signed(seq, asStored(early));
      }
      const { receipt } = await entryAt(seq);
      if (receipt === null) throw new Failure('NOT_FOUND', `entry ${seq} has no receipt`);
      return signed(seq, receipt);
    },
    async receipt(receiptId) {
      const seq = seqOf(receiptId);
      const { fact, receipt } = await entryAt(seq);
      if (receipt === null) throw new Failure('NOT_FOUND', `entry ${seq} has no receipt`);
      return { signed: kept.get(seq) ?? signed(seq, receipt), seq, fact };
    },
    proof: async (receiptId) => desk.proofAt(seqOf(receiptId)),
    async proofAt(seq) {
      const { record } = await entryAt(seq);
      return proofFor(engine.receipts(), record, key);
    },
    checkpoint: () => signCheckpoint(engine.receipts().head(), key),
  };
  return desk;
}

/** As it is read back from the journal: members in the order of their names, so that the bytes are the same. */
function asStored(receipt: UnsignedReceipt): UnsignedReceipt {
  return JSON.parse(strictCanonicalText(receipt)) as UnsignedReceipt;
}

function keepNewest<T>(all: Map<number, T>, max: number, seq: number, one: T): void {
  if (all.size >= max) {
    const [oldest] = all.keys();
    if (oldest !== undefined) all.delete(oldest);
  }
  all.set(seq, one);
}
