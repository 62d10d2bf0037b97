/** An agent's whole view of a spend scenario: all of it in order, until a hostile test changes one thing. */
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js';
import type { LpOrder } from '../policies/intent.ts';
import type { Acknowledgement } from '../policies/proposal.ts';
import type { ReasonCode } from '../policies/reason.ts';
import { signStatement } from '../policies/statement.ts';
import { feerate, type Sat, sat } from '../policies/units.ts';
import { walletRecordHash } from '../policies/wallet-record.ts';
import { judge } from '../signer-agent/judge.ts';
import type {
  ChainCoin,
  ChainView,
  JudgeInput,
  Judgement,
  OwnMemory,
} from '../signer-agent/judgement.ts';
import {
  type Built,
  type SpendScenario,
  type SpendScenarioOptions,
  spendScenario,
  strangerScript,
  TIP,
} from './spend-scenario.ts';
import { accountOf, secretOf } from './treasury-scenario.ts';

/** Unix seconds that every agent's clock says; the chain is as young. */
export const NOW = 1_800_000_000;

export const FRESH_MEMORY: OwnMemory = {
  signedOutpoints: new Map(),
  refused: new Set(),
  signed: new Set(),
  approvedHere: new Set(),
  lockTimeSigned: 0,
  frozen: new Set(),
  automation: 'on',
  fork: null,
};

export interface JudgeScenario extends SpendScenario {
  /** What the agent of a seat is given, at the log as it is now. */
  input(built: Built, seatId?: string): JudgeInput;
  judge(built: Built, change?: (input: JudgeInput) => JudgeInput): Judgement;
  acknowledgement(seatId: string, change?: Partial<Acknowledgement['body']>): Acknowledgement;
  /** An order of a registered LP, signed; numbered scripts of strangers. */
  orders(...amounts: readonly bigint[]): LpOrder[];
}

export function judgeScenario(options: Partial<SpendScenarioOptions> = {}): JudgeScenario {
  const s = spendScenario({ threshold: 2, of: 3, ...options });
  const { t } = s;
  const acknowledgement: JudgeScenario['acknowledgement'] = (seatId, change = {}) => {
    const head = t.entries.at(-1);
    const body = {
      treasuryId: t.id,
      network: t.params.network,
      seatId,
      seq: head?.seq ?? 0,
      hash: head?.hash ?? '',
      headSignature: head?.signature ?? '',
      ...change,
    };
    return said(body, seatId);
  };
  const input: JudgeScenario['input'] = (built, seatId = 'ana') => ({
    pinned: {
      record: t.wallet,
      recordHash: walletRecordHash(t.wallet),
      seatId,
      ownXpub: accountOf(seatId).publicExtendedKey,
      integrity: 'mac-ok',
    },
    deriver: s.deriver,
    treasury: t.treasury,
    heads: t.entries.map(({ hash }) => ({ hash })),
    state: t.treasury.proposals.get(built.id) ?? built.state,
    parcel: { psbt: built.psbt, previousTxs: [...s.funding.values()].map(({ raw }) => raw) },
    chain: chainView(s),
    lightning: { is: 'none' },
    memory: FRESH_MEMORY,
    overlay: null,
    acknowledgements: t.seats
      .filter((each) => each !== seatId)
      .map((each) => acknowledgement(each)),
    now: NOW,
  });
  return Object.assign(s, {
    input,
    acknowledgement,
    judge: (built: Built, change: (input: JudgeInput) => JudgeInput = (same) => same) =>
      judge(change(input(built))),
    orders: (...amounts: readonly bigint[]) =>
      amounts.map((amount, n) =>
        t.order('lp-one', { script: strangerScript(n + 1), amountSat: sat(amount) }),
      ),
  });
}

/** The own node of every agent: synced, with all coins of the scenario deep in the chain. */
export function chainView(s: SpendScenario): ChainView {
  const coins = s.coins.map(({ outpoint, amountSat, branch, index }): [string, ChainCoin] => [
    outpoint,
    {
      amountSat,
      script: s.deriver.at(branch, index).script,
      confirmations: 100,
      coinbase: 'ordinary',
    },
  ]);
  return {
    tipHeight: TIP,
    tipHash: 'ee'.repeat(32),
    medianTime: NOW,
    sync: 'synced',
    reorgDepth: 0,
    coins: new Map(coins),
    spends: [],
    estimate: feerate(2_000n),
    treasurySat: s.coins.reduce((sum, { amountSat }) => sum + amountSat, 0n) as Sat,
    changeIndexUsed: -1,
    paidScripts: new Set(),
  };
}

/** The input with another view of the chain. */
export const withChain =
  (change: Partial<ChainView>) =>
  (input: JudgeInput): JudgeInput => ({
    ...input,
    chain: input.chain === null ? null : { ...input.chain, ...change },
  });

/** The input with other memories. */
export const withMemory =
  (change: Partial<OwnMemory>) =>
  (input: JudgeInput): JudgeInput => ({ ...input, memory: { ...input.memory, ...change } });

export function codesOf({ reasons }: Judgement): ReasonCode[] {
  return [...new Set(reasons.map(({ code }) => code))].toSorted();
}

function said(body: Acknowledgement['body'], seatId: string): Acknowledgement {
  const secret = secretOf(`${seatId} identity`);
  return signStatement('acknowledgement', body, secret, new Uint8Array(32));
}

/** Takes the log back to where it is now: what a test proposes, no later test has to live with. */
export function rewinder({ t }: SpendScenario): () => void {
  const { treasury } = t;
  const count = t.entries.length;
  return () => {
    t.treasury = treasury;
    t.entries.length = count;
  };
}

/** A hash of a name, for outpoints and ids that exist nowhere. */
export function hashOf(name: string): string {
  return bytesToHex(sha256(utf8ToBytes(name)));
}
