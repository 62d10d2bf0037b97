/** What operators and guardians do in the end-to-end tests, asked over the sockets and asked again until it is done. */
import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { operatorKeyFile } from '../coordinator/operator-key.ts';
import { openSealedFile } from '../custody/sealed-file.ts';
import { homeOf, OPERATOR, STEP_MS_MAX, type World } from '../demo/world.ts';
import { Failure } from '../policies/failure.ts';
import { approvalBody } from '../policies/proposal.ts';
import { signStatement } from '../policies/statement.ts';
import { until } from '../regtest/wait.ts';
import { signApproval } from '../signer-agent/approval-key.ts';
import { askCoordinator, askSeat, callCoordinator, callSeat, whenReached } from './e2e-world.ts';

/** The operator says yes, as `weir coordinator approve` does. */
export async function operatorSaysYes(world: World, id: string): Promise<void> {
  const { dir } = world.coordinator;
  const passphrase = await passphraseOf(world, `${OPERATOR}.passphrase`);
  const key = await openSealedFile(operatorKeyFile(dir, OPERATOR), passphrase);
  await until(
    'the operator to be heard',
    async () => {
      const subject = await whenReached(
        callCoordinator(world, (client) => client.approvable.query({ id })),
      );
      if (subject === null) return null;
      const said = { ...subject, decision: 'approve', role: 'operator', signerId: OPERATOR };
      const approval = signStatement('approval', approvalBody.parse(said), key, randomBytes(32));
      return whenReached(askCoordinator(world, (client) => client.decide.mutate(approval)));
    },
    STEP_MS_MAX,
  );
}

/** A guardian reviews and says yes, as `weir signer-agent approve` does. */
export async function guardianSaysYes(world: World, seatId: string, id: string): Promise<void> {
  const { dir } = homeOf(world, seatId);
  const passphrase = await passphraseOf(world, `${seatId}.approval-passphrase`);
  await until(
    `${seatId} to have said yes`,
    async () => {
      const review = await whenKnown(
        whenReached(callSeat(world, seatId, (client) => client.review.query({ id }))),
      );
      if (review === null) return null;
      if (review.approves === null) return true;
      const approval = await signApproval(dir, passphrase, review.approves);
      return whenReached(askSeat(world, seatId, (client) => client.approve.mutate(approval)));
    },
    STEP_MS_MAX,
  );
}

/** What an agent has not heard of yet is nothing to fail at. */
async function whenKnown<T>(asked: Promise<T>): Promise<T | null> {
  try {
    return await asked;
  } catch (cause) {
    if (cause instanceof Failure && cause.code === 'NOT_FOUND') return null;
    throw cause;
  }
}

async function passphraseOf(world: World, name: string): Promise<string> {
  return (await readFile(path.join(world.dir, name), 'utf8')).trim();
}
