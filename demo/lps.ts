/** LPs of the world: keys of their own, registered by the guardians, orders signed and queued. */
import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { until } from '../regtest/wait.ts';
import { guardianApproves } from './decisions.ts';
import { weirJson } from './weir-process.ts';
import { coordinatorJson, STEP_MS_MAX, secretFile, type World } from './world.ts';

/** New LPs with keys of their own, registered by enough guardians. */
export async function registerLps(world: World, names: readonly string[]): Promise<void> {
  const entries: unknown[] = [];
  for (const name of names) {
    const key = path.join(world.dir, `${name}.key`);
    const passphrase = await secretFile(world, `${name}.passphrase`);
    await weirJson(['lp', 'key', '--out', key, '--passphrase-file', passphrase]);
    world.lps.set(name, key);
    const args = ['--treasury-id', world.treasuryId, '--network', 'regtest', '--lp-id', name];
    entries.push(
      await weirJson([
        'lp',
        'register',
        '--key',
        key,
        '--passphrase-file',
        passphrase,
        ...args,
        '--cap',
        '10000000000',
      ]),
    );
  }
  const file = path.join(world.dir, `registry-${names[0]}.json`);
  await writeFile(file, JSON.stringify(entries));
  const { id } = await coordinatorJson<{ id: string }>(world, ['propose', 'registry', file]);
  for (const seatId of [...world.agents.keys()].slice(0, Math.floor(world.quorum.of / 2) + 1)) {
    await guardianApproves(world, seatId, id);
  }
  await until(
    'the registry to be in force',
    async () => {
      const row = await coordinatorJson<{ state: string }>(world, ['show', id]);
      return row.state === 'passed' ? true : null;
    },
    STEP_MS_MAX,
  );
}

/** An LP signs an order; the file is what travels. */
export async function signOrder(
  world: World,
  name: string,
  order: { amountSat: string; to: string; orderId?: string },
): Promise<{ file: string; signed: unknown }> {
  const file = path.join(world.dir, `order-${randomBytes(4).toString('hex')}.json`);
  const signed = await weirJson<unknown>([
    ...['lp', 'order', '--key', world.lps.get(name) ?? ''],
    ...['--passphrase-file', path.join(world.dir, `${name}.passphrase`)],
    ...['--treasury-id', world.treasuryId, '--network', 'regtest', '--lp-id', name],
    ...['--amount', order.amountSat, '--max-fee', '50000', '--to', order.to, '--expiry', '100000'],
    ...(order.orderId === undefined ? [] : ['--order-id', order.orderId]),
  ]);
  await writeFile(file, JSON.stringify(signed));
  return { file, signed };
}

/** Signs and queues. */
export async function queueOrder(
  world: World,
  name: string,
  order: { amountSat: string; to: string },
): Promise<void> {
  const { file } = await signOrder(world, name, order);
  await coordinatorJson(world, ['order', file]);
}
