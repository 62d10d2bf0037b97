/**
 * An agent's whole path for one proposal with its stages, beside the node's `walletprocesspsbt` on the same
 * PSBT and bare `@scure/btc-signer`. The node's time has its RPC in it, the agent's has none.
 */
import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js';
import { base64 } from '@scure/base';
import { Transaction } from '@scure/btc-signer';
import { buildUnsignedTx } from '../descriptors/build.ts';
import { childSecret } from '../descriptors/bulk-curve.ts';
import { parsePreviousTx } from '../descriptors/previous-tx.ts';
import { decodePsbt, psbtBytes } from '../descriptors/psbt.ts';
import { encodePsbt } from '../descriptors/psbt-write.ts';
import { type SpentCoin, seatSignaturesIn, signInputs } from '../descriptors/signature.ts';
import { spendFromPsbt } from '../descriptors/spend-from-psbt.ts';
import { judge } from '../signer-agent/judge.ts';
import type { JudgeInput } from '../signer-agent/judgement.ts';
import { accountOf } from '../test/treasury-scenario.ts';
import { mediansMs, task } from './measure.ts';
import { type NodeSigner, startNodeSigner } from './node-signer.ts';
import { type BenchProposal, benchProposal } from './proposal.ts';

const SEAT = 'ana';
const SEAT_PLACE = 0;

/** Milliseconds, medians of one run. `node` is null where there is no bitcoind. */
export interface SignRow {
  inputs: number;
  /** A proposal whose places this process derives for the first time. */
  agent: number;
  /** The same in a process that has judged before. */
  agentWarm: number;
  stages: Record<Stage, number>;
  node: number | null;
  scure: number;
}
export const STAGES = ['decode', 'derive', 'rebuild', 'read', 'judge', 'sign', 'encode'] as const;
export type Stage = (typeof STAGES)[number];

type SeatKey = (unsignedTx: Uint8Array, coins: readonly SpentCoin[]) => Uint8Array[];

export async function benchSign(
  sizes: readonly number[],
  runs: number,
): Promise<{ node: string | null; rows: SignRow[] }> {
  const proposals = sizes.map((inputs) => ({ inputs, proposal: benchProposal(inputs) }));
  const descriptor = proposals[0]?.proposal.scenario.deriver.descriptor;
  if (descriptor === undefined) throw new Error('no sizes to measure');
  const node = await startNodeSigner(descriptor, SEAT, Math.max(...sizes) + 1);
  try {
    const rows: SignRow[] = [];
    for (const { inputs, proposal } of proposals) {
      rows.push(await measured(inputs, proposal, node, runs));
    }
    return { node: node?.version ?? null, rows };
  } finally {
    await node?.stop();
  }
}

async function measured(
  inputs: number,
  proposal: BenchProposal,
  node: NodeSigner | null,
  runs: number,
): Promise<SignRow> {
  const key = seatKey();
  const text = base64.encode(proposal.built.psbt);
  const path = (input: JudgeInput) => wholePath(text, proposal.previousTxs, input, key);
  // Once unmeasured: what is compiled and loaded on the way is nobody's speed.
  requireSame(path(proposal.warm()), node === null ? null : await node.sign(text), proposal);
  scureSigned(proposal);
  const stages = await stagesOf(proposal, key, runs);
  const ours = {
    agent: task(() => proposal.cold(), path),
    agentWarm: task(() => proposal.warm(), path),
    scure: task(() => proposal, scureSigned),
  };
  if (node === null) return { inputs, ...(await mediansMs(runs, ours)), node: null, stages };
  const theirs = task(
    () => text,
    (psbt) => node.sign(psbt),
  );
  return { inputs, ...(await mediansMs(runs, { ...ours, node: theirs })), stages };
}

/** Signs as an agent's spending key does: a child of the branch for each input, in bulk. */
function seatKey(): SeatKey {
  const { privateKey, publicKey, chainCode } = accountOf(SEAT);
  if (privateKey === null || publicKey === null || chainCode === null) throw new Error('no key');
  const account = { privateKey, publicKey, chainCode };
  const branches = { 0: childSecret(account, 0), 1: childSecret(account, 1) };
  return (unsignedTx, coins) =>
    signInputs(
      unsignedTx,
      coins,
      ({ branch, index }) => childSecret(branches[branch], index).privateKey,
    );
}

/** From what arrives to what leaves: the PSBT with this seat's signatures, in base64. */
function wholePath(
  text: string,
  previousTxs: readonly Uint8Array[],
  input: JudgeInput,
  key: SeatKey,
): string {
  const judgement = judge({ ...input, parcel: { psbt: psbtBytes(text), previousTxs } });
  if (judgement.decision !== 'sign') {
    throw new Error(`the agent would ${judgement.decision}: ${JSON.stringify(judgement.reasons)}`);
  }
  const unsignedTx = hexToBytes(input.state.proposal.unsignedTx);
  const coins = coinsOf(input);
  return encoded(input, unsignedTx, coins, key(unsignedTx, coins));
}

async function stagesOf(
  proposal: BenchProposal,
  key: SeatKey,
  runs: number,
): Promise<Record<Stage, number>> {
  const { built, previousTxs, warm } = proposal;
  const payees =
    built.proposal.intent.kind === 'withdrawal_batch' ? built.proposal.intent.orders : [];
  const paid = payees.map(({ body }) => ({ script: body.script, amountSat: body.amountSat }));
  const { unsignedTx } = decodePsbt(built.psbt);
  const { deriver } = warm();
  const coins = coinsOf(warm());
  const signatures = key(unsignedTx, coins);
  const previous = new Map(
    previousTxs.map((raw) => parsePreviousTx(raw)).map((tx) => [tx.txid, tx]),
  );
  const text = base64.encode(built.psbt);
  return mediansMs(runs, {
    decode: task(
      () => text,
      (psbt) => {
        decodePsbt(psbtBytes(psbt));
        for (const raw of previousTxs) parsePreviousTx(raw);
      },
    ),
    derive: task(() => proposal.cold(), coinsOf),
    rebuild: task(warm, (input) =>
      buildUnsignedTx(built.proposal.intent.plan, paid, input.deriver),
    ),
    read: task(
      () => decodePsbt(built.psbt),
      (psbt) => spendFromPsbt(psbt, previous, deriver, { indexMax: coins.length }),
    ),
    judge: task(() => proposal.cold(), judge),
    sign: task(
      () => coins,
      (each) => key(unsignedTx, each),
    ),
    encode: task(warm, (input) => encoded(input, unsignedTx, coins, signatures)),
  });
}

function coinsOf({ state, deriver }: JudgeInput): SpentCoin[] {
  const { prevouts, intent } = state.proposal;
  const places = new Map(intent.plan.coins.map((coin) => [coin.outpoint, coin]));
  return prevouts.map(({ outpoint, amountSat }) => {
    const coin = places.get(outpoint);
    if (coin === undefined) throw new Error('a prevout that is no coin');
    return { amountSat, place: deriver.at(coin.branch, coin.index) };
  });
}

function encoded(
  input: JudgeInput,
  unsignedTx: Uint8Array,
  coins: readonly SpentCoin[],
  signatures: readonly Uint8Array[],
): string {
  const psbt = encodePsbt({
    unsignedTx,
    inputs: coins.map(({ amountSat, place }, at) => ({
      witnessUtxo: { amountSat, script: place.script },
      previousTx: null,
      witnessScript: place.witnessScript,
      origins: [],
      partialSigs: [
        {
          publicKey: bytesToHex(place.publicKeys[SEAT_PLACE] ?? new Uint8Array()),
          signature: signatures[at] ?? new Uint8Array(),
        },
      ],
    })),
    outputs: decodeOutputs(input),
    xpubs: [],
  });
  return base64.encode(psbt);
}

function decodeOutputs({ state }: JudgeInput): null[] {
  const { intent } = state.proposal;
  const payees = intent.kind === 'withdrawal_batch' ? intent.orders.length : 0;
  return Array.from({ length: payees + (intent.plan.change === null ? 0 : 1) }, () => null);
}

/** Decoded, signed input by input with keys derived before, encoded again. No check of any kind. */
function scureSigned({ built }: BenchProposal): Uint8Array {
  const account = accountOf(SEAT);
  const keys = built.built.coins.map(
    ({ branch, index }) => account.deriveChild(branch).deriveChild(index).privateKey,
  );
  const tx = Transaction.fromPSBT(built.psbt, { allowLegacyWitnessUtxo: true });
  keys.forEach((key, at) => {
    if (key !== null) tx.signIdx(key, at);
  });
  return tx.toPSBT();
}

/** The comparison is of the same work: both sign every input, and each accepts the other's bytes. */
function requireSame(ours: string, theirs: string | null, proposal: BenchProposal): void {
  const coins = coinsOf(proposal.warm());
  for (const text of [ours, ...(theirs === null ? [] : [theirs])]) {
    const { inputs } = decodePsbt(psbtBytes(text));
    if (seatSignaturesIn(inputs, coins, SEAT_PLACE) === null) {
      throw new Error('an input was not signed');
    }
  }
}
