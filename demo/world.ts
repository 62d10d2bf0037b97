/**
 * A whole treasury on one machine: two connected bitcoinds, a coordinator on the first, a signer-agent for
 * each guardian on the second, every one a process of its own with a folder of its own. Driven through the
 * `weir` command alone, as its users drive it. The end-to-end tests live in the same world.
 */

import { randomBytes } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { Bitcoind } from '../regtest/bitcoind.ts';
import type { BitcoindBinary } from '../regtest/bitcoind-binary.ts';
import { freePorts } from '../regtest/free-ports.ts';
import { type RegtestNetwork, startNetwork } from '../regtest/network.ts';
import { until } from '../regtest/wait.ts';
import { type Daemon, weirDaemon, weirJson } from './weir-process.ts';

export interface Quorum {
  threshold: number;
  of: number;
}

export interface WorldStart {
  dir: string;
  binary: BitcoindBinary;
  quorum: Quorum;
  /** Text of the first policy; guardians are put in by `policyFor`. */
  policy?: string;
  network?: RegtestNetwork;
  /** More flags of `signer-agent init`, by seat: a hardware device, a hook. */
  initFlags?: ReadonlyMap<string, readonly string[]>;
}

export interface AgentHome {
  seatId: string;
  dir: string;
  /** Null while it is not running. */
  daemon: Daemon | null;
  /** The 24 words it printed once. A demo may keep them; a guardian writes them on paper. */
  mnemonic: string;
}

export interface World {
  dir: string;
  network: RegtestNetwork;
  quorum: Quorum;
  coordinator: { dir: string; daemon: Daemon | null; port: number };
  agents: Map<string, AgentHome>;
  treasuryId: string;
  firstAddress: string;
  lps: Map<string, string>;
  stop(): Promise<void>;
}

export const SEATS = ['ana', 'ben', 'cleo', 'dora', 'emil'] as const;
export const OPERATOR = 'olga';
/** No step takes longer; slower by far only on a machine that does much else. */
export const STEP_MS_MAX = 60_000;
const ROOT_POLICY = new URL(
  import.meta.url.includes('/dist/') ? '../../demo/policy.yaml' : 'policy.yaml',
  import.meta.url,
);

/** The demo's policy for that many guardians: a majority agrees to what changes the rules. */
export async function policyFor({ of }: Quorum): Promise<string> {
  const text = await readFile(ROOT_POLICY, 'utf8');
  const rows = SEATS.slice(0, of).map((id) => `  - { id: ${id}, automatic: yes }`);
  const majority = Math.floor(of / 2) + 1;
  return text
    .replace(/guardians:\n( {2}- .*\n)+/, `guardians:\n${rows.join('\n')}\n`)
    .replaceAll(/^ {2}(policy_change|registry_change|breaker): .*$/gm, (line) =>
      line.replaceAll('approvals: 2', `approvals: ${majority}`),
    );
}

/** Nodes, coordinator and agents up, the ceremony over, nothing funded yet. */
export async function startWorld(start: WorldStart): Promise<World> {
  const { dir, quorum } = start;
  await mkdir(dir, { recursive: true, mode: 0o700 });
  const network =
    start.network ?? (await startNetwork({ binary: start.binary, dir: path.join(dir, 'bitcoin') }));
  const world: World = {
    dir,
    network,
    quorum,
    coordinator: { dir: path.join(dir, 'coordinator'), daemon: null, port: 0 },
    agents: new Map(),
    treasuryId: '',
    firstAddress: '',
    lps: new Map(),
    async stop() {
      await Promise.all([
        world.coordinator.daemon?.stop(),
        ...[...world.agents.values()].map(({ daemon }) => daemon?.stop()),
      ]);
      if (start.network === undefined) await network.stop();
    },
  };
  try {
    await initCoordinator(world, start.policy ?? (await policyFor(quorum)));
    await startCoordinator(world);
    await holdCeremony(world, start.initFlags);
    return world;
  } catch (cause) {
    await world.stop();
    throw cause;
  }
}

/** Starts, or starts again, the coordinator. */
export async function startCoordinator(
  world: World,
  env: Record<string, string> = {},
): Promise<void> {
  const { coordinator, dir } = world;
  coordinator.daemon = await weirDaemon(['coordinator', 'run', '--dir', coordinator.dir], {
    log: path.join(dir, 'coordinator.log'),
    env,
  });
}

/** Starts, or starts again, one agent. */
export async function startAgent(
  world: World,
  seatId: string,
  env: Record<string, string> = {},
): Promise<void> {
  const home = homeOf(world, seatId);
  const passphrase = path.join(world.dir, `${seatId}.passphrase`);
  home.daemon = await weirDaemon(
    ['signer-agent', 'run', '--dir', home.dir, '--passphrase-file', passphrase],
    { log: path.join(world.dir, `${seatId}.log`), env },
  );
}

export async function stopAgent(world: World, seatId: string): Promise<void> {
  const home = homeOf(world, seatId);
  await home.daemon?.stop();
  home.daemon = null;
}

export function homeOf(world: World, seatId: string): AgentHome {
  const home = world.agents.get(seatId);
  if (home === undefined) throw new Error(`no agent ${seatId}`);
  return home;
}

/** One agent's command with `--json`. */
export function agentJson<T>(
  world: World,
  seatId: string,
  args: readonly string[],
  ok: readonly number[] = [0],
): Promise<T> {
  const [verb = '', ...rest] = args;
  return weirJson<T>(['signer-agent', verb, ...rest, '--dir', homeOf(world, seatId).dir], ok);
}

/** One coordinator's command with `--json`. */
export function coordinatorJson<T>(
  world: World,
  args: readonly string[],
  ok: readonly number[] = [0],
): Promise<T> {
  return weirJson<T>(['coordinator', ...args, '--dir', world.coordinator.dir], ok);
}

async function initCoordinator(world: World, policy: string): Promise<void> {
  const { coordinator, dir, quorum, network } = world;
  const policyFile = path.join(dir, 'policy.yaml');
  await writeFile(policyFile, policy);
  coordinator.port = (await freePorts()).rpc;
  const listen = `127.0.0.1:${coordinator.port}`;
  const passphrase = await secretFile(world, `${OPERATOR}.passphrase`);
  await weirJson([
    ...['coordinator', 'init', '--dir', coordinator.dir, '--name', 'demo', '--network', 'regtest'],
    ...['--quorum', `${quorum.threshold}-of-${quorum.of}`],
    ...['--seats', SEATS.slice(0, quorum.of).join(','), '--policy', policyFile],
    ...['--operator', OPERATOR, '--operator-passphrase-file', passphrase],
    ...[
      '--listen',
      listen,
      '--url',
      `http://${listen}`,
      '--fallback-feerate',
      '2000',
      '--poll-ms',
      '400',
    ],
    ...(await nodeFlags(world, network.first)),
  ]);
}

async function holdCeremony(world: World, initFlags: WorldStart['initFlags']): Promise<void> {
  const seats = SEATS.slice(0, world.quorum.of);
  await Promise.all(seats.map((seatId) => initAgent(world, seatId, initFlags?.get(seatId) ?? [])));
  await Promise.all(seats.map((seatId) => joinAgent(world, seatId)));
  for (const seatId of seats) {
    const shown = await until(
      `${seatId} to see the wallet`,
      async () => {
        const found = await agentJson<CeremonyView>(world, seatId, ['accept'], [0, 3, 6]);
        return found.state === 'to-confirm' ? found : null;
      },
      STEP_MS_MAX,
    );
    world.firstAddress ||= shown.firstAddress;
    await agentJson(
      world,
      seatId,
      ['accept', '--yes', '--expect-address', world.firstAddress],
      [0, 6],
    );
  }
  for (const seatId of seats) {
    await until(
      `${seatId} to hear that all confirmed`,
      async () =>
        (await agentJson<CeremonyView>(world, seatId, ['accept'], [0, 3, 6])).state === 'complete',
      STEP_MS_MAX,
    );
  }
}

interface CeremonyView {
  state: string;
  firstAddress: string;
}

async function initAgent(world: World, seatId: string, flags: readonly string[]): Promise<void> {
  const home: AgentHome = { seatId, dir: path.join(world.dir, seatId), daemon: null, mnemonic: '' };
  world.agents.set(seatId, home);
  const passphrase = await secretFile(world, `${seatId}.passphrase`);
  await secretFile(world, `${seatId}.approval-passphrase`);
  await weirJson([
    ...['signer-agent', 'init', '--dir', home.dir, '--network', 'regtest'],
    ...['--passphrase-file', passphrase],
    ...(await nodeFlags(world, world.network.second)),
    ...flags,
  ]);
  await setPoll(home.dir);
  await startAgent(world, seatId);
}

/** A demo looks at its node more often than a guardian's machine needs to. */
async function setPoll(dir: string): Promise<void> {
  const file = path.join(dir, 'config.yaml');
  const text = await readFile(file, 'utf8');
  await writeFile(file, text.replace(/^poll_ms: .*$/m, 'poll_ms: 500'));
}

async function joinAgent(world: World, seatId: string): Promise<void> {
  const invite = path.join(world.coordinator.dir, 'invites', `${seatId}.json`);
  const { treasuryId } = JSON.parse(await readFile(invite, 'utf8')) as { treasuryId: string };
  world.treasuryId = treasuryId;
  const joined = await agentJson<{ mnemonic: string | null }>(world, seatId, [
    ...['join', invite],
    ...['--approval-passphrase-file', path.join(world.dir, `${seatId}.approval-passphrase`)],
  ]);
  homeOf(world, seatId).mnemonic = joined.mnemonic ?? '';
}

async function nodeFlags(world: World, node: Bitcoind): Promise<string[]> {
  const file = path.join(world.dir, `rpc-${node.p2pPort}.password`);
  await writeFile(file, `${node.rpcPassword}\n`, { mode: 0o600 });
  const { rpcUrl, rpcUser } = node;
  return ['--bitcoind-url', rpcUrl, '--bitcoind-user', rpcUser, '--bitcoind-password-file', file];
}

export async function secretFile(world: World, name: string): Promise<string> {
  const file = path.join(world.dir, name);
  await writeFile(file, `${randomBytes(16).toString('hex')}\n`, { mode: 0o600 });
  return file;
}
