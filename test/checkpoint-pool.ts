/** A pool with some history on a real journal, and the checkpoints that are made of it. */
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect, onTestFinished } from 'vitest';
import type { Journal } from '../journal/journal.ts';
import { type Checkpoint, checkpointLines } from '../operator/checkpoint/lines.ts';
import { openBooks, restored } from '../operator/checkpoint/restart.ts';
import {
  type CheckpointFile,
  type CheckpointStore,
  checkpointFile,
} from '../operator/checkpoint/store.ts';
import { stateHash } from '../operator/ledger/ledger-state.ts';
import { payRequest, quotePayRequest, topupRequest } from '../operator/protocol.ts';
import { type Fate, hashOf, outsideInvoice, preimageOf } from './fake-node.ts';
import { agent, poolWorld, TEST_POLICY, type TestPool, type World } from './pool-scenario.ts';

export const PROGRAM = 'a'.repeat(64);
const POLICY = { ...TEST_POLICY, pay: { ...TEST_POLICY.pay, holdOpenMs: 5 } };
const ROOM = { is: 'step' } as const;

export type Step =
  | { do: 'pay'; who: string; name: string; msat: number; fate: Fate }
  | { do: 'quote'; who: string; name: string; msat: number }
  | { do: 'topup'; who: string; name: string; msat: number; paid: 'paid' | 'open' };

export interface History {
  dir: string;
  file: string;
  notes: string[];
  /** Runs some steps in a process of their own. */
  live(steps: readonly Step[]): Promise<void>;
  store: (more?: Partial<CheckpointFile>) => CheckpointStore;
  /** What a start makes of the disk; without a store from all entries. */
  started: (store: CheckpointStore | null) => Promise<Checkpoint & { fromSeq: number }>;
  /** A checkpoint of all entries. */
  kept(more?: Partial<CheckpointFile>): Promise<void>;
  journal(): Promise<Journal>;
}

export async function history(steps: readonly Step[] = []): Promise<History> {
  const world = await poolWorld();
  const file = path.join(world.dir, 'checkpoint.jsonl');
  const notes: string[] = [];
  const made: History = {
    dir: world.dir,
    file,
    notes,
    live: (more) => lived(world, more),
    store: (more = {}) =>
      checkpointFile({ file, program: PROGRAM, note: (text) => notes.push(text), ...more }),
    async started(store) {
      const journal = await openBooks(world.dir, (await store?.head()) ?? null);
      try {
        return await restored(journal, store);
      } finally {
        await journal.close();
      }
    },
    kept: async (more) => made.store(more).save(await made.started(null)),
    journal: () => openBooks(world.dir, null),
  };
  onTestFinished(() => world.remove());
  await made.live(steps);
  return made;
}

async function lived(world: World, steps: readonly Step[]): Promise<void> {
  if (steps.length === 0) return;
  const pool = await world.open({ policy: POLICY });
  for (const step of steps) {
    await stepped(world, pool, step);
    world.clock.nowMs += 1_000;
  }
  await pool.close();
}

async function stepped(world: World, pool: TestPool, step: Step): Promise<unknown> {
  const caller = agent(step.who);
  if (step.do === 'topup') {
    const reply = await pool.api.topup(
      caller,
      topupRequest.parse({
        schema: 'weir.prepaid.topup_request.v1',
        idempotency_key: step.name,
        amount_msats: step.msat,
      }),
    );
    if (reply.is === 'refused' || step.paid === 'open') return ROOM;
    if (world.node.invoices.get(reply.body.payment_hash)?.state !== 'open') return ROOM;
    world.node.payIn(reply.body.payment_hash);
    return pool.topups.sweep();
  }
  const quote = await pool.api.quotePay(
    caller,
    quotePayRequest.parse({
      schema: 'openagents.liquidity.quote_pay_request.v1',
      idempotency_key: step.name,
      invoice: outsideInvoice(step.name, BigInt(step.msat)),
      host: '#host',
      max_amount_msats: 100_000_000,
      max_fee_msats: 20_000,
    }),
  );
  if (step.do === 'quote' || quote.is === 'refused') return ROOM;
  const hash = hashOf(preimageOf(step.name));
  if (!world.node.fates.has(hash)) world.node.fates.set(hash, step.fate);
  const schema = 'openagents.liquidity.pay_request.v1' as const;
  return pool.api.pay(caller, payRequest.parse({ schema, quote_id: quote.body.quote_id }));
}

/** Changes a checkpoint's lines and seals them again, as a program of another kind would have written it. */
export function rewritten(file: string, change: (lines: string[]) => string[]): void {
  const lines = readFileSync(file, 'utf8').split('\n').slice(0, -2);
  const text = `${change(lines).join('\n')}\n`;
  const sha256 = createHash('sha256').update(text).digest('hex');
  writeFileSync(file, `${text}${JSON.stringify({ sha256 })}\n`);
}

export const CREDIT: Step = {
  do: 'topup',
  who: 'ana',
  name: 'credit',
  msat: 50_000_000,
  paid: 'paid',
};
export const PAID: Step = { do: 'pay', who: 'ana', name: 'one', msat: 1_000_000, fate: 'settles' };
export const STAYS: Step = { do: 'pay', who: 'ana', name: 'stays', msat: 2_000_000, fate: 'stays' };
export const FAILS: Step = { do: 'pay', who: 'ana', name: 'fails', msat: 3_000_000, fate: 'fails' };
export const QUOTED: Step = { do: 'quote', who: 'ana', name: 'quoted', msat: 4_000_000 };
export const OPEN: Step = { do: 'topup', who: 'ben', name: 'open', msat: 5_000_000, paid: 'open' };
export const FIRST = [CREDIT, PAID, STAYS, QUOTED];
export const LATER = [FAILS, OPEN, PAID];

/** Both are the same to the last field, and so is what a further checkpoint of each would say. */
export function expectSame(one: Checkpoint, other: Checkpoint): void {
  expect(one.state).toStrictEqual(other.state);
  expect(one.head).toEqual(other.head);
  expect(one.receipts.head()).toEqual(other.receipts.head());
  expect([...checkpointLines(one, PROGRAM)]).toEqual([...checkpointLines(other, PROGRAM)]);
  expect(stateHash(one.state.ledger)).toBe(stateHash(other.state.ledger));
}
