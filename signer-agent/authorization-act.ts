/** A decision without a transaction, judged as everything stands now. */
import type { AuthorizationState } from '../policies/treasury.ts';
import { type AuthorizationJudgement, judgeAuthorization } from './authorization-judge.ts';
import { memoryFor } from './decide.ts';
import { requireWallet, type Session } from './session.ts';

const MS_IN_SECOND = 1_000;

export async function judgeDecision(
  session: Session,
  state: AuthorizationState,
): Promise<AuthorizationJudgement> {
  const { engine } = session;
  const chain = await session.chain([]);
  // One moment for everything: the log may have gone on while the node was asked.
  const { treasury, heads, decisionsSeen } = engine.state();
  return judgeAuthorization({
    pinned: requireWallet(session.pinned()),
    heads,
    acknowledgements: session.heard(),
    treasury,
    state: treasury.authorizations.get(state.id) ?? state,
    chain,
    memory: memoryFor(session, state.authorization.initiator, chain?.tipHeight ?? null),
    overlay: engine.parts.overlay,
    firstSeenHeight: decisionsSeen.get(state.id) ?? null,
    now: Math.floor(engine.parts.now() / MS_IN_SECOND),
  });
}
