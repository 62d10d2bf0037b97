/** One agent as it runs, with a real journal, beside a coordinator and a node that a test holds in its hands. */
import type { CoordinatorService } from '../coordinator/protocol.ts';
import { signInputs } from '../descriptors/signature.ts';
import { createJournal } from '../journal/level-journal.ts';
import { taggedHashHex } from '../policies/canonical-json.ts';
import { Failure } from '../policies/failure.ts';
import type {
  Acknowledgement,
  AgentVerdict,
  Approval,
  Contribution,
} from '../policies/proposal.ts';
import { signStatement } from '../policies/statement.ts';
import { EMPTY_BOOK } from '../signer-agent/address-book.ts';
import { type Engine, openEngine } from '../signer-agent/engine.ts';
import { followOnce } from '../signer-agent/follower.ts';
import type { ChainView } from '../signer-agent/judgement.ts';
import type { Keystore } from '../signer-agent/keystore.ts';
import type { OwnEvent } from '../signer-agent/own-event.ts';
import { openSession, type Session } from '../signer-agent/session.ts';
import { workOnce } from '../signer-agent/worker.ts';
import { journalFolder } from './journal-folder.ts';
import { chainView, hashOf, type JudgeScenario, NOW } from './judge-scenario.ts';
import type { Built } from './spend-scenario.ts';
import { accountOf, keyOf, secretOf } from './treasury-scenario.ts';

/** What a test changes between two rounds. */
export interface Hands {
  chain: Partial<ChainView> | null;
  /** Parcels that the coordinator gives out. */
  parcels: Map<string, Built>;
  /** `down`: the own node does not answer. */
  node: 'up' | 'down';
  freshness: Awaited<ReturnType<CoordinatorService['freshnessAnswers']>>;
  posted: (AgentVerdict | Contribution | Approval)[];
  told: string[];
}

export interface RunningAgent {
  engine: Engine;
  session: Session;
  hands: Hands;
  /** Reads the log as far as it goes, then works once. */
  round(): Promise<void>;
  /** Its own words in the order they were posted. */
  words(): string[];
}

/** Ana's agent. `first` is what its journal begins with beside the invitation and the wallet. */
export async function agentOfAna(
  s: JudgeScenario,
  { holder = 'here', first = [] }: { holder?: Keystore['holder']; first?: OwnEvent[] } = {},
): Promise<RunningAgent> {
  const hands: Hands = {
    chain: {},
    parcels: new Map(),
    node: 'up',
    freshness: [],
    posted: [],
    told: [],
  };
  const keystore = keystoreOfAna(s, holder);
  const engine = await openEngine({
    dir: '/nowhere',
    config: { schema: 'weir.agent-config/v1', network: 'regtest', birth_time: 0, poll_ms: 2_000 },
    journal: await createJournal(journalFolder()),
    keystore,
    node: {
      identity: () => Promise.resolve({ genesisHash: '', tipHeight: 0, version: '' }),
      watch: () => Promise.resolve(),
      view: () => viewOf(s, hands),
      coins: () => Promise.resolve([]),
      rawTx: () => Promise.resolve(null),
    },
    lightning: null,
    overlay: null,
    book: EMPTY_BOOK,
    now: () => NOW * 1_000,
    random32: () => hashOf('random'),
    crashPoint: () => undefined,
  });
  const { t } = s;
  const [record] = t.wallet.keyRecords;
  const confirmation = t.treasury.seats.get('ana')?.confirmation ?? null;
  if (record === undefined || confirmation === null) throw new Error('the ceremony is over');
  await engine.record([
    {
      kind: 'invited',
      url: 'http://127.0.0.1:1',
      treasuryId: t.id,
      coordinatorKey: keyOf('coordinator'),
      seatId: 'ana',
    },
    { kind: 'key-made', record },
    { kind: 'pinned', record: t.wallet, mac: keystore.macOf(t.wallet), confirmation },
    ...first,
  ]);
  const session = openSession(engine, () => doorOf(s, hands));
  return {
    engine,
    session,
    hands,
    async round() {
      while ((await followOnce(session, 0)) === 'more') continue;
      await workOnce(session, ({ notice }) => Promise.resolve(void hands.told.push(notice)));
    },
    words: () =>
      hands.posted.flatMap((each) =>
        'body' in each && 'verdict' in each.body ? [each.body.verdict] : [],
      ),
  };
}

function viewOf(s: JudgeScenario, { chain, node }: Hands): Promise<ChainView> {
  if (node === 'down') {
    return Promise.reject(new Failure('BITCOIND_UNREACHABLE', 'the node is down'));
  }
  return Promise.resolve({ ...chainView(s), ...chain });
}

function keystoreOfAna({ t, deriver }: JudgeScenario, holder: Keystore['holder']): Keystore {
  const account = accountOf('ana');
  const identity = secretOf('ana identity');
  const { xpub, fingerprint, path } = deriver.descriptor.keys[0] ?? {
    xpub: '',
    fingerprint: '',
    path: '',
  };
  return {
    identityKey: keyOf('ana identity'),
    network: t.params.network,
    account: { xpub, fingerprint, path },
    holder,
    device: null,
    say: (domain, body) => signStatement(domain, body, identity, new Uint8Array(32)),
    macOf: (record) => taggedHashHex('weir test mac', record),
    makeSpendingKey: () => Promise.reject(new Error('the ceremony is over')),
    signInputs: (unsignedTx, coins) =>
      signInputs(unsignedTx, coins, ({ branch, index }) => {
        const key = account.deriveChild(branch).deriveChild(index).privateKey;
        if (key === null) throw new Error('a private account');
        return key;
      }),
  };
}

const done = (): Promise<void> => Promise.resolve();

function doorOf(s: JudgeScenario, hands: Hands): CoordinatorService {
  const post = (value: Hands['posted'][number]): Promise<void> => {
    hands.posted.push(value);
    return Promise.resolve();
  };
  const peers = (): Acknowledgement[] => ['ben', 'cleo'].map((seatId) => s.acknowledgement(seatId));
  return {
    claimSeat: done,
    joinSeat: done,
    confirmSeat: done,
    log: (after, limit) => Promise.resolve(s.t.entries.slice(after, after + limit)),
    acknowledge: done,
    acknowledgements: () => Promise.resolve(peers()),
    parcel(id) {
      const built = hands.parcels.get(id);
      if (built === undefined) return Promise.reject(new Failure('NOT_FOUND', 'held back'));
      const previousTxs = [...s.funding.values()].map(({ raw }) =>
        Buffer.from(raw).toString('hex'),
      );
      return Promise.resolve({ psbt: Buffer.from(built.psbt).toString('base64'), previousTxs });
    },
    postVerdict: post,
    postContribution: post,
    postApproval: post,
    askFreshness: done,
    freshnessQuestions: () => Promise.resolve([]),
    answerFreshness: done,
    freshnessAnswers: () => Promise.resolve(hands.freshness),
  };
}
