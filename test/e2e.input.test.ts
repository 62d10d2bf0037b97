/**
 * Bad input to running processes, over the wire and on the command line: each gets a coded refusal, writes
 * nothing, and the process goes on serving.
 */
import { beforeEach, expect, test } from 'vitest';
import { weir } from '../demo/weir-process.ts';
import { STEP_MS_MAX, type World } from '../demo/world.ts';
import { until } from '../regtest/wait.ts';
import { describeWithBitcoind } from './bitcoind-available.ts';
import { answerTo, CALLS, signedCall } from './e2e-bad-calls.ts';
import { COMMANDS } from './e2e-bad-commands.ts';
import { askCoordinator, askSeat, headOf, proposed, rowOf, sharedWorld } from './e2e-world.ts';

const TEST_MS_MAX = 60_000;
const QUORUM = { threshold: 2, of: 3 };

describeWithBitcoind('bad input', () => {
  const world = sharedWorld({ quorum: QUORUM, coinsBtc: ['1', '1'] });
  const before = new Map<string, number>();
  // One proposal waits for its operator, so that there is something to write on.
  let waiting = '';
  beforeEach(async () => {
    if (waiting === '') waiting = await somethingWaiting(world());
    for (const dir of dirsOf(world())) before.set(dir, (await headOf(dir)).seq);
  }, TEST_MS_MAX);
  test.each(CALLS)(
    'over the wire: refuses %s',
    async (_, makeCall, status, code) => {
      const call = await makeCall(world());
      expect(await answerTo(world(), call)).toEqual({ status, code });
      expect(await changed(world(), before)).toEqual([]);
    },
    TEST_MS_MAX,
  );

  test('over the wire: refuses a signed request that is sent a second time', async () => {
    const call = await signedCall(world(), { procedure: 'acknowledgements', method: 'GET' });
    expect(await answerTo(world(), call)).toEqual({ status: 200, code: null });
    expect(await answerTo(world(), call)).toEqual({ status: 401, code: 'REQUEST_REPLAYED' });
    expect(await changed(world(), before)).toEqual([]);
  });

  test.each(COMMANDS)(
    'on the command line: refuses %s',
    async (_, makeArgs, exit, code) => {
      const args = await makeArgs(world());
      const ended = await weir([...args, '--json']);
      expect({ exit: ended.code, ...codeIn(ended.stdout) }).toEqual({ exit, code });
      expect(ended.stderr).not.toMatch(/\n\s+at /);
      expect(await changed(world(), before)).toEqual([]);
    },
    TEST_MS_MAX,
  );

  test('all this time the proposal that waited is as it was', async () => {
    expect(await rowOf(world(), waiting)).toMatchObject({ state: 'waiting-approval', signed: [] });
  });
});

function dirsOf({ coordinator, agents }: World): string[] {
  return [coordinator.dir, ...[...agents.values()].map(({ dir }) => dir)];
}

/** Journals that are longer than before; throws when a process does not answer any more. */
async function changed(world: World, before: ReadonlyMap<string, number>): Promise<string[]> {
  await askCoordinator(world, (client) => client.status.query());
  await askSeat(world, 'ana', (client) => client.status.query());
  const grown: string[] = [];
  for (const dir of dirsOf(world)) {
    if ((await headOf(dir)).seq !== before.get(dir)) grown.push(dir);
  }
  return grown;
}

/** A batch above what goes without an operator, known to all agents. */
async function somethingWaiting(world: World): Promise<string> {
  const { id } = await proposed(world, '2000000');
  const { log } = await askCoordinator<{ log: { seq: number } }>(world, (client) =>
    client.status.query(),
  );
  for (const seatId of world.agents.keys()) {
    await until(
      `${seatId} to know it`,
      async () => {
        const status = await askSeat<{ head: { seq: number } }>(world, seatId, (client) =>
          client.status.query(),
        );
        return status.head.seq >= log.seq;
      },
      STEP_MS_MAX,
    );
  }
  return id;
}

/** The code of the one JSON value on stdout: none where a policy refused, or where the usage is shown instead. */
function codeIn(stdout: string): { code: string | null } {
  if (stdout === '') return { code: null };
  const value = JSON.parse(stdout) as { error?: { code: string } };
  return { code: value.error?.code ?? null };
}
