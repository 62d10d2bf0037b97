/**
 * A proposal with everything needed to judge it away from any network: the whole log, the parcel, what
 * peers acknowledged, and what the node of the agent that made the file saw. `verify` reads it.
 */
import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js';
import { base64 } from '@scure/base';
import { z } from 'zod';
import { parcel } from '../coordinator/protocol.ts';
import { psbtBytes } from '../descriptors/psbt.ts';
import { toWire } from '../policies/canonical-json.ts';
import { Failure } from '../policies/failure.ts';
import { feerateAmount, height, hex32, hexBytes, outpoint, satAmount } from '../policies/intent.ts';
import { type LogEntry, logEntry } from '../policies/log-entry.ts';
import { type Acknowledgement, acknowledgement } from '../policies/proposal.ts';
import type { ChainView, JudgeInput } from './judgement.ts';

/** Largest file read: 20 MB of previous transactions in hex, a PSBT, and a log of some years. */
export const PROPOSAL_FILE_BYTES_MAX = 96 * 1024 * 1024;
const ENTRIES_MAX = 200_000;
const ACKNOWLEDGEMENTS_MAX = 15;
const SPENDS_MAX = 100_000;
const SCRIPTS_MAX = 200_000;
const COINS_MAX = 500;

const chainFile = z.strictObject({
  tipHeight: height,
  tipHash: hex32,
  medianTime: z.int().min(0),
  sync: z.enum(['synced', 'syncing']),
  reorgDepth: z.int().min(0),
  coins: z
    .array(
      z.strictObject({
        outpoint,
        amountSat: satAmount,
        script: hexBytes,
        confirmations: z.int().min(0),
        coinbase: z.enum(['coinbase', 'ordinary']),
      }),
    )
    .max(COINS_MAX),
  spends: z
    .array(
      z.strictObject({
        txid: hex32,
        height: height.nullable(),
        outpoints: z.array(outpoint).max(100_000),
      }),
    )
    .max(SPENDS_MAX),
  estimate: feerateAmount.nullable(),
  treasurySat: satAmount,
  changeIndexUsed: z.int().min(-1),
  paidScripts: z.array(hexBytes).max(SCRIPTS_MAX),
});

const proposalFile = z.strictObject({
  schema: z.literal('weir.proposal-file/v1', 'must be weir.proposal-file/v1'),
  proposalId: hex32,
  /** From the first entry on, at least up to the proposal. */
  log: z.array(logEntry).min(1).max(ENTRIES_MAX),
  parcel,
  acknowledgements: z.array(acknowledgement).max(ACKNOWLEDGEMENTS_MAX),
  /** What the own node of the agent that made the file saw; a claim for everybody else. */
  chain: chainFile.nullable(),
});

/** A file that was read, in the agent's own shapes. */
export interface ProposalFile {
  proposalId: string;
  log: readonly LogEntry[];
  parcel: JudgeInput['parcel'];
  acknowledgements: readonly Acknowledgement[];
  chain: ChainView | null;
}

/** The file as plain JSON: what `export ID FILE --proposal` writes. */
export function proposalFileJson(file: ProposalFile): unknown {
  const { proposalId, log, acknowledgements, chain } = file;
  return toWire({
    schema: 'weir.proposal-file/v1',
    proposalId,
    log,
    parcel: {
      psbt: base64.encode(file.parcel.psbt),
      previousTxs: file.parcel.previousTxs.map((raw) => bytesToHex(raw)),
    },
    acknowledgements,
    chain:
      chain === null
        ? null
        : {
            ...chain,
            coins: [...chain.coins].map(([at, coin]) => ({ outpoint: at, ...coin })),
            paidScripts: [...chain.paidScripts],
          },
  });
}

/**
 * Reads a proposal file.
 *
 * @throws Failure INPUT_TOO_LARGE; INPUT_INVALID naming the field and the rule, or saying that this is a
 *   PSBT; PSBT_INVALID where the PSBT inside is no base64.
 */
export function parseProposalFile(bytes: Uint8Array): ProposalFile {
  if (bytes.length > PROPOSAL_FILE_BYTES_MAX) {
    throw new Failure('INPUT_TOO_LARGE', `a proposal file of ${bytes.length} bytes`);
  }
  const read = proposalFile.safeParse(jsonOf(bytes));
  if (!read.success) {
    const [problem] = read.error.issues;
    const where = problem?.path.join('.') ?? '';
    throw invalid(`${where === '' ? 'the file' : where}: ${problem?.message}`);
  }
  const { proposalId, log, acknowledgements, chain } = read.data;
  return {
    proposalId,
    log,
    parcel: {
      psbt: psbtBytes(read.data.parcel.psbt),
      previousTxs: read.data.parcel.previousTxs.map((raw) => hexToBytes(raw)),
    },
    acknowledgements,
    chain:
      chain === null
        ? null
        : {
            ...chain,
            coins: new Map(chain.coins.map(({ outpoint: at, ...coin }) => [at, coin])),
            paidScripts: new Set(chain.paidScripts),
          },
  };
}

/** How a PSBT begins, in binary and in base64 (BIP-174). */
const PSBT_BEGINS = /^(psbt|cHNidP)/;

function jsonOf(bytes: Uint8Array): unknown {
  const begin = new TextDecoder('latin1').decode(bytes.subarray(0, 6));
  if (PSBT_BEGINS.test(begin)) {
    throw invalid(
      'this is a PSBT: it holds no log to judge by; make the file with export ID FILE --proposal',
    );
  }
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)) as unknown;
  } catch (cause) {
    throw new Failure('INPUT_INVALID', 'proposal file: not JSON, or not all of it', { cause });
  }
}

function invalid(why: string): Failure {
  return new Failure('INPUT_INVALID', `proposal file: ${why}`);
}
