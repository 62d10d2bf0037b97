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
  const { treasury, heads, decisionsSeen } = engine.state();
  const chain = await session.chain([]);
  return judgeAuthorization({
    pinned: requireWallet(session.pinned()),
    heads,
    acknowledgements: session.heard(),
    treasury,
    state,
    chain,
    memory: memoryFor(session, state.authorization.initiator, chain?.tipHeight ?? null),
    overlay: engine.parts.overlay,
    firstSeenHeight: decisionsSeen.get(state.id) ?? null,
    now: Math.floor(engine.parts.now() / MS_IN_SECOND),
  });
}
