/**
 * A coordinator at work on a scenario's treasury: a LevelDB journal in a folder of its own, a chain without
 * a node, seats that sign. `restart` drops everything but the journal, as a crash does.
 */
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { bytesToHex } from '@noble/hashes/utils.js';
import type { CrashPoint } from '../coordinator/crash-point.ts';
import { openTreasuryLog } from '../coordinator/log.ts';
import { type Loop, openLoop } from '../coordinator/loop.ts';
import { decide } from '../coordinator/machine.ts';
import {
  type Outcome,
  type ProposeSettings,
  propose,
  type SpendRequest,
} from '../coordinator/propose.ts';
import type { CoordinatorService } from '../coordinator/protocol.ts';
import { coordinatorService } from '../coordinator/service.ts';
import { openWorkplace, type Workplace } from '../coordinator/workplace.ts';
import { signInputs } from '../descriptors/signature.ts';
import { createJournal, openJournal } from '../journal/level-journal.ts';
import { taggedHashHex, toWire } from '../policies/canonical-json.ts';
import type { LpOrder } from '../policies/intent.ts';
import { feerate } from '../policies/units.ts';
import { type FakeChain, fakeChain } from './coordinator-chain.ts';
import {
  type SpendScenario,
  type SpendScenarioOptions,
  spendScenario,
  TIP,
} from './spend-scenario.ts';
import { accountOf, secretOf } from './treasury-scenario.ts';

export const SETTINGS: ProposeSettings = {
  longTermFeerate: feerate(1_000n),
  initiator: 'coordinator',
};

export interface Desk {
  s: SpendScenario;
  dir: string;
  chain: FakeChain;
  work: Workplace;
  loop: Loop;
  service: CoordinatorService;
  /** Unix milliseconds: a test moves it. */
  clock: { now: number };
  propose(request: SpendRequest): Promise<Outcome>;
  queue(order: LpOrder): Promise<void>;
  /** A seat's valid partial signatures of a proposal. */
  signatures(seatId: string, proposalId: string): string[];
  contribute(seatId: string, proposalId: string): Promise<void>;
  restart(crashPoint?: CrashPoint): Promise<void>;
  close(): Promise<void>;
}

/** Each made once: three hundred signatures, and nothing of it changes. */
const scenarios = new Map<string, SpendScenario>();

function scenarioOf(options: Partial<SpendScenarioOptions>): SpendScenario {
  const key = JSON.stringify(toWire(options));
  const made = scenarios.get(key) ?? spendScenario({ threshold: 2, of: 3, ...options });
  scenarios.set(key, made);
  return made;
}

export async function coordinatorDesk(
  options: Partial<SpendScenarioOptions> & { crashPoint?: CrashPoint } = {},
): Promise<Desk> {
  const { crashPoint = () => undefined, ...scenario } = options;
  const s = scenarioOf(scenario);
  const dir = await mkdtemp(path.join(tmpdir(), 'weir-desk-'));
  const journal = await createJournal(dir);
  await journal.append(s.t.entries.map(({ body }) => body));
  await journal.close();
  const chain = fakeChain(s.deriver, TIP);
  for (const { raw } of s.funding.values()) chain.fund(raw);
  const clock = { now: 1_800_000_000_000 };
  let seeds = 0;

  async function open(at: CrashPoint): Promise<Pick<Desk, 'work' | 'loop' | 'service'>> {
    const log = await openTreasuryLog({
      journal: await openJournal(dir),
      secretKey: secretOf('coordinator'),
      crashPoint: at,
      broken: () => undefined,
    });
    const work = openWorkplace({
      log,
      chain,
      now: () => clock.now,
      random32: () => taggedHashHex('weir/test-seed', { seed: (seeds += 1) }),
      crashPoint: at,
    });
    const service = coordinatorService({ work, tokenHashes: new Map() });
    return { work, loop: openLoop(work, 1_000), service };
  }

  const desk: Desk = {
    s,
    dir,
    chain,
    clock,
    ...(await open(crashPoint)),
    propose: (request) => propose(desk.work, request, SETTINGS),
    async queue(order) {
      const { tipHeight } = await desk.work.look();
      await desk.work.log.act((treasury) =>
        decide(treasury, { kind: 'queue-order', order, tipHeight }),
      );
    },
    signatures(seatId, proposalId) {
      const state = desk.work.log.treasury().proposals.get(proposalId);
      if (state === undefined) throw new Error(`no proposal ${proposalId}`);
      const { prevouts, unsignedTx, intent } = state.proposal;
      const coins = prevouts.map(({ outpoint, amountSat }) => {
        const coin = intent.plan.coins.find((each) => each.outpoint === outpoint);
        if (coin === undefined) throw new Error('a prevout that is no coin');
        return { amountSat, place: s.deriver.at(coin.branch, coin.index) };
      });
      const account = accountOf(seatId);
      return signInputs(Buffer.from(unsignedTx, 'hex'), coins, ({ branch, index }) => {
        const key = account.deriveChild(branch).deriveChild(index).privateKey;
        if (key === null) throw new Error('no key');
        return key;
      }).map((each) => bytesToHex(each));
    },
    contribute: (seatId, proposalId) =>
      desk.service.postContribution({
        proposalId,
        seatId,
        round: 1,
        scheme: 'wsh-ecdsa',
        signatures: desk.signatures(seatId, proposalId),
      }),
    async restart(at = () => undefined) {
      await desk.work.log.close();
      Object.assign(desk, await open(at));
    },
    close: () => desk.work.log.close(),
  };
  await desk.work.look();
  return desk;
}
