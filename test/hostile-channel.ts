/** A valid channel_open before an agent with a look at the pool's node; a hostile test changes one thing. */
import type { Payee } from '../descriptors/build.ts';
import type { ChannelFunding, ListedPayee, SpendIntent, SpendPlan } from '../policies/intent.ts';
import { sat } from '../policies/units.ts';
import type { JudgeInput, Judgement } from '../signer-agent/judgement.ts';
import type {
  ActiveChannelSeen,
  LightningSeen,
  PendingChannelSeen,
} from '../signer-agent/lightning-view.ts';
import { CHANNEL_POLICY, funding, pend } from './channel-cases.ts';
import { type JudgeScenario, judgeScenario } from './judge-scenario.ts';
import type { Built } from './spend-scenario.ts';

/** Where LND's own wallet is paid: the only entry of the policy's list. */
export const RESERVE_SCRIPT = `0014${'5e'.repeat(20)}`;

export function openScenario(): JudgeScenario {
  const hot = `hot: [{ name: ln, script: ${RESERVE_SCRIPT}, active_from: 0 }]`;
  return judgeScenario({ policy: CHANNEL_POLICY.replace('hot: []', hot) });
}

export type Opened = Built & { vouts: number[] };

export interface OpenChange {
  channels?: readonly ChannelFunding[];
  reserve?: ListedPayee | null;
  plan?: Partial<SpendPlan>;
}

/** Two channels, to alpha and to beta. */
export const TWO: readonly ChannelFunding[] = [funding(0), funding(1)];

export const reserveOf = (amount: bigint, entry = 'ln'): ListedPayee => ({
  entry,
  index: null,
  amountSat: sat(amount),
});

export function openIntent(s: JudgeScenario, change: OpenChange = {}): SpendIntent {
  const { channels = TWO, reserve = reserveOf(20_000n), plan = {} } = change;
  return { kind: 'channel_open', channels: [...channels], reserve, plan: s.plan(plan) };
}

export function paidBy(intent: SpendIntent): Payee[] {
  if (intent.kind !== 'channel_open') return [];
  const { channels, reserve } = intent;
  return [
    ...channels.map(({ fundingScript, capacitySat }) => ({
      script: fundingScript,
      amountSat: capacitySat,
    })),
    ...(reserve === null ? [] : [{ script: RESERVE_SCRIPT, amountSat: reserve.amountSat }]),
  ];
}

/** Logged and approved by the operator, not pending yet. */
export function proposedOpen(s: JudgeScenario, change: OpenChange = {}): Opened {
  const intent = openIntent(s, change);
  const built = s.propose(intent, paidBy(intent));
  const subject = { id: built.id, proposal: built.proposal, txid: built.built.txid };
  s.t.append({ kind: 'approval', approval: s.t.approval('olga', 'operator', subject) });
  const vouts = (change.channels ?? TWO).map(({ fundingScript, capacitySat }) =>
    built.built.outputs.findIndex(
      ({ script, amountSat }) => script === fundingScript && amountSat === capacitySat,
    ),
  );
  return { ...built, vouts };
}

/** The same with the pool's word. */
export function pendingOpen(s: JudgeScenario, change: OpenChange = {}): Opened {
  const opened = proposedOpen(s, change);
  pend(s, opened);
  return opened;
}

/** What the node shows of each channel when all is in order. */
export function pendingChannels({ proposal, built, vouts }: Opened): PendingChannelSeen[] {
  const { intent } = proposal;
  if (intent.kind !== 'channel_open') return [];
  return intent.channels.map(({ peer, capacitySat }, at) => ({
    outpoint: `${built.txid}:${vouts[at]}`,
    peer,
    capacitySat,
    peerSat: sat(0n),
  }));
}

export function shown(
  pending: readonly PendingChannelSeen[],
  active: readonly ActiveChannelSeen[] = [],
): LightningSeen {
  return {
    is: 'seen',
    pending: new Map(pending.map((each) => [each.outpoint, each])),
    active: new Map(active.map((each) => [each.outpoint, each])),
  };
}

/** The input of an agent that looks, with another view of the node. */
export const looking =
  (lightning: LightningSeen) =>
  (input: JudgeInput): JudgeInput => ({ ...input, lightning });

/** Judged by an agent whose look shows the channels as they should be, or as `change` makes them. */
export function judgedOpen(
  s: JudgeScenario,
  opened: Opened,
  change: (channels: PendingChannelSeen[]) => LightningSeen = shown,
): Judgement {
  return s.judge(opened, looking(change(pendingChannels(opened))));
}
